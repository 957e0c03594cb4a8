//! When relays come and go: one rule a test, on histories told by hand.

mod story;

use std::time::Duration;

use policy::{Action, Command, Observation, Phase, Region, Settings, fleet::Hello, settings::RegionSettings};
use story::{A, B, P, Story, hello, id, settings};

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
fn relays_that_drain_are_held_or_are_not_heard_are_paid_for_until_they_are_gone() {
    for end in [Observation::Drain { server: id(A) }, Observation::Tick] {
        let mut story = one_paid_for();
        story.observe(end).unwrap();
        story.seconds(4, &[(P, Phase::Serving, 900)]);
        assert!(story.launches().is_empty(), "{:?}", story.actions());
        assert!(story.reasons().contains(&"budget-spent"), "{:?}", story.reasons());
        story.observe(Observation::Exited { server: id(A) }).unwrap();
        story.seconds(1, &[(P, Phase::Serving, 8)]);
        assert_eq!(story.launches(), [id(B)]);
    }
}

#[test]
fn a_relay_that_is_taken_for_dead_does_not_stand_in_the_way_of_the_one_that_takes_its_place() {
    let mut story = one_paid_for();
    story.observe(Observation::Disconnected { server: id(A), attachment: 1 }).unwrap();
    story.seconds(1, &[(P, Phase::Serving, 8)]);
    assert!(story.launches().is_empty(), "it may come back: {:?}", story.actions());
    story.seconds(1, &[(P, Phase::Serving, 8)]);
    assert_eq!(story.launches(), [id(B)]);
}

/// A crowd for two relays, and a budget that is spent on the one that there is.
fn one_paid_for() -> Story {
    let mut story = Story::settled(Settings { fleet_budget: 1, ..settings() });
    story.offer(&[A, B]);
    story.attach(Hello { launched: true, ..hello(A, Phase::Serving) });
    story.seconds(2, &[(P, Phase::Serving, 4), (A, Phase::Serving, 4)]);
    story
}

#[test]
fn nothing_is_drained_while_a_relay_of_the_region_is_not_heard() {
    let mut story = Story::settled(Settings { hold: Duration::from_secs(6), ..settings() });
    story.attach(hello(A, Phase::Serving));
    story.attach(hello(B, Phase::Serving));
    story.seconds(2, &[(P, Phase::Serving, 3), (A, Phase::Serving, 0), (B, Phase::Serving, 9)]);
    story.seconds(7, &[(P, Phase::Serving, 3), (A, Phase::Serving, 0)]);
    assert_eq!(story.phase(B), Some(Phase::Suspect));
    assert!(!story.actions().contains(&Action::Drain), "{:?}", story.actions());
    story.seconds(4, &[(P, Phase::Serving, 3), (A, Phase::Serving, 0), (B, Phase::Serving, 9)]);
    assert_eq!(story.phase(A), Some(Phase::Draining), "the empty one: {:?}", story.actions());
}

#[test]
fn a_relay_that_starts_is_not_ended_while_the_only_other_one_is_not_heard() {
    let mut story = Story::settled(Settings { hold: Duration::from_secs(4), ..settings() });
    story.offer(&[A, B]);
    story.attach(Hello { launched: true, ..hello(A, Phase::Serving) });
    story.seconds(1, &[(P, Phase::Serving, 3), (A, Phase::Serving, 600)]);
    assert_eq!(story.launches(), [id(B)]);
    story.seconds(1, &[(P, Phase::Serving, 3), (A, Phase::Serving, 9)]);
    story.seconds(6, &[(P, Phase::Serving, 3)]);
    assert_eq!((story.phase(A), story.phase(B)), (Some(Phase::Suspect), Some(Phase::Requested)));
    story.seconds(2, &[(P, Phase::Serving, 3), (A, Phase::Serving, 9)]);
    assert_eq!(story.phase(B), Some(Phase::Retired), "it is not needed: {:?}", story.actions());
}

#[test]
fn the_budget_bounds_relays_that_stand_by_once_they_are_told_to_serve_and_a_call_back_costs_nothing() {
    let mut story = Story::settled(Settings { fleet_budget: 1, ..settings() });
    story.attach(hello(A, Phase::Standby));
    story.attach(hello(B, Phase::Standby));
    story.seconds(2, &[(P, Phase::Serving, 2_000), (A, Phase::Standby, 0), (B, Phase::Standby, 0)]);
    let wanted = |story: &Story| [A, B].map(|host| story.fleet.server(&id(host)).unwrap().desired);
    assert_eq!(wanted(&story), [Phase::Serving, Phase::Standby]);
    story.seconds(12, &[(P, Phase::Serving, 1), (A, Phase::Serving, 1), (B, Phase::Standby, 0)]);
    assert_eq!(wanted(&story), [Phase::Draining, Phase::Standby]);
    story.seconds(1, &[(P, Phase::Serving, 2_000), (B, Phase::Standby, 0)]);
    assert_eq!(wanted(&story), [Phase::Serving, Phase::Standby], "it is there, so it is called back");
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
