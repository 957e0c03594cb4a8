//! The test card's media, compiled into the program. `testcard/make` makes it and says what its properties are.

use std::time::Duration;

/// Duration of every segment of the card.
pub(crate) const SEGMENT: Duration = Duration::from_secs(2);

/// Segments in one round of the loop.
pub(crate) const SEGMENTS: usize = 12;

/// What the RFC 6381 CODECS attribute says: H.264 Main at level 3.1 and AAC-LC, in all rungs.
pub(crate) const CODECS: &str = "avc1.4D401F,mp4a.40.2";

/// Pictures a second, in all rungs.
pub(crate) const FRAME_RATE: f64 = 25.0;

/// One rung of the card.
pub(crate) struct CardRung {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) init: &'static [u8],
    pub(crate) segments: [&'static [u8]; SEGMENTS],
}

impl CardRung {
    /// Bits per second of the largest segment.
    pub(crate) fn peak_bandwidth(&self) -> u64 {
        bandwidth(self.segments.iter().map(|s| s.len()).max().unwrap_or(0), 1)
    }

    /// Bits per second over one round.
    pub(crate) fn average_bandwidth(&self) -> u64 {
        bandwidth(self.segments.iter().map(|s| s.len()).sum(), SEGMENTS as u64)
    }
}

fn bandwidth(bytes: usize, segments: u64) -> u64 {
    (bytes as u64 * 8).div_ceil(SEGMENT.as_secs() * segments)
}

macro_rules! rung {
    ($name:literal, $width:literal, $height:literal) => {
        CardRung {
            name: $name,
            width: $width,
            height: $height,
            init: include_bytes!(concat!("../../testcard/", $name, "/init.mp4")),
            segments: rung!(@segments $name, 0 1 2 3 4 5 6 7 8 9 10 11),
        }
    };
    (@segments $name:literal, $($number:literal)*) => {
        [$(include_bytes!(concat!("../../testcard/", $name, "/", $number, ".m4s"))),*]
    };
}

/// The card's ladder, lowest bitrate first.
pub(crate) static LADDER: [CardRung; 3] =
    [rung!("240p", 426, 240), rung!("360p", 640, 360), rung!("720p", 1280, 720)];
