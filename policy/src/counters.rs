//! What is counted about one server between two steps of the fleet's owner: placements that no report has shown yet, moves
//! that were told and not made yet, and how many more may be told. By the viewers' region; nothing in it is about one viewer.
//!
//! Requests count here at the moment they are answered, without a lock and without waiting for the owner, who settles the
//! counts with what servers report. What nobody settles is forgotten after [`LIFETIME_S`] seconds, so that players that
//! never come weigh on nobody for long. No count is ever below zero.

mod buckets;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use self::buckets::Buckets;
pub use self::buckets::LIFETIME_S;
use crate::{Region, Time};

/// What is counted about one server between two steps.
///
/// It knows a fixed set of regions; viewers of others are counted together. See [`Counters::covering`].
#[derive(Debug, Default)]
pub struct Counters {
    regions: BTreeMap<Region, Arc<Regional>>,
    others: Arc<Regional>,
}

/// The counts of one region's viewers.
#[derive(Debug, Default)]
struct Regional {
    pending: Buckets,
    leaving: Buckets,
    move_left: AtomicU32,
    told: AtomicU64,
}

impl Counters {
    /// The same counts for these regions: what this one knows of them is shared, so nothing that is counted in either is lost.
    #[must_use]
    pub fn covering<'a>(&self, regions: impl IntoIterator<Item = &'a Region>) -> Self {
        let shared = |region: &Region| self.regions.get(region).cloned().unwrap_or_default();
        let regions = regions.into_iter().map(|region| (region.clone(), shared(region))).collect();
        Self { regions, others: Arc::clone(&self.others) }
    }

    /// Whether `region` has counts of its own.
    #[must_use]
    pub fn covers(&self, region: &Region) -> bool {
        self.regions.contains_key(region)
    }

    /// A viewer was sent here.
    pub fn placed(&self, region: &Region, now: Time) {
        self.of(region).pending.add(1, now);
    }

    /// A report shows `count` more sessions that began to count here: the oldest placements were theirs.
    pub fn opened(&self, count: u32, now: Time) {
        self.settle(count, now, |regional| &regional.pending);
    }

    /// Viewers of `region` sent here and not seen yet.
    #[must_use]
    pub fn pending(&self, region: &Region, now: Time) -> u32 {
        self.of(region).pending.sum(now)
    }

    /// Viewers sent here and not seen yet.
    #[must_use]
    pub fn pending_total(&self, now: Time) -> u32 {
        self.all().map(|regional| regional.pending.sum(now)).fold(0, u32::saturating_add)
    }

    /// Sets how many viewers of each region may be told to leave until the next step; of a region not named, none.
    pub fn refill(&self, move_left: &BTreeMap<Region, u32>) {
        for (region, regional) in &self.regions {
            regional.move_left.store(move_left.get(region).copied().unwrap_or(0), Relaxed);
        }
    }

    /// Takes one of the moves that are left and counts it as on its way; false if none is left.
    #[must_use]
    pub fn told_to_leave(&self, region: &Region, now: Time) -> bool {
        let regional = self.of(region);
        let taken = regional.move_left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        if taken {
            regional.leaving.add(1, now);
            regional.told.fetch_add(1, Relaxed);
        }
        taken
    }

    /// Viewers told to leave since the server attached.
    #[must_use]
    pub fn told_total(&self) -> u64 {
        self.all().map(|regional| regional.told.load(Relaxed)).sum()
    }

    /// Whether a viewer of `region` may be told to leave.
    #[must_use]
    pub fn may_leave(&self, region: &Region) -> bool {
        self.of(region).move_left.load(Relaxed) > 0
    }

    /// A report shows `count` more sessions gone to where they were sent: the oldest moves were theirs.
    pub fn departed(&self, count: u32, now: Time) {
        self.settle(count, now, |regional| &regional.leaving);
    }

    /// Viewers of `region` told to leave and not gone yet.
    #[must_use]
    pub fn in_flight(&self, region: &Region, now: Time) -> u32 {
        self.of(region).leaving.sum(now)
    }

    fn of(&self, region: &Region) -> &Regional {
        self.regions.get(region).unwrap_or(&self.others)
    }

    fn all(&self) -> impl Iterator<Item = &Regional> {
        self.regions.values().chain([&self.others]).map(AsRef::as_ref)
    }

    fn settle(&self, count: u32, now: Time, buckets: impl Fn(&Regional) -> &Buckets) {
        let mut left = count;
        for age in (0..LIFETIME_S).rev() {
            for regional in self.all() {
                left -= buckets(regional).take(left, age, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, time::Duration};

    use proptest::prelude::*;

    use super::*;

    fn region(name: &str) -> Region {
        name.parse().unwrap()
    }

    fn over(regions: &[&str]) -> Counters {
        Counters::default().covering(&regions.iter().map(|name| region(name)).collect::<Vec<_>>())
    }

    #[test]
    fn a_placement_is_pending_until_it_is_opened() {
        let (counters, now) = (over(&["eu"]), Time::from_millis(5_000));
        counters.placed(&region("eu"), now);
        counters.placed(&region("eu"), now);
        counters.opened(1, now + Duration::from_secs(2));
        assert_eq!(counters.pending(&region("eu"), now + Duration::from_secs(2)), 1);
    }

    #[test]
    fn a_placement_that_nobody_opened_is_forgotten() {
        let (counters, now) = (over(&["eu"]), Time::from_millis(5_000));
        counters.placed(&region("eu"), now);
        assert_eq!(counters.pending(&region("eu"), now + Duration::from_millis(9_999)), 1);
        assert_eq!(counters.pending(&region("eu"), now + Duration::from_secs(10)), 0);
    }

    #[test]
    fn the_oldest_placement_is_opened_first_whatever_its_region() {
        let (counters, now) = (over(&["asia", "eu"]), Time::from_millis(0));
        counters.placed(&region("eu"), now);
        counters.placed(&region("asia"), now + Duration::from_secs(1));
        counters.opened(1, now + Duration::from_secs(2));
        assert_eq!(counters.pending(&region("eu"), now + Duration::from_secs(2)), 0);
        assert_eq!(counters.pending(&region("asia"), now + Duration::from_secs(2)), 1);
    }

    #[test]
    fn no_more_viewers_are_told_to_leave_than_the_step_allowed() {
        let (counters, now) = (over(&["asia", "eu"]), Time::from_millis(0));
        counters.refill(&[(region("eu"), 2)].into());
        let told: Vec<_> = (0..4).map(|_| counters.told_to_leave(&region("eu"), now)).collect();
        assert_eq!(told, [true, true, false, false]);
        assert!(!counters.told_to_leave(&region("asia"), now));
        assert_eq!(counters.in_flight(&region("eu"), now), 2);
        counters.departed(1, now);
        assert_eq!(counters.in_flight(&region("eu"), now), 1);
    }

    #[test]
    fn viewers_of_regions_that_are_not_followed_are_counted_together_and_never_told_to_leave() {
        let (counters, now) = (over(&["eu"]), Time::from_millis(0));
        counters.placed(&region("mars"), now);
        assert_eq!(counters.pending(&region("venus"), now), 1);
        assert_eq!(counters.pending_total(now), 1);
        assert!(!counters.told_to_leave(&region("mars"), now));
    }

    #[test]
    fn covering_further_regions_loses_nothing_that_is_being_counted() {
        let (before, now) = (over(&["eu"]), Time::from_millis(0));
        let after = before.covering(&[region("asia"), region("eu")]);
        before.placed(&region("eu"), now);
        assert_eq!(after.pending(&region("eu"), now), 1);
        assert!(after.covers(&region("asia")));
    }

    #[derive(Debug, Clone)]
    enum Event {
        Placed(u8),
        Opened(u32),
        Passed(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0..3u8).prop_map(Event::Placed),
            (0..6u32).prop_map(Event::Opened),
            (0..4_000u64).prop_map(Event::Passed)
        ]
    }

    proptest! {
        #[test]
        fn what_is_pending_is_what_was_placed_within_ten_seconds_and_not_opened(
            start in 0..u64::from(u32::MAX) * 2_000,
            events in prop::collection::vec(event(), 0..200),
        ) {
            let counters = over(&["r0", "r1"]);
            let mut now = Time::from_millis(start);
            let mut model: VecDeque<u64> = VecDeque::new();
            for event in events {
                match event {
                    Event::Placed(at) => {
                        counters.placed(&region(&format!("r{at}")), now);
                        model.push_back(now.as_millis() / 1000);
                    }
                    Event::Opened(count) => {
                        counters.opened(count, now);
                        model.drain(..model.len().min(count as usize));
                    }
                    Event::Passed(ms) => now = now + Duration::from_millis(ms),
                }
                let second = now.as_millis() / 1000;
                model.retain(|placed| second - placed < u64::from(LIFETIME_S));
                prop_assert_eq!(counters.pending_total(now) as usize, model.len());
            }
        }
    }
}
