//! How an entry is filled: one task an object, from the first question to the last byte or to the failure of all who wait.
//!
//! An answer that is an error is final: whoever waits is told, once. A transfer that breaks off or stalls after the answer
//! began is asked for again from the byte reached, after a short pause, `max_resumes` times; readers only see the pause.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tokio::time::{sleep, timeout};

use super::{Broken, Config, Fetch, FetchError, Fetched, Key, Store, chain::Link, entry::Entry};
use crate::metrics::{FetchResult, upstream_fetch};

/// Fills `entry`, which is in the store under `key`.
pub(super) async fn fill<F: Fetch>(store: Store<F>, key: Key, entry: Arc<Entry>) {
    let guard = Filling { store: &store, key: &key, entry: &entry };
    let mut arrival = Arrival::new();
    match arrival.run(&store, &key, &entry).await {
        Ok(()) => entry.settle(arrival.whole()),
        Err(error) => {
            tracing::debug!(%key, reached = arrival.reached, %error, "an object cannot be had");
            entry.fail(error);
            store.release(entry.take_held());
        }
    }
    drop(guard);
    store.evict();
}

/// Leaves no entry filling for ever, even when a [`Fetch`] panics.
struct Filling<'a, F: Fetch> {
    store: &'a Store<F>,
    key: &'a Key,
    entry: &'a Arc<Entry>,
}

impl<F: Fetch> Drop for Filling<'_, F> {
    fn drop(&mut self) {
        self.store.inner.filling.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        if !self.entry.is_settled() {
            self.entry.fail(FetchError::Failed("the task that took it crashed".into()));
            self.store.forget(self.key, self.entry);
        }
    }
}

/// How far an object has come.
struct Arrival {
    pieces: Vec<Bytes>,
    last: Option<Arc<Link>>,
    reached: u64,
}

/// Why an attempt ended before the object was complete.
enum Stop {
    /// Nothing more can be done.
    Final(FetchError),
    /// It may be resumed at the byte reached.
    Break(Broken),
}

impl Arrival {
    fn new() -> Self {
        Self { pieces: Vec::new(), last: None, reached: 0 }
    }

    async fn run<F: Fetch>(&mut self, store: &Store<F>, key: &Key, entry: &Entry) -> Result<(), FetchError> {
        let config = &store.inner.config;
        for resume in 0.. {
            match self.attempt(store, key, entry).await {
                Ok(()) => {
                    upstream_fetch(FetchResult::Ok);
                    return Ok(());
                }
                Err(Stop::Final(error)) => {
                    upstream_fetch(FetchResult::of(&error));
                    return Err(error);
                }
                Err(Stop::Break(broken)) if resume < config.max_resumes => {
                    upstream_fetch(FetchResult::Resumed);
                    tracing::debug!(%key, reached = self.reached, %broken, "resuming");
                    sleep(pause(config.resume_pause, resume)).await;
                }
                Err(Stop::Break(broken)) => {
                    upstream_fetch(FetchResult::Failed);
                    return Err(FetchError::Failed(broken.to_string()));
                }
            }
        }
        unreachable!("the range has no end")
    }

    /// Asks once, from the byte reached, and takes what comes.
    async fn attempt<F: Fetch>(&mut self, store: &Store<F>, key: &Key, entry: &Entry) -> Result<(), Stop> {
        let config = &store.inner.config;
        let answer = timeout(config.answer_timeout, store.inner.fetch.fetch(key, self.reached)).await;
        let mut fetched = match answer {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(FetchError::Failed(reason))) if self.began() => return Err(Stop::Break(Broken(reason))),
            Ok(Err(error)) => return Err(Stop::Final(error)),
            Err(_) if self.began() => return Err(Stop::Break(Broken("no answer in time".into()))),
            Err(_) => return Err(Stop::Final(FetchError::Failed("no answer in time".into()))),
        };
        let mut skip = self.admit(&fetched, config)?;
        if self.last.is_none() {
            self.last = entry.head();
        }
        entry.declare(fetched.total);
        while let Some(piece) = next_piece(&mut fetched, config.stall_timeout).await? {
            let known = skip.min(piece.len() as u64);
            skip -= known;
            let fresh = piece.slice(usize::try_from(known).unwrap_or(piece.len())..);
            if !fresh.is_empty() {
                self.append(store, entry, fresh)?;
            }
        }
        match entry.total() {
            Some(total) if self.reached < total => {
                Err(Stop::Break(Broken(format!("ended at byte {} of {total}", self.reached))))
            }
            _ => Ok(()),
        }
    }

    /// Whether anybody may have been given a first byte or a length.
    fn began(&self) -> bool {
        self.last.is_some()
    }

    /// How many bytes of this answer are here already.
    fn admit(&self, fetched: &Fetched, config: &Config) -> Result<u64, Stop> {
        if fetched.total.is_some_and(|total| total > config.max_object_bytes) {
            return Err(Stop::Final(FetchError::TooLarge("cache.max_object_bytes")));
        }
        self.reached.checked_sub(fetched.offset).ok_or_else(|| {
            let reason = format!("asked from byte {}, answered from {}", self.reached, fetched.offset);
            Stop::Final(FetchError::Failed(reason))
        })
    }

    fn append<F: Fetch>(&mut self, store: &Store<F>, entry: &Entry, piece: Bytes) -> Result<(), Stop> {
        let config = &store.inner.config;
        let len = piece.len() as u64;
        if self.reached + len > config.max_object_bytes {
            return Err(Stop::Final(FetchError::TooLarge("cache.max_object_bytes")));
        }
        if entry.total().is_some_and(|total| self.reached + len > total) {
            return Err(Stop::Final(FetchError::Failed("more bytes came than were announced".into())));
        }
        store.account(len);
        entry.hold(len);
        store.evict();
        if store.bytes() > config.max_bytes {
            return Err(Stop::Final(FetchError::TooLarge("cache.max_bytes")));
        }
        self.reached += len;
        self.pieces.push(piece.clone());
        self.last = self.last.take().map(|last| last.append(piece));
        entry.notify();
        Ok(())
    }

    /// All pieces as one; without a copy where there is only one.
    fn whole(&mut self) -> Bytes {
        if let [only] = self.pieces.as_slice() {
            return only.clone();
        }
        let mut whole = BytesMut::with_capacity(self.pieces.iter().map(Bytes::len).sum());
        for piece in self.pieces.drain(..) {
            whole.extend_from_slice(&piece);
        }
        whole.freeze()
    }
}

async fn next_piece(fetched: &mut Fetched, stall: Duration) -> Result<Option<Bytes>, Stop> {
    match timeout(stall, fetched.body.next()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(piece))) => Ok(Some(piece)),
        Ok(Some(Err(broken))) => Err(Stop::Break(broken)),
        Err(_) => Err(Stop::Break(Broken("no byte came in time".into()))),
    }
}

/// Doubled at each resume, and half of it by chance, so that many objects do not come back at one moment.
fn pause(base: Duration, resume: u32) -> Duration {
    let whole = base.saturating_mul(1 << resume.min(6));
    whole.mul_f64(rand::random_range(0.5..=1.0))
}
