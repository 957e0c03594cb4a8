//! How the store asks for an object: one trait, implemented by a relay's upstream and by a primary's source.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use futures::Stream;

use super::Key;

/// Bytes as they arrive. An error is a break: what came before it holds.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Broken>> + Send>>;

/// Where objects come from.
pub trait Fetch: Send + Sync + 'static {
    /// Asks for an object from byte `offset` on; zero at first, the byte reached when an arrival broke.
    ///
    /// An answer may begin earlier than asked (a server that ignores ranges): the store skips what it has.
    ///
    /// # Errors
    /// When there is no such object, or when where it comes from did not answer as it should.
    fn fetch(&self, key: &Key, offset: u64) -> impl Future<Output = Result<Fetched, FetchError>> + Send;

    /// Whether a playlist lists this object, and it may be impossible to have it again: such objects leave the store last.
    fn is_listed(&self, _key: &Key) -> bool {
        false
    }
}

/// An answer whose bytes are on their way.
pub struct Fetched {
    /// The byte of the object at which `body` begins.
    pub offset: u64,
    /// Length of the whole object, if it is known.
    pub total: Option<u64>,
    /// The bytes.
    pub body: ByteStream,
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetched")
            .field("offset", &self.offset)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl Fetched {
    /// An object that is here as a whole.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        let total = Some(bytes.len() as u64);
        Self { offset: 0, total, body: Box::pin(futures::stream::once(async { Ok(bytes) })) }
    }
}

/// An arrival that broke off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the transfer broke off: {0}")]
pub struct Broken(pub String);

/// An object that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// There is no such object, or no longer.
    #[error("there is no such object, or no longer")]
    Gone,
    /// Where it comes from did not answer, or not as it should.
    #[error("the upstream failed: {0}")]
    Failed(String),
    /// It is larger than `cache.max_object_bytes`, or the cache is full of objects on their way.
    #[error("no room for it: raise {0} in the config")]
    TooLarge(&'static str),
    /// As many objects as `cache.max_filling` are on their way.
    #[error("too many objects are on their way; raise cache.max_filling in the config")]
    Busy,
}
