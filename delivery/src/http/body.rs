//! The body of an answer: bytes that are here, or an object that may still be arriving.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::{
    census::{Line, Waiting},
    object::{self, FetchError},
};

/// The body of an answer.
pub(super) struct Body(Kind);

enum Kind {
    Here(Bytes),
    Arriving {
        object: object::Body,
        line: Arc<Line>,
        /// While our upstream keeps the client waiting.
        waiting: Option<Waiting>,
    },
}

impl Body {
    /// No bytes.
    pub(super) const fn empty() -> Self {
        Self(Kind::Here(Bytes::new()))
    }

    /// An object, sent on `line`.
    pub(super) fn object(object: object::Body, line: &Arc<Line>) -> Self {
        Self(Kind::Arriving { object, line: Arc::clone(line), waiting: None })
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Here(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = FetchError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FetchError>>> {
        match &mut self.0 {
            Kind::Here(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Here(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Arriving { object, line, waiting } => {
                let frame = Pin::new(object).poll_frame(cx);
                if frame.is_ready() {
                    *waiting = None;
                } else if waiting.is_none() {
                    *waiting = Some(line.wait());
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Here(bytes) => bytes.is_empty(),
            Kind::Arriving { object, .. } => object.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Here(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Arriving { object, .. } => object.size_hint(),
        }
    }
}
