//! A document of the upstream that is kept fresh exactly while somebody asks for it.
//!
//! The first question starts a task that asks the upstream, one request at a time, and goes on asking for as long as there
//! are questions here; all who wait meanwhile share that request and its failure. When nobody has asked for a while the task
//! ends and nothing is asked any more. A failing upstream is asked again with backoff, and the last document is given out
//! until it answers; what it answers is gone, is gone here too. How to ask, and when again, is the [`Subject`]'s to say.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use service::{Backoff, BackoffConfig};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use crate::object::FetchError;

/// One document of the upstream.
pub(super) trait Subject: Send + Sync + 'static {
    /// The document, read.
    type Value: Send + Sync + 'static;

    /// Asks for it once. `before` is what the last request brought; none when there was no last one, or it failed.
    fn ask(
        &self,
        before: Option<&Self::Value>,
    ) -> impl Future<Output = Result<Self::Value, FetchError>> + Send;

    /// How long to wait before asking again, after a request that brought `now`.
    fn pause(&self, before: Option<&Self::Value>, now: &Self::Value) -> Duration;

    /// How long after a question it is kept fresh.
    fn interest(&self, now: Option<&Self::Value>) -> Duration;
}

/// A document that is kept fresh while it is asked for.
pub(super) struct Kept<S: Subject> {
    subject: S,
    retry: BackoffConfig,
    state: ArcSwap<State<S::Value>>,
    changed: watch::Sender<()>,
    /// Whether the task runs.
    running: AtomicBool,
    /// Milliseconds from `since` to the last question.
    asked_ms: AtomicU64,
    since: Instant,
}

struct State<V> {
    value: Option<Arc<V>>,
    standing: Standing,
}

#[derive(Clone)]
enum Standing {
    /// Nobody has asked lately, or the first request since is under way: what is here may be old.
    Old,
    Fresh,
    /// The last request failed.
    Failing(FetchError),
}

impl<S: Subject> Kept<S> {
    pub(super) fn new(subject: S, retry: BackoffConfig) -> Arc<Self> {
        Arc::new(Self {
            subject,
            retry,
            state: ArcSwap::from_pointee(State { value: None, standing: Standing::Old }),
            changed: watch::Sender::new(()),
            running: AtomicBool::new(false),
            asked_ms: AtomicU64::new(0),
            since: Instant::now(),
        })
    }

    /// The document: fresh, or the last one there was while the upstream fails.
    ///
    /// # Errors
    /// When there is none, and why.
    pub(super) async fn value(self: &Arc<Self>) -> Result<Arc<S::Value>, FetchError> {
        self.wait(|_| true).await
    }

    /// The first document that is `enough`, or the last one there was while the upstream fails.
    ///
    /// # Errors
    /// When there is none, and why.
    pub(super) async fn wait(
        self: &Arc<Self>,
        enough: impl Fn(&S::Value) -> bool,
    ) -> Result<Arc<S::Value>, FetchError> {
        self.touch();
        if let Some(answer) = self.state.load().answer(&enough) {
            return answer;
        }
        let mut changes = self.changed.subscribe();
        loop {
            if let Some(answer) = self.state.load().answer(&enough) {
                return answer;
            }
            if changes.changed().await.is_err() {
                return Err(FetchError::Failed("the server is stopping".to_owned()));
            }
        }
    }

    /// What it is a document of.
    pub(super) fn subject(&self) -> &S {
        &self.subject
    }

    /// What is here, fresh or old; asks nobody.
    pub(super) fn peek(&self) -> Option<Arc<S::Value>> {
        self.state.load().value.clone()
    }

    /// Notes a question, and starts the task if it does not run.
    fn touch(self: &Arc<Self>) {
        self.asked_ms.store(millis(self.since.elapsed()), Ordering::SeqCst);
        if !self.running.swap(true, Ordering::SeqCst) {
            tokio::spawn(Arc::clone(self).run());
        }
    }

    async fn run(self: Arc<Self>) {
        loop {
            self.follow().await;
            self.put(self.peek(), Standing::Old);
            self.running.store(false, Ordering::SeqCst);
            // A question that came since `follow` gave up has seen a task that was running.
            let asked_since = Instant::now() < self.interest_ends();
            if !asked_since || self.running.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Asks again and again until nobody is interested.
    async fn follow(&self) {
        let mut backoff = Backoff::new(self.retry);
        let mut before: Option<Arc<S::Value>> = None;
        loop {
            let asked = tokio::select! {
                asked = self.subject.ask(before.as_deref()) => asked,
                () = self.interest_lost() => return,
            };
            let pause = match asked {
                Ok(value) => {
                    backoff.reset();
                    let pause = self.subject.pause(before.as_deref(), &value);
                    let value = Arc::new(value);
                    before = Some(Arc::clone(&value));
                    self.put(Some(value), Standing::Fresh);
                    pause
                }
                Err(error) => {
                    before = None;
                    self.put(self.peek(), Standing::Failing(error));
                    backoff.pause(rand::random())
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.interest_lost() => return,
            }
        }
    }

    async fn interest_lost(&self) {
        loop {
            let ends = self.interest_ends();
            if ends <= Instant::now() {
                return;
            }
            sleep_until(ends).await;
        }
    }

    fn interest_ends(&self) -> Instant {
        let asked = self.since + Duration::from_millis(self.asked_ms.load(Ordering::SeqCst));
        asked + self.subject.interest(self.peek().as_deref())
    }

    fn put(&self, value: Option<Arc<S::Value>>, standing: Standing) {
        self.state.store(Arc::new(State { value, standing }));
        self.changed.send_replace(());
    }
}

impl<V> State<V> {
    /// What to tell somebody who asks; none while he has to wait.
    fn answer(&self, enough: impl Fn(&V) -> bool) -> Option<Result<Arc<V>, FetchError>> {
        match (&self.standing, &self.value) {
            (Standing::Old, _) | (Standing::Fresh, None) => None,
            (Standing::Fresh, Some(value)) => enough(value).then(|| Ok(Arc::clone(value))),
            // It answers: players of a rendition that is no more should look for another one.
            (Standing::Failing(FetchError::Gone), _) => Some(Err(FetchError::Gone)),
            (Standing::Failing(_), Some(value)) => Some(Ok(Arc::clone(value))),
            (Standing::Failing(error), None) => Some(Err(error.clone())),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Semaphore;

    use super::*;

    const INTEREST: Duration = Duration::from_secs(5);

    /// Counts up; fails while told to; answers only when allowed to.
    struct Counting {
        asked: AtomicU64,
        allowed: Semaphore,
        failing: Mutex<Option<FetchError>>,
    }

    impl Subject for Counting {
        type Value = u64;

        async fn ask(&self, _: Option<&u64>) -> Result<u64, FetchError> {
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            self.allowed.acquire().await.unwrap().forget();
            self.failing.lock().unwrap().clone().map_or(Ok(number), Err)
        }

        fn pause(&self, _: Option<&u64>, _: &u64) -> Duration {
            Duration::ZERO
        }

        fn interest(&self, _: Option<&u64>) -> Duration {
            INTEREST
        }
    }

    fn kept(answers: usize) -> Arc<Kept<Counting>> {
        let subject = Counting {
            asked: AtomicU64::new(0),
            allowed: Semaphore::new(answers),
            failing: Mutex::new(None),
        };
        let retry = BackoffConfig { first: Duration::from_secs(1), longest: Duration::from_secs(1) };
        Kept::new(subject, retry)
    }

    fn asked(kept: &Kept<Counting>) -> u64 {
        kept.subject.asked.load(Ordering::SeqCst)
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_for_the_first_share_one_request() {
        let kept = kept(0);
        let waiting: Vec<_> = (0..200)
            .map(|_| {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move { kept.value().await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(asked(&kept), 1);
        kept.subject.allowed.add_permits(1);
        for task in waiting {
            assert_eq!(task.await.unwrap().as_deref(), Ok(&1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_asks_only_while_somebody_is_interested() {
        let kept = kept(1);
        assert_eq!(kept.value().await.as_deref(), Ok(&1));
        // The second request is under way and given up when interest ends.
        tokio::time::sleep(INTEREST + Duration::from_millis(1)).await;
        assert_eq!(asked(&kept), 2);
        assert!(!kept.running.load(Ordering::SeqCst));
        tokio::time::sleep(INTEREST * 10).await;
        assert_eq!(asked(&kept), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_old_is_not_given_out_before_the_upstream_was_asked_again() {
        let kept = kept(1);
        assert_eq!(kept.value().await.as_deref(), Ok(&1));
        tokio::time::sleep(INTEREST * 2).await;
        kept.subject.allowed.add_permits(1);
        assert_eq!(kept.value().await.as_deref(), Ok(&3));
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_upstream_fails_the_last_one_is_given_out_and_asking_goes_on() {
        let kept = kept(1);
        assert_eq!(kept.value().await.as_deref(), Ok(&1));
        *kept.subject.failing.lock().unwrap() = Some(FetchError::Failed("status 500".into()));
        kept.subject.allowed.add_permits(1);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(kept.value().await.as_deref(), Ok(&1));
        *kept.subject.failing.lock().unwrap() = None;
        kept.subject.allowed.add_permits(1);
        assert_eq!(kept.wait(|value| *value > 1).await.as_deref(), Ok(&1), "it does not wait for the dead");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(kept.value().await.as_deref(), Ok(&3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_upstream_says_is_gone_is_not_given_out_any_more() {
        let kept = kept(1);
        assert_eq!(kept.value().await.as_deref(), Ok(&1));
        *kept.subject.failing.lock().unwrap() = Some(FetchError::Gone);
        kept.subject.allowed.add_permits(1);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(kept.value().await, Err(FetchError::Gone));
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_failure_is_told_to_all_who_waited() {
        let kept = kept(1);
        *kept.subject.failing.lock().unwrap() = Some(FetchError::Gone);
        let other = tokio::spawn({
            let kept = Arc::clone(&kept);
            async move { kept.value().await }
        });
        assert_eq!(kept.value().await, Err(FetchError::Gone));
        assert_eq!(other.await.unwrap(), Err(FetchError::Gone));
        assert_eq!(asked(&kept), 1);
    }
}
