//! A viewer: asks for a place, reloads its playlist every target duration, asks where to go as its class does, and looks for
//! another server when its own is gone.

use std::time::Duration;

use policy::{
    Class, Region, ServerId, Time,
    placement::{self, Question, Request},
    session::Session,
    steering::{self, Pace},
};

use super::{Event, TARGET_DURATION, World};

pub struct SimViewer {
    pub id: u64,
    pub region: Region,
    pub session: Session,
    /// Where it plays from; nowhere before it has asked, or when its server has just gone.
    pub server: Option<ServerId>,
    /// Servers that its last answer named.
    pub priority: Vec<ServerId>,
    /// How often it had nowhere to play from.
    pub stalls: u32,
    /// How often it was moved.
    pub moves: u32,
    pub came: Time,
    asked: bool,
}

impl SimViewer {
    pub fn new(id: u64, class: Class, region: Region, came: Time) -> Self {
        let session = Session {
            id: format!("viewer-{id}").parse().unwrap(),
            stream: "live".parse().unwrap(),
            region: region.clone(),
            class,
            server: ServerId::primary(),
            expires_unix: u64::MAX,
        };
        Self {
            id,
            region,
            session,
            server: None,
            priority: Vec::new(),
            stalls: 0,
            moves: 0,
            came,
            asked: false,
        }
    }
}

impl World {
    /// A viewer reloads: at the server where it is, else at one that it finds.
    pub(super) fn reload(&mut self, id: u64) {
        let now = self.now;
        if !self.viewers.contains_key(&id) {
            return;
        }
        self.find_server(id);
        self.soon(TARGET_DURATION, Event::Reload(id));
        let Some(viewer) = self.viewers.get_mut(&id) else { return };
        let Some(mut server) = viewer.server.clone() else {
            viewer.stalls += 1;
            return;
        };
        if viewer.session.class == Class::Redirects {
            let primary = self.servers.get_mut(&ServerId::primary());
            let slot = primary.and_then(|primary| primary.redirect(&viewer.session, now));
            server = slot.map_or_else(ServerId::primary, |slot| slot.id);
            viewer.server = Some(server.clone());
        }
        match self.servers.get_mut(&server) {
            Some(there) => there.serve(viewer, now),
            None => viewer.stalls += 1,
        }
    }

    /// Sees that the viewer plays from somewhere that is there.
    fn find_server(&mut self, id: u64) {
        let viewer = &self.viewers[&id];
        let gone = |server: &ServerId| !self.servers.contains_key(server);
        let first = !viewer.asked;
        let avoid: Vec<ServerId> = match &viewer.server {
            Some(server) if !gone(server) => return,
            Some(server) if viewer.session.class != Class::Redirects => vec![server.clone()],
            _ => Vec::new(),
        };
        let found = self.locate(id, &avoid);
        let Some(viewer) = self.viewers.get_mut(&id) else { return };
        viewer.server = found;
        if let Some(server) = viewer.server.clone().filter(|_| first) {
            viewer.asked = true;
            viewer.session.server = server;
            let wait = match viewer.session.class {
                Class::Steers => Duration::from_millis(300),
                _ => Duration::from_secs(1),
            };
            self.soon(wait, Event::Steer(id));
        }
    }

    fn locate(&mut self, id: u64, avoid: &[ServerId]) -> Option<ServerId> {
        let dice = self.roll();
        let viewer = &self.viewers[&id];
        let Some(fleet) = &self.fleet else {
            // With nobody to ask, the player tries what it was told last.
            return viewer.priority.iter().find(|server| self.servers.contains_key(*server)).cloned();
        };
        let session = &viewer.session;
        let request = Request {
            session: &session.id,
            stream: &session.stream,
            region: &session.region,
            class: session.class,
            avoid,
        };
        let placement = placement::locate(&fleet.routing(), &request, &self.balancer, self.now, dice).ok()?;
        let routing = fleet.routing();
        let route = routing.server(&placement.server)?;
        assert!(route.accepts(), "{id} was placed on {} in {}", route.id, route.phase);
        assert!(route.seen_total() < route.capacity, "{id} was placed on {}, which is full", route.id);
        Some(placement.server)
    }

    /// A viewer asks where to play from: by polling, or as one that is told.
    pub(super) fn steer(&mut self, id: u64) {
        let dice = self.roll();
        let (Some(viewer), Some(fleet)) = (self.viewers.get_mut(&id), &self.fleet) else {
            if self.viewers.contains_key(&id) {
                self.soon(Duration::from_secs(5), Event::Steer(id));
            }
            return;
        };
        let (routing, now) = (fleet.routing(), self.now);
        let Some(current) = viewer.server.clone() else {
            return self.soon(TARGET_DURATION, Event::Steer(id));
        };
        let question =
            Question { session: &viewer.session, current: &current, first: viewer.priority.is_empty() };
        let wait = match viewer.session.class {
            Class::Steers => {
                let pace = Pace::default();
                let answer = steering::answer(&routing, &question, &self.balancer, &pace, now, dice);
                viewer.priority.clone_from(&answer.priority);
                viewer.server = Some(answer.current);
                answer.ttl
            }
            Class::Watches => {
                let step = placement::steer(&routing, &question, &self.balancer, now, dice);
                viewer.priority = vec![step.server.clone(), ServerId::primary()];
                viewer.server = Some(step.server);
                Duration::from_secs(1)
            }
            Class::Redirects | Class::Fixed => return,
        };
        if viewer.server.as_ref() != Some(&current) {
            viewer.moves += 1;
            let to = viewer.server.as_ref().and_then(|server| routing.server(server));
            assert!(
                to.is_some_and(policy::routing::Route::accepts),
                "{id} was moved to where nobody may come"
            );
        }
        self.soon(wait, Event::Steer(id));
    }
}
