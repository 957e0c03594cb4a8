//! What all members of a switching set must share, and when a segment begins.
//!
//! Whoever decodes one rendition with what it knows of another relies on every one of these. The picture's size and level may
//! differ: they are in the parameter sets at every segment's start.

use std::fmt;

use crate::fnv::Digest;

/// What a rendition is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traits {
    /// How the tracks are packed.
    pub packing: Packing,
    /// In ascending order of their ids.
    pub tracks: Vec<Track>,
}

/// How tracks are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// In an MPEG-2 transport stream.
    Ts {
        /// The PID of the program map table.
        map: u16,
        /// The PID that carries the clock.
        clock: u16,
    },
    /// In fragmented MPEG-4.
    Mp4,
}

/// One track or elementary stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Track id, or PID.
    pub id: u32,
    /// Units of time a second.
    pub timescale: u32,
    /// What it says that it holds: the name of the sample entry, or the stream type.
    pub format: Format,
    /// What it holds.
    pub coding: Coding,
    /// A digest of what shifts its times against those written (edit lists).
    pub edits: u64,
}

/// The name of a sample entry, or a stream type of a transport stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The sample entry's four characters.
    Entry([u8; 4]),
    /// ISO/IEC 13818-1 table 2-34.
    Stream(u8),
}

/// How a track is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Pictures.
    Video {
        /// `profile_idc`, or `general_profile_idc`.
        profile: u8,
    },
    /// Sound.
    Sound {
        /// Samples a second.
        rate: u32,
        /// Channels, as the coding counts them.
        channels: u8,
        /// A digest of all else that a decoder is configured with.
        config: u64,
    },
    /// Neither, such as timed metadata: nothing is decoded.
    Data,
}

/// When a track begins in a segment, in units of its timescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Track id, or PID.
    pub track: u32,
    /// When its first sample is decoded.
    pub decoded: u64,
    /// When that sample is presented.
    pub presented: u64,
}

impl Traits {
    /// What differs, in words: what `self` has, and what `other` has; none where they are the same.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<(String, String)> {
        if self.packing != other.packing {
            return Some((self.packing.to_string(), other.packing.to_string()));
        }
        let mut pairs = self.tracks.iter().zip(&other.tracks);
        if let Some((ours, theirs)) = pairs.find(|(ours, theirs)| ours != theirs) {
            return Some((ours.to_string(), theirs.to_string()));
        }
        let (ours, theirs) = (self.tracks.len(), other.tracks.len());
        (ours != theirs).then(|| (format!("{ours} tracks"), format!("{theirs} tracks")))
    }

    /// A digest of them all.
    pub(crate) fn digest(&self) -> Digest {
        let packed = Digest::EMPTY.and(self.packing.to_string().as_bytes());
        self.tracks.iter().fold(packed, |digest, track| {
            let shift = track.edits.to_be_bytes();
            let config = match track.coding {
                Coding::Sound { config, .. } => config.to_be_bytes(),
                Coding::Video { .. } | Coding::Data => [0; 8],
            };
            digest.and(track.to_string().as_bytes()).and(&shift).and(&config)
        })
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ts { map, clock } => write!(f, "TS with its map on PID {map} and its clock on {clock}"),
            Self::Mp4 => f.write_str("MPEG-4"),
        }
    }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, timescale, format, coding, edits } = self;
        write!(f, "track {id} of {format}, {coding}, {timescale} units a second")?;
        if *edits == 0 { Ok(()) } else { write!(f, ", edits {edits:x}") }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(name) => write!(f, "{}", name.escape_ascii()),
            Self::Stream(kind) => write!(f, "stream type 0x{kind:02x}"),
        }
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Video { profile } => write!(f, "profile {profile}"),
            Self::Sound { rate, channels, .. } => write!(f, "{channels} channels at {rate} Hz"),
            Self::Data => f.write_str("data"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A picture and its sound, as most ladders have them.
    pub(crate) fn traits(profile: u8) -> Traits {
        let format = |name: &[u8; 4]| Format::Entry(*name);
        let video = Coding::Video { profile };
        let sound = Coding::Sound { rate: 48_000, channels: 2, config: 7 };
        let track = |id, format, coding| Track { id, timescale: 90_000, format, coding, edits: 0 };
        Traits {
            packing: Packing::Mp4,
            tracks: vec![track(1, format(b"avc1"), video), track(2, format(b"mp4a"), sound)],
        }
    }

    #[test]
    fn a_difference_is_said_in_words_and_changes_the_digest() {
        let (main, high) = (traits(77), traits(100));
        let (ours, theirs) = high.difference(&main).unwrap();
        assert!(ours.contains("avc1, profile 100") && theirs.contains("avc1, profile 77"), "{ours} {theirs}");
        assert_ne!(high.digest(), main.digest());
        let mut silent = main.clone();
        silent.tracks.pop();
        assert_eq!(silent.difference(&main).unwrap().0, "1 tracks");
        let mut other = main.clone();
        other.packing = Packing::Ts { map: 4096, clock: 256 };
        assert!(other.difference(&main).unwrap().0.starts_with("TS with"));
        assert_eq!((main.difference(&traits(77)), main.digest()), (None, traits(77).digest()));
    }
}
