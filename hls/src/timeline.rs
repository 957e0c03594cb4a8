//! When each segment was recorded, for upstreams that do not say so (EXT-X-PROGRAM-DATE-TIME, RFC 8216bis 4.4.4.6).
//!
//! The first segment's moment is taken from the clock, every other one from the durations since. Players line renditions up by
//! these dates, so one number has one date in all renditions; a rendition cut into segments of other lengths gets none,
//! since its numbers say nothing about time.

use std::{collections::BTreeMap, time::Duration};

use crate::date::Date;

/// Dates that are remembered: what renditions may be apart when they are pulled, with room for long lists.
const MAX_DATES: usize = 1024;

/// So many segments' time without a segment is a pause: a guess is off by up to a reload or two.
const PAUSE: u64 = 3;

/// The dates given to a stream's numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline(BTreeMap<u64, (Date, Duration)>);

impl Timeline {
    /// The date of segment `number`, which lasts `duration`. Where nothing is known yet it is `guess`.
    pub fn date(&mut self, number: u64, duration: Duration, guess: Date) -> Option<Date> {
        let before = self.0.range(..=number).next_back().map(|(n, known)| (*n, *known));
        let date = match (before, self.0.first_key_value()) {
            (None, None) => guess,
            (Some((n, (date, known))), _) if alike(known, duration) => date.after(times(known, number - n)),
            (None, Some((n, (date, known)))) if alike(*known, duration) => {
                date.before(times(duration, n - number))
            }
            _ => return None,
        };
        self.remember(number, date, duration);
        Some(date)
    }

    /// The date of segment `number` after the upstream began anew: `guess`, where that was after a pause.
    pub fn restart(&mut self, number: u64, duration: Duration, guess: Date) -> Option<Date> {
        match self.0.last_key_value() {
            Some((newest, (date, known)))
                if *newest < number && date.after(times(*known, number - newest + PAUSE)) < guess =>
            {
                self.remember(number, guess, duration);
                Some(guess)
            }
            _ => self.date(number, duration, guess),
        }
    }

    fn remember(&mut self, number: u64, date: Date, duration: Duration) {
        self.0.entry(number).or_insert((date, duration));
        if self.0.len() > MAX_DATES {
            self.0.pop_first();
        }
    }
}

/// Encodings of one source differ by a frame or two; another cut differs by more than a quarter.
fn alike(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) * 4 <= one.max(other)
}

fn times(duration: Duration, count: u64) -> Duration {
    duration.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Duration = Duration::from_secs(2);

    fn at(ms: u64) -> Date {
        Date::from_unix_ms(1_763_640_000_000 + ms)
    }

    #[test]
    fn renditions_agree_on_the_date_of_a_number_whoever_comes_first() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.date(10, TWO, at(0)), Some(at(0)));
        assert_eq!(timeline.date(11, Duration::from_millis(2040), at(9)), Some(at(2000)));
        assert_eq!(timeline.date(11, TWO, at(77)), Some(at(2000)));
        assert_eq!(timeline.date(12, TWO, at(77)), Some(at(4040)));
        assert_eq!(timeline.date(9, TWO, at(77)), Some(Date::from_unix_ms(1_763_639_998_000)));
        assert_eq!(timeline.date(20, TWO, at(77)), Some(at(4040 + 16_000)));
    }

    #[test]
    fn a_rendition_that_is_cut_otherwise_gets_no_dates() {
        let mut timeline = Timeline::default();
        timeline.date(10, TWO, at(0));
        assert_eq!(timeline.date(11, 2 * TWO, at(0)), None);
    }

    #[test]
    fn an_outage_is_not_forgotten_by_the_dates_after_it() {
        let mut timeline = Timeline::default();
        timeline.date(10, TWO, at(0));
        assert_eq!(timeline.restart(11, TWO, at(60_000)), Some(at(60_000)));
        assert_eq!(timeline.restart(11, TWO, at(61_000)), Some(at(60_000)));
        assert_eq!(timeline.restart(12, TWO, at(1000)), Some(at(62_000)));
    }
}
