//! A ladder that ffmpeg encodes once: three aligned rungs of a picture and one sound, in segments of 2 s, for a replay.
//!
//! The picture has noise, so that a small one takes the whole bitrate: to decode three small rungs at real bitrates costs little,
//! and to serve them costs nothing. Rungs tell each other apart by the picture's height.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::program::Program;

/// How long a segment is.
pub const SEGMENT: Duration = Duration::from_secs(2);

/// Frames of a second.
pub const FRAMES_PER_SECOND: u32 = 25;

/// Heights of the pictures, lowest rung first.
pub const HEIGHTS: [u32; 3] = [144, 240, 360];

/// What each rung takes of a line, sound and packets included, in bits per second: what [`VIDEO_KBIT`] came to with ffmpeg 5.1.
pub const BITS_PER_SECOND: [u32; 3] = [300_000, 800_000, 2_000_000];

/// Video bitrates that make 0.3, 0.8 and 2 Mb/s, with the sound and the packets of a transport stream.
const VIDEO_KBIT: [u32; 3] = [215, 700, 1860];

/// Encoding takes a twentieth of the length on an idle core, and this many times as long on the busiest machine.
const ENCODES_WITHIN: Duration = Duration::from_secs(300);

/// What its segments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// MPEG transport stream.
    Ts,
    /// Fragmented MP4, with parameter sets in the initialization section alone, as encoders write it.
    FragmentedMp4,
    /// The same with parameter sets in every key frame too.
    InBandMp4,
}

/// An encoded ladder, in a folder.
#[derive(Debug)]
pub struct Ladder {
    /// Its packaging.
    pub container: Container,
    /// Segments of each rung.
    pub segments: u64,
    folder: TempDir,
}

impl Container {
    /// How files of segments end.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Ts => "ts",
            Self::FragmentedMp4 | Self::InBandMp4 => "m4s",
        }
    }

    /// What ffmpeg's HLS muxer is told.
    const fn arguments(self) -> &'static [&'static str] {
        const MP4: &[&str] = &["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init-%v.mp4"];
        const IN_BAND: &[&str] = &[
            "-hls_segment_type",
            "fmp4",
            "-hls_fmp4_init_filename",
            "init-%v.mp4",
            "-bsf:v",
            "dump_extra=freq=keyframe",
        ];
        match self {
            Self::Ts => &[],
            Self::FragmentedMp4 => MP4,
            Self::InBandMp4 => IN_BAND,
        }
    }
}

impl Ladder {
    /// Encodes a ladder of at least `length`.
    ///
    /// # Panics
    /// When ffmpeg cannot, or cuts otherwise than every 2 s.
    pub async fn encode(container: Container, length: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let segments = length.as_secs().div_ceil(SEGMENT.as_secs());
        let seconds = segments * SEGMENT.as_secs();
        let mut command = Command::new("nice");
        command.arg("ffmpeg").args(PICTURE_AND_SOUND).args(["-t", &seconds.to_string()]);
        command.args(RUNGS).args(bitrates()).args(HLS).args(container.arguments());
        command.args(["-hls_segment_filename", &format!("%v-%d.{}", container.extension()), "%v.m3u8"]);
        command.current_dir(folder.path());
        let mut ffmpeg = Program::start("ffmpeg", command, folder.path());
        assert!(ffmpeg.ends_within(ENCODES_WITHIN).await.success(), "{}", ffmpeg.log());
        let ladder = Self { container, segments, folder };
        for rung in 0..HEIGHTS.len() {
            let text = std::fs::read_to_string(ladder.file(&format!("{rung}.m3u8"))).expect("a playlist");
            let cut = text.lines().filter(|line| *line == "#EXTINF:2.000000,").count();
            assert_eq!(cut as u64, segments, "not every segment of rung {rung} has 2 s: {text}");
        }
        ladder
    }

    /// The multivariant playlist, as ffmpeg wrote it.
    #[must_use]
    pub fn multivariant(&self) -> Vec<u8> {
        std::fs::read(self.file("master.m3u8")).expect("ffmpeg has written it")
    }

    /// Where a file of it lies.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(Path::new(name).file_name().unwrap_or_default())
    }

    /// The media playlist of a rung, of some of its segments.
    #[must_use]
    pub fn playlist(&self, rung: usize, segments: std::ops::Range<u64>) -> String {
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-INDEPENDENT-SEGMENTS\n",
            segments.start
        );
        if self.container != Container::Ts {
            let _ = writeln!(text, "#EXT-X-MAP:URI=\"init-{rung}.mp4\"");
        }
        for number in segments.clone() {
            let _ = writeln!(text, "#EXTINF:2,\n{rung}-{number}.{}", self.container.extension());
        }
        if segments.end == self.segments {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        text
    }

    /// What a segment of each rung really takes of a line, in bits per second: the average.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    pub fn bits_per_second(&self) -> BTreeMap<usize, f64> {
        let seconds = (self.segments * SEGMENT.as_secs()) as f64;
        let bytes = |rung: usize| -> u64 {
            let name = |number| self.file(&format!("{rung}-{number}.{}", self.container.extension()));
            (0..self.segments).filter_map(|number| Some(std::fs::metadata(name(number)).ok()?.len())).sum()
        };
        (0..HEIGHTS.len()).map(|rung| (rung, bytes(rung) as f64 * 8.0 / seconds)).collect()
    }
}

/// A test card with noise, and a tone.
#[rustfmt::skip]
const PICTURE_AND_SOUND: &[&str] = &[
    "-nostdin", "-hide_banner", "-loglevel", "warning",
    "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25,noise=alls=12:allf=t",
    "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
];

/// Three heights with key frames at the same times, and the same sound.
#[rustfmt::skip]
const RUNGS: &[&str] = &[
    "-filter_complex", "[0:v]split=3[a][b][c];[a]scale=256:144[v0];[b]scale=426:240[v1];[c]copy[v2]",
    "-map", "[v0]", "-map", "1:a", "-map", "[v1]", "-map", "1:a", "-map", "[v2]", "-map", "1:a",
    "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0",
    "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "48k",
];

#[rustfmt::skip]
const HLS: &[&str] = &[
    "-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod", "-master_pl_name", "master.m3u8",
    "-var_stream_map", "v:0,a:0 v:1,a:1 v:2,a:2",
];

fn bitrates() -> Vec<String> {
    let of = |(rung, kbit): (usize, u32)| {
        ["b", "maxrate", "bufsize"]
            .into_iter()
            .flat_map(move |key| [format!("-{key}:v:{rung}"), format!("{kbit}k")])
    };
    VIDEO_KBIT.into_iter().enumerate().flat_map(of).collect()
}
