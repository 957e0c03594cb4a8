//! How much a line carries, in bits per second, as people write it: `400Mbps`, `1.5Gbps`, `800000`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Decimal units of networks, largest first.
const UNITS: [(&str, u64); 4] = [("Gbps", 1_000_000_000), ("Mbps", 1_000_000), ("kbps", 1_000), ("bps", 1)];

/// Bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BitRate(u64);

impl BitRate {
    /// In bits per second.
    #[must_use]
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }
}

/// A rate that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no bitrate: give a number with kbps, Mbps or Gbps, such as 400Mbps")]
pub struct InvalidBitRate(String);

impl FromStr for BitRate {
    type Err = InvalidBitRate;

    fn from_str(text: &str) -> Result<Self, InvalidBitRate> {
        let invalid = || InvalidBitRate(text.chars().take(32).collect());
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
            .unwrap_or((text, 1));
        let (whole, fraction) = number.trim_end().split_once('.').unwrap_or((number.trim_end(), ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
            return Err(invalid());
        }
        let whole: u64 = whole.parse().map_err(|_| invalid())?;
        let fraction: u64 = format!("{fraction:0<9}").parse().map_err(|_| invalid())?;
        let bits = whole.checked_mul(unit).and_then(|bits| {
            let below = u128::from(fraction) * u128::from(unit) / 1_000_000_000;
            bits.checked_add(u64::try_from(below).ok()?)
        });
        bits.map(Self).ok_or_else(invalid)
    }
}

impl TryFrom<String> for BitRate {
    type Error = InvalidBitRate;

    fn try_from(text: String) -> Result<Self, InvalidBitRate> {
        text.parse()
    }
}

impl From<BitRate> for String {
    fn from(rate: BitRate) -> Self {
        rate.to_string()
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &&(&str, u64)| self.0 >= unit.1 && self.0.is_multiple_of(unit.1);
        let (name, unit) = UNITS.iter().find(fits).unwrap_or(&UNITS[3]);
        write!(f, "{}{name}", self.0 / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, bits) in [
            ("400Mbps", 400_000_000),
            ("1.5Gbps", 1_500_000_000),
            ("64 kbps", 64_000),
            ("800000", 800_000),
            ("0", 0),
            ("9bps", 9),
        ] {
            assert_eq!(text.parse::<BitRate>().unwrap().bits_per_second(), bits, "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused_with_an_example() {
        for text in ["", "Mbps", "-1", "1.2.3Mbps", "fast", "99999999999999999999", "1e9", "99999999999Gbps"]
        {
            assert!(text.parse::<BitRate>().unwrap_err().to_string().contains("400Mbps"), "{text}");
        }
    }

    #[test]
    fn a_rate_reads_back_as_it_was_written() {
        for bits in [0, 1, 1_500, 64_000, 1_500_000_000, u64::MAX] {
            assert_eq!(BitRate(bits).to_string().parse(), Ok(BitRate(bits)));
        }
    }
}
