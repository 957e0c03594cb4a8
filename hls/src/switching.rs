//! Which renditions may stand for each other in the midst of a list: those of one switching set, as CMAF calls it (ISO/IEC 23000-19
//! 7.3.4), which differ in picture and bitrate alone.
//!
//! A player that is given a segment of another rung than it asked for decodes it with what it knows of its own: the same groups of
//! pictures at the same times, the same tracks, the same sound.

mod judge;
mod look;
mod traits;

use std::{fmt, num::ParseIntError, str::FromStr};

pub use self::{
    judge::{Judge, Reason, Standing, Turn},
    look::{Look, Unfit},
    traits::{Coding, Format, Packing, Start, Track, Traits},
};

/// Names a switching set: renditions of a stream that have the same one may stand for each other, segment by segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SwitchingSet(u64);

impl SwitchingSet {
    /// The set that a digest of all that its members share stands for.
    #[must_use]
    pub const fn of_digest(digest: u64) -> Self {
        Self(digest)
    }
}

impl fmt::Display for SwitchingSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for SwitchingSet {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_as_it_is_written() {
        for digest in [0, 7, u64::MAX] {
            let set = SwitchingSet::of_digest(digest);
            assert_eq!(set.to_string().parse(), Ok(set));
        }
        assert!("aligned".parse::<SwitchingSet>().is_err());
    }
}
