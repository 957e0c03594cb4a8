//! Which rung one session is sent at most, by what its own line has carried: for streams whose server picks for each session.
//!
//! ```text
//! signal      bits acknowledged over the time in which there was something to send: what the line carries, whatever is watched;
//!             where none ever were, what the player says it measured
//! estimate    all bits over all time of the last seconds, so that a moment weighs as much as it took; or what the very newest say, where
//!             that is far less
//! down        at once, to the highest rung that the estimate carries with a margin
//! up          one rung, after a hold in which the estimate has carried it with a larger margin
//! first       the lowest rung: a player that begins shows a picture at once; without a measurement it stays there
//! ```

use std::time::Duration;

use super::Settings;
use crate::Time;

/// The part of what a line carries that a rung may take: segments of a rung differ, and a buffer must grow to be one.
const DOWN_SHARE: f64 = 0.92;

/// The same for a higher rung.
const UP_SHARE: f64 = 0.8;

/// The time in which what was measured loses half its weight: a segment or two of most streams, so that a rung is judged by some of them.
const HALF_LIFE: Duration = Duration::from_secs(4);

/// The same for the newest, in time in which the line had something to carry: a buffer is only seconds, and a line that has become bad, which is
/// never idle, must be seen in one; the beginning of a segment after a pause says little.
const NEWEST_HALF_LIFE: Duration = Duration::from_millis(750);

/// The newest may be so much of the estimate and be noise: a round trip at the end of a segment, a processor that was busy.
const NOISE: f64 = 0.75;

/// How long a higher rung must fit, as a part of the server's hold: a session that climbs hurts nobody but itself.
const HOLD_PART: f64 = 0.3;

/// What was acknowledged on one session's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurement {
    /// Bytes acknowledged.
    pub bytes: u64,
    /// The time in which there was something to send, in ticks of the kernel.
    pub busy: Duration,
    /// Bits per second that the player says it measured (CTA-5004 `mtp`): taken where nothing was ever measured here.
    pub said: Option<u64>,
}

/// What is acknowledged within one tick of the kernel's clock seems to have taken no time at all: it took up to that (CONFIG_HZ of 100).
const TICK: Duration = Duration::from_millis(10);

/// What was acknowledged and how long it took, of which the old weighs less.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Sum {
    bits: f64,
    seconds: f64,
}

impl Sum {
    fn add(&mut self, measured: Measurement, passed: Duration, half_life: Duration) {
        let left = 0.5_f64.powf(passed.as_secs_f64() / half_life.as_secs_f64());
        self.bits = self.bits * left + measured.bytes as f64 * 8.0;
        self.seconds = self.seconds * left + measured.busy.max(TICK).as_secs_f64();
    }

    fn bits_per_second(self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.bits / self.seconds)
    }
}

/// The cap of one session.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SessionCap {
    rung: usize,
    sum: Sum,
    newest: Sum,
    measured_at: Option<Time>,
    /// What the player says, where nothing was ever measured here.
    said: Option<u64>,
    fits_since: Option<Time>,
}

impl SessionCap {
    /// The highest rung that it is sent, counted from the lowest.
    #[must_use]
    pub fn rung(&self) -> usize {
        self.rung
    }

    /// Bits per second that its line is believed to carry.
    #[must_use]
    pub fn bits_per_second(&self) -> Option<u64> {
        let measured = self.sum.bits_per_second().zip(self.newest.bits_per_second());
        let believed = measured.map(|(all, newest)| super::whole(all.min(newest / NOISE)));
        believed.or(self.said)
    }

    /// Takes in what its line has carried, for a ladder of these rates, lowest first. True if its rung changed.
    pub fn observe(&mut self, measured: Measurement, rates: &[u64], settings: &Settings, now: Time) -> bool {
        self.measure(measured, now);
        let Some(estimate) = self.bits_per_second() else { return false };
        let before = self.rung;
        self.rung = self.rung.min(rates.len().saturating_sub(1));
        let fits = |rung: usize, share: f64| {
            rates.get(rung).is_some_and(|rate| *rate as f64 <= estimate as f64 * share)
        };
        while self.rung > 0 && !fits(self.rung, DOWN_SHARE) {
            (self.rung, self.fits_since) = (self.rung - 1, None);
        }
        if self.rung >= before {
            self.rise(fits(self.rung + 1, UP_SHARE), settings, now);
        }
        self.rung != before
    }

    fn rise(&mut self, fits: bool, settings: &Settings, now: Time) {
        if !fits {
            self.fits_since = None;
        } else if now.since(*self.fits_since.get_or_insert(now)) >= settings.hold.mul_f64(HOLD_PART) {
            (self.rung, self.fits_since) = (self.rung + 1, None);
        }
    }

    fn measure(&mut self, measured: Measurement, now: Time) {
        if let Some(said) = measured.said {
            self.said = Some(self.said.map_or(said, |before| u64::midpoint(before, said)));
        }
        if measured.bytes == 0 {
            return;
        }
        let passed = now.since(self.measured_at.unwrap_or(now));
        self.measured_at = Some(now);
        self.sum.add(measured, passed, HALF_LIFE);
        self.newest.add(measured, measured.busy, NEWEST_HALF_LIFE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u64; 3] = [300_000, 800_000, 2_000_000];

    /// A line of so many bits per second, measured once a second: it carries a second of the rung, as far as it can.
    fn plays(cap: &mut SessionCap, bits_per_second: u64, seconds: std::ops::Range<u64>) -> usize {
        for second in seconds {
            let bits = RATES[cap.rung()].min(bits_per_second);
            let busy = Duration::from_secs_f64(bits as f64 / bits_per_second as f64);
            let measured = Measurement { bytes: bits / 8, busy, said: None };
            cap.observe(measured, &RATES, &Settings::default(), Time::from_millis(second * 1000));
        }
        cap.rung()
    }

    #[test]
    fn every_line_gets_the_highest_rung_that_fits_within_twenty_seconds_and_keeps_it() {
        for (line, rung) in
            [(500_000, 0), (1_100_000, 1), (1_500_000, 1), (2_000_000, 1), (3_000_000, 2), (10_000_000, 2)]
        {
            let mut cap = SessionCap::default();
            assert_eq!(plays(&mut cap, line, 0..20), rung, "{line}");
            assert_eq!(plays(&mut cap, line, 20..200), rung, "{line}");
        }
    }

    #[test]
    fn a_line_that_gets_worse_is_answered_at_once_and_one_that_gets_better_step_by_step() {
        let mut cap = SessionCap::default();
        assert_eq!(plays(&mut cap, 10_000_000, 0..20), 2);
        assert!(plays(&mut cap, 400_000, 20..22) < 2);
        assert_eq!(plays(&mut cap, 400_000, 22..24), 0);
        assert_eq!(plays(&mut cap, 10_000_000, 24..27), 0);
        assert_eq!(plays(&mut cap, 10_000_000, 27..44), 2);
    }

    #[test]
    fn a_moment_in_which_the_line_seemed_half_as_good_changes_nothing() {
        let mut cap = SessionCap::default();
        assert_eq!(plays(&mut cap, 1_200_000, 0..20), 1);
        for second in 20..40 {
            let share = if second % 5 == 0 { 2 } else { 1 };
            let measured =
                Measurement { bytes: 100_000 / share, busy: Duration::from_millis(667), said: None };
            cap.observe(measured, &RATES, &Settings::default(), Time::from_millis(second * 1000));
            assert_eq!(cap.rung(), 1, "{second}");
        }
    }

    #[test]
    fn the_slow_start_of_a_long_segment_says_nothing_of_a_fast_line() {
        let mut cap = SessionCap::default();
        let mut observe = |bytes, busy_ms, ms| {
            let measured = Measurement { bytes, busy: Duration::from_millis(busy_ms), said: None };
            cap.observe(measured, &RATES, &Settings::default(), Time::from_millis(ms));
            cap.rung()
        };
        for segment in 0..20 {
            let began = segment * 6_000;
            let slow = observe(44_000, 500, began + 500);
            let fast = observe(600_000, 500, began + 1_000);
            assert!(segment < 5 || (slow, fast) == (2, 2), "{segment}: {slow} {fast}");
        }
    }

    #[test]
    fn where_nothing_is_measured_the_players_word_counts_and_a_line_too_fast_to_measure_is_fast() {
        let settings = Settings::default();
        let mut cap = SessionCap::default();
        let said = Measurement { bytes: 0, busy: Duration::ZERO, said: Some(1_500_000) };
        for second in 0..20 {
            cap.observe(said, &RATES, &settings, Time::from_millis(second * 1000));
        }
        assert_eq!(cap.rung(), 1);
        let at_once = Measurement { bytes: 75_000, busy: Duration::ZERO, said: Some(1) };
        for second in 20..40 {
            cap.observe(at_once, &RATES, &settings, Time::from_millis(second * 1000));
        }
        assert_eq!(cap.rung(), 2);
    }

    #[test]
    fn without_a_measurement_and_on_a_shorter_ladder_it_stays_within_the_ladder() {
        let mut cap = SessionCap::default();
        plays(&mut cap, 10_000_000, 0..20);
        let nothing = Measurement { bytes: 0, busy: Duration::ZERO, said: None };
        cap.observe(nothing, &RATES, &Settings::default(), Time::from_millis(21_000));
        assert_eq!((cap.rung(), cap.bits_per_second()), (2, Some(10_000_000)));
        cap.observe(nothing, &RATES[..1], &Settings::default(), Time::from_millis(22_000));
        assert_eq!(cap.rung(), 0);
    }
}
