//! The fleet controller, one rule a test, on histories told by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::time::Duration;

use policy::{
    Action, Class, Command, Fleet, Observation, Phase, Region, ServerId, Settings, Time,
    fleet::{Count, Hello, Inventory, Offer, Refusal, Report, StreamState},
    routing::Kind,
    settings::RegionSettings,
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

#[test]
fn a_relay_that_stands_by_is_taken_before_the_provisioner_is_asked() {
    let mut story = Story::settled(settings());
    story.offer(&[B]);
    story.attach(hello(A, Phase::Standby));
    story.seconds(2, &[(P, Phase::Serving, 4), (A, Phase::Standby, 0)]);
    assert_eq!(story.phase(A), Some(Phase::Warming));
    assert!(story.launches().is_empty());
}

#[test]
fn failed_launches_are_tried_again_elsewhere_and_later_each_time() {
    let mut story = Story::settled(settings());
    story.offer(&[A, B]);
    let mut waits = Vec::new();
    for _ in 0..4 {
        story.said.clear();
        let mut seconds = 0;
        while story.launches().is_empty() {
            story.seconds(1, &[(P, Phase::Serving, 4)]);
            seconds += 1;
        }
        waits.push((seconds, story.launches()[0].clone()));
        let server = story.launches()[0].clone();
        story.observe(Observation::LaunchFailed { server, error: "no address".into() }).unwrap();
    }
    assert_eq!(waits, [(1, id(A)), (1, id(B)), (2, id(A)), (4, id(B))]);
}

#[test]
fn a_launch_that_never_attaches_is_given_up_and_ended() {
    let mut story = Story::settled(settings());
    story.offer(&[A, B]);
    story.seconds(62, &[(P, Phase::Serving, 4)]);
    assert_eq!(story.launches(), [id(A), id(B)]);
    assert!(story.said.contains(&Command::Terminate { server: id(A) }));
    assert!(story.reasons().contains(&"launch-timeout"));
}

#[test]
fn a_relay_that_misses_three_reports_is_suspected_then_lost_and_replaced_elsewhere() {
    let mut story = Story::settled(settings());
    story.offer(&[A, B]);
    story.attach(Hello { launched: true, ..hello(A, Phase::Serving) });
    story.seconds(2, &[(P, Phase::Serving, 3), (A, Phase::Serving, 4)]);
    story.seconds(3, &[(P, Phase::Serving, 3)]);
    assert_eq!(story.phase(A), Some(Phase::Serving));
    story.seconds(1, &[(P, Phase::Serving, 3)]);
    assert_eq!(story.phase(A), Some(Phase::Suspect));
    assert_eq!(story.fleet.server(&id(A)).unwrap().viewers.total(), 4, "its counts are kept");
    assert_eq!(story.launches(), [id(B)]);
    story.seconds(5, &[(P, Phase::Serving, 3)]);
    assert_eq!(story.phase(A), Some(Phase::Lost));
    assert_eq!(story.fleet.server(&id(A)).unwrap().viewers.total(), 0);
    assert!(story.fleet.routing().server(&id(A)).is_none());
}

#[test]
fn a_suspected_server_that_reports_again_goes_on_as_it_was() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Serving));
    story.seconds(1, &[(P, Phase::Serving, 3), (A, Phase::Serving, 4)]);
    story.observe(Observation::Disconnected { server: id(A), attachment: 1 }).unwrap();
    assert_eq!(story.phase(A), Some(Phase::Suspect));
    story.attach(Hello { attachment: 2, ..hello(A, Phase::Serving) });
    assert_eq!(story.phase(A), Some(Phase::Serving));
    assert_eq!(story.fleet.server(&id(A)).unwrap().viewers.total(), 4);
}

#[test]
fn when_most_servers_go_silent_at_once_the_manager_holds_still_for_a_while() {
    let mut story = Story::settled(Settings { freeze: Duration::from_secs(20), ..settings() });
    story.offer(&["127.0.0.4"]);
    story.attach(hello(A, Phase::Serving));
    story.attach(hello(B, Phase::Serving));
    story.seconds(3, &[(P, Phase::Serving, 3), (A, Phase::Serving, 4), (B, Phase::Serving, 400)]);
    story.seconds(20, &[]);
    assert!(story.fleet.frozen().is_some());
    assert_eq!((story.phase(A), story.phase(P)), (Some(Phase::Serving), Some(Phase::Serving)));
    story.seconds(10, &[]);
    assert!(story.fleet.frozen().is_none(), "it lasts only so long");
    assert_eq!((story.phase(A), story.phase(P)), (Some(Phase::Lost), Some(Phase::Lost)));
    assert!(story.launches().is_empty(), "without a primary there is nothing to relay");
}

#[test]
fn one_server_of_two_that_goes_silent_is_not_the_managers_blindness() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Standby));
    story.seconds(5, &[(P, Phase::Serving, 1)]);
    assert_eq!(story.phase(A), Some(Phase::Suspect));
    assert!(story.fleet.frozen().is_none());
}

#[test]
fn nothing_is_launched_or_drained_before_the_primary_has_reported() {
    let mut story = Story::new(settings());
    story.offer(&[A, B]);
    story.attach(hello("127.0.0.9", Phase::Serving));
    story.seconds(60, &[("127.0.0.9", Phase::Serving, 400)]);
    assert!(!story.fleet.is_settled());
    assert_eq!(story.actions(), [Action::Attach]);
    story.attach(hello(P, Phase::Serving));
    story.seconds(1, &[(P, Phase::Serving, 100), ("127.0.0.9", Phase::Serving, 400)]);
    assert!(story.fleet.is_settled());
}

#[test]
fn a_relay_found_serving_after_a_restart_is_kept_for_the_hold() {
    let mut story = Story::new(settings());
    story.attach(hello(P, Phase::Serving));
    story.attach(hello(A, Phase::Serving));
    story.seconds(9, &[(P, Phase::Serving, 1), (A, Phase::Serving, 1)]);
    assert_eq!(story.phase(A), Some(Phase::Serving));
    story.seconds(10, &[(P, Phase::Serving, 1), (A, Phase::Serving, 1)]);
    assert_eq!(story.phase(A), Some(Phase::Draining));
}

#[test]
fn a_drain_ends_at_its_deadline_with_whoever_is_left() {
    let mut story = Story::settled(Settings { drain_deadline: Duration::from_secs(70), ..settings() });
    story.attach(Hello { launched: true, ..hello(A, Phase::Serving) });
    story.seconds(2, &[(P, Phase::Serving, 3), (A, Phase::Serving, 4)]);
    story.observe(Observation::Drain { server: id(A) }).unwrap();
    story.seconds(69, &[(P, Phase::Serving, 3), (A, Phase::Draining, 4)]);
    assert_eq!(story.fleet.server(&id(A)).unwrap().desired, Phase::Draining);
    story.seconds(1, &[(P, Phase::Serving, 3), (A, Phase::Draining, 4)]);
    assert_eq!(story.fleet.server(&id(A)).unwrap().desired, Phase::Retired);
    assert!(story.reasons().contains(&"deadline"));
    story.seconds(10, &[(P, Phase::Serving, 3), (A, Phase::Draining, 4)]);
    assert!(story.said.contains(&Command::Terminate { server: id(A) }), "it was told to go and did not");
}

#[test]
fn only_an_attached_relay_can_be_drained() {
    let mut story = Story::settled(settings());
    let drain = |story: &mut Story, name: &str| story.observe(Observation::Drain { server: id(name) });
    assert_eq!(drain(&mut story, P), Err(Refusal::NotARelay(id(P))));
    assert_eq!(drain(&mut story, A), Err(Refusal::UnknownServer(id(A))));
    story.offer(&[A]);
    story.seconds(1, &[(P, Phase::Serving, 4)]);
    assert_eq!(drain(&mut story, A), Err(Refusal::NotAttached { server: id(A), phase: Phase::Requested }));
}

#[test]
fn a_server_that_does_not_fit_the_fleet_is_refused_with_what_to_do() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Standby));
    let refusal = |story: &mut Story, hello: Hello| {
        story.observe(Observation::Attached(hello)).unwrap_err().to_string()
    };
    let twin = Hello { incarnation: 2, ..hello(A, Phase::Standby) };
    assert_eq!(
        refusal(&mut story, twin),
        "server relay-127-0-0-2 is attached already from http://127.0.0.2:8080: stop it, or start this one with another address"
    );
    let port = Hello { base_url: "http://127.0.0.3:9000".into(), ..hello(B, Phase::Standby) };
    let said = refusal(&mut story, port);
    assert!(said.contains("http://127.0.0.3:9000") && said.contains("http://127.0.0.1:8080"), "{said}");
    let scheme = Hello { base_url: "https://127.0.0.3:8080".into(), ..hello(B, Phase::Standby) };
    assert!(refusal(&mut story, scheme).contains("another scheme or port"));
    let primary =
        Hello { incarnation: 2, base_url: "http://127.0.0.9:8080".into(), ..hello(P, Phase::Serving) };
    assert!(refusal(&mut story, primary).contains("has a primary already, at http://127.0.0.1:8080"));
    let host = Hello { base_url: "http://127.0.0.9:8080".into(), attachment: 2, ..hello(A, Phase::Standby) };
    assert!(refusal(&mut story, host).contains("never pointed to another host"));
    let path = Hello { base_url: "http://127.0.0.3:8080/live".into(), ..hello(B, Phase::Standby) };
    assert!(refusal(&mut story, path).contains("is no base URL"));
    let empty = Hello { capacity: 0, ..hello(B, Phase::Standby) };
    assert!(refusal(&mut story, empty).contains("capacity of 0"));
    let impostor = Hello { id: id(P), ..hello(B, Phase::Standby) };
    assert!(refusal(&mut story, impostor).contains("only it, is called \"primary\""));
}

#[test]
fn a_server_that_died_may_attach_again_at_once() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Standby));
    story.observe(Observation::Disconnected { server: id(A), attachment: 1 }).unwrap();
    story.attach(Hello { attachment: 2, incarnation: 2, ..hello(A, Phase::Standby) });
    assert_eq!(story.phase(A), Some(Phase::Standby));
    story.observe(Observation::Disconnected { server: id(A), attachment: 1 }).unwrap();
    assert_eq!(story.phase(A), Some(Phase::Standby), "the end of an older stream is no news");
}

#[test]
fn sessions_that_arrive_at_a_server_are_forwarded_to_the_others_within_bounds() {
    let mut story = Story::settled(Settings { forwarded_per_report: 2, ..settings() });
    story.attach(hello(A, Phase::Serving));
    story.said.clear();
    let arrived = ["one", "two", "three"].map(|session| session.parse().unwrap()).to_vec();
    let report = Report { phase: Some(Phase::Serving), arrived, ..Report::default() };
    story.observe(Observation::Reported { server: id(A), attachment: 1, report }).unwrap();
    let forwarded: Vec<_> = story
        .said
        .iter()
        .filter_map(|command| match command {
            Command::Forward { server, sessions, .. } => Some((server.clone(), sessions.len())),
            _ => None,
        })
        .collect();
    assert_eq!(forwarded, [(id(P), 2)]);
}

#[test]
fn a_directive_comes_again_after_a_reconnect_and_is_new_only_when_its_content_is() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Standby));
    let generations = |story: &mut Story| -> Vec<u64> {
        let mine = |command: Command| match command {
            Command::Direct { server, directive, .. } if server == id(A) => Some(directive.generation),
            _ => None,
        };
        std::mem::take(&mut story.said).into_iter().filter_map(mine).collect()
    };
    let first = generations(&mut story);
    assert_eq!(first.len(), 1);
    story.seconds(3, &[(P, Phase::Serving, 2), (A, Phase::Standby, 0)]);
    assert_eq!(generations(&mut story), [], "nothing has changed");
    story.attach(Hello { attachment: 2, ..hello(A, Phase::Standby) });
    assert_eq!(generations(&mut story), first, "the same again");
    story.seconds(1, &[(P, Phase::Serving, 4)]);
    let next = generations(&mut story);
    assert!(next.len() == 1 && next > first);
}

#[test]
fn a_region_keeps_its_minimum_and_the_fleet_its_budget() {
    let mut settings = settings();
    let kept = RegionSettings { min_relays: 1, ..RegionSettings::default() };
    settings.regions.insert(Region::fallback(), kept);
    settings.fleet_budget = 2;
    settings.relay_capacity = 10;
    let mut story = Story::settled(settings);
    story.offer(&[A, B, "127.0.0.4"]);
    story.seconds(1, &[(P, Phase::Serving, 0)]);
    assert_eq!(story.launches(), [id(A)], "one is kept even if nobody watches");
    story.seconds(1, &[(P, Phase::Serving, 400)]);
    assert_eq!(story.launches(), [id(A), id(B)]);
    assert_eq!(story.fleet.server(&id("127.0.0.4")).map(|server| server.phase), None);
    assert_eq!(story.reasons().last(), Some(&"budget-spent"), "and that is said");
}

#[test]
fn what_a_server_cannot_hold_does_not_count() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Serving));
    story.seconds(1, &[(P, Phase::Serving, 3), (A, Phase::Serving, 1_000_000)]);
    let (_, region) = story.fleet.regions().next().unwrap();
    assert_eq!(region.demand.high, 503);
}

#[test]
fn a_relay_that_never_gets_its_streams_makes_room_for_another() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Standby));
    story.seconds(1, &[(P, Phase::Serving, 4), (A, Phase::Standby, 0)]);
    story.offer(&[B]);
    story.seconds(61, &[(P, Phase::Serving, 4), (A, Phase::Warming, 0)]);
    assert!(story.reasons().contains(&"never-ready"));
    assert_eq!(story.launches(), [id(B)]);
}
