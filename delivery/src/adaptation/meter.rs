//! How much is being sent: the growth of a total over the last moments.

use std::{collections::VecDeque, time::Duration};

use policy::Time;

/// A rate over a window.
#[derive(Debug)]
pub(super) struct Meter {
    window: Duration,
    totals: VecDeque<(Time, u64)>,
}

impl Meter {
    pub(super) fn over(window: Duration) -> Self {
        Self { window, totals: VecDeque::new() }
    }

    /// Takes in a total of bytes; bits per second over the window, or over as much of it as there is.
    pub(super) fn bits_per_second(&mut self, bytes_total: u64, now: Time) -> u64 {
        self.totals.push_back((now, bytes_total));
        while self.totals.get(1).is_some_and(|(at, _)| now.since(*at) >= self.window) {
            self.totals.pop_front();
        }
        let Some((since, before)) = self.totals.front() else { return 0 };
        let elapsed_ms = u64::try_from(now.since(*since).as_millis()).unwrap_or(u64::MAX);
        if elapsed_ms == 0 {
            return 0;
        }
        let bits = u128::from(bytes_total.saturating_sub(*before)) * 8 * 1000 / u128::from(elapsed_ms);
        u64::try_from(bits).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_window() {
        let mut meter = Meter::over(Duration::from_secs(4));
        let at = |seconds: u64| Time::from_millis(seconds * 1000);
        assert_eq!(meter.bits_per_second(1_000, at(0)), 0);
        assert_eq!(meter.bits_per_second(2_000, at(1)), 8_000);
        for second in 2..10 {
            meter.bits_per_second(2_000 + 500 * (second - 1), at(second));
        }
        assert_eq!(meter.bits_per_second(6_500, at(10)), 4_000);
        for second in 11..15 {
            meter.bits_per_second(6_500, at(second));
        }
        assert_eq!(meter.bits_per_second(6_500, at(15)), 0);
    }
}
