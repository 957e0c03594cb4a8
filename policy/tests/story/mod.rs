//! Histories told by hand: a fleet, what its servers report second by second, and what it said.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by several tests, each of which uses its part; a test panics"
)]

use std::time::Duration;

use policy::{
    Action, Class, Command, Fleet, Observation, Phase, Region, ServerId, Settings, Time,
    adaptation::Mode,
    fleet::{Count, Hello, Inventory, Offer, Refusal, Report, StreamState},
    routing::Kind,
};

/// A fleet, the time, and what it said since somebody looked.
pub struct Story {
    pub fleet: Fleet,
    pub now: Time,
    pub said: Vec<Command>,
}

pub fn settings() -> Settings {
    Settings { threshold: 3, cooldown: Duration::ZERO, ..Settings::default() }
}

pub fn id(name: &str) -> ServerId {
    if name == "primary" { ServerId::primary() } else { ServerId::of_relay(name).unwrap() }
}

pub fn stream() -> StreamState {
    StreamState {
        name: "live".parse().unwrap(),
        ready: true,
        target_duration: Duration::from_secs(2),
        mode: Mode::default(),
    }
}

pub fn hello(name: &str, phase: Phase) -> Hello {
    Hello {
        attachment: 1,
        id: id(name),
        kind: if name == "primary" { Kind::Primary } else { Kind::Relay },
        region: Region::fallback(),
        base_url: format!("http://{}:8080", if name == "primary" { "127.0.0.1" } else { name }).into(),
        capacity: 500,
        incarnation: 1,
        launched: false,
        phase,
        streams: vec![stream()],
        version: "0".into(),
        metrics_address: String::new(),
    }
}

impl Story {
    pub fn new(settings: Settings) -> Self {
        let now = Time::from_millis(1_000);
        Self { fleet: Fleet::new(settings.validated().unwrap(), now), now, said: Vec::new() }
    }

    /// A fleet with a primary that has reported, after the first-start window.
    pub fn settled(settings: Settings) -> Self {
        let mut story = Self::new(settings);
        story.observe(Observation::Attached(hello("primary", Phase::Serving))).unwrap();
        story.seconds(6, &[("primary", Phase::Serving, 0)]);
        assert!(story.fleet.is_settled());
        story.said.clear();
        story
    }

    pub fn observe(&mut self, observation: Observation) -> Result<(), Refusal> {
        let taken = self.fleet.observe(observation, self.now);
        self.said.extend(std::iter::from_fn(|| self.fleet.next_command()));
        taken
    }

    pub fn attach(&mut self, hello: Hello) {
        self.observe(Observation::Attached(hello)).unwrap();
    }

    /// Lets time pass in which nobody says anything.
    pub fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.observe(Observation::Tick).unwrap();
    }

    /// Lets seconds pass in which these servers report a phase and viewers.
    pub fn seconds(&mut self, seconds: u64, reports: &[(&str, Phase, u32)]) {
        for _ in 0..seconds {
            self.now = self.now + Duration::from_secs(1);
            for (name, phase, viewers) in reports {
                let count = Count { region: Region::fallback(), class: Class::Steers, viewers: *viewers };
                let report = Report {
                    applied_generation: u64::MAX,
                    phase: Some(*phase),
                    viewers: vec![count],
                    upstream_healthy: true,
                    streams: vec![stream()],
                    quiet: *viewers == 0,
                    ..Report::default()
                };
                self.observe(Observation::Reported { server: id(name), attachment: 1, report }).unwrap();
            }
            self.observe(Observation::Tick).unwrap();
        }
    }

    pub fn phase(&self, name: &str) -> Option<Phase> {
        self.fleet.server(&id(name)).map(|server| server.phase)
    }

    pub fn actions(&self) -> Vec<Action> {
        let action = |command: &Command| match command {
            Command::Record(decision) => Some(decision.action),
            _ => None,
        };
        self.said.iter().filter_map(action).collect()
    }

    pub fn reasons(&self) -> Vec<&'static str> {
        let reason = |command: &Command| match command {
            Command::Record(decision) => Some(decision.reason.as_str()),
            _ => None,
        };
        self.said.iter().filter_map(reason).collect()
    }

    pub fn launches(&self) -> Vec<ServerId> {
        let launch = |command: &Command| match command {
            Command::Launch(spec) => Some(spec.id.clone()),
            _ => None,
        };
        self.said.iter().filter_map(launch).collect()
    }

    pub fn offer(&mut self, hosts: &[&str]) {
        let slot = |host: &&str| Offer {
            id: id(host),
            base_url: format!("http://{host}:8080").into(),
            region: None,
        };
        let slots = hosts.iter().map(slot).collect();
        self.observe(Observation::Listed(Inventory { slots, running: Vec::new() })).unwrap();
    }
}

pub const P: &str = "primary";
pub const A: &str = "127.0.0.2";
pub const B: &str = "127.0.0.3";
