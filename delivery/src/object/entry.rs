//! One entry of the store: first filling, then settled for good, as bytes or as a failure.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::{sync::Notify, time::Instant};

use super::{FetchError, chain::Link};

/// An object's state. Everything in it is set once or only grows, so nobody locks anything.
#[derive(Debug)]
pub(super) struct Entry {
    /// Length of the whole, once the upstream has answered; `None` inside where it does not say.
    declared: OnceLock<Option<u64>>,
    /// How it ended.
    outcome: OnceLock<Outcome>,
    /// Where the pieces begin while it is filling; let go when the whole stands in `outcome`.
    head: ArcSwapOption<Link>,
    /// Bytes accounted for this entry.
    held: AtomicU64,
    last_used: AtomicU64,
    progress: Notify,
}

#[derive(Debug)]
enum Outcome {
    Complete(Bytes),
    Failed(FetchError, Instant),
}

/// From where a reader reads.
pub(super) enum Start {
    /// All of it is here.
    Whole(Bytes),
    /// It is arriving.
    Pieces(Arc<Link>),
    /// It cannot be had.
    Failed(FetchError),
}

impl Entry {
    /// An entry that waits for its bytes.
    pub(super) fn filling() -> Self {
        Self {
            declared: OnceLock::new(),
            outcome: OnceLock::new(),
            head: ArcSwapOption::new(Some(Link::head())),
            held: AtomicU64::new(0),
            last_used: AtomicU64::new(0),
            progress: Notify::new(),
        }
    }

    /// An entry that is complete.
    pub(super) fn complete(bytes: Bytes) -> Self {
        let len = bytes.len() as u64;
        Self {
            declared: OnceLock::from(Some(len)),
            outcome: OnceLock::from(Outcome::Complete(bytes)),
            head: ArcSwapOption::empty(),
            held: AtomicU64::new(len),
            last_used: AtomicU64::new(0),
            progress: Notify::new(),
        }
    }

    /// Where a new reader begins.
    pub(super) fn start(&self) -> Start {
        match (self.outcome.get(), self.head.load_full()) {
            (Some(Outcome::Failed(error, _)), _) => Start::Failed(error.clone()),
            (Some(Outcome::Complete(bytes)), _) => Start::Whole(bytes.clone()),
            (None, Some(head)) => Start::Pieces(head),
            // It was completed between the two looks.
            (None, None) => self.start(),
        }
    }

    /// The piece after `link`, as soon as it is here; `None` at the end.
    pub(super) async fn after(&self, link: &Link) -> Option<Result<Arc<Link>, FetchError>> {
        loop {
            let progress = self.progress.notified();
            let outcome = self.outcome.get();
            // Looked at after the outcome: the last piece is appended before the outcome is set.
            match (link.next(), outcome) {
                (Some(next), _) => return Some(Ok(Arc::clone(next))),
                (None, Some(Outcome::Complete(_))) => return None,
                (None, Some(Outcome::Failed(error, _))) => return Some(Err(error.clone())),
                (None, None) => progress.await,
            }
        }
    }

    /// Waits until the upstream has answered.
    pub(super) async fn started(&self) -> Result<(), FetchError> {
        loop {
            let progress = self.progress.notified();
            match self.outcome.get() {
                Some(Outcome::Failed(error, _)) => return Err(error.clone()),
                Some(Outcome::Complete(_)) => return Ok(()),
                None if self.declared.get().is_some() => return Ok(()),
                None => progress.await,
            }
        }
    }

    /// Waits until it is complete.
    pub(super) async fn completed(&self) -> Result<Bytes, FetchError> {
        loop {
            let progress = self.progress.notified();
            match self.outcome.get() {
                Some(Outcome::Failed(error, _)) => return Err(error.clone()),
                Some(Outcome::Complete(bytes)) => return Ok(bytes.clone()),
                None => progress.await,
            }
        }
    }

    /// Length of the whole, if it is known.
    pub(super) fn total(&self) -> Option<u64> {
        self.bytes().map(|bytes| bytes.len() as u64).or_else(|| self.declared.get().copied().flatten())
    }

    /// All of it, if it is complete.
    pub(super) fn bytes(&self) -> Option<&Bytes> {
        match self.outcome.get() {
            Some(Outcome::Complete(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The upstream has answered, with this length of the whole.
    pub(super) fn declare(&self, total: Option<u64>) {
        // A resumed answer may say it again: the first stands.
        if self.declared.set(total).is_ok() {
            self.progress.notify_waiters();
        }
    }

    /// Where its pieces begin, while it is filling.
    pub(super) fn head(&self) -> Option<Arc<Link>> {
        self.head.load_full()
    }

    /// A piece has been appended.
    pub(super) fn notify(&self) {
        self.progress.notify_waiters();
    }

    /// It is complete.
    pub(super) fn settle(&self, whole: Bytes) {
        self.finish(Outcome::Complete(whole));
    }

    /// It cannot be had.
    pub(super) fn fail(&self, error: FetchError) {
        self.finish(Outcome::Failed(error, Instant::now()));
    }

    fn finish(&self, outcome: Outcome) {
        let settled = self.outcome.set(outcome);
        debug_assert!(settled.is_ok(), "an entry is settled once");
        self.head.store(None);
        self.progress.notify_waiters();
    }

    /// Whether it failed longer than `ttl` ago, so that the next who asks should try again.
    pub(super) fn has_expired_failure(&self, ttl: Duration) -> bool {
        matches!(self.outcome.get(), Some(Outcome::Failed(_, at)) if at.elapsed() >= ttl)
    }

    /// Whether it is complete or has failed.
    pub(super) fn is_settled(&self) -> bool {
        self.outcome.get().is_some()
    }

    /// Bytes accounted for it.
    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Accounts for more bytes.
    pub(super) fn hold(&self, more: u64) {
        self.held.fetch_add(more, Ordering::Relaxed);
    }

    /// Accounts for none any more; gives what it held.
    pub(super) fn take_held(&self) -> u64 {
        self.held.swap(0, Ordering::Relaxed)
    }

    /// Notes that it was asked for.
    pub(super) fn used_at(&self, tick: u64) {
        self.last_used.store(tick, Ordering::Relaxed);
    }

    /// When it was last asked for, in the store's ticks.
    pub(super) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }
}
