//! Which rung of the ladder to play.
//!
//! `auto` is what a careful player does: the highest rung that the measured throughput carries with room to spare, up one rung at
//! a time and only with a buffer to fall back on, down at once.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// Share of the measured throughput that a rung may need; hls.js and Shaka use 0.7 to 0.95.
const USABLE: f64 = 0.8;

/// Weight of the newest measurement.
const NEWEST: f64 = 0.3;

/// What somebody asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Choice {
    /// By throughput and buffer.
    #[default]
    Auto,
    /// The lowest bitrate.
    Lowest,
    /// The highest bitrate.
    Highest,
    /// The nth, lowest first, from 0; the highest where there are fewer.
    Index(usize),
}

/// A text that names no rung.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no rung: give auto, lowest, highest, or a number, 0 being the lowest")]
pub struct InvalidRung(String);

impl FromStr for Choice {
    type Err = InvalidRung;

    fn from_str(text: &str) -> Result<Self, InvalidRung> {
        match text {
            "auto" => Ok(Self::Auto),
            "lowest" => Ok(Self::Lowest),
            "highest" => Ok(Self::Highest),
            _ => text.parse().map(Self::Index).map_err(|_| InvalidRung(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Choice {
    type Error = InvalidRung;

    fn try_from(text: String) -> Result<Self, InvalidRung> {
        text.parse()
    }
}

impl From<Choice> for String {
    fn from(choice: Choice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Lowest => f.write_str("lowest"),
            Self::Highest => f.write_str("highest"),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

impl Choice {
    /// The rung to play, as an index into `ladder` (bits per second, lowest first, not empty).
    #[must_use]
    pub fn rung(self, ladder: &[u64], playing: Option<usize>, line: &Throughput, level: Duration) -> usize {
        let top = ladder.len().saturating_sub(1);
        match self {
            Self::Lowest => 0,
            Self::Highest => top,
            Self::Index(index) => index.min(top),
            Self::Auto => {
                let affordable = line.bits_per_second().map_or(0, |line| affordable(ladder, line));
                let playing = playing.unwrap_or(0).min(top);
                if affordable <= playing {
                    affordable
                } else if level >= line.slowest_step {
                    playing + 1
                } else {
                    playing
                }
            }
        }
    }
}

/// The highest rung that a line carries.
#[expect(clippy::cast_precision_loss, reason = "bitrates are far below 2^52")]
fn affordable(ladder: &[u64], line: f64) -> usize {
    ladder.iter().rposition(|bandwidth| *bandwidth as f64 <= line * USABLE).unwrap_or(0)
}

/// How fast media has arrived lately.
#[derive(Debug, Clone, Default)]
pub struct Throughput {
    average: Option<f64>,
    slowest_step: Duration,
}

impl Throughput {
    /// A segment of `duration` came as `bytes` bytes in `took`.
    #[expect(clippy::cast_precision_loss, reason = "segments are far below 2^52 bytes")]
    pub fn measured(&mut self, bytes: u64, took: Duration, duration: Duration) {
        let bits_per_second = bytes as f64 * 8.0 / took.as_secs_f64().max(0.001);
        self.average =
            Some(self.average.map_or(bits_per_second, |old| old + NEWEST * (bits_per_second - old)));
        self.slowest_step = self.slowest_step.max(duration);
    }

    /// The average; none before the first segment.
    #[must_use]
    pub fn bits_per_second(&self) -> Option<f64> {
        self.average
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LADDER: [u64; 3] = [400_000, 1_200_000, 3_000_000];

    fn line(bits_per_second: u64) -> Throughput {
        let mut line = Throughput::default();
        line.measured(bits_per_second / 8, Duration::from_secs(1), Duration::from_secs(2));
        line
    }

    #[test]
    fn auto_starts_low_climbs_one_rung_at_a_time_and_falls_at_once() {
        let (full, low) = (Duration::from_secs(4), Duration::from_secs(1));
        let rung = |playing, line: &Throughput, level| Choice::Auto.rung(&LADDER, playing, line, level);
        assert_eq!(rung(None, &Throughput::default(), Duration::ZERO), 0);
        assert_eq!(rung(Some(0), &line(10_000_000), full), 1);
        assert_eq!(rung(Some(0), &line(10_000_000), low), 0);
        assert_eq!(rung(Some(2), &line(1_000_000), low), 0);
        assert_eq!(rung(Some(1), &line(1_600_000), full), 1);
    }

    #[test]
    fn a_rung_beyond_the_ladder_is_its_highest() {
        let line = Throughput::default();
        assert_eq!(Choice::Index(9).rung(&LADDER, None, &line, Duration::ZERO), 2);
        assert_eq!(Choice::Highest.rung(&LADDER, None, &line, Duration::ZERO), 2);
        assert_eq!(Choice::Lowest.rung(&LADDER, Some(2), &line, Duration::ZERO), 0);
    }

    #[test]
    fn a_choice_is_written_as_it_is_read() {
        for text in ["auto", "lowest", "highest", "1"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
        assert!("best".parse::<Choice>().unwrap_err().to_string().contains("lowest"));
    }
}
