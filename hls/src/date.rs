//! A moment of EXT-X-PROGRAM-DATE-TIME, in milliseconds, which is the precision the standard asks for (RFC 8216bis 4.4.4.6).
//!
//! Read leniently, because encoders write offsets without a colon (ffmpeg) or none at all; written in one way only, so that all
//! servers write the same bytes.

use std::{fmt, str::FromStr, time::Duration};

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(i64);

/// A text that is no date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date and time as in 2026-11-20T14:00:00.000Z")]
pub struct InvalidDate;

/// The last moment with a year of four digits: 9999-12-31T23:59:59.999Z.
const MAX_MS: i64 = 253_402_300_799_999;

impl Date {
    /// The moment `unix_ms` milliseconds after the Unix epoch; the year 9999 is the last.
    #[must_use]
    pub fn from_unix_ms(unix_ms: u64) -> Self {
        Self(i64::try_from(unix_ms).map_or(MAX_MS, |ms| ms.min(MAX_MS)))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.0
    }

    /// The moment `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(MAX_MS);
        Self(self.0.saturating_add(ms).min(MAX_MS))
    }

    /// The moment `duration` earlier, not before the epoch.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(MAX_MS);
        Self(self.0.saturating_sub(ms).max(0))
    }
}

impl FromStr for Date {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        parse(text.trim()).filter(|ms| (0..=MAX_MS).contains(ms)).map(Self).ok_or(InvalidDate)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_of_days(self.0.div_euclid(DAY_MS));
        let ms = self.0.rem_euclid(DAY_MS);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
    }
}

fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if year > 9999 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, offset) = time.split_at_checked(at)?;
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let (seconds, fraction) = parts.next().map(|text| text.split_once('.').unwrap_or((text, "")))?;
    let second = number(seconds)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let clock_ms = ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds(fraction)?;
    Some(days_of_civil(year, month, day) * DAY_MS + clock_ms - offset_ms(offset)?)
}

/// `.5` is 500: the first three digits count, the others must be digits too.
fn milliseconds(fraction: &str) -> Option<i64> {
    let digits = fraction.bytes().all(|b| b.is_ascii_digit());
    let first: String = fraction.chars().chain("000".chars()).take(3).collect();
    digits.then(|| number(&first))?
}

/// `Z`, `+hh:mm`, `-hhmm`, `+hh` or nothing, which is UTC here.
fn offset_ms(text: &str) -> Option<i64> {
    if matches!(text, "" | "Z" | "z") {
        return Some(0);
    }
    let (sign, digits) = text.split_at_checked(1)?;
    let digits = digits.replacen(':', "", 1);
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { number(minutes)? };
    let hours = number(hours).filter(|hours| *hours <= 23)?;
    let ms = (hours * 60 + Some(minutes).filter(|minutes| *minutes <= 59)?) * 60_000;
    Some(if sign == "-" { -ms } else { ms })
}

fn number(text: &str) -> Option<i64> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, in years that begin in March (Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms").
fn days_of_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_of_civil`].
fn civil_of_days(days: i64) -> (i64, i64, i64) {
    let (era, day_of_era) = ((days + 719_468).div_euclid(146_097), (days + 719_468).rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encoders_spell_one_moment_in_many_ways() {
        for text in [
            "2024-02-29T12:30:05.25Z",
            "2024-02-29T12:30:05.250+0000",
            "2024-02-29 14:30:05.2509+02:00",
            "2024-02-29t07:00:05.250-05:30",
            "2024-02-29T12:30:05.250",
        ] {
            assert_eq!(text.parse::<Date>().unwrap().to_string(), "2024-02-29T12:30:05.250Z", "{text}");
        }
        for text in ["", "2024-02-29", "2024-13-01T00:00:00Z", "2024-01-01T00:00:0xZ", "1-1-1T1:1:1+é0"] {
            assert_eq!(text.parse::<Date>(), Err(InvalidDate), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in 0..=MAX_MS.unsigned_abs()) {
            let date = Date::from_unix_ms(ms);
            prop_assert_eq!(date.to_string().parse::<Date>(), Ok(date));
            prop_assert_eq!(date.unix_ms().unsigned_abs(), ms);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}", digits in "[0-9TZ:.+-]{0,40}") {
            let _ = text.parse::<Date>();
            let _ = digits.parse::<Date>();
        }
    }
}
