//! Where each object that was listed is at the upstream, so that the object store can fetch it when it is wanted.
//!
//! A live object stays known for a while after it left the list, because players and relays ask late.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use delivery::{
    feed::Health,
    object::{Fetch, FetchError, Fetched, Key},
};
use hls::Source;

use super::super::upstream::Upstream;

/// The upstream's side of the object store.
#[derive(Debug)]
pub(crate) struct Catalogue {
    upstream: Upstream,
    /// Looked at when an object is fetched, once each, not when it is served.
    sources: Mutex<HashMap<Key, Known>>,
    healthy: AtomicBool,
    failures: AtomicU64,
}

/// An object that can be fetched.
#[derive(Debug)]
struct Known {
    source: Source,
    /// Whether it is still in our list.
    listed: bool,
}

impl Catalogue {
    pub(crate) fn new(upstream: Upstream) -> Self {
        Self {
            upstream,
            sources: Mutex::default(),
            healthy: AtomicBool::new(false),
            failures: AtomicU64::new(0),
        }
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub(crate) fn add(&self, key: Key, source: Source) {
        self.locked().insert(key, Known { source, listed: true });
    }

    /// It is listed no more, but may still be asked for.
    pub(crate) fn leave(&self, key: &Key) {
        if let Some(known) = self.locked().get_mut(key) {
            known.listed = false;
        }
    }

    pub(crate) fn remove(&self, key: &Key) {
        self.locked().remove(key);
    }

    /// Whether the playlists come as they should.
    pub(crate) fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::Relaxed);
        crate::metrics::source_healthy(healthy);
    }

    /// Something could not be had from the upstream.
    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn health(&self) -> Health {
        Health {
            healthy: self.healthy.load(Ordering::Relaxed),
            failures_total: self.failures.load(Ordering::Relaxed),
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Known>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetch for Catalogue {
    async fn fetch(&self, key: &Key, offset: u64) -> Result<Fetched, FetchError> {
        let source = self.locked().get(key).map(|known| known.source.clone()).ok_or(FetchError::Gone)?;
        let fetched = self.upstream.open(&source, offset).await;
        if fetched.is_err() {
            self.count_failure();
        }
        fetched
    }

    fn is_listed(&self, key: &Key) -> bool {
        self.locked().get(key).is_some_and(|known| known.listed)
    }
}
