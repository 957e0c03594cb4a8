//! What is done to a segment's bytes on their way in, so that it can stand for another rung's.
//!
//! It follows from the source's bytes alone, so that a URL never changes what it names, however often its object is fetched. A segment
//! that needs nothing passes through as it arrives. One that needs something is taken whole first; a break begins it anew, because
//! nothing of it was given out.

use bytes::{Bytes, BytesMut};
use delivery::object::{Broken, ByteStream, Fetched};
use futures::{StreamExt as _, stream};
use hls::{
    mp4::{
        Init,
        parameter_sets::{Peek, insert, peek},
    },
    ts::counters::settle,
};

/// How much of a segment is looked at to see what it needs. A fragment's header has 16 bytes for each sample, and seconds of video
/// some hundreds of samples; what comes before the first picture has a few kB.
const MAX_HEAD: usize = 256 << 10;

/// The segment with parameter sets in its keyframes, if it begins with one that has none.
pub(crate) async fn with_parameter_sets(mut fetched: Fetched, init: Init, limit: u64) -> Fetched {
    let (mut head, mut pieces) = (BytesMut::new(), Vec::new());
    let seen = loop {
        match fetched.body.next().await {
            Some(Ok(piece)) => {
                head.extend_from_slice(&piece[..piece.len().min(MAX_HEAD - head.len())]);
                pieces.push(piece);
            }
            Some(Err(broken)) => return broken_off(broken),
            None => break Peek::Complete,
        }
        match peek(&init, &head) {
            Peek::TooShort if head.len() < MAX_HEAD => {}
            seen => break seen,
        }
    };
    let (total, body) = (fetched.total, preceded(pieces, fetched.body));
    if seen == Peek::Bare {
        let complete = move |media: &[u8]| insert(&init, media).unwrap_or_else(refused);
        whole(Fetched { offset: 0, total, body }, limit, complete)
    } else {
        Fetched { offset: 0, total, body }
    }
}

/// The segment with continuity counters that go on from any rung's to any other's. How many packets that takes is known at the end.
pub(crate) fn with_settled_counters(fetched: Fetched, limit: u64) -> Fetched {
    whole(fetched, limit, |media| settle(media).unwrap_or_else(refused))
}

/// It stays as it is, and whoever judges it says why.
fn refused(refused: impl std::error::Error) -> Option<Vec<u8>> {
    tracing::debug!(%refused, "a segment is served as it came");
    None
}

/// The segment as `change` makes it of the whole, or as it is. What is too large for the store is left for the store to refuse.
fn whole(
    fetched: Fetched,
    limit: u64,
    change: impl FnOnce(&[u8]) -> Option<Vec<u8>> + Send + 'static,
) -> Fetched {
    if fetched.total.is_some_and(|total| total > limit) {
        return fetched;
    }
    let taking = Taking { body: fetched.body, total: fetched.total, limit, taken: BytesMut::new() };
    let body = stream::try_unfold(Some((taking, change)), |state| async move {
        let Some((mut taking, change)) = state else { return Ok(None) };
        if taking.more().await? {
            return Ok(Some((Bytes::new(), Some((taking, change)))));
        }
        let taken = taking.taken.freeze();
        let changed = change(&taken).map_or(taken, Bytes::from);
        Ok(Some((changed, None)))
    });
    Fetched { offset: 0, total: None, body: Box::pin(body) }
}

/// A segment that is being taken whole.
struct Taking {
    body: ByteStream,
    total: Option<u64>,
    limit: u64,
    taken: BytesMut,
}

impl Taking {
    /// Takes the next piece; false at the end. To whoever reads, an empty piece says that bytes still come.
    async fn more(&mut self) -> Result<bool, Broken> {
        let taken = self.taken.len() as u64;
        match self.body.next().await.transpose()? {
            Some(piece) if taken + piece.len() as u64 > self.limit => {
                Err(Broken(format!("it is larger than cache.max_object_bytes ({})", self.limit)))
            }
            Some(piece) => {
                self.taken.extend_from_slice(&piece);
                Ok(true)
            }
            None => match self.total {
                Some(total) if taken < total => Err(Broken(format!("ended at byte {taken} of {total}"))),
                _ => Ok(false),
            },
        }
    }
}

/// An answer of which nothing came: the store asks again.
fn broken_off(broken: Broken) -> Fetched {
    Fetched { offset: 0, total: None, body: Box::pin(stream::once(async { Err(broken) })) }
}

/// What has been taken of a body, and the rest of it.
fn preceded(pieces: Vec<Bytes>, rest: ByteStream) -> ByteStream {
    Box::pin(stream::iter(pieces.into_iter().map(Ok)).chain(rest))
}

#[cfg(test)]
mod tests;
