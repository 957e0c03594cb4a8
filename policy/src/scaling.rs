//! How many relays a region wants: what exceeds its threshold over what a relay is planned to carry.
//!
//! More are wanted at once; fewer only after fewer have sufficed for the hold, and suffice with a margin, so that demand
//! at the edge of a relay's room does not start and end it in turns.

use std::time::Duration;

use crate::Time;

/// Relays wanted, remembered so that it falls slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    relays: u32,
    fewer_since: Option<Time>,
}

/// What relays are planned to carry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// How full they are planned to be.
    pub utilisation: f64,
    /// Capacity of one that is not there yet.
    pub capacity: u32,
}

impl Plan {
    /// Relays that carry `viewers`, where those there are have `capacities`.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a bound that fits"
    )]
    pub fn relays_for(&self, viewers: f64, capacities: &[u32]) -> u32 {
        let mut left = viewers;
        let mut relays = 0_u32;
        for capacity in capacities {
            if left <= 0.0 {
                return relays;
            }
            left -= f64::from(*capacity) * self.utilisation;
            relays += 1;
        }
        let each = (f64::from(self.capacity) * self.utilisation).max(1.0);
        relays + (left.max(0.0) / each).ceil().min(MOST) as u32
    }
}

/// Relays that one step wants further at most: above every budget that makes sense, it only bounds the sum.
const MOST: f64 = 10_000.0;

impl Wanted {
    /// Relays wanted now.
    #[must_use]
    pub fn relays(&self) -> u32 {
        self.relays
    }

    /// Takes in how many are needed now, and how many would be enough with a margin.
    pub fn observe(&mut self, needed: u32, enough: u32, hold: Duration, now: Time) -> u32 {
        if needed >= self.relays {
            *self = Self { relays: needed, fewer_since: None };
        } else if enough >= self.relays {
            self.fewer_since = None;
        } else if now.since(*self.fewer_since.get_or_insert(now)) >= hold {
            *self = Self { relays: enough.max(needed), fewer_since: None };
        }
        self.relays
    }

    /// So many relays were found serving: fewer are wanted only after the hold.
    pub fn assume(&mut self, relays: u32) {
        *self = Self { relays: self.relays.max(relays), fewer_since: None };
    }

    /// The region is not over any more: its own hold has passed.
    pub fn reset(&mut self, relays: u32) {
        *self = Self { relays, fewer_since: None };
    }

    /// Starts the hold anew: what was counted until now is not to be relied upon.
    pub fn restart_hold(&mut self) {
        self.fewer_since = None;
    }

    /// When fewer will be wanted if nothing changes.
    #[must_use]
    pub fn deadline(&self, hold: Duration) -> Option<Time> {
        self.fewer_since.map(|since| since + hold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { utilisation: 0.8, capacity: 500 };
    const HOLD: Duration = Duration::from_secs(10);

    #[test]
    fn relays_are_planned_to_be_filled_to_the_utilisation() {
        assert_eq!(PLAN.relays_for(0.0, &[]), 0);
        assert_eq!(PLAN.relays_for(1.0, &[]), 1);
        assert_eq!(PLAN.relays_for(400.0, &[]), 1);
        assert_eq!(PLAN.relays_for(401.0, &[]), 2);
        assert_eq!(PLAN.relays_for(401.0, &[1000]), 1);
        assert_eq!(PLAN.relays_for(401.0, &[10, 10]), 3);
    }

    #[test]
    fn more_are_wanted_at_once_and_fewer_after_the_hold() {
        let at = |seconds: u64| Time::from_millis(seconds * 1000);
        let mut wanted = Wanted::default();
        assert_eq!(wanted.observe(2, 2, HOLD, at(0)), 2);
        assert_eq!(wanted.observe(1, 2, HOLD, at(1)), 2, "one is not enough with a margin");
        assert_eq!(wanted.observe(1, 1, HOLD, at(2)), 2);
        assert_eq!(wanted.observe(1, 1, HOLD, at(11)), 2);
        assert_eq!(wanted.observe(1, 1, HOLD, at(12)), 1);
        assert_eq!(wanted.observe(3, 3, HOLD, at(13)), 3);
    }
}
