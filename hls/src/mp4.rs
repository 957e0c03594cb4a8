//! Fragmented MPEG-4 (ISO/IEC 14496-12), as far as a live stream needs it: no box is looked at that nothing here asks for, and the
//! media themselves pass through as they are.

mod boxes;
mod entry;
mod fragment;
mod init;
mod look;
pub mod parameter_sets;
mod times;

pub use self::init::Init;
pub(crate) use self::look::look;
pub use self::times::{Timescales, decode_times, move_on};

/// Media that cannot be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMp4 {
    /// A box that is cut off or whose size makes no sense.
    #[error("the box at byte {0} is broken: check what wrote the file")]
    Broken(usize),
    /// A fragment of a track that the initialization section does not have.
    #[error("track {0} is not in the initialization section: pair the segment with its own")]
    UnknownTrack(u32),
    /// A segment with an index.
    #[error("the segment has an index (sidx), whose times cannot be moved: write it without")]
    Indexed,
    /// A decode time that does not fit its box.
    #[error("the decode time of track {0} grows beyond its box: write tfdt in version 1 (64 bits)")]
    Overflow(u32),
    /// Samples that are counted from somewhere outside of the segment.
    #[error("samples are not counted from their fragment: write it with default-base-is-moof")]
    AbsoluteOffsets,
}
