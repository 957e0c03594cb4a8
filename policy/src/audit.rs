//! The fleet's invariants as code: what is broken in a fleet, whatever history led there. Tests and the simulator ask after
//! every step; the answer is always nothing.

use std::collections::BTreeMap;

use crate::{Fleet, Phase, Region, ServerId, fleet::Server, routing::Kind};

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A server went from one phase to another that does not follow it.
    #[error("{server} went from {from} to {to}")]
    IllegalStep {
        /// Which.
        server: ServerId,
        /// From where.
        from: Phase,
        /// To where.
        to: Phase,
    },
    /// A server is wanted to be what nobody can be told to be.
    #[error("{server} is wanted to be {desired}")]
    IllegalWish {
        /// Which.
        server: ServerId,
        /// What it is wanted to be.
        desired: Phase,
    },
    /// A server is thought to have more viewers than it can hold.
    #[error("{0} is thought to have more viewers than it can hold")]
    OverCounted(ServerId),
    /// Viewers are counted on a server that is not there.
    #[error("{0} is not there and has viewers")]
    GhostViewers(ServerId),
    /// A server that gets nobody new has a target, or may send viewers away that it should keep.
    #[error("{0} takes nobody and has a target")]
    IdleTarget(ServerId),
    /// A relay should have more viewers than it can hold.
    #[error("{0} should have more viewers than it can hold")]
    TargetOverCapacity(ServerId),
    /// Some viewers of a region have no place.
    #[error("targets of region {0} leave viewers without a place")]
    Homeless(Region),
    /// Something was launched or drained before counts could be relied upon.
    #[error("{0} was launched or drained before counts were fresh")]
    TooEarly(ServerId),
    /// A relay is being emptied without an end, or one that is not has one.
    #[error("{0} has a drain that does not go with what is wanted of it")]
    EndlessDrain(ServerId),
    /// A region wants more relays than it may have.
    #[error("region {0} wants more relays than it may have")]
    WantsTooMuch(Region),
    /// A relay was added to as many as the fleet may have.
    #[error("a relay was added, and there are {relays} of {budget}")]
    OverBudget {
        /// Relays that are paid for.
        relays: usize,
        /// Relays that may be.
        budget: u32,
    },
    /// A server follows a directive that is not what is wanted of it.
    #[error("{0} was told something else than what is wanted of it")]
    Misdirected(ServerId),
    /// The picture is not of this fleet.
    #[error("the picture for placement differs from the fleet at {0}")]
    FalsePicture(ServerId),
    /// Redirects go to a relay that takes nobody.
    #[error("redirects go to {0}, which takes nobody")]
    RedirectsToNowhere(ServerId),
}

/// Everything that is broken.
#[must_use]
pub fn audit(fleet: &Fleet) -> Vec<Violation> {
    let mut broken = Vec::new();
    for server in fleet.servers() {
        audit_life(fleet, server, &mut broken);
        audit_viewers(server, &mut broken);
        audit_directive(fleet, server, &mut broken);
    }
    audit_regions(fleet, &mut broken);
    audit_budget(fleet, &mut broken);
    audit_picture(fleet, &mut broken);
    broken
}

fn audit_life(fleet: &Fleet, server: &Server, broken: &mut Vec<Violation>) {
    let id = || server.id.clone();
    if let Some(from) = server.came_from.filter(|from| !from.may_become(server.phase)) {
        broken.push(Violation::IllegalStep { server: id(), from, to: server.phase });
    }
    let primary_wish =
        server.kind == Kind::Relay || matches!(server.desired, Phase::Serving) || !server.is_attached();
    let wishes = [Phase::Standby, Phase::Serving, Phase::Draining, Phase::Retired];
    if !wishes.contains(&server.desired) || !primary_wish {
        broken.push(Violation::IllegalWish { server: id(), desired: server.desired });
    }
    let least = fleet.settings().drain_deadline_for(std::time::Duration::ZERO);
    let fits = match (server.desired, server.drain) {
        (Phase::Draining, Some(drain)) => drain.deadline >= drain.since + least,
        (Phase::Draining, None) | (Phase::Serving | Phase::Standby, Some(_)) => false,
        _ => true,
    };
    if !fits {
        broken.push(Violation::EndlessDrain(id()));
    }
    if !fleet.is_settled() && server.phase == Phase::Requested {
        broken.push(Violation::TooEarly(id()));
    }
}

fn audit_viewers(server: &Server, broken: &mut Vec<Violation>) {
    let id = || server.id.clone();
    if server.viewers.total() > server.capacity {
        broken.push(Violation::OverCounted(id()));
    }
    if !server.is_attached() && server.viewers.total() > 0 {
        broken.push(Violation::GhostViewers(id()));
    }
    if server.kind == Kind::Primary {
        return;
    }
    if server.phase != Phase::Serving && server.target_total() > 0 {
        broken.push(Violation::IdleTarget(id()));
    }
    if server.target_total() > server.capacity {
        broken.push(Violation::TargetOverCapacity(id()));
    }
}

fn audit_directive(fleet: &Fleet, server: &Server, broken: &mut Vec<Violation>) {
    let open = server.attachment.is_some_and(|attachment| attachment.open);
    if !(server.is_attached() && open) {
        return;
    }
    let Some(directive) = &server.directive else {
        broken.push(Violation::Misdirected(server.id.clone()));
        return;
    };
    let content = &directive.content;
    if content.phase != server.desired {
        broken.push(Violation::Misdirected(server.id.clone()));
    }
    let quotas = content.redirects.iter().flat_map(|quota| &quota.relays);
    for quota in quotas.filter(|quota| quota.viewers > 0) {
        let id = &quota.relay.id;
        if fleet.server(id).is_none_or(|relay| relay.phase != Phase::Serving) {
            broken.push(Violation::RedirectsToNowhere(id.clone()));
        }
    }
}

fn audit_regions(fleet: &Fleet, broken: &mut Vec<Violation>) {
    let mut places: BTreeMap<&Region, u64> = BTreeMap::new();
    for (region, target) in fleet.servers().flat_map(|server| &server.target) {
        *places.entry(region).or_default() += u64::from(*target);
    }
    for (region, state) in fleet.regions() {
        let (_, most) = fleet.settings().bounds_of(region);
        if state.wanted() > most {
            broken.push(Violation::WantsTooMuch(region.clone()));
        }
        let placed = places.get(region).copied().unwrap_or(0);
        if fleet.primary().is_some() && placed < u64::from(state.demand.high) {
            broken.push(Violation::Homeless(region.clone()));
        }
    }
}

fn audit_budget(fleet: &Fleet, broken: &mut Vec<Violation>) {
    let (relays, budget) = (fleet.paid_relays(), fleet.settings().fleet_budget);
    if fleet.has_added() && relays > budget as usize {
        broken.push(Violation::OverBudget { relays, budget });
    }
}

fn audit_picture(fleet: &Fleet, broken: &mut Vec<Violation>) {
    let routing = fleet.routing();
    let drawn: BTreeMap<&ServerId, _> = routing.servers.iter().map(|route| (&route.id, route)).collect();
    for server in fleet.servers() {
        let fits = match drawn.get(&server.id) {
            Some(route) => {
                server.is_there()
                    && route.phase == server.phase
                    && route.target == server.target
                    && route.seen_total() == server.viewers.total()
            }
            None => !server.is_there(),
        };
        if !fits {
            broken.push(Violation::FalsePicture(server.id.clone()));
        }
    }
}
