//! With which rung newcomers begin: players load the last three segments at once, and what they load so must fit beside what all others
//! play, or it stands in the queue before that.
//!
//! ```text
//! signal      bits per second that are left of the uplink, which includes what is kept for relays: a burst lasts a moment
//! begins      at the highest rung up to the cap of which three segments fit what is left within a target duration, else at the lowest
//! promised    what it loads so; nobody else is promised that until then, for it shows in what is left only some time later
//! ```

use std::{collections::VecDeque, time::Duration};

use super::PACKET_OVERHEAD;
use crate::{Time, pacing::BEGINS_WITH};

/// What is left of an uplink for those who begin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Newcomers {
    /// Bits per second on the wire, without what was promised; none where nobody knows.
    left: Option<f64>,
    /// Until when how much was promised.
    promised: VecDeque<(Time, f64)>,
    sum: f64,
}

impl Newcomers {
    /// Takes in how many bits per second on the wire are left, which is below zero where too many play.
    pub fn observe(&mut self, left: Option<f64>) {
        self.left = left;
    }

    /// The rung with which one more begins, of a ladder of these rates, lowest first, of which it may have those up to `highest`.
    pub fn begin(&mut self, rates: &[u64], highest: usize, target_duration: Duration, now: Time) -> usize {
        let Some(left) = self.left else { return highest };
        self.forget(now);
        let takes = |rate: u64| rate as f64 * PACKET_OVERHEAD * f64::from(BEGINS_WITH);
        let rungs = &rates[..rates.len().min(highest.saturating_add(1))];
        let rung = rungs.iter().rposition(|rate| takes(*rate) <= left - self.sum).unwrap_or(0);
        let promised = rungs.get(rung).map_or(0.0, |rate| takes(*rate));
        self.promised.push_back((now + target_duration, promised));
        self.sum += promised;
        rung
    }

    fn forget(&mut self, now: Time) {
        while let Some((until, promised)) = self.promised.front()
            && *until <= now
        {
            self.sum -= promised;
            self.promised.pop_front();
        }
        if self.promised.is_empty() {
            self.sum = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u64; 3] = [300_000, 800_000, 2_000_000];
    const TARGET: Duration = Duration::from_secs(2);
    const TOP: usize = RATES.len() - 1;

    fn with(left: f64) -> Newcomers {
        let mut newcomers = Newcomers::default();
        newcomers.observe(Some(left));
        newcomers
    }

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    #[test]
    fn one_begins_with_the_highest_rung_whose_three_segments_fit_what_is_left() {
        for (left, rung) in
            [(8e6, 2), (2e6 * 3.0 * PACKET_OVERHEAD, 2), (6.3e6, 1), (2.5e6, 0), (0.0, 0), (-9e6, 0)]
        {
            assert_eq!(with(left).begin(&RATES, TOP, TARGET, at(0)), rung, "{left}");
        }
        assert_eq!(with(99e6).begin(&RATES, 1, TARGET, at(0)), 1, "never above what it may have");
        assert_eq!(with(99e6).begin(&RATES, usize::MAX, TARGET, at(0)), TOP);
        assert_eq!(with(99e6).begin(&[], 0, TARGET, at(0)), 0);
        let mut unknown = Newcomers::default();
        assert_eq!([0; 3].map(|_| unknown.begin(&RATES, TOP, TARGET, at(0))), [TOP; 3], "nobody knows");
    }

    #[test]
    fn who_comes_at_once_is_promised_what_was_not_promised_to_others_before() {
        let mut newcomers = with(11e6);
        let mut begin = |ms| newcomers.begin(&RATES, TOP, TARGET, at(ms));
        assert_eq!([0; 5].map(|_| begin(0)), [2, 1, 0, 0, 0], "6.3, 2.5 and 0.9 Mb/s of 11");
        assert_eq!(begin(1_999), 0);
        assert_eq!(begin(2_000), 2, "those of before have loaded it");
    }

    #[test]
    fn what_was_promised_lapses_to_nothing() {
        let mut newcomers = with(99e6);
        for ms in 0..1_000 {
            newcomers.begin(&RATES, TOP, TARGET, at(ms * 7));
        }
        newcomers.forget(at(60_000));
        assert_eq!(newcomers, with(99e6));
    }
}
