//! Viewers without a token: nobody can tell one from another, but each reloads once in a target duration.
//!
//! So their number is the rate of their reloads times the target duration, over the same window in which a session would
//! still be alive.

use std::{collections::VecDeque, time::Duration};

use policy::Time;

/// The reloads of one stream within its window, sampled at each sweep.
#[derive(Debug, Default)]
pub(super) struct Rate {
    samples: VecDeque<(Time, u64)>,
}

impl Rate {
    /// Takes a sample of the total of reloads, and gives the viewers that they make.
    pub(super) fn viewers(&mut self, total: u64, window: Duration, target: Duration, now: Time) -> u32 {
        if self.samples.is_empty() {
            // What came before the first sample came since the sweep before it.
            self.samples.push_back((now, 0));
        }
        self.samples.push_back((now, total));
        // The last sample before the window stays: what has come since it is what came within.
        while self.samples.get(1).is_some_and(|(at, _)| now.since(*at) >= window) {
            self.samples.pop_front();
        }
        let before = self.samples.front().map_or(0, |(_, total)| *total);
        let reloads = u128::from(total.saturating_sub(before));
        let window = window.as_millis().max(1);
        let nearest = (reloads * target.as_millis() + window / 2) / window;
        // Whoever reloaded at all is somebody.
        u32::try_from(nearest.max(u128::from(reloads > 0))).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_secs(2);
    const WINDOW: Duration = Duration::from_secs(5);

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    #[test]
    fn fifty_viewers_who_reload_every_target_duration_are_fifty() {
        let mut rate = Rate::default();
        let mut seen = 0;
        for ms in (0..20_000).step_by(250) {
            seen = rate.viewers(ms * 50 / 2_000, WINDOW, TARGET, at(ms));
        }
        assert!((49..=51).contains(&seen), "{seen}");
    }

    #[test]
    fn a_single_reload_is_one_viewer_until_the_window_has_passed() {
        let mut rate = Rate::default();
        assert_eq!(rate.viewers(1, WINDOW, TARGET, at(0)), 1);
        assert_eq!(rate.viewers(1, WINDOW, TARGET, at(4_999)), 1);
        assert_eq!(rate.viewers(1, WINDOW, TARGET, at(5_000)), 0);
    }
}
