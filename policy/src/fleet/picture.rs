//! Draws the picture that requests are answered from. Lost servers are not in it, nor those that are taken for dead: who plays
//! from one is placed anew.

use std::{collections::BTreeMap, sync::Arc};

use super::{Fleet, RegionState, Server};
use crate::{
    Region,
    routing::{Kind, RegionRoute, Route, Routing},
};

impl Fleet {
    pub(super) fn draw_picture(&mut self) {
        let mut servers: Vec<Route> =
            self.servers.values().filter(|server| server.is_there()).map(route).collect();
        servers.sort_by_key(|route| route.kind == Kind::Relay);
        let picture = Routing {
            generation: self.routing.generation,
            settled: self.settled,
            servers,
            primary: self.primary().map(Server::slot),
            pathways: self.pathways(),
            regions: self
                .regions
                .iter()
                .map(|(name, state)| (name.clone(), self.region_route(name, state)))
                .collect(),
        };
        if !alike(&picture, &self.routing) {
            self.routing = Arc::new(Routing { generation: self.routing.generation + 1, ..picture });
        }
    }

    fn region_route(&self, name: &Region, state: &RegionState) -> RegionRoute {
        RegionRoute {
            demand: state.demand.high,
            threshold: state.threshold,
            neighbours: self.settings.neighbours_of(name).to_vec(),
            retry_after: self.settings.retry_after,
        }
    }
}

fn route(server: &Server) -> Route {
    let ready = server.streams.iter().filter(|stream| stream.ready);
    let seen: BTreeMap<Region, u32> =
        server.viewers.by_region().map(|(region, n)| (region.clone(), n)).collect();
    Route {
        id: server.id.clone(),
        kind: server.kind,
        region: server.region.clone(),
        base_url: Arc::clone(&server.base_url),
        phase: server.phase,
        streams: ready.map(|stream| stream.name.clone()).collect(),
        capacity: server.room(),
        seen,
        target: server.target.clone(),
        counters: Arc::clone(&server.counters),
    }
}

/// Whether two pictures differ in nothing but their generation.
fn alike(a: &Routing, b: &Routing) -> bool {
    let regions = |routing: &Routing| {
        let facts = |route: &RegionRoute| {
            (route.demand, route.threshold, route.neighbours.clone(), route.retry_after)
        };
        routing.regions.iter().map(|(name, route)| (name.clone(), facts(route))).collect::<Vec<_>>()
    };
    a.settled == b.settled
        && (&a.primary, &a.pathways) == (&b.primary, &b.pathways)
        && a.servers.len() == b.servers.len()
        && a.servers.iter().zip(&b.servers).all(|(a, b)| same_route(a, b))
        && regions(a) == regions(b)
}

fn same_route(a: &Route, b: &Route) -> bool {
    Arc::ptr_eq(&a.counters, &b.counters)
        && (&a.id, a.kind, &a.region, &a.base_url) == (&b.id, b.kind, &b.region, &b.base_url)
        && (a.phase, &a.streams, a.capacity) == (b.phase, &b.streams, b.capacity)
        && (&a.seen, &a.target) == (&b.seen, &b.target)
}
