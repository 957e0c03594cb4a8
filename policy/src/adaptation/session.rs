//! Which rung one session is sent at most, by what its own line has carried: for streams whose server picks for each session.
//!
//! ```text
//! signal      bits delivered over the time in which there was something to send: what the line carries, whatever is watched;
//!             where none ever were, what the player says it measured
//! estimate    all bits over all time of the last seconds, so that a moment weighs as much as it took; or what the very newest say, where
//!             that is far less. A wait for a lost packet, when the line had nothing else to carry, is no part of the newest, and of all time
//!             at most a second of each measurement
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
/// A pause takes no more than that, also the one between long segments, or the first moment after it would be all that is known.
const HALF_LIFE: Duration = Duration::from_secs(4);

/// The same for the newest, in time in which the line had something to carry: a buffer is only seconds, and a line that has become bad, which is
/// never idle, must be seen in one; the beginning of a segment after a pause says little.
const NEWEST_HALF_LIFE: Duration = Duration::from_millis(750);

/// The newest may be so much of the estimate and be noise: a round trip at the end of a segment, a processor that was busy.
const NOISE: f64 = 0.75;

/// More waits in one measurement count as this: what was sent again was lost again, which says no more of the line.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How long a higher rung must fit, as a part of the server's hold: a session that climbs hurts nobody but itself.
const HOLD_PART: f64 = 0.3;

/// What was delivered on one session's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measurement {
    /// Bytes that the player has.
    pub bytes: u64,
    /// The time in which there was something to send, in ticks of the kernel.
    pub busy: Duration,
    /// The time, besides, in which next to nothing was left to send and a lost packet was waited for.
    pub waited: Duration,
    /// Bits per second that the player says it measured (CTA-5004 `mtp`): taken where nothing was ever measured here.
    pub said: Option<u64>,
}

/// What is delivered within one tick of the kernel's clock seems to have taken no time at all: it took up to that (CONFIG_HZ of 100).
const TICK: Duration = Duration::from_millis(10);

/// What was delivered and how long it took, of which the old weighs less.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Sum {
    bits: f64,
    seconds: f64,
}

impl Sum {
    /// Adds bytes that took so long, when so much time has passed since the last ones.
    fn add(&mut self, bytes: u64, took: Duration, passed: Duration, half_life: Duration) {
        let left = 0.5_f64.powf(passed.as_secs_f64() / half_life.as_secs_f64());
        self.bits = self.bits * left + bytes as f64 * 8.0;
        self.seconds = self.seconds * left + took.max(TICK).as_secs_f64();
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
        let Measurement { bytes, busy, waited, .. } = measured;
        if bytes == 0 {
            return;
        }
        let passed = now.since(self.measured_at.unwrap_or(now)).min(HALF_LIFE);
        self.measured_at = Some(now);
        self.sum.add(bytes, busy + waited.min(LONGEST_WAIT), passed, HALF_LIFE);
        self.newest.add(bytes, busy, busy, NEWEST_HALF_LIFE);
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
            observe(cap, bits / 8, bits * 1000 / bits_per_second, 0, second * 1000);
        }
        cap.rung()
    }

    fn observe(cap: &mut SessionCap, bytes: u64, busy_ms: u64, waited_ms: u64, now_ms: u64) -> usize {
        let [busy, waited] = [busy_ms, waited_ms].map(Duration::from_millis);
        let measured = Measurement { bytes, busy, waited, said: None };
        cap.observe(measured, &RATES, &Settings::default(), Time::from_millis(now_ms));
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
            observe(&mut cap, 100_000 / share, 667, 0, second * 1000);
            assert_eq!(cap.rung(), 1, "{second}");
        }
    }

    #[test]
    fn one_lost_packet_at_the_end_of_a_segment_is_waited_for_and_a_loss_in_every_segment_is_a_bad_line() {
        let mut cap = SessionCap::default();
        assert_eq!(plays(&mut cap, 1_200_000, 0..20), 1);
        let mut segment = |waited_ms, ms| observe(&mut cap, 200_000, 1_333, waited_ms, ms);
        for nth in 0..30 {
            let waited_ms = if nth % 6 == 0 { 1_100 } else { 0 };
            assert_eq!(segment(waited_ms, 20_000 + nth * 2_000 + waited_ms), 1, "{nth}");
        }
        let lossy: Vec<usize> = (0..3).map(|nth| segment(1_100, 81_000 + nth * 2_500)).collect();
        assert!(lossy.contains(&0), "{lossy:?}");
    }

    #[test]
    fn a_line_that_stood_still_is_a_bad_one_and_one_that_slept_through_a_pause_loses_no_more_than_a_rung() {
        let mut cap = SessionCap::default();
        assert_eq!(plays(&mut cap, 10_000_000, 0..20), 2);
        assert_eq!(observe(&mut cap, 60_000, 5_050, 0, 25_000), 0, "five seconds");
        for (line, rung) in [(10_000_000, 2), (3_000_000, 1)] {
            let mut cap = SessionCap::default();
            assert_eq!(plays(&mut cap, line, 0..20), 2);
            let busy_ms = 1_000 + 60_000 * 8 * 1_000 / line;
            assert_eq!(observe(&mut cap, 60_000, busy_ms, 0, 50_000), rung, "a second after half a minute");
        }
    }

    #[test]
    fn the_slow_start_of_a_long_segment_says_nothing_of_a_fast_line() {
        let mut cap = SessionCap::default();
        for segment in 0..20 {
            let began = segment * 6_000;
            let slow = observe(&mut cap, 44_000, 500, 0, began + 500);
            let fast = observe(&mut cap, 600_000, 500, 0, began + 1_000);
            assert!(segment < 5 || (slow, fast) == (2, 2), "{segment}: {slow} {fast}");
        }
    }

    #[test]
    fn where_nothing_is_measured_the_players_word_counts_and_a_line_too_fast_to_measure_is_fast() {
        let settings = Settings::default();
        let mut cap = SessionCap::default();
        let said = Measurement { said: Some(1_500_000), ..Measurement::default() };
        for second in 0..20 {
            cap.observe(said, &RATES, &settings, Time::from_millis(second * 1000));
        }
        assert_eq!(cap.rung(), 1);
        let at_once = Measurement { bytes: 75_000, said: Some(1), ..Measurement::default() };
        for second in 20..40 {
            cap.observe(at_once, &RATES, &settings, Time::from_millis(second * 1000));
        }
        assert_eq!(cap.rung(), 2);
    }

    #[test]
    fn without_a_measurement_and_on_a_shorter_ladder_it_stays_within_the_ladder() {
        let mut cap = SessionCap::default();
        plays(&mut cap, 10_000_000, 0..20);
        let nothing = Measurement::default();
        cap.observe(nothing, &RATES, &Settings::default(), Time::from_millis(21_000));
        assert_eq!((cap.rung(), cap.bits_per_second()), (2, Some(10_000_000)));
        cap.observe(nothing, &RATES[..1], &Settings::default(), Time::from_millis(22_000));
        assert_eq!(cap.rung(), 0);
    }
}
