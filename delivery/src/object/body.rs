//! An object as the body of an answer: one `Bytes` if it is complete, else its pieces as they arrive.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{Stream, stream};
use http_body::{Frame, SizeHint};

use super::{
    FetchError,
    chain::Link,
    entry::{Entry, Start},
};

/// The bytes of an object, or of a range of it.
pub struct Body {
    source: Source,
    /// Bytes still to come, if that is known.
    remaining: Option<u64>,
}

enum Source {
    Whole(Bytes),
    Arriving(Pin<Box<dyn Stream<Item = Result<Bytes, FetchError>> + Send>>),
}

impl Body {
    /// Bytes `start..end` of the entry, to its end where `end` is `None`.
    pub(super) fn of(entry: &Arc<Entry>, start: u64, end: Option<u64>) -> Self {
        let end = end.or_else(|| entry.total());
        let remaining = end.map(|end| end.saturating_sub(start));
        match entry.start() {
            Start::Whole(bytes) => Self::whole(&bytes, start, end),
            Start::Failed(error) => {
                Self { source: Source::Arriving(Box::pin(stream::iter([Err(error)]))), remaining }
            }
            Start::Pieces(head) => {
                let pieces = pieces(Arc::clone(entry), head, start, end.unwrap_or(u64::MAX));
                Self { source: Source::Arriving(Box::pin(pieces)), remaining }
            }
        }
    }

    fn whole(bytes: &Bytes, start: u64, end: Option<u64>) -> Self {
        let clamp = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        let end = clamp(end.unwrap_or(u64::MAX));
        let slice = bytes.slice(clamp(start).min(end)..end);
        Self { remaining: Some(slice.len() as u64), source: Source::Whole(slice) }
    }
}

/// What of the entry's pieces lies within `from..end`, as it arrives.
fn pieces(
    entry: Arc<Entry>,
    head: Arc<Link>,
    from: u64,
    end: u64,
) -> impl Stream<Item = Result<Bytes, FetchError>> + Send {
    stream::try_unfold((head, 0_u64), move |(link, mut at)| {
        let entry = Arc::clone(&entry);
        let mut link = link;
        async move {
            while at < end {
                let Some(next) = entry.after(&link).await else { return Ok(None) };
                link = next?;
                let begins = at;
                at += link.bytes().len() as u64;
                if at > from {
                    let within = |position: u64| usize::try_from(position - begins).unwrap_or(usize::MAX);
                    let piece = link.bytes().slice(within(from.max(begins))..within(at.min(end)));
                    return Ok(Some((piece, (link, at))));
                }
            }
            Ok(None)
        }
    })
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = FetchError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FetchError>>> {
        let piece = match &mut self.source {
            Source::Whole(bytes) => {
                if bytes.is_empty() {
                    None
                } else {
                    Some(Ok(std::mem::take(bytes)))
                }
            }
            Source::Arriving(pieces) => ready!(pieces.as_mut().poll_next(cx)),
        };
        if let (Some(Ok(piece)), Some(remaining)) = (&piece, &mut self.remaining) {
            *remaining = remaining.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map(SizeHint::with_exact).unwrap_or_default()
    }
}
