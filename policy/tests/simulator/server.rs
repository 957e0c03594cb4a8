//! A server as the manager sees it: follows its directive, counts who reloads, reports every second.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use policy::{
    Class, Directive, Phase, Region, ServerId, SessionId, Time,
    adaptation::Mode,
    fleet::{Count, Hello, Report, StreamState},
    redirects::{Book, Limits},
    routing::{Kind, Slot},
    session::Session,
};

use super::{TARGET_DURATION, viewer::SimViewer};

/// A session ends after this long without a reload: 2.5 target durations.
const SILENCE: Duration = Duration::from_secs(5);

pub struct SimServer {
    pub id: ServerId,
    pub kind: Kind,
    pub host: String,
    pub region: Region,
    pub capacity: u32,
    pub launched: bool,
    pub incarnation: u64,
    pub attachment: Option<u64>,
    pub phase: Phase,
    /// It lost its way to the manager.
    pub mute: bool,
    generation: u64,
    sessions: BTreeMap<SessionId, Seen>,
    opened: u64,
    departed: u64,
    arrived: Vec<SessionId>,
    asked: Option<Time>,
    book: Book,
}

/// A session as it is counted.
struct Seen {
    region: Region,
    class: Class,
    first: ServerId,
    reloads: u32,
    last: Time,
}

impl SimServer {
    pub fn new(id: ServerId, kind: Kind, host: &str, capacity: u32) -> Self {
        Self {
            id,
            kind,
            host: host.to_owned(),
            region: Region::fallback(),
            capacity,
            launched: false,
            incarnation: 1,
            attachment: None,
            phase: if kind == Kind::Primary { Phase::Serving } else { Phase::Standby },
            mute: false,
            generation: 0,
            sessions: BTreeMap::new(),
            opened: 0,
            departed: 0,
            arrived: Vec::new(),
            asked: None,
            book: Book::new(Limits { sessions: 10_000 }),
        }
    }

    pub fn base_url(&self) -> Arc<str> {
        format!("http://{}:8080", self.host).into()
    }

    pub fn hello(&self, attachment: u64) -> Hello {
        Hello {
            attachment,
            id: self.id.clone(),
            kind: self.kind,
            region: self.region.clone(),
            base_url: self.base_url(),
            capacity: self.capacity,
            incarnation: self.incarnation,
            launched: self.launched,
            phase: self.phase,
            streams: self.streams(),
            version: String::new(),
            metrics_address: String::new(),
        }
    }

    /// Takes on what it is told to be, as far as that takes no time.
    pub fn obey(&mut self, directive: &Directive) {
        self.generation = directive.generation;
        self.book.set_quotas(&directive.content.redirects);
        self.phase = match (self.kind, self.phase, directive.content.phase) {
            (Kind::Primary, ..) => Phase::Serving,
            (_, Phase::Standby, Phase::Serving) => Phase::Warming,
            (_, Phase::Draining, Phase::Serving) => Phase::Serving,
            (_, _, Phase::Draining) => Phase::Draining,
            (_, phase, _) => phase,
        };
    }

    /// A viewer reloads its playlist here.
    pub fn serve(&mut self, viewer: &SimViewer, now: Time) {
        self.asked = Some(now);
        let session = &viewer.session;
        let seen = self.sessions.entry(session.id.clone()).or_insert_with(|| Seen {
            region: session.region.clone(),
            class: session.class,
            first: session.server.clone(),
            reloads: 0,
            last: now,
        });
        seen.reloads += 1;
        seen.last = now;
        if seen.reloads == 2 {
            self.opened += 1;
            if seen.first != self.id {
                self.arrived.push(session.id.clone());
            }
        }
    }

    /// Where the primary sends a viewer that does not steer; nowhere if it serves the viewer itself.
    pub fn redirect(&mut self, session: &Session, now: Time) -> Option<Slot> {
        let slot = self.book.reloaded(session, SILENCE, now);
        if slot.is_some() {
            self.sessions.remove(&session.id);
        }
        slot
    }

    /// Sessions that count elsewhere now.
    pub fn forget_moved(&mut self, sessions: &[SessionId]) {
        for session in sessions {
            if self.sessions.remove(session).is_some_and(|seen| seen.reloads >= 2) {
                self.departed += 1;
            }
        }
    }

    pub fn report(&mut self, now: Time) -> Report {
        self.sessions.retain(|_, seen| now.since(seen.last) <= SILENCE);
        let mut counts: BTreeMap<(Region, Class), u32> = BTreeMap::new();
        for seen in self.sessions.values().filter(|seen| seen.reloads >= 2) {
            *counts.entry((seen.region.clone(), seen.class)).or_default() += 1;
        }
        let viewers =
            counts.into_iter().map(|((region, class), viewers)| Count { region, class, viewers }).collect();
        let redirected = self.book.redirected(now).map(|(_, region, viewers)| Count {
            region: region.clone(),
            class: Class::Redirects,
            viewers,
        });
        Report {
            applied_generation: self.generation,
            phase: Some(self.phase),
            viewers,
            redirected: redirected.collect(),
            opened_total: self.opened,
            departed_total: self.departed,
            egress_bytes_total: 0,
            upstream_healthy: true,
            arrived: std::mem::take(&mut self.arrived),
            streams: self.streams(),
            quiet: self.asked.is_none_or(|asked| now.since(asked) > SILENCE),
            ..Report::default()
        }
    }

    fn streams(&self) -> Vec<StreamState> {
        let ready = matches!(self.phase, Phase::Serving | Phase::Draining);
        vec![StreamState {
            name: "live".parse().unwrap(),
            ready,
            target_duration: TARGET_DURATION,
            mode: Mode::default(),
        }]
    }
}
