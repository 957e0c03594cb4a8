//! The fleet controller, one rule a test, on histories told by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::time::Duration;

use policy::{
    Action, Class, Command, Fleet, Observation, Phase, Region, ServerId, Settings, Time,
    fleet::{Count, Hello, Inventory, Offer, Refusal, Report, StreamState},
    routing::Kind,
};

/// A fleet, the time, and what it said since somebody looked.
struct Story {
    fleet: Fleet,
    now: Time,
    said: Vec<Command>,
}

fn settings() -> Settings {
    Settings { threshold: 3, cooldown: Duration::ZERO, ..Settings::default() }
}

fn id(name: &str) -> ServerId {
    if name == "primary" { ServerId::primary() } else { ServerId::of_relay(name).unwrap() }
}

fn stream() -> StreamState {
    StreamState { name: "live".parse().unwrap(), ready: true, target_duration: Duration::from_secs(2) }
}

fn hello(name: &str, phase: Phase) -> Hello {
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
    fn new(settings: Settings) -> Self {
        let now = Time::from_millis(1_000);
        Self { fleet: Fleet::new(settings.validated().unwrap(), now), now, said: Vec::new() }
    }

    /// A fleet with a primary that has reported, after the first-start window.
    fn settled(settings: Settings) -> Self {
        let mut story = Self::new(settings);
        story.observe(Observation::Attached(hello("primary", Phase::Serving))).unwrap();
        story.seconds(6, &[("primary", Phase::Serving, 0)]);
        assert!(story.fleet.is_settled());
        story.said.clear();
        story
    }

    fn observe(&mut self, observation: Observation) -> Result<(), Refusal> {
        let taken = self.fleet.observe(observation, self.now);
        self.said.extend(std::iter::from_fn(|| self.fleet.next_command()));
        taken
    }

    fn attach(&mut self, hello: Hello) {
        self.observe(Observation::Attached(hello)).unwrap();
    }

    /// Lets seconds pass in which these servers report a phase and viewers.
    fn seconds(&mut self, seconds: u64, reports: &[(&str, Phase, u32)]) {
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

    fn phase(&self, name: &str) -> Option<Phase> {
        self.fleet.server(&id(name)).map(|server| server.phase)
    }

    fn actions(&self) -> Vec<Action> {
        let action = |command: &Command| match command {
            Command::Record(decision) => Some(decision.action),
            _ => None,
        };
        self.said.iter().filter_map(action).collect()
    }

    fn reasons(&self) -> Vec<&'static str> {
        let reason = |command: &Command| match command {
            Command::Record(decision) => Some(decision.reason.as_str()),
            _ => None,
        };
        self.said.iter().filter_map(reason).collect()
    }

    fn launches(&self) -> Vec<ServerId> {
        let launch = |command: &Command| match command {
            Command::Launch(spec) => Some(spec.id.clone()),
            _ => None,
        };
        self.said.iter().filter_map(launch).collect()
    }

    fn offer(&mut self, hosts: &[&str]) {
        let slot = |host: &&str| Offer {
            id: id(host),
            base_url: format!("http://{host}:8080").into(),
            region: None,
        };
        let slots = hosts.iter().map(slot).collect();
        self.observe(Observation::Listed(Inventory { slots, running: Vec::new() })).unwrap();
    }
}

const P: &str = "primary";
const A: &str = "127.0.0.2";
const B: &str = "127.0.0.3";

#[test]
fn a_crowd_wakes_the_relay_that_stands_by_and_its_end_sends_it_back() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Standby));
    story.seconds(2, &[(P, Phase::Serving, 3), (A, Phase::Standby, 0)]);
    assert_eq!(story.phase(A), Some(Phase::Standby), "exactly the threshold is not over it");
    story.seconds(1, &[(P, Phase::Serving, 4), (A, Phase::Standby, 0)]);
    assert_eq!(story.phase(A), Some(Phase::Warming));
    story.seconds(1, &[(P, Phase::Serving, 4), (A, Phase::Serving, 0)]);
    assert_eq!(story.phase(A), Some(Phase::Serving));
    story.seconds(10, &[(P, Phase::Serving, 1), (A, Phase::Serving, 0)]);
    assert_eq!(story.phase(A), Some(Phase::Serving), "the hold has not passed");
    story.seconds(1, &[(P, Phase::Serving, 1), (A, Phase::Serving, 0)]);
    assert_eq!(story.phase(A), Some(Phase::Draining));
    story.seconds(1, &[(P, Phase::Serving, 1), (A, Phase::Draining, 0)]);
    story.seconds(1, &[(P, Phase::Serving, 1), (A, Phase::Standby, 0)]);
    assert_eq!(story.phase(A), Some(Phase::Standby));
    use Action::{Attach, Drain, Over, Serve, StandBy, Under, Warm};
    assert_eq!(story.actions(), [Attach, Over, Warm, Serve, Under, Drain, StandBy]);
}

#[test]
fn without_a_relay_that_stands_by_the_provisioner_is_asked_for_one() {
    let mut story = Story::settled(settings());
    story.offer(&[A, B]);
    story.seconds(1, &[(P, Phase::Serving, 4)]);
    assert_eq!(story.launches(), [id(A)]);
    assert_eq!(story.phase(A), Some(Phase::Requested));
    story.observe(Observation::LaunchStarted { server: id(A) }).unwrap();
    story.attach(Hello { launched: true, ..hello(A, Phase::Standby) });
    story.seconds(1, &[(P, Phase::Serving, 4), (A, Phase::Serving, 0)]);
    assert_eq!(story.phase(A), Some(Phase::Serving));
    assert_eq!(story.launches(), [id(A)], "one that starts counts");
}

#[test]
fn where_no_provisioner_reaches_the_viewers_that_is_said_once() {
    let mut story = Story::settled(settings());
    story.seconds(5, &[(P, Phase::Serving, 4)]);
    assert_eq!(story.reasons(), ["over-threshold", "no-provisioner"]);
}
