//! Which servers one request can reach, in the order in which they are tried.

use super::{RETRY_AFTER, Reason, Refusal, Request};
use crate::{
    Class, Phase, Region, ServerId, Time,
    balancing::{Balancer, Candidate},
    routing::{Kind, RegionRoute, Route, Routing},
};

/// One kind of server to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Try {
    /// The primary, while it has fewer of the region than it should.
    PrimaryUnderTarget,
    /// A relay of the region that has fewer of it than it should.
    RelayUnderTarget,
    /// A relay of the region that is not full.
    RelayWithRoom,
    /// A relay near the region that has fewer of it than it should.
    NeighbourUnderTarget,
    /// A relay near the region that is not full.
    NeighbourWithRoom,
    /// The primary, while it is not full.
    PrimaryWithRoom,
}

/// For who starts.
pub(super) const NEWCOMER: &[Try] = &[
    Try::PrimaryUnderTarget,
    Try::RelayUnderTarget,
    Try::RelayWithRoom,
    Try::NeighbourWithRoom,
    Try::PrimaryWithRoom,
];

/// For whose server is gone.
pub(super) const SURVIVOR: &[Try] =
    &[Try::RelayUnderTarget, Try::RelayWithRoom, Try::NeighbourWithRoom, Try::PrimaryWithRoom];

/// For who could stay: only to where somebody is missing.
pub(super) const MOVER: &[Try] = &[Try::RelayUnderTarget, Try::NeighbourUnderTarget, Try::PrimaryUnderTarget];

/// What one request can reach.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach<'a> {
    /// The region that it counts for.
    pub(super) region: &'a Region,
    routing: &'a Routing,
    request: &'a Request<'a>,
    avoid: &'a [ServerId],
    home: Option<&'a RegionRoute>,
    balancer: &'a Balancer,
    now: Time,
    dice: u64,
}

impl<'a> Reach<'a> {
    pub(super) fn new(
        routing: &'a Routing,
        request: &'a Request<'a>,
        balancer: &'a Balancer,
        now: Time,
        dice: u64,
    ) -> Self {
        let (region, home) = routing.region(request.region);
        Self { region, routing, request, avoid: request.avoid, home, balancer, now, dice }
    }

    pub(super) const fn avoiding_nobody(self) -> Self {
        Self { avoid: &[], ..self }
    }

    /// The first server in `order`, and why it.
    pub(super) fn first_of(&self, order: &[Try]) -> Option<(&'a Route, Reason)> {
        order.iter().find_map(|attempt| self.attempt(*attempt))
    }

    /// The primary for a player that asks it at every reload: it needs room only while no relay could take the player over.
    pub(super) fn redirecting_primary(&self) -> Option<&'a Route> {
        let relieved = || self.request.class == Class::Redirects && self.first_of(SURVIVOR).is_some();
        self.ready().find(|route| route.kind == Kind::Primary && (self.has_room(route) || relieved()))
    }

    /// Why nobody takes the viewer.
    pub(super) fn refusal(&self) -> Refusal {
        let retry_after = self.home.map(|home| home.retry_after).filter(|after| !after.is_zero());
        let retry_after = retry_after.unwrap_or(RETRY_AFTER);
        if self.avoiding_nobody().ready().next().is_none() {
            Refusal::NoServer { retry_after }
        } else {
            Refusal::NoRoom { retry_after }
        }
    }

    /// Whether the server has more viewers, seen and on their way, than it takes.
    pub(super) fn is_overfull(&self, route: &Route) -> bool {
        self.load(route) > route.capacity
    }

    fn attempt(&self, attempt: Try) -> Option<(&'a Route, Reason)> {
        let under_target = |route: &&Route| self.is_under_target(route);
        match attempt {
            Try::PrimaryUnderTarget => {
                self.primary().filter(under_target).map(|route| (route, Reason::UnderThreshold))
            }
            Try::PrimaryWithRoom => self.primary().map(|route| (route, Reason::NoRelayInReach)),
            Try::RelayUnderTarget => {
                self.relay_of(self.region, under_target).map(|route| (route, Reason::RegionRelay))
            }
            Try::RelayWithRoom => {
                self.relay_of(self.region, |_| true).map(|route| (route, Reason::RegionRelay))
            }
            Try::NeighbourUnderTarget => self.neighbour(under_target),
            Try::NeighbourWithRoom => self.neighbour(|_| true),
        }
    }

    fn primary(&self) -> Option<&'a Route> {
        self.ready().find(|route| route.kind == Kind::Primary && self.has_room(route))
    }

    fn neighbour(&self, fits: impl Fn(&&Route) -> bool + Copy) -> Option<(&'a Route, Reason)> {
        let relay = self.home?.neighbours.iter().find_map(|region| self.relay_of(region, fits));
        relay.map(|route| (route, Reason::NeighbourRelay))
    }

    fn relay_of(&self, region: &Region, fits: impl Fn(&&Route) -> bool) -> Option<&'a Route> {
        let relays = self.ready().filter(|route| route.kind == Kind::Relay && route.region == *region);
        let relays: Vec<&Route> = relays.filter(|route| self.has_room(route)).filter(fits).collect();
        let candidate =
            |route: &&'a Route| Candidate { id: &route.id, load: self.load(route), capacity: route.capacity };
        let candidates: Vec<_> = relays.iter().map(candidate).collect();
        self.balancer.pick(&candidates, self.request.session, self.dice).map(|at| relays[at])
    }

    /// Servers that take newcomers and have the stream.
    fn ready(&self) -> impl Iterator<Item = &'a Route> {
        let (stream, avoid) = (self.request.stream, self.avoid);
        let ready = self.routing.servers.iter().filter(|route| route.phase == Phase::Serving);
        ready.filter(move |route| route.streams.contains(stream) && !avoid.contains(&route.id))
    }

    fn has_room(&self, route: &Route) -> bool {
        self.load(route) < route.capacity
    }

    fn is_under_target(&self, route: &Route) -> bool {
        let of =
            |counts: &std::collections::BTreeMap<Region, u32>| counts.get(self.region).copied().unwrap_or(0);
        of(&route.seen).saturating_add(route.counters.pending(self.region, self.now)) < of(&route.target)
    }

    fn load(&self, route: &Route) -> u32 {
        route.seen_total().saturating_add(route.counters.pending_total(self.now))
    }
}
