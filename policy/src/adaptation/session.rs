//! Which rung one session is sent at most, by what its own line has carried: for streams whose server picks for each session.
//!
//! ```text
//! signal      bits acknowledged over the time in which there was something to send: what the line carries, whatever is watched;
//!             else what the player says it measured
//! estimate    the newest weigh most, a drop more than a rise
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

/// How much the newest measurement weighs against those before, if it is higher: five say almost all.
const RISE_WEIGHT: f64 = 0.4;

/// The same if it is lower: three say almost all, for a buffer is only seconds.
const DROP_WEIGHT: f64 = 0.7;

/// How long a higher rung must fit, as a part of the server's hold: a session that climbs hurts nobody but itself.
const HOLD_PART: f64 = 0.3;

/// What was acknowledged on one session's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurement {
    /// Bytes acknowledged.
    pub bytes: u64,
    /// The time in which there was something to send, in ticks of the kernel.
    pub busy: Duration,
    /// Bits per second that the player says it measured (CTA-5004 `mtp`): taken where nothing was measured here.
    pub said: Option<u64>,
}

/// What is acknowledged within one tick of the kernel's clock seems to have taken no time at all: it took up to that (CONFIG_HZ of 100).
const TICK: Duration = Duration::from_millis(10);

/// The cap of one session.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SessionCap {
    rung: usize,
    bits_per_second: Option<f64>,
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
        self.bits_per_second.map(super::whole)
    }

    /// Takes in what its line has carried, for a ladder of these rates, lowest first. True if its rung changed.
    pub fn observe(&mut self, measured: Measurement, rates: &[u64], settings: &Settings, now: Time) -> bool {
        self.estimate(measured);
        let Some(estimate) = self.bits_per_second else { return false };
        let before = self.rung;
        self.rung = self.rung.min(rates.len().saturating_sub(1));
        let fits =
            |rung: usize, share: f64| rates.get(rung).is_some_and(|rate| *rate as f64 <= estimate * share);
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

    fn estimate(&mut self, measured: Measurement) {
        let newest = if measured.bytes > 0 {
            measured.bytes as f64 * 8.0 / measured.busy.max(TICK).as_secs_f64()
        } else if let Some(said) = measured.said {
            said as f64
        } else {
            return;
        };
        let before = self.bits_per_second.unwrap_or(newest);
        let weight = if newest < before { DROP_WEIGHT } else { RISE_WEIGHT };
        self.bits_per_second = Some(before + (newest - before) * weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u64; 3] = [300_000, 800_000, 2_000_000];

    /// A line of so many bits per second, measured once a second.
    fn plays(cap: &mut SessionCap, bits_per_second: u64, seconds: std::ops::Range<u64>) -> usize {
        for second in seconds {
            let measured =
                Measurement { bytes: bits_per_second / 8, busy: Duration::from_secs(1), said: None };
            cap.observe(measured, &RATES, &Settings::default(), Time::from_millis(second * 1000));
        }
        cap.rung()
    }

    #[test]
    fn every_line_gets_the_highest_rung_that_fits_within_twenty_seconds_and_keeps_it() {
        for (line, rung) in [(500_000, 0), (1_500_000, 1), (2_000_000, 1), (3_000_000, 2), (10_000_000, 2)] {
            let mut cap = SessionCap::default();
            assert_eq!(plays(&mut cap, line, 0..20), rung, "{line}");
            assert_eq!(plays(&mut cap, line, 20..200), rung, "{line}");
        }
    }

    #[test]
    fn a_line_that_gets_worse_is_answered_at_once_and_one_that_gets_better_step_by_step() {
        let mut cap = SessionCap::default();
        assert_eq!(plays(&mut cap, 10_000_000, 0..20), 2);
        assert_eq!(plays(&mut cap, 400_000, 20..23), 0);
        assert_eq!(plays(&mut cap, 10_000_000, 23..26), 0);
        assert_eq!(plays(&mut cap, 10_000_000, 26..40), 2);
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
