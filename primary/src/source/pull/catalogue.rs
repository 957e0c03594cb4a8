//! Where each object that was listed is at the upstream, so that the object store can fetch it when it is wanted.
//!
//! A live object stays known for a while after it left the list, because players and relays ask late. What is done to its bytes on their
//! way in is `repack`'s.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use delivery::{
    feed::Health,
    object::{Fetch, FetchError, Fetched, Key},
};
use futures::StreamExt as _;
use hls::{Source, mp4::Init};
use tokio::sync::OnceCell;

use super::{super::upstream::Upstream, handling::Handling, repack};

/// The upstream's side of the object store.
#[derive(Debug)]
pub(crate) struct Catalogue {
    upstream: Upstream,
    /// Bytes of one object that is taken whole, which the store would hold as well.
    max_object_bytes: u64,
    /// Looked at when an object is fetched, once each, not when it is served.
    sources: Mutex<HashMap<Key, Known>>,
    healthy: AtomicBool,
    failures: AtomicU64,
}

/// An object that can be fetched.
#[derive(Debug)]
struct Known {
    source: Source,
    handling: Handling,
    /// Whether it is still in our list.
    listed: bool,
}

impl Catalogue {
    /// Objects are at `upstream`, and have at most so many bytes.
    pub(crate) fn new(upstream: Upstream, max_object_bytes: u64) -> Self {
        Self {
            upstream,
            max_object_bytes,
            sources: Mutex::default(),
            healthy: AtomicBool::new(false),
            failures: AtomicU64::new(0),
        }
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub(crate) fn add(&self, key: Key, source: Source, handling: Handling) {
        self.locked().insert(key, Known { source, handling, listed: true });
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

    fn known(&self, key: &Key) -> Result<(Source, Handling), FetchError> {
        let known = |known: &Known| (known.source.clone(), known.handling.clone());
        self.locked().get(key).map(known).ok_or(FetchError::Gone)
    }

    async fn open(&self, key: &Key, offset: u64) -> Result<Fetched, FetchError> {
        let (source, handling) = self.known(key)?;
        match handling {
            Handling::Read(cell) => Ok(Fetched::whole(self.read(&source, &cell).await?)),
            Handling::ParameterSets(init) if offset == 0 => {
                let init = self.init(&init).await?;
                let fetched = self.upstream.open(&source, 0).await?;
                Ok(match init {
                    Some(init) => repack::with_parameter_sets(fetched, init, self.max_object_bytes).await,
                    None => fetched,
                })
            }
            Handling::SettledCounters if offset == 0 => {
                let fetched = self.upstream.open(&source, 0).await?;
                Ok(repack::with_settled_counters(fetched, self.max_object_bytes))
            }
            // What breaks off after its first byte needs nothing: what does is given out whole.
            Handling::AsTheyAre | Handling::ParameterSets(_) | Handling::SettledCounters => {
                self.upstream.open(&source, offset).await
            }
        }
    }

    /// An initialization section with parameter sets; none where it has none, or cannot be understood.
    async fn init(&self, key: &Key) -> Result<Option<Init>, FetchError> {
        let (source, Handling::Read(cell)) = self.known(key)? else { return Ok(None) };
        let init = Init::of(&self.read(&source, &cell).await?).ok();
        Ok(init.filter(Init::has_parameter_sets))
    }

    /// All of an object, taken from the upstream once.
    async fn read(&self, source: &Source, cell: &OnceCell<Bytes>) -> Result<Bytes, FetchError> {
        let read = async || {
            let mut fetched = self.upstream.open(source, 0).await?;
            let mut whole = BytesMut::new();
            while let Some(piece) = fetched.body.next().await {
                whole.extend_from_slice(&piece.map_err(|broken| FetchError::Failed(broken.to_string()))?);
                if whole.len() as u64 > self.max_object_bytes {
                    return Err(FetchError::TooLarge("cache.max_object_bytes"));
                }
            }
            Ok(whole.freeze())
        };
        cell.get_or_try_init(read).await.cloned()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Known>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetch for Catalogue {
    async fn fetch(&self, key: &Key, offset: u64) -> Result<Fetched, FetchError> {
        let fetched = self.open(key, offset).await;
        // What is not known was never asked for.
        if fetched.is_err() && self.known(key).is_ok() {
            self.count_failure();
        }
        fetched
    }

    fn is_listed(&self, key: &Key) -> bool {
        self.locked().get(key).is_some_and(|known| known.listed)
    }
}
