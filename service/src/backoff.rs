//! How long to wait before trying again: doubling from a first pause to a longest one, with jitter.
//!
//! Jitter is "equal": each pause is between half and all of its step, so that those who failed at the same moment do not
//! come back at the same moment, and nobody comes back at once. The dice are the caller's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The bounds of the pauses between tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackoffConfig {
    /// Before the second try.
    #[serde(with = "humantime_serde")]
    pub first: Duration,
    /// Between any two tries.
    #[serde(with = "humantime_serde")]
    pub longest: Duration,
}

impl Default for BackoffConfig {
    /// A quarter of a second is a restart of a small program; five seconds is how late one may notice that it is back.
    fn default() -> Self {
        Self { first: Duration::from_millis(250), longest: Duration::from_secs(5) }
    }
}

/// The pauses of one series of tries.
#[derive(Debug, Clone)]
pub struct Backoff {
    bounds: BackoffConfig,
    step: Duration,
}

impl Backoff {
    /// A series that has not failed yet.
    #[must_use]
    pub fn new(bounds: BackoffConfig) -> Self {
        Self { bounds, step: bounds.first.min(bounds.longest) }
    }

    /// How long to wait after a failure. `dice` is drawn from 0 to 1.
    pub fn pause(&mut self, dice: f64) -> Duration {
        let step = self.step;
        self.step = step.saturating_mul(2).min(self.bounds.longest);
        step.mul_f64(f64::midpoint(1.0, dice.clamp(0.0, 1.0)))
    }

    /// It worked: the next failure is a first one.
    pub fn reset(&mut self) {
        *self = Self::new(self.bounds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_anew_after_success() {
        let bounds = BackoffConfig { first: Duration::from_millis(100), longest: Duration::from_millis(350) };
        let mut backoff = Backoff::new(bounds);
        let steps: Vec<u128> = (0..4).map(|_| backoff.pause(1.0).as_millis()).collect();
        assert_eq!(steps, [100, 200, 350, 350]);
        backoff.reset();
        assert_eq!(backoff.pause(1.0).as_millis(), 100);
    }

    #[test]
    fn jitter_never_makes_a_pause_shorter_than_half() {
        let mut backoff = Backoff::new(BackoffConfig::default());
        assert_eq!(backoff.pause(0.0), Duration::from_millis(125));
    }
}
