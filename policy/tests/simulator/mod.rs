//! A live event in a queue of moments: servers that follow their directives, viewers that play, and between them the very
//! controller, placement and redirect book that the programs run. Nothing here sleeps; a minute takes milliseconds.
//!
//! After every observation the fleet is audited. What a real network adds (loss, reordering, slow lines) is left to the
//! scenarios that start real programs.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by several tests, each of which uses its part; a test panics"
)]

mod manager;
mod server;
mod viewer;

use std::{collections::BTreeMap, time::Duration};

use policy::{
    Action, Class, Decision, Fleet, Observation, Phase, Region, ServerId, Settings, Time,
    balancing::{Balancer, Balancing},
    fleet::{Inventory, Offer},
    routing::Kind,
};

pub use self::{server::SimServer, viewer::SimViewer};

/// Segments of two seconds: players reload that often.
pub const TARGET_DURATION: Duration = Duration::from_secs(2);
/// How long a provisioner takes to start a relay.
const LAUNCH: Duration = Duration::from_millis(1500);
/// How long a relay takes to hold its streams ready.
const WARM: Duration = Duration::from_millis(400);

/// Something that will happen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Report { server: ServerId, incarnation: u64 },
    Attach { server: ServerId, incarnation: u64 },
    Warmed { server: ServerId, incarnation: u64 },
    Launched(Launch),
    Exited(ServerId),
    Reload(u64),
    Steer(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Launch {
    id: ServerId,
    base_url: std::sync::Arc<str>,
    region: Region,
    capacity: u32,
}

/// The whole event.
pub struct World {
    pub now: Time,
    pub settings: Settings,
    /// Nothing while the manager is down.
    pub fleet: Option<Fleet>,
    pub servers: BTreeMap<ServerId, SimServer>,
    pub viewers: BTreeMap<u64, SimViewer>,
    pub decisions: Vec<Decision>,
    slots: Vec<Offer>,
    queue: BTreeMap<(Time, u64), Event>,
    queued: u64,
    attachments: u64,
    dice: u64,
    balancer: Balancer,
}

impl World {
    /// A primary, a manager with these settings, and nobody watching.
    pub fn new(settings: Settings) -> Self {
        Self::without_primary(settings, 0)
    }

    fn without_primary(settings: Settings, dice: u64) -> Self {
        let now = Time::from_millis(1_000_000);
        let mut world = Self {
            now,
            settings: settings.validated().unwrap(),
            fleet: None,
            servers: BTreeMap::new(),
            viewers: BTreeMap::new(),
            decisions: Vec::new(),
            slots: Vec::new(),
            queue: BTreeMap::new(),
            queued: 0,
            attachments: 0,
            dice,
            balancer: Balancer::new(Balancing::default()),
        };
        world.add_server(SimServer::new(ServerId::primary(), Kind::Primary, "127.0.0.1", 10_000));
        world.start_manager();
        world.run(7);
        world
    }

    /// As [`World::new`], where a provisioner has these hosts.
    pub fn with_slots(settings: Settings, hosts: &[&str]) -> Self {
        let mut world = Self::new(settings);
        let slot = |host: &&str| Offer {
            id: ServerId::of_relay(host).unwrap(),
            base_url: format!("http://{host}:8080").into(),
            region: None,
        };
        world.slots = hosts.iter().map(slot).collect();
        world.list();
        world
    }

    /// As [`World::new`], with a relay that an operator started at each of these hosts.
    pub fn with_standby(settings: Settings, hosts: &[&str]) -> Self {
        let mut world = Self::new(settings);
        for host in hosts {
            world.start_relay(host, 500);
        }
        world.run(1);
        world
    }

    /// An operator starts a relay.
    pub fn start_relay(&mut self, host: &str, capacity: u32) {
        self.add_server(SimServer::new(ServerId::of_relay(host).unwrap(), Kind::Relay, host, capacity));
    }

    fn add_server(&mut self, server: SimServer) {
        let (id, incarnation) = (server.id.clone(), server.incarnation);
        self.servers.insert(id.clone(), server);
        self.soon(Duration::from_millis(50), Event::Attach { server: id.clone(), incarnation });
        self.soon(Duration::from_millis(1000), Event::Report { server: id, incarnation });
    }

    pub fn start_manager(&mut self) {
        let settings = Settings { first_generation: self.now.as_millis() << 20, ..self.settings.clone() };
        self.fleet = Some(Fleet::new(settings, self.now));
        for server in self.servers.values_mut() {
            server.attachment = None;
        }
        for (id, incarnation) in self.ids() {
            let wait = Duration::from_millis(100 + self.roll() % 900);
            self.soon(wait, Event::Attach { server: id, incarnation });
        }
        self.list();
    }

    /// The manager is killed: nobody answers, nobody moves.
    pub fn kill_manager(&mut self) {
        self.fleet = None;
        for server in self.servers.values_mut() {
            server.attachment = None;
        }
    }

    /// A server is killed: its stream ends, its players notice at their next reload.
    pub fn kill(&mut self, host: &str) {
        let id = ServerId::of_relay(host).unwrap();
        let Some(server) = self.servers.remove(&id) else { return };
        if let Some(attachment) = server.attachment {
            self.tell(Observation::Disconnected { server: id.clone(), attachment });
        }
        if server.launched {
            self.soon(Duration::from_millis(20), Event::Exited(id));
        }
    }

    /// Viewers come over so many seconds.
    pub fn arrive(&mut self, viewers: u32, class: Class, region: &str, over: Duration) {
        for number in 0..viewers {
            let id = self.queued;
            let wait = over * number / viewers.max(1);
            self.soon(wait, Event::Reload(id));
            self.viewers.insert(id, SimViewer::new(id, class, region.parse().unwrap(), self.now + wait));
        }
    }

    /// So many viewers of a region are gone without a word, those who came first first.
    pub fn leave(&mut self, viewers: usize, region: &str) {
        let region: Region = region.parse().unwrap();
        let gone = self.viewers.values().filter(|viewer| viewer.region == region).map(|viewer| viewer.id);
        for id in gone.take(viewers).collect::<Vec<_>>() {
            self.viewers.remove(&id);
        }
    }

    /// So many viewers of a server are gone without a word.
    pub fn leave_from(&mut self, server: &ServerId, viewers: usize) {
        let here = |viewer: &&SimViewer| viewer.server.as_ref() == Some(server);
        let gone = self.viewers.values().filter(here).map(|viewer| viewer.id);
        for id in gone.take(viewers).collect::<Vec<_>>() {
            self.viewers.remove(&id);
        }
    }

    /// A server's way to the manager is cut and mended after two seconds; its viewers notice nothing.
    pub fn hiccup(&mut self, host: &str) {
        let id = ServerId::of_relay(host).unwrap();
        let Some(server) = self.servers.get_mut(&id) else { return };
        let incarnation = server.incarnation;
        let Some(attachment) = server.attachment.take() else { return };
        self.tell(Observation::Disconnected { server: id.clone(), attachment });
        self.soon(Duration::from_secs(2), Event::Attach { server: id, incarnation });
    }

    /// An operator empties a relay.
    pub fn drain(&mut self, host: &str) {
        self.tell(Observation::Drain { server: ServerId::of_relay(host).unwrap() });
    }

    /// An operator gives a relay back.
    pub fn resume(&mut self, host: &str) {
        self.tell(Observation::Resume { server: ServerId::of_relay(host).unwrap() });
    }

    /// Lets seconds pass.
    pub fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let deadline = self.fleet.as_ref().and_then(Fleet::deadline);
            let next = event.into_iter().chain(deadline).min().filter(|at| *at <= end);
            let Some(at) = next else { break };
            self.now = self.now.max(at);
            if event == Some(at) {
                let (_, event) = self.queue.pop_first().unwrap();
                self.happen(event);
            } else {
                self.tell(Observation::Tick);
            }
        }
        self.now = end;
    }

    /// Runs until something is so.
    ///
    /// # Panics
    /// When it is not within so many seconds.
    pub fn run_until(&mut self, seconds: u64, what: &str, so: impl Fn(&Self) -> bool) {
        for _ in 0..seconds {
            if so(self) {
                return;
            }
            self.run(1);
        }
        assert!(so(self), "not within {seconds} s: {what}\n{}", self.story());
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Report { server, incarnation } => self.report(&server, incarnation),
            Event::Attach { server, incarnation } => self.attach(&server, incarnation),
            Event::Warmed { server, incarnation } => {
                let warmed = self.servers.get_mut(&server).filter(|server| server.incarnation == incarnation);
                if let Some(server) = warmed.filter(|server| server.phase == Phase::Warming) {
                    server.phase = Phase::Serving;
                }
            }
            Event::Launched(launch) => {
                let host = launch.base_url["http://".len()..].split(':').next().unwrap().to_owned();
                let mut server = SimServer::new(launch.id, Kind::Relay, &host, launch.capacity);
                server.launched = true;
                server.region = launch.region;
                self.add_server(server);
            }
            Event::Exited(server) => self.tell(Observation::Exited { server }),
            Event::Reload(viewer) => self.reload(viewer),
            Event::Steer(viewer) => self.steer(viewer),
        }
    }

    fn list(&mut self) {
        let running =
            self.servers.values().filter(|server| server.launched).map(|server| server.id.clone()).collect();
        self.tell(Observation::Listed(Inventory { slots: self.slots.clone(), running }));
    }

    fn soon(&mut self, wait: Duration, event: Event) {
        self.queued += 1;
        self.queue.insert((self.now + wait, self.queued), event);
    }

    fn ids(&self) -> Vec<(ServerId, u64)> {
        self.servers.values().map(|server| (server.id.clone(), server.incarnation)).collect()
    }

    /// A number that looks drawn and is the same in every run (splitmix64).
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// How many viewers of a region play from a server now.
    pub fn playing(&self, id: &ServerId, region: &str) -> usize {
        let here =
            |viewer: &&SimViewer| viewer.server.as_ref() == Some(id) && viewer.region.as_str() == region;
        self.viewers.values().filter(here).count()
    }

    /// How many viewers of a region play from the primary now.
    pub fn at_primary(&self, region: &str) -> usize {
        self.playing(&ServerId::primary(), region)
    }

    /// The phase in which the manager has a relay.
    pub fn phase(&self, host: &str) -> Option<Phase> {
        self.fleet.as_ref()?.server(&ServerId::of_relay(host).unwrap()).map(|server| server.phase)
    }

    /// Relays in a phase.
    pub fn relays(&self, phase: Phase) -> usize {
        let relays = self.fleet.iter().flat_map(Fleet::servers).filter(|server| server.kind == Kind::Relay);
        relays.filter(|server| server.phase == phase).count()
    }

    /// How often something was decided.
    pub fn decided(&self, action: Action) -> usize {
        self.decisions.iter().filter(|decision| decision.action == action).count()
    }

    /// How often viewers had nowhere to play from.
    pub fn stalls(&self) -> u32 {
        self.viewers.values().map(|viewer| viewer.stalls).sum()
    }

    /// Everything decided, for who has to find out why.
    pub fn story(&self) -> String {
        let line = |decision: &Decision| {
            let server = decision.server.as_ref().map_or("", ServerId::as_str);
            let at = decision.at.as_millis();
            format!("{at} {} {server} {}: {}\n", decision.action, decision.reason.as_str(), decision.reason)
        };
        self.decisions.iter().map(line).collect()
    }
}
