//! What a segment's bytes say of it: its traits, and when each of its tracks begins.
//!
//! Only what opens the segment is read. What cannot be compared is refused with its reason: a rendition of which that is all that is
//! known stands for no other.

use super::{Start, Traits};
use crate::{
    mp4::{self, InvalidMp4, parameter_sets::Refused},
    ts::{self, InvalidTs, counters},
    url::Container,
};

/// One segment, as far as a switching set asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What its rendition is made of, as of this segment.
    pub traits: Traits,
    /// When its tracks begin, in ascending order of their ids; tracks without a sample in it are left out.
    pub starts: Vec<Start>,
}

/// A segment that cannot stand for another, whatever that one is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nobody but its viewers can look into it.
    #[error("is encrypted")]
    Encrypted,
    /// It is a gap, or could not be had.
    #[error("is missing")]
    Missing,
    /// A container that has no times of its own, or none that are read.
    #[error("is packed as {0:?}, which is not compared")]
    Container(Container),
    /// MPEG-4 that is not as it should be.
    #[error("cannot be read: {0}")]
    Mp4(#[from] InvalidMp4),
    /// A transport stream that is not as it should be.
    #[error("cannot be read: {0}")]
    Ts(#[from] InvalidTs),
    /// A coding of which it is not known what may differ.
    #[error("holds {0}, which is not compared")]
    Coding(String),
    /// A track's first bytes belong to something that began in the segment before.
    #[error("begins in the midst of a sample of track {0}")]
    Cut(u32),
    /// Its first picture cannot be decoded without the ones before it.
    #[error("begins with no keyframe")]
    NoKeyframe,
    /// Its first picture is decoded with parameter sets that another rendition may have replaced.
    #[error("has no parameter sets before its first picture")]
    NoParameterSets,
    /// The same, and they cannot be put in.
    #[error("has no parameter sets before its first picture, and none can be put in: {0}")]
    Bare(Refused),
    /// Players would take packets for lost where another rendition's segment follows.
    #[error("does not begin and end its continuity counters where all segments do")]
    Counters,
    /// The same, and they cannot be made to.
    #[error("cannot be made to end its continuity counters where all segments do: {0}")]
    Uncounted(counters::Refused),
}

impl Look {
    /// Looks at a segment in the clear; MPEG-4 needs its initialization section.
    ///
    /// # Errors
    /// When the segment cannot stand for another.
    pub fn at(container: Container, init: Option<&[u8]>, media: &[u8]) -> Result<Self, Unfit> {
        match (container, init) {
            (Container::Ts, _) => ts::look(media),
            (Container::Mp4, Some(init)) => mp4::look(&mp4::Init::of(init)?, media),
            (Container::Mp4, None) => Err(Unfit::Missing),
            (other, _) => Err(Unfit::Container(other)),
        }
    }
}
