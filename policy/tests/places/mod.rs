//! Asks a fleet's picture for places, as viewers of every region would: one who starts, and one who plays from each server that
//! there ever was. Nobody new may come to a server that does not serve or has no room.

use policy::{
    Class, Fleet, Phase, Region, ServerId, SessionId, Time,
    balancing::Balancer,
    placement::{self, Question, Reason, Request},
    routing::Routing,
    session::Session,
};

/// Asks for everybody; what is wrong with where one was sent.
pub(crate) fn ask_everywhere(
    fleet: &Fleet,
    now: Time,
    regions: impl Iterator<Item = Region>,
    servers: &[ServerId],
) -> Result<(), String> {
    let routing = fleet.routing();
    for region in regions {
        for class in [Class::Steers, Class::Watches] {
            let viewer = viewer(region.clone(), class, now);
            let sent =
                moved(&routing, &viewer, servers, now).into_iter().chain(placed(&routing, &viewer, now));
            sent.into_iter().try_for_each(|to| check(fleet, &routing, &to, now))?;
        }
    }
    Ok(())
}

fn viewer(region: Region, class: Class, now: Time) -> Session {
    Session {
        id: SessionId::drawn(u128::from(now.as_millis())),
        stream: "live".parse().expect("a stream's name"),
        region,
        class,
        server: ServerId::primary(),
        expires_unix: u64::MAX,
    }
}

fn placed(routing: &Routing, viewer: &Session, now: Time) -> Option<ServerId> {
    let (session, stream, region, class) = (&viewer.id, &viewer.stream, &viewer.region, viewer.class);
    let request = Request { session, stream, region, class, avoid: &[] };
    let placed = placement::locate(routing, &request, &Balancer::default(), now, now.as_millis());
    placed.ok().map(|placement| placement.server)
}

/// Where viewers are moved that play from these. The primary as the last resort of a viewer whose server is gone is no move.
fn moved(routing: &Routing, viewer: &Session, servers: &[ServerId], now: Time) -> Vec<ServerId> {
    let step = |current: &ServerId| {
        let question = Question { session: viewer, current, first: false };
        let step = placement::steer(routing, &question, &Balancer::default(), now, now.as_millis());
        (step.moved && step.reason != Reason::NoRoom).then_some(step.server)
    };
    servers.iter().filter_map(step).collect()
}

fn check(fleet: &Fleet, routing: &Routing, to: &ServerId, now: Time) -> Result<(), String> {
    let route = routing.server(to).ok_or_else(|| format!("{to} is not there"))?;
    let load = route.seen_total().saturating_add(route.counters.pending_total(now));
    if load > route.capacity {
        return Err(format!("{to} has {load}, and takes {}", route.capacity));
    }
    match fleet.server(to).map(|server| server.phase) {
        Some(Phase::Serving) => Ok(()),
        phase => Err(format!("{to} is {phase:?}")),
    }
}
