//! Gives every server its targets, and says how many viewers each may tell to leave until the next step.
//!
//! Relays take from their own region first, then, with what room they have left, from regions that name theirs as a
//! neighbour and whose own relays are full.

use std::{collections::BTreeMap, sync::Arc};

use super::{Fleet, RegionState, Server};
use crate::{
    Class, Phase, Region, ServerId, Time,
    redirects::{self, Crowd, RedirectQuota},
    routing::{Kind, Slot},
    target::{Share, primary_deadband, ramped, relay_deadband, split},
};

/// Targets of servers, by region.
type Targets = BTreeMap<ServerId, BTreeMap<Region, u32>>;

impl Fleet {
    pub(super) fn share(&mut self, before: Time) {
        for server in self.servers.values_mut() {
            if !self.regions.keys().all(|region| server.counters.covers(region)) {
                server.counters = Arc::new(server.counters.covering(self.regions.keys()));
            }
        }
        let mut targets = self.targets();
        for server in self.servers.values_mut() {
            server.target = targets.remove(&server.id).unwrap_or_default();
        }
        self.allow_moves(before);
    }

    fn targets(&self) -> Targets {
        let mut targets = Targets::new();
        let mut room = self.room_of_relays();
        let shares: Vec<(&Region, Share)> =
            self.regions.iter().map(|(name, state)| (name, self.share_of(name, state))).collect();
        let mut left: Vec<u32> = Vec::new();
        for (region, share) in &shares {
            left.push(self.hand_out(region, region, share.rest(), &mut room, &mut targets));
        }
        for ((region, share), left) in shares.iter().zip(left) {
            let mut left = left;
            for neighbour in self.settings.neighbours_of(region) {
                left = self.hand_out(neighbour, region, left, &mut room, &mut targets);
            }
            let own = share.primary(share.rest() - left);
            targets.entry(ServerId::primary()).or_default().insert((*region).clone(), own);
        }
        targets
    }

    fn share_of(&self, region: &Region, state: &RegionState) -> Share {
        Share {
            demand: state.demand.high,
            threshold: state.threshold,
            at_primary: self.primary().map_or(0, |primary| primary.viewers.of(region)),
            backfill: self.settings.backfill,
        }
    }

    /// What relays that serve can take; one that is new takes less, but never less than it has.
    fn room_of_relays(&self) -> BTreeMap<ServerId, u32> {
        let serves = |server: &&Server| server.kind == Kind::Relay && server.phase == Phase::Serving;
        let room = |server: &Server| {
            let ramped = ramped(server.room(), self.now.since(server.phase_since), self.settings.ramp);
            (server.id.clone(), ramped.max(server.viewers.total()))
        };
        self.servers.values().filter(serves).map(room).collect()
    }

    /// Shares `amount` viewers of `of` among the relays in `home`; what they could not take.
    fn hand_out(
        &self,
        home: &Region,
        of: &Region,
        amount: u32,
        room: &mut BTreeMap<ServerId, u32>,
        targets: &mut Targets,
    ) -> u32 {
        let at_home = |id: &ServerId| self.servers.get(id).is_some_and(|server| server.region == *home);
        let mut relays: Vec<(&ServerId, &mut u32)> = room.iter_mut().filter(|(id, _)| at_home(id)).collect();
        let weights: Vec<u32> = relays.iter().map(|(_, room)| **room).collect();
        let parts = split(amount, &weights);
        for ((id, room), part) in relays.iter_mut().zip(&parts) {
            **room -= part;
            *targets.entry((*id).clone()).or_default().entry(of.clone()).or_default() += part;
        }
        amount - parts.iter().sum::<u32>()
    }

    /// Refills the moves that every server may tell, within the fleet's pace.
    fn allow_moves(&mut self, before: Time) {
        let told: u64 = self.servers.values_mut().map(Server::told_since).sum();
        let serving = self.servers.values().filter(|server| server.phase == Phase::Serving);
        let room = serving.map(Server::room).fold(0, u32::saturating_add);
        self.pace.spend(u32::try_from(told).unwrap_or(u32::MAX));
        self.pace.refill(room, self.settings.drain_pace, self.now.since(before));
        let excess: Vec<BTreeMap<Region, u32>> =
            self.servers.values().map(|server| self.excess_of(server)).collect();
        let sources = excess.iter().flat_map(BTreeMap::values).filter(|over| **over > 0).count();
        let each = self.pace.moves().div_ceil(u32::try_from(sources.max(1)).unwrap_or(u32::MAX));
        for (server, over) in self.servers.values().zip(excess) {
            server
                .counters
                .refill(&over.into_iter().map(|(region, over)| (region, over.min(each))).collect());
        }
    }

    /// Viewers that a server has over its targets and that can be told, less those who were told already.
    fn excess_of(&self, server: &Server) -> BTreeMap<Region, u32> {
        let keep = |region: &Region| match (server.kind, server.phase) {
            (Kind::Primary, Phase::Serving) => server.told_to_stay_at_primary(region),
            (Kind::Relay, Phase::Serving) => server.told_to_stay_at_relay(region, self.fills_primary(region)),
            (Kind::Relay, Phase::Draining) => 0,
            _ => u32::MAX,
        };
        let over = |region: &Region| {
            let leaving = server.counters.in_flight(region, self.now);
            server.movable(region).saturating_sub(keep(region)).saturating_sub(leaving)
        };
        self.regions.keys().map(|region| (region.clone(), over(region))).collect()
    }

    /// Whether viewers come back to a primary that has fewer than it carries: then relays keep none beyond their target.
    fn fills_primary(&self, region: &Region) -> bool {
        let under = |primary: &Server| primary.viewers.of(region) < primary.target_of(region);
        self.settings.backfill && self.primary().is_some_and(under)
    }

    /// How many sessions of class `redirects` the primary keeps of each region, and where the others go.
    pub(super) fn redirect_quotas(&self) -> Vec<RedirectQuota> {
        let Some(primary) = self.primary() else { return Vec::new() };
        self.regions.keys().filter_map(|region| self.redirect_quota(primary, region)).collect()
    }

    fn redirect_quota(&self, primary: &Server, region: &Region) -> Option<RedirectQuota> {
        let crowd = primary.crowd(region);
        let taking = |server: &&Server| server.phase == Phase::Serving && server.kind == Kind::Relay;
        let slot = |relay: &Server| Slot { id: relay.id.clone(), base_url: Arc::clone(&relay.base_url) };
        let relays = self.servers.values().filter(taking);
        let relays = relays.map(|relay| (slot(relay), relay.target_of(region)));
        (crowd.redirects > 0).then(|| redirects::quota(region, crowd, &relays.collect::<Vec<_>>()))
    }
}

impl Server {
    /// The region's viewers that cannot be told to move, wherever they play, and what carries them.
    fn crowd(&self, region: &Region) -> Crowd {
        let of_class = |class| self.viewers.of_class(region, class);
        let handed = self.redirected.get(region).copied().unwrap_or(0);
        Crowd {
            fixed: of_class(Class::Fixed),
            redirects: of_class(Class::Redirects).saturating_add(handed),
            primary_target: self.target_of(region),
        }
    }

    /// Viewers of a region that can be told to play from elsewhere.
    fn movable(&self, region: &Region) -> u32 {
        self.viewers.of_class(region, Class::Steers) + self.viewers.of_class(region, Class::Watches)
    }

    fn told_to_stay_at_primary(&self, region: &Region) -> u32 {
        let target = self.target_of(region);
        let crowd = self.crowd(region);
        target.saturating_sub(crowd.fixed + crowd.kept()).saturating_add(primary_deadband(target))
    }

    fn told_to_stay_at_relay(&self, region: &Region, exactly: bool) -> u32 {
        let target = self.target_of(region);
        let others = self.viewers.of(region) - self.movable(region);
        let deadband = if exactly { 0 } else { relay_deadband(target) };
        target.saturating_sub(others).saturating_add(deadband)
    }

    /// Viewers told to leave since the last step.
    fn told_since(&mut self) -> u64 {
        let told = self.counters.told_total();
        told.saturating_sub(std::mem::replace(&mut self.told, told))
    }
}
