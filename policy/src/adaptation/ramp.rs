//! How many more will have come by the time that a change shows: a crowd that is coming goes on coming.
//!
//! A cap holds for what is listed next, and players are three segments behind that, so what is decided now shows when others have come
//! meanwhile. They are expected at the pace at which viewers came in each half of the last few seconds, for as long as any come at
//! all: whoever comes all at once, as when one switches on three screens, is no crowd that is coming.

use std::{collections::VecDeque, time::Duration};

use crate::Time;

/// Half of the time over which the pace is seen: a target duration of most streams, in which a session shows itself.
const HALF: Duration = Duration::from_secs(2);

/// How long nobody comes before a crowd is taken to be there: two steps of a server, as it steps if nothing else is configured.
const STILL: Duration = Duration::from_secs(1);

/// The viewers of the last moments.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Ramp {
    viewers: VecDeque<(Time, u32)>,
}

impl Ramp {
    /// Takes in how many there are now.
    pub(super) fn observe(&mut self, viewers: u32, now: Time) {
        self.viewers.push_back((now, viewers));
        while self.viewers.get(1).is_some_and(|(at, _)| now.since(*at) >= 2 * HALF) {
            self.viewers.pop_front();
        }
    }

    /// Viewers that are expected to come within `horizon`.
    pub(super) fn expected(&self, horizon: Duration, now: Time) -> f64 {
        let (Some((_, last)), Some((first_at, first))) = (self.viewers.back(), self.viewers.front()) else {
            return 0.0;
        };
        if now.since(*first_at) < 2 * HALF {
            return 0.0;
        }
        let before =
            |ago| self.viewers.iter().rfind(|(at, _)| now.since(*at) >= ago).map_or(*first, |(_, n)| *n);
        let middle = before(HALF);
        if *last <= before(STILL) {
            return 0.0;
        }
        let came = middle.saturating_sub(*first).min(last.saturating_sub(middle));
        f64::from(came) * horizon.as_secs_f64() / HALF.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORIZON: Duration = Duration::from_secs(8);

    fn expected(viewers: &[u32]) -> f64 {
        let mut ramp = Ramp::default();
        let mut now = Time::default();
        for (second, viewers) in (0..).zip(viewers) {
            now = Time::from_millis(second * 1000);
            ramp.observe(*viewers, now);
        }
        ramp.expected(HORIZON, now)
    }

    #[test]
    fn who_comes_one_after_the_other_is_followed_by_others_at_that_pace() {
        assert!((expected(&[1, 2, 3, 4, 5]) - 8.0).abs() < 1e-9);
        assert!((expected(&[1, 1, 3, 3, 9]) - 8.0).abs() < 1e-9, "the slower half counts");
    }

    #[test]
    fn who_comes_at_once_or_goes_is_followed_by_nobody() {
        let there = [0, 0, 3, 8, 8];
        for viewers in
            [&[][..], &[5], &[0, 5, 5, 5, 5], &[5, 5, 5, 5, 9], &[9, 7, 5, 3, 1], &[1, 2, 3], &there]
        {
            assert!(expected(viewers).abs() < 1e-9, "{viewers:?}");
        }
    }
}
