//! With which rung newcomers begin: players load the last three segments at once, and what they load so must fit beside what all others
//! play, or it stands in the queue before that.
//!
//! ```text
//! signal      bits per second that are left of the uplink, which includes what is kept for relays: a burst lasts a moment
//! begins      at the highest rung up to the cap of which three segments fit what is left within a target duration, else at the lowest
//! promised    what it loads so; nobody else is promised that until then, for not all of it shows in what is left before
//! pace        within a target duration; sooner as far as more is left for each of those who begin, later as far as less is
//!             ([`crate::pacing`])
//! ```

use std::{collections::BTreeMap, time::Duration};

use super::PACKET_OVERHEAD;
use crate::{Time, pacing::BEGINS_WITH};

/// Promises lapse together that would lapse within so many milliseconds: however many come, there is little to remember.
const TOGETHER_MS: u64 = 100;

/// A target duration where nobody knows it yet: what is customary.
const CUSTOMARY_TARGET: Duration = Duration::from_secs(6);

/// What is left of an uplink for those who begin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Newcomers {
    /// Bits per second on the wire, without what was promised; none where nobody knows.
    left: Option<f64>,
    /// How much was promised, with how many playlists, by when that lapses.
    promised: BTreeMap<u64, (f64, u32)>,
}

/// What one newcomer was promised with one playlist.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Promise {
    /// The rung with which it begins, counted from the lowest.
    pub rung: usize,
    lapses: u64,
    bits_per_second: f64,
}

impl Newcomers {
    /// Takes in how many bits per second on the wire are left, which is below zero where too many play.
    pub fn observe(&mut self, left: Option<f64>) {
        self.left = left;
    }

    /// What is left that nobody was promised, in bits per second on the wire; none where nobody knows.
    pub fn left(&mut self, now: Time) -> Option<f64> {
        self.promised.retain(|lapses, _| lapses * TOGETHER_MS > now.as_millis());
        Some(self.left? - self.promised.values().map(|(promised, _)| promised).sum::<f64>())
    }

    /// What of that each of those who begin now may take besides what it was promised, for they all may at once; of what is missing, all.
    pub fn left_for_each(&mut self, now: Time) -> Option<f64> {
        let left = self.left(now)?;
        let lists = self.promised.values().map(|(_, lists)| *lists).fold(0, u32::saturating_add);
        Some(if left > 0.0 { left / f64::from(lists.max(1)) } else { left })
    }

    /// With what one more begins, of a ladder of these rates, lowest first, of which it may have those up to `highest`; none where nobody
    /// knows what is left.
    pub fn begin(
        &mut self,
        rates: &[u64],
        highest: usize,
        target_duration: Duration,
        now: Time,
    ) -> Option<Promise> {
        let left = self.left(now)?;
        let rungs = &rates[..rates.len().min(highest.saturating_add(1))];
        let rung = rungs.iter().rposition(|rate| takes(*rate) <= left).unwrap_or(0);
        let bits_per_second = rungs.get(rung).map_or(0.0, |rate| takes(*rate));
        let target = if target_duration.is_zero() { CUSTOMARY_TARGET } else { target_duration };
        let lapses = (now + target).as_millis().div_ceil(TOGETHER_MS);
        let (promised, lists) = self.promised.entry(lapses).or_default();
        *promised += bits_per_second;
        *lists = lists.saturating_add(1);
        Some(Promise { rung, lapses, bits_per_second })
    }

    /// One was given a rung of another rate than the one that was promised.
    pub fn amend(&mut self, promise: &Promise, rate: u64) {
        if let Some((promised, _)) = self.promised.get_mut(&promise.lapses) {
            *promised += takes(rate) - promise.bits_per_second;
        }
    }
}

/// Bits per second on the wire of what one begins with, if that comes within a target duration.
fn takes(rate: u64) -> f64 {
    rate as f64 * PACKET_OVERHEAD * f64::from(BEGINS_WITH)
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

    fn begin(newcomers: &mut Newcomers, highest: usize, ms: u64) -> usize {
        newcomers.begin(&RATES, highest, TARGET, at(ms)).expect("what is left is known").rung
    }

    #[test]
    fn one_begins_with_the_highest_rung_whose_three_segments_fit_what_is_left() {
        for (left, rung) in
            [(8e6, 2), (2e6 * 3.0 * PACKET_OVERHEAD, 2), (6.3e6, 1), (2.5e6, 0), (0.0, 0), (-9e6, 0)]
        {
            assert_eq!(begin(&mut with(left), TOP, 0), rung, "{left}");
        }
        assert_eq!(begin(&mut with(99e6), 1, 0), 1, "never above what it may have");
        assert_eq!(begin(&mut with(99e6), usize::MAX, 0), TOP);
        assert_eq!(with(99e6).begin(&[], 0, TARGET, at(0)).map(|promise| promise.rung), Some(0));
        assert_eq!(Newcomers::default().begin(&RATES, TOP, TARGET, at(0)), None, "nobody knows");
    }

    #[test]
    fn who_comes_at_once_is_promised_what_was_not_promised_to_others_before() {
        let mut newcomers = with(11e6);
        assert_eq!(
            [0; 5].map(|ms| begin(&mut newcomers, TOP, ms)),
            [2, 1, 0, 0, 0],
            "6.3, 2.5 and 0.9 of 11"
        );
        assert!(newcomers.left(at(0)).is_some_and(|left| left < 0.0), "the lowest is nobody refused");
        assert_eq!(begin(&mut newcomers, TOP, 1_999), 0);
        assert_eq!(begin(&mut newcomers, TOP, 2_000), 2, "those of before have loaded it");
    }

    #[test]
    fn those_who_begin_at_once_share_what_else_is_left() {
        let mut newcomers = with(90e6);
        assert_eq!(newcomers.left_for_each(at(0)), Some(90e6));
        assert_eq!([0; 4].map(|ms| begin(&mut newcomers, TOP, ms)), [TOP; 4]);
        let each = newcomers.left_for_each(at(0)).expect("what is left is known");
        assert!((each - (90e6 - 4.0 * 6.0e6 * PACKET_OVERHEAD) / 4.0).abs() < 1.0, "{each}");
        newcomers.observe(Some(-1e6));
        assert_eq!(newcomers.left_for_each(at(2_000)), Some(-1e6));
    }

    #[test]
    fn what_was_promised_lapses_when_it_was_loaded_whatever_others_were_promised() {
        let mut newcomers = with(11e6);
        let long = newcomers.begin(&RATES, 0, TARGET * 5, at(0));
        assert_eq!(begin(&mut newcomers, TOP, 0), 2);
        assert_eq!(begin(&mut newcomers, TOP, 2_000), 2, "the longer promise is not in its way");
        assert_eq!(long.map(|promise| promise.rung), Some(0));
        let mut unknown = with(8e6);
        unknown.begin(&RATES, TOP, Duration::ZERO, at(0));
        assert_eq!([5_999, 6_000].map(|ms| begin(&mut unknown, TOP, ms)), [0, 2], "no target duration yet");
    }

    #[test]
    fn who_is_given_another_rung_is_promised_that() {
        let mut newcomers = with(8e6);
        let promise = newcomers.begin(&RATES, 0, TARGET, at(0)).expect("what is left is known");
        newcomers.amend(&promise, RATES[TOP]);
        assert_eq!(begin(&mut newcomers, TOP, 0), 0, "1.7 are left");
        newcomers.left(at(60_000));
        newcomers.amend(&promise, RATES[TOP]);
        assert_eq!(newcomers, with(8e6), "it has lapsed");
    }

    #[test]
    fn however_many_come_there_is_little_to_remember() {
        let mut newcomers = with(99e6);
        (0..10_000).for_each(|ms| _ = begin(&mut newcomers, TOP, ms));
        assert!(newcomers.promised.len() <= 21, "{}", newcomers.promised.len());
    }
}
