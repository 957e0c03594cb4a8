//! Why a rendition is in no switching set, in words for whoever has to mend it.

use crate::{switching::Unfit, url::Rendition};

/// Why a rendition is in no set. As text it goes on after the rendition's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// One of its segments cannot stand for another.
    #[error("segment {sequence} {unfit}")]
    Unfit {
        /// The segment's number.
        sequence: u64,
        /// What is the matter with it.
        unfit: Unfit,
    },
    /// A segment is other than that of the same number elsewhere.
    #[error("has {ours} in segment {sequence} where {other} has {theirs}")]
    Unlike {
        /// The segment's number.
        sequence: u64,
        /// What it has.
        ours: String,
        /// The rendition that it was compared with.
        other: Rendition,
        /// What that one has.
        theirs: String,
    },
    /// A track begins at another time.
    #[error("starts segment {sequence} at {ours} s where {other} starts it at {theirs} s (track {track})")]
    Shifted {
        /// The segment's number.
        sequence: u64,
        /// Track id, or PID.
        track: u32,
        /// When it begins.
        ours: Seconds,
        /// The rendition that it was compared with.
        other: Rendition,
        /// When it begins there.
        theirs: Seconds,
    },
    /// Its encoder began anew.
    #[error("began anew")]
    Restarted,
    /// Nothing is the matter with it, but no other rendition is aligned with it.
    #[error("has no other that is aligned with it")]
    Alone,
}

impl Reason {
    /// Whether it is the rendition's own, whatever the others are like.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::Unfit { .. } | Self::Restarted)
    }
}

/// A time in a track's own units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds {
    pub(super) units: u64,
    pub(super) timescale: u32,
}

impl std::fmt::Display for Seconds {
    /// To ten microseconds: a tick of a transport stream is eleven.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let timescale = u64::from(self.timescale.max(1));
        let (whole, rest) = (self.units / timescale, self.units % timescale);
        write!(f, "{whole}.{:05}", rest * 100_000 / timescale)
    }
}
