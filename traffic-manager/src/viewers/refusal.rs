//! Why a viewer gets no place; each with a sentence that says what to do.

use std::{fmt::Display, time::Duration};

use policy::{Region, StreamName, placement::Refusal, session::InvalidToken};

/// Why a viewer gets no place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unplaced {
    #[error("there is no stream {name:?}: there is {}", list(known))]
    UnknownStream { name: String, known: Vec<StreamName> },
    #[error("there is no region {name:?}: there is {}", list(known))]
    UnknownRegion { name: String, known: Vec<Region> },
    #[error("no primary has attached yet: ask again in {} s", retry_after.as_secs())]
    NoPrimary { retry_after: Duration },
    #[error("stream {stream} has produced nothing yet: ask again in {} s", retry_after.as_secs())]
    NotReady { stream: StreamName, retry_after: Duration },
    #[error(transparent)]
    Token(#[from] InvalidToken),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Unplaced {
    /// The word in metrics.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::UnknownStream { .. } => "unknown-stream",
            Self::UnknownRegion { .. } => "unknown-region",
            Self::NoPrimary { .. } => "no-primary",
            Self::NotReady { .. } => "not-ready",
            Self::Token(_) => "invalid-token",
            Self::Refused(refusal) => refusal.as_str(),
        }
    }

    /// When to ask again, where that makes sense.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NoPrimary { retry_after } | Self::NotReady { retry_after, .. } => Some(*retry_after),
            Self::Refused(refusal) => Some(refusal.retry_after()),
            _ => None,
        }
    }
}

fn list(names: &[impl Display]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
