//! How many viewers each server should have of a region, how many it may tell to leave, and how many a newcomer may take.
//!
//! ```text
//! primary      what it carries of the region (its threshold); more where the relays that serve cannot take the rest
//! relays       share the rest by capacity; without backfill what left the primary does not come back to it, so the rest is
//!              everybody whom the primary does not have
//! redirects    `fixed` stay at the primary, then `redirects` as far as its target goes, then those that can be told
//! move         what is over the target, less a deadband, less those who were told and have not left yet
//! ramp         a new relay's room starts at a tenth and grows to its capacity, so that nobody herds onto a cold cache
//! ```
//!
//! The deadband is nothing for small targets: a primary that carries exactly 3 shall have exactly 3.

use std::time::Duration;

/// A primary's deadband is its target over this: 2%, the census' own accuracy.
const PRIMARY_DEADBAND: u32 = 50;
/// A relay's deadband is its target over this: levelling relays is worth fewer moves than relieving the primary.
const RELAY_DEADBAND: u32 = 10;
/// Relays are not levelled for fewer viewers than this over their share.
const RELAY_DEADBAND_LEAST: u32 = 3;

/// Room that no relay starts under: one steering round of a small crowd is no herd.
const LEAST_ROOM: u32 = 10;

/// A region's viewers and what the primary has of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Viewers of the region.
    pub demand: u32,
    /// What the primary carries of it.
    pub threshold: u32,
    /// Viewers of the region that the primary has.
    pub at_primary: u32,
    /// Whether viewers come back to the primary.
    pub backfill: bool,
}

impl Share {
    /// What relays should have together, if they can.
    #[must_use]
    pub fn rest(&self) -> u32 {
        let carried = if self.backfill { self.threshold } else { self.threshold.min(self.at_primary) };
        self.demand.saturating_sub(carried)
    }

    /// What the primary should have where relays take `taken`. At least its threshold, so that newcomers find it open.
    #[must_use]
    pub fn primary(&self, taken: u32) -> u32 {
        self.threshold.max(self.demand.saturating_sub(taken))
    }
}

/// `amount` in parts as large as `weights`, none above its weight, the largest remainders first and then the first.
#[must_use]
pub fn split(amount: u32, weights: &[u32]) -> Vec<u32> {
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if total == 0 {
        return vec![0; weights.len()];
    }
    let amount = u64::from(amount).min(total);
    let share = |weight: u32| amount * u64::from(weight);
    let mut parts: Vec<u64> = weights.iter().map(|weight| share(*weight) / total).collect();
    let mut left = amount - parts.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(share(weights[*i]) % total));
    for i in order {
        if left > 0 && parts[i] < u64::from(weights[i]) {
            parts[i] += 1;
            left -= 1;
        }
    }
    parts.into_iter().map(|part| u32::try_from(part).unwrap_or(u32::MAX)).collect()
}

/// How far a primary's count may be over its target.
#[must_use]
pub fn primary_deadband(target: u32) -> u32 {
    target / PRIMARY_DEADBAND
}

/// How far a relay's count may be over its target.
#[must_use]
pub fn relay_deadband(target: u32) -> u32 {
    (target / RELAY_DEADBAND).max(RELAY_DEADBAND_LEAST)
}

/// What a relay has room for that has been serving for `served`.
#[must_use]
pub fn ramped(capacity: u32, served: Duration, ramp: Duration) -> u32 {
    if served >= ramp {
        return capacity;
    }
    let part = 0.1 + 0.9 * served.as_secs_f64() / ramp.as_secs_f64();
    let room = (f64::from(capacity) * part).ceil();
    whole(room).max(LEAST_ROOM).min(capacity)
}

/// Tokens for moves: so many a second, never more than one second's.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pace {
    tokens: f64,
}

impl Pace {
    /// Lets `elapsed` pass in a fleet that can hold `room` viewers, of which `part` may move in a second.
    pub fn refill(&mut self, room: u32, part: f64, elapsed: Duration) {
        let each_second = (f64::from(room) * part).max(1.0);
        self.tokens = (self.tokens + each_second * elapsed.as_secs_f64()).min(each_second);
    }

    /// Takes moves back that were made.
    pub fn spend(&mut self, moves: u32) {
        self.tokens = (self.tokens - f64::from(moves)).max(0.0);
    }

    /// Moves that may be made now.
    #[must_use]
    pub fn moves(&self) -> u32 {
        whole(self.tokens)
    }
}

/// The whole part of a number of viewers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the type's range first"
)]
fn whole(number: f64) -> u32 {
    number.clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(demand: u32, threshold: u32, at_primary: u32) -> Share {
        Share { demand, threshold, at_primary, backfill: false }
    }

    #[test]
    fn the_primary_keeps_its_threshold_and_what_relays_cannot_take() {
        assert_eq!(share(10, 3, 10).rest(), 7);
        assert_eq!(share(10, 3, 10).primary(7), 3);
        assert_eq!(share(10, 3, 10).primary(5), 5);
        assert_eq!(share(10, 3, 10).primary(0), 10);
        assert_eq!(share(1, 3, 1).primary(0), 3);
        assert_eq!(share(10, 0, 10).rest(), 10);
    }

    #[test]
    fn viewers_come_back_to_the_primary_only_with_backfill() {
        assert_eq!(share(5, 3, 1).rest(), 4);
        assert_eq!(Share { backfill: true, ..share(5, 3, 1) }.rest(), 2);
    }

    #[test]
    fn parts_add_up_and_none_is_above_its_weight() {
        assert_eq!(split(6, &[200, 100]), vec![4, 2]);
        assert_eq!(split(10, &[1, 1, 1]), vec![1, 1, 1]);
        assert_eq!(split(2, &[10, 10, 10]), vec![1, 1, 0]);
        assert_eq!(split(7, &[4, 4]), vec![4, 3]);
        assert_eq!(split(7, &[]), Vec::<u32>::new());
    }

    #[test]
    fn small_targets_have_no_deadband() {
        assert_eq!(primary_deadband(3), 0);
        assert_eq!(primary_deadband(1000), 20);
    }

    #[test]
    fn a_new_relays_room_grows_to_its_capacity() {
        let ramp = Duration::from_secs(10);
        assert_eq!(ramped(500, Duration::ZERO, ramp), 50);
        assert_eq!(ramped(500, Duration::from_secs(5), ramp), 275);
        assert_eq!(ramped(500, ramp, ramp), 500);
        assert_eq!(ramped(20, Duration::ZERO, ramp), 10);
        assert_eq!(ramped(5, Duration::ZERO, ramp), 5);
    }

    #[test]
    fn moves_are_saved_for_one_second_only() {
        let mut pace = Pace::default();
        pace.refill(1000, 0.05, Duration::from_secs(60));
        assert_eq!(pace.moves(), 50);
        pace.spend(50);
        pace.refill(1000, 0.05, Duration::from_millis(100));
        assert_eq!(pace.moves(), 5);
    }
}
