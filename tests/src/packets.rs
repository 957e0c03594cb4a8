//! What a viewer is sent, packet by packet: ffmpeg copies a stream without decoding it and says every packet's decode timestamp, which
//! goes on by the packet before, whatever rungs the segments are of.

use std::{collections::BTreeMap, process::Command};

use crate::{Fleet, Program};

/// What a timestamp may be off by rounding, in seconds.
const ROUNDING: f64 = 0.001;

/// What ffmpeg says that means nothing: of each initialization section after the first, of each other server, and of continuity counters
/// that do not go on where two rungs of a transport stream meet. The packet that it then calls corrupt is whole, which frames and
/// timestamps show; it is the last one before the swap. What mpv says of its sound device, which here is a clock of its own, is seen in
/// its position, which follows the sound.
const HARMLESS: [&str; 7] = [
    "Found duplicated MOOV Atom",
    "Cannot reuse HTTP connection for different host",
    "keepalive request failed for",
    "message repeated",
    "Packet corrupt",
    "corrupt input packet",
    "Audio device underrun detected",
];

/// A copy in progress.
#[derive(Debug)]
pub struct Copy(Program);

/// What was copied.
#[derive(Debug, Default, PartialEq)]
pub struct Copied {
    /// Packets of each track.
    pub packets: BTreeMap<u32, u64>,
    /// Where decode timestamps did not go on, and what ffmpeg complained of.
    pub faults: Vec<String>,
    /// How often it said what means nothing.
    pub remarks: usize,
}

impl Copy {
    /// Copies the fleet's stream until it is stopped.
    #[must_use]
    pub fn start(fleet: &Fleet) -> Self {
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-hide_banner", "-v", "warning", "-i", &fleet.watch_url()]);
        command.args(["-c", "copy", "-flush_packets", "1", "-f", "framecrc", "-"]);
        Self(Program::start("copy", command, &fleet.file("")))
    }

    /// Ends it.
    pub async fn stop(mut self) -> Copied {
        let ended = self.0.ended();
        self.0.stop().await;
        let mut copied = Copied::of(&self.0.log());
        copied.faults.extend(ended.map(|status| format!("it ended by itself, with {status}")));
        copied
    }
}

/// Whether a line of ffmpeg's or mpv's says nothing of the stream.
#[must_use]
pub fn is_harmless(line: &str) -> bool {
    HARMLESS.iter().any(|harmless| line.contains(harmless))
}

impl Copied {
    /// Reads ffmpeg's `framecrc` lines: track, decode and presentation timestamp, duration, size, checksum.
    fn of(log: &str) -> Self {
        let mut copied = Self::default();
        let (mut ticks, mut next) = (BTreeMap::new(), BTreeMap::<u32, f64>::new());
        for line in log.lines() {
            if let Some((track, tick)) = time_base(line) {
                ticks.insert(track, tick);
            } else if let Some((track, at, length)) = packet(line, &ticks) {
                let expected = next.insert(track, at + length);
                if expected.is_some_and(|expected| (at - expected).abs() > ROUNDING) {
                    let expected = expected.unwrap_or_default();
                    copied.faults.push(format!("track {track} goes on at {at:.3} s, not at {expected:.3} s"));
                }
                *copied.packets.entry(track).or_default() += 1;
            } else if is_harmless(line) {
                copied.remarks += 1;
            } else if !line.starts_with('#') && !line.trim().is_empty() {
                copied.faults.push(line.to_owned());
            }
        }
        copied
    }
}

/// `#tb 0: 1/90000`
fn time_base(line: &str) -> Option<(u32, f64)> {
    let (track, base) = line.strip_prefix("#tb ")?.split_once(": ")?;
    let (numerator, denominator) = base.split_once('/')?;
    Some((track.parse().ok()?, numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?))
}

/// The track, decode timestamp and duration of a packet, in seconds.
fn packet(line: &str, ticks: &BTreeMap<u32, f64>) -> Option<(u32, f64, f64)> {
    let mut fields = line.split(',').map(str::trim);
    let track = fields.next()?.parse().ok()?;
    let tick = ticks.get(&track)?;
    let (dts, _pts, duration) = (fields.next()?, fields.next()?, fields.next()?);
    Some((track, dts.parse::<f64>().ok()? * tick, duration.parse::<f64>().ok()? * tick))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "#tb 0: 1/90000\n#tb 1: 1/48000\n0, 0, 0, 3600, 9, 0x1\n1, 512, 512, 1024, 5, 0x2\n\
        0, 3600, 3600, 3600, 9, 0x3, F=0x0\n1, 1536, 1536, 1024, 5, 0x4\n";

    #[test]
    fn timestamps_that_go_on_are_no_fault() {
        let packets = [(0, 2), (1, 2)].into();
        assert_eq!(Copied::of(LOG), Copied { packets, ..Copied::default() });
    }

    #[test]
    fn a_gap_and_a_complaint_are_faults() {
        let copied = Copied::of(&format!("{LOG}[hls] no\n0, 14400, 14400, 3600, 9, 0x5\n"));
        assert_eq!(copied.faults, ["[hls] no", "track 0 goes on at 0.160 s, not at 0.080 s"]);
    }
}
