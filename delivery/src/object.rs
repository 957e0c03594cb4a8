//! The object store: segments and init sections, each taken from where it comes from exactly once.
//!
//! An entry is filling or complete. Whoever asks first starts the filling, in a task of its own that outlives him; whoever
//! asks while it fills reads along, byte by byte as they arrive; whoever asks afterwards gets one `Bytes`. A break in the
//! middle is resumed at the byte reached before anybody is failed ([`fill`]); a failure fails once, for all who wait.
//!
//! Bounded by bytes and by entries: failures go first, then the least recently asked objects, and last those still listed. What the objects mean, when they are
//! wanted ahead, and where they come from is left to whoever implements [`Fetch`].

mod body;
mod chain;
mod config;
mod entry;
mod fetch;
mod fill;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use hls::Resource;
use papaya::HashMap;

use self::entry::Entry;
pub use self::{
    body::Body,
    config::Config,
    fetch::{Broken, ByteStream, Fetch, FetchError, Fetched},
};

/// What an object is called: the path of its URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// The key of a segment or an initialization section.
    #[must_use]
    pub fn of(resource: &Resource<'_>) -> Self {
        Self(resource.to_string().into())
    }

    /// The path, with its leading slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0
    }

    /// What the path names.
    #[must_use]
    pub fn resource(&self) -> Resource<'_> {
        Resource::parse(&self.0).expect("a key is made of a resource")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The store, cheap to clone. `F` says how an object is taken from where it comes from.
#[derive(Debug)]
pub struct Store<F> {
    inner: Arc<Inner<F>>,
}

impl<F> Clone for Store<F> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

#[derive(Debug)]
struct Inner<F> {
    fetch: F,
    config: Config,
    entries: HashMap<Key, Arc<Entry>>,
    /// Bytes held by all entries, filling ones included.
    bytes: AtomicU64,
    /// Entries that are filling.
    filling: AtomicU64,
    /// Grows with every question; an entry's last one tells how recent it is.
    clock: AtomicU64,
}

impl<F: Fetch> Store<F> {
    /// An empty store.
    #[must_use]
    pub fn new(fetch: F, config: Config) -> Self {
        let inner = Inner {
            fetch,
            config,
            entries: HashMap::new(),
            bytes: AtomicU64::new(0),
            filling: AtomicU64::new(0),
            clock: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// How objects are taken from where they come from.
    #[must_use]
    pub fn source(&self) -> &F {
        &self.inner.fetch
    }

    /// The object, as soon as its first bytes are here: they may still be arriving. Starts taking it if nobody has.
    ///
    /// # Errors
    /// When it cannot be had; everybody who waits for it gets the same error.
    pub async fn open(&self, key: &Key) -> Result<Object, FetchError> {
        let entry = self.join(key)?;
        entry.started().await?;
        Ok(Object { entry })
    }

    /// Starts taking an object that will soon be asked for, unless it is here or on its way.
    ///
    /// # Errors
    /// When the store has no room for another one.
    pub fn prefetch(&self, key: &Key) -> Result<(), FetchError> {
        self.join(key).map(drop)
    }

    /// Puts a complete object in, unless there is one: what a name means never changes.
    pub fn insert(&self, key: &Key, bytes: Bytes) {
        let entry = Arc::new(Entry::complete(bytes));
        self.touch(&entry);
        let len = entry.held();
        if self.inner.entries.pin().try_insert(key.clone(), entry).is_ok() {
            self.account(len);
            self.evict();
        }
    }

    /// The object if it is here complete; starts nothing.
    #[must_use]
    pub fn peek(&self, key: &Key) -> Option<Bytes> {
        self.inner.entries.pin().get(key).and_then(|entry| entry.bytes().cloned())
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.inner.bytes.load(Ordering::Relaxed)
    }

    /// Joins the entry that there is, or makes one and starts to fill it.
    fn join(&self, key: &Key) -> Result<Arc<Entry>, FetchError> {
        let entries = self.inner.entries.pin();
        if let Some(entry) = entries.get(key) {
            if !entry.has_expired_failure(self.inner.config.failure_ttl) {
                self.touch(entry);
                return Ok(Arc::clone(entry));
            }
            self.forget(key, &Arc::clone(entry));
        }
        let entry = Arc::new(Entry::filling());
        self.touch(&entry);
        match entries.try_insert(key.clone(), Arc::clone(&entry)) {
            Err(occupied) => Ok(Arc::clone(occupied.current)),
            Ok(_) if self.inner.filling.load(Ordering::Relaxed) >= self.inner.config.max_filling => {
                entry.fail(FetchError::Busy);
                self.forget(key, &entry);
                Err(FetchError::Busy)
            }
            Ok(_) => {
                self.inner.filling.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(fill::fill(self.clone(), key.clone(), Arc::clone(&entry)));
                Ok(entry)
            }
        }
    }

    fn touch(&self, entry: &Entry) {
        entry.used_at(self.inner.clock.fetch_add(1, Ordering::Relaxed));
    }

    /// Takes this very entry out, not one that has come in its place since.
    fn forget(&self, key: &Key, entry: &Arc<Entry>) {
        let entries = self.inner.entries.pin();
        let removed = entries.remove_if(key, |_, current| Arc::ptr_eq(current, entry));
        if let Ok(Some((_, entry))) = removed {
            self.release(entry.take_held());
        }
    }

    fn account(&self, more: u64) {
        let now = self.inner.bytes.fetch_add(more, Ordering::Relaxed) + more;
        crate::metrics::cache(now, self.inner.entries.len());
    }

    fn release(&self, less: u64) {
        let now = self.inner.bytes.fetch_sub(less, Ordering::Relaxed) - less;
        crate::metrics::cache(now, self.inner.entries.len());
    }

    fn worth(&self, key: &Key, entry: &Entry) -> Worth {
        if entry.bytes().is_none() {
            return Worth::Failure;
        }
        Worth::Object { listed: self.inner.fetch.is_listed(key), last_used: entry.last_used() }
    }

    /// Takes out failures, then the least recently asked complete objects, those still listed last, until the limits hold or
    /// none is left. Failures first, or somebody who asks for what never was would empty the store of what is listed.
    fn evict(&self) {
        let config = &self.inner.config;
        let entries = self.inner.entries.pin();
        while self.bytes() > config.max_bytes || entries.len() > config.max_entries {
            let oldest = entries
                .iter()
                .filter(|(_, entry)| entry.is_settled())
                .min_by_key(|(key, entry)| self.worth(key, entry))
                .map(|(key, entry)| (key.clone(), Arc::clone(entry)));
            let Some((key, entry)) = oldest else { break };
            self.forget(&key, &entry);
        }
    }
}

/// How long an entry stays, compared to others: the least goes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Failure,
    Object { listed: bool, last_used: u64 },
}

/// One object, complete or arriving.
#[derive(Debug, Clone)]
pub struct Object {
    entry: Arc<Entry>,
}

impl Object {
    /// An object that is complete without any store.
    #[must_use]
    pub fn complete(bytes: Bytes) -> Self {
        Self { entry: Arc::new(Entry::complete(bytes)) }
    }

    /// Its length, if it is complete or where it comes from has said.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        self.entry.total()
    }

    /// Whether it is known to have no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// All of it, if it is complete.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        self.entry.bytes()
    }

    /// Waits until it is complete.
    ///
    /// # Errors
    /// When the rest of it cannot be had.
    pub async fn read(&self) -> Result<Bytes, FetchError> {
        self.entry.completed().await
    }

    /// Its bytes, handed on while they arrive.
    #[must_use]
    pub fn body(&self) -> Body {
        Body::of(&self.entry, 0, None)
    }

    /// Its bytes from `start` up to and without `end`, which must be within [`Object::len`].
    #[must_use]
    pub fn range(&self, start: u64, end: u64) -> Body {
        Body::of(&self.entry, start, Some(end))
    }
}
