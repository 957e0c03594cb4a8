//! Pictures of fleets for the tests of placement and steering, in a line each.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Class, Phase, Region, ServerId, SessionId, StreamName,
    counters::Counters,
    routing::{Kind, Pathway, RegionRoute, Route, Routing, Slot},
    session::Session,
};

pub(crate) fn region() -> Region {
    "eu".parse().unwrap()
}

pub(crate) fn stream() -> StreamName {
    "live".parse().unwrap()
}

pub(crate) fn id(name: &str) -> ServerId {
    name.parse().unwrap()
}

pub(crate) fn session(class: Class, server: &str) -> Session {
    let (id, server) = (SessionId::drawn(7), id(server));
    Session { id, stream: stream(), region: region(), class, server, expires_unix: u64::MAX }
}

/// A server that serves `seen` of eu's viewers and should have `target` of them.
pub(crate) fn server(name: &str, seen: u32, target: u32) -> Route {
    Route {
        id: id(name),
        kind: if name == "primary" { Kind::Primary } else { Kind::Relay },
        region: region(),
        base_url: format!("http://{name}:8080").into(),
        phase: Phase::Serving,
        streams: vec![stream()],
        capacity: 100,
        seen: BTreeMap::from([(region(), seen)]),
        target: BTreeMap::from([(region(), target)]),
        counters: Arc::new(Counters::default().covering(&[region()])),
    }
}

pub(crate) trait Changed: Sized {
    fn phase(self, phase: Phase) -> Self;
    fn capacity(self, capacity: u32) -> Self;
    fn at(self, region: &str) -> Self;
    fn lets_go(self, moves: u32) -> Self;
}

impl Changed for Route {
    fn phase(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    fn capacity(self, capacity: u32) -> Self {
        Self { capacity, ..self }
    }

    fn at(self, region: &str) -> Self {
        Self { region: region.parse().unwrap(), ..self }
    }

    fn lets_go(self, moves: u32) -> Self {
        self.counters.refill(&BTreeMap::from([(region(), moves)]));
        self
    }
}

/// A settled fleet with a slot for each relay of eu, one more where none runs, and asia as a neighbour.
pub(crate) fn fleet(servers: impl IntoIterator<Item = Route>) -> Routing {
    let servers: Vec<Route> = servers.into_iter().collect();
    let home = RegionRoute {
        demand: servers.iter().map(Route::seen_total).sum(),
        threshold: 3,
        neighbours: vec!["asia".parse().unwrap()],
        ..RegionRoute::default()
    };
    let slot = |name: &str| Slot { id: id(name), base_url: format!("http://{name}:8080").into() };
    let relays = servers.iter().filter(|route| route.kind == Kind::Relay && route.region == region());
    let slots = relays.map(|route| slot(route.id.as_str())).chain([slot("free")]);
    let pathways = slots.map(|slot| Pathway { slot, regions: vec![region()] }).collect();
    Routing {
        generation: 1,
        settled: true,
        servers,
        primary: Some(slot("primary")),
        pathways,
        regions: BTreeMap::from([(region(), home)]),
    }
}
