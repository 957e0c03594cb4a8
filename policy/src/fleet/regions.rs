//! Follows what regions demand: adds up what servers see, and says how many relays that makes.

use super::{Fleet, RegionState};
use crate::{
    Class, Phase, Region,
    decision::{Action, Reason},
    demand::{Demand, Passed},
    routing::Kind,
    scaling::Plan,
};

impl Fleet {
    /// Adds up, passes thresholds, and says how many relays are wanted.
    pub(super) fn follow_demand(&mut self) {
        self.follow_adrift();
        for region in self.regions.keys().cloned().collect::<Vec<_>>() {
            let demand = self.demand_of(&region);
            let threshold = self.threshold_of(&region);
            let relays = self.active(&region).count();
            let Some(state) = self.regions.get_mut(&region) else { continue };
            state.demand = demand;
            state.threshold = threshold;
            state.relays = u32::try_from(relays).unwrap_or(u32::MAX);
            if self.may_act() {
                self.follow_region(&region);
            } else if let Some(state) = self.regions.get_mut(&region) {
                state.passed.restart_hold();
                state.wanted.restart_hold();
            }
        }
    }

    /// The region that viewers of `region` count for: itself, unless there are too many.
    pub(super) fn counted_region(&mut self, region: &Region) -> Region {
        if self.regions.contains_key(region) {
            return region.clone();
        }
        let counted =
            if self.regions.len() < self.settings.max_regions { region.clone() } else { Region::fallback() };
        self.regions.entry(counted.clone()).or_default();
        counted
    }

    /// Relays of a region that serve or are on their way to.
    pub(super) fn active<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = &'a super::Server> {
        self.servers.values().filter(move |server| server.is_active() && server.region == *region)
    }

    fn demand_of(&self, region: &Region) -> Demand {
        let mut demand = Demand::default();
        let mut twice = 0_u32;
        for server in self.servers.values().filter(|server| server.is_attached()) {
            let viewers = match server.broken_off {
                Some(_) => server.viewers.of_class(region, Class::Redirects),
                None => server.viewers.of(region),
            };
            demand.high = demand.high.saturating_add(viewers);
            if server.phase != Phase::Suspect {
                demand.low = demand.low.saturating_add(viewers);
                twice = twice.saturating_add(server.counters.in_flight(region, self.now).min(viewers));
            }
        }
        let on_their_way = self.redirected_unseen(region);
        demand.low = demand.low.saturating_sub(twice).saturating_add(on_their_way);
        demand.high = demand.high.saturating_add(on_their_way).saturating_add(self.adrift_of(region));
        demand
    }

    /// Sessions that the primary handed to relays and counts no more, and that no relay counts yet: a relay counts a session
    /// from its second reload. Were they left out, their relay would lose its part as soon as it got it.
    fn redirected_unseen(&self, region: &Region) -> u32 {
        let handed = self.primary().map_or(0, |primary| primary.redirected.get(region).copied().unwrap_or(0));
        let relays =
            self.servers.values().filter(|server| server.kind == Kind::Relay && server.is_attached());
        let counted = relays.map(|relay| relay.viewers.of_class(region, Class::Redirects));
        handed.saturating_sub(counted.fold(0, u32::saturating_add))
    }

    /// What the primary carries of a region: less than it takes at all, or it would turn viewers away and never be seen to have
    /// more than its threshold. Where its uplink does not carry as many as it would take, no more than relays are planned for: room
    /// is left for those who come while a relay starts.
    fn threshold_of(&self, region: &Region) -> u32 {
        let limit = self.primary().map_or(u32::MAX, |primary| {
            let most = primary.room().saturating_sub(1);
            let tight = primary.room() < primary.capacity;
            if tight { most.min(planned(primary.room(), self.settings.target_utilisation)) } else { most }
        });
        self.settings.threshold_of(region).min(limit)
    }

    fn follow_region(&mut self, region: &Region) {
        let (now, settings) = (self.now, &self.settings);
        let (ratio, hold) = (settings.leave_ratio, settings.hold);
        let (least, most) = settings.bounds_of(region);
        let plan = Plan { utilisation: settings.target_utilisation, capacity: settings.relay_capacity };
        let mut capacities: Vec<u32> = self.active(region).map(super::Server::room).collect();
        capacities.sort_unstable_by(|a, b| b.cmp(a));
        let Some(state) = self.regions.get_mut(region) else { return };
        let (demand, threshold) = (state.demand, state.threshold);
        let passed = state.passed.observe(demand, threshold, ratio, hold, now);
        if state.is_over() {
            let rest = |viewers: u32| f64::from(viewers.saturating_sub(threshold));
            state.needed = plan.relays_for(rest(demand.low), &capacities).max(1);
            let enough = plan.relays_for(rest(demand.high) / ratio, &capacities).max(1);
            state.wanted.observe(state.needed.clamp(least, most), enough.clamp(least, most), hold, now);
        } else {
            state.needed = least;
            state.complaint = state.complaint.take().filter(|_| least > 0);
            state.wanted.reset(least);
        }
        match passed {
            Some(Passed::Over) => {
                let reason = Reason::OverThreshold { demand: demand.low, threshold };
                self.decide(Action::Over, reason, None, Some(region));
            }
            Some(Passed::Under) => {
                let reason = Reason::BelowThreshold { demand: demand.high, threshold };
                self.decide(Action::Under, reason, None, Some(region));
            }
            None => {}
        }
    }
}

impl RegionState {
    /// Why the region wants relays at all.
    pub(super) fn reason_to_grow(&self) -> Reason {
        if self.is_over() {
            Reason::OverThreshold { demand: self.demand.low, threshold: self.threshold }
        } else {
            Reason::Minimum(self.wanted())
        }
    }

    /// Why the region wants fewer relays than it has.
    pub(super) fn reason_to_shrink(&self) -> Reason {
        if self.is_over() {
            Reason::FewerWanted { wanted: self.wanted(), relays: self.relays }
        } else {
            Reason::BelowThreshold { demand: self.demand.high, threshold: self.threshold }
        }
    }
}

/// The part of some room that is planned to be filled.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a number that fits")]
fn planned(room: u32, utilisation: f64) -> u32 {
    (f64::from(room) * utilisation) as u32
}
