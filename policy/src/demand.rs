//! Whether a region demands more than the primary carries of it: entered above the threshold, left below a part of it
//! after it has stayed below for long enough.
//!
//! What servers count is not exact while viewers move: who moves may be counted twice for a moment, and a server that is
//! suspected or has died may have lost its viewers to others. So demand is a range. A region is entered only if even the
//! lower end is above the threshold, and left only if even the upper end is below. At a threshold of 0 one viewer is over
//! it, and nobody is below it.

use std::time::Duration;

use crate::Time;

/// Viewers of a region: at least, and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// Seen by servers that are heard, less those that may be in two counts.
    pub low: u32,
    /// Seen by servers that are heard or suspected, or adrift since their server went.
    pub high: u32,
}

/// Whether a region is over its threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Threshold {
    over: bool,
    below_since: Option<Time>,
}

/// A threshold was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// Upwards.
    Over,
    /// Downwards.
    Under,
}

impl Threshold {
    /// Whether the region is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Takes in the demand of this moment.
    pub fn observe(
        &mut self,
        demand: Demand,
        threshold: u32,
        leave_ratio: f64,
        hold: Duration,
        now: Time,
    ) -> Option<Passed> {
        if !self.over {
            self.over = demand.low > threshold;
            return self.over.then_some(Passed::Over);
        }
        let below = demand.high == 0 || f64::from(demand.high) < leave_ratio * f64::from(threshold);
        if !below {
            self.below_since = None;
            return None;
        }
        let since = *self.below_since.get_or_insert(now);
        if now.since(since) < hold {
            return None;
        }
        *self = Self::default();
        Some(Passed::Under)
    }

    /// When the region will be left if nothing changes.
    #[must_use]
    pub fn deadline(&self, hold: Duration) -> Option<Time> {
        self.below_since.map(|since| since + hold)
    }

    /// Takes the region for one that is over: relays were found serving in it.
    pub fn assume_over(&mut self) {
        *self = Self { over: true, below_since: None };
    }

    /// Starts the hold anew: what was counted until now is not to be relied upon.
    pub fn restart_hold(&mut self) {
        self.below_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(10);

    fn observe(threshold: &mut Threshold, viewers: u32, of: u32, seconds: u64) -> Option<Passed> {
        let demand = Demand { low: viewers, high: viewers };
        threshold.observe(demand, of, 0.7, HOLD, Time::from_millis(seconds * 1000))
    }

    #[test]
    fn a_region_is_entered_above_its_threshold_not_at_it() {
        let mut threshold = Threshold::default();
        assert_eq!(observe(&mut threshold, 3, 3, 0), None);
        assert_eq!(observe(&mut threshold, 4, 3, 1), Some(Passed::Over));
        assert_eq!(observe(&mut threshold, 5, 3, 2), None);
    }

    #[test]
    fn a_region_is_left_after_it_was_low_for_the_whole_hold() {
        let mut threshold = Threshold::default();
        observe(&mut threshold, 11, 10, 0);
        assert_eq!(observe(&mut threshold, 7, 10, 1), None, "at the ratio is not below it");
        assert_eq!(observe(&mut threshold, 6, 10, 2), None);
        assert_eq!(observe(&mut threshold, 7, 10, 11), None, "the hold starts anew");
        assert_eq!(observe(&mut threshold, 6, 10, 12), None);
        assert_eq!(observe(&mut threshold, 6, 10, 21), None);
        assert_eq!(observe(&mut threshold, 6, 10, 22), Some(Passed::Under));
        assert_eq!(observe(&mut threshold, 6, 10, 40), None);
    }

    #[test]
    fn a_threshold_of_nothing_is_passed_by_the_first_viewer_and_left_by_the_last() {
        let mut threshold = Threshold::default();
        assert_eq!(observe(&mut threshold, 0, 0, 0), None);
        assert_eq!(observe(&mut threshold, 1, 0, 1), Some(Passed::Over));
        assert_eq!(observe(&mut threshold, 1, 0, 30), None);
        assert_eq!(observe(&mut threshold, 0, 0, 31), None);
        assert_eq!(observe(&mut threshold, 0, 0, 41), Some(Passed::Under));
    }

    #[test]
    fn a_viewer_counted_twice_neither_enters_nor_leaves() {
        let mut threshold = Threshold::default();
        let unsure = Demand { low: 3, high: 4 };
        assert_eq!(threshold.observe(unsure, 3, 0.7, HOLD, Time::from_millis(0)), None);
        observe(&mut threshold, 4, 3, 1);
        let unsure = Demand { low: 2, high: 3 };
        assert_eq!(threshold.observe(unsure, 3, 0.7, HOLD, Time::from_millis(2_000)), None);
        assert_eq!(threshold.observe(unsure, 3, 0.7, HOLD, Time::from_millis(90_000)), None);
    }
}
