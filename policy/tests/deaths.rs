//! What is believed when a server's stream ends without a word, and what becomes of its viewers: one rule a test, on histories
//! told by hand.

mod story;

use std::time::Duration;

use policy::{
    Action, Class, Observation, Phase, Region, Settings,
    fleet::{Count, Hello, Report},
};
use story::{A, B, P, Story, hello, id, settings, stream};

/// A relay with viewers whose stream has just ended without a word, where another could be started.
fn broken_off(settings: Settings) -> Story {
    let mut story = Story::settled(settings);
    story.offer(&[A, B]);
    story.attach(Hello { launched: true, ..hello(A, Phase::Serving) });
    story.seconds(2, &[(P, Phase::Serving, 3), (A, Phase::Serving, 4)]);
    story.said.clear();
    let ended = Observation::Disconnected { server: id(A), attachment: 1 };
    story.observe(ended).expect("nobody is refused who leaves");
    story
}

/// Viewers that the region has, by the manager's lights.
fn demanded(story: &Story) -> u32 {
    story.fleet.regions().next().expect("the fallback").1.demand.high
}

/// One server reports viewers of one class, at this moment.
fn report(story: &mut Story, name: &str, attachment: u64, class: Class, viewers: u32) {
    let viewers = vec![Count { region: Region::fallback(), class, viewers }];
    let report =
        Report { phase: Some(Phase::Serving), viewers, streams: vec![stream()], ..Report::default() };
    let reported = Observation::Reported { server: id(name), attachment, report };
    story.observe(reported).expect("a report is never refused");
}

#[test]
fn a_stream_that_breaks_for_a_moment_costs_no_relay_and_moves_nobody() {
    let mut story = broken_off(settings());
    assert_eq!(story.fleet.regions().next().unwrap().1.relays, 1, "it counts as being there");
    story.wait(Duration::from_millis(250));
    assert!(story.fleet.routing().server(&id(A)).is_some());
    story.attach(Hello { attachment: 2, launched: true, ..hello(A, Phase::Serving) });
    assert_eq!(story.actions(), [Action::Suspect, Action::Attach]);
    assert_eq!(story.fleet.server(&id(A)).unwrap().viewers.total(), 4);
}

#[test]
fn a_relay_that_dies_is_nobodys_place_within_two_seconds_and_then_another_comes() {
    let mut story = broken_off(settings());
    let died = story.now;
    while story.fleet.routing().server(&id(A)).is_some() {
        story.now = story.fleet.deadline().unwrap();
        story.observe(Observation::Tick).unwrap();
    }
    let took = story.now.since(died);
    assert_eq!(took, story.fleet.settings().reattach);
    assert!(took < Duration::from_secs(2), "players flap back to it longer than that: {took:?}");
    assert_eq!(story.launches(), [id(B)], "nobody waits for it any longer");
    assert_eq!(story.actions()[..2], [Action::Suspect, Action::Vacate]);
    assert_eq!(demanded(&story), 7, "its viewers are adrift");
    story.seconds(5, &[(P, Phase::Serving, 3)]);
    assert_eq!(story.phase(A), Some(Phase::Lost));
}

#[test]
fn a_relay_that_was_taken_for_dead_and_comes_back_is_its_viewers_place_again() {
    let mut story = broken_off(settings());
    story.wait(Duration::from_secs(3));
    assert!(story.fleet.routing().server(&id(A)).is_none());
    story.attach(Hello { attachment: 2, launched: true, ..hello(A, Phase::Serving) });
    assert_eq!(story.fleet.routing().server(&id(A)).map(|route| route.phase), Some(Phase::Serving));
    assert_eq!(demanded(&story), 7);
    report(&mut story, A, 2, Class::Steers, 4);
    assert_eq!(demanded(&story), 7, "nobody counts twice");
}

#[test]
fn the_viewers_of_a_relay_that_died_count_until_they_are_seen_elsewhere() {
    let mut story = broken_off(settings());
    story.observe(Observation::Exited { server: id(A) }).unwrap();
    assert_eq!((story.phase(A), demanded(&story)), (Some(Phase::Lost), 7));
    let reports = [(1, 3, 7), (2, 5, 7), (3, 7, 7), (4, 9, 9)];
    for (second, at_primary, all) in reports {
        story.seconds(1, &[(P, Phase::Serving, at_primary)]);
        assert_eq!(demanded(&story), all, "after {second} s");
    }
}

#[test]
fn who_is_seen_elsewhere_before_the_relay_is_taken_for_dead_counts_once() {
    let mut story = broken_off(settings());
    assert_eq!(demanded(&story), 7);
    report(&mut story, P, 1, Class::Steers, 7);
    assert_eq!(demanded(&story), 7, "while it may come back");
    story.seconds(2, &[(P, Phase::Serving, 7)]);
    assert!(story.fleet.routing().server(&id(A)).is_none());
    assert_eq!(demanded(&story), 7, "when it is taken for dead");
}

#[test]
fn who_moves_between_servers_that_live_is_not_taken_for_one_of_a_dead_relay() {
    let mut story = broken_off(settings());
    story.attach(hello(B, Phase::Serving));
    story.seconds(1, &[(P, Phase::Serving, 3), (B, Phase::Serving, 2)]);
    story.seconds(1, &[(P, Phase::Serving, 1), (B, Phase::Serving, 2)]);
    assert_eq!(demanded(&story), 7);
    story.seconds(1, &[(P, Phase::Serving, 1), (B, Phase::Serving, 6)]);
    assert_eq!(demanded(&story), 7, "and all are found at last");
}

#[test]
fn a_second_death_does_not_prolong_the_first() {
    let mut story = broken_off(settings());
    story.attach(hello(B, Phase::Serving));
    story.seconds(3, &[(P, Phase::Serving, 3), (B, Phase::Serving, 2)]);
    story.observe(Observation::Disconnected { server: id(B), attachment: 1 }).unwrap();
    assert_eq!(demanded(&story), 7, "two of the first are taken for those at the second");
    report(&mut story, P, 1, Class::Steers, 3);
    story.seconds(4, &[(P, Phase::Serving, 3)]);
    assert_eq!(demanded(&story), 7);
    story.seconds(1, &[(P, Phase::Serving, 3)]);
    assert_eq!(demanded(&story), 5, "the first are given up");
    story.seconds(3, &[(P, Phase::Serving, 3)]);
    assert_eq!(demanded(&story), 3);
}

#[test]
fn newcomers_beyond_those_of_the_first_death_are_not_taken_for_those_of_the_second() {
    let mut story = broken_off(settings());
    story.attach(hello(B, Phase::Serving));
    story.seconds(2, &[(P, Phase::Serving, 10), (B, Phase::Serving, 10)]);
    assert_eq!(demanded(&story), 20);
    story.observe(Observation::Disconnected { server: id(B), attachment: 1 }).unwrap();
    assert_eq!(demanded(&story), 20);
    report(&mut story, P, 1, Class::Steers, 15);
    assert_eq!(demanded(&story), 20);
}

#[test]
fn viewers_who_are_seen_nowhere_after_their_relay_died_are_given_up_when_none_could_still_come_back() {
    let mut story = broken_off(settings());
    let died = story.now;
    story.observe(Observation::Exited { server: id(A) }).unwrap();
    while demanded(&story) > 3 {
        story.now = story.fleet.deadline().unwrap();
        report(&mut story, P, 1, Class::Steers, 3);
    }
    let life_target_and_report = Duration::from_secs(5 + 2 + 1);
    assert_eq!(story.now.since(died), life_target_and_report);
}

#[test]
fn those_whom_the_primary_has_in_its_book_are_not_adrift_beside_it() {
    let mut story = Story::settled(settings());
    story.attach(Hello { launched: true, ..hello(A, Phase::Serving) });
    report(&mut story, A, 1, Class::Redirects, 4);
    assert_eq!(demanded(&story), 4);
    story.observe(Observation::Exited { server: id(A) }).unwrap();
    assert_eq!(demanded(&story), 0);
}

#[test]
fn while_the_primary_is_not_heard_either_the_manager_may_be_cut_off_and_nobody_is_told_to_leave() {
    let mut story = broken_off(settings());
    story.observe(Observation::Disconnected { server: id(P), attachment: 1 }).unwrap();
    story.wait(Duration::from_secs(3));
    assert!(story.fleet.routing().server(&id(A)).is_some());
    story.attach(Hello { attachment: 2, ..hello(P, Phase::Serving) });
    assert!(story.fleet.routing().server(&id(A)).is_none(), "the primary is back and the relay is not");
}

#[test]
fn a_connection_that_ends_after_a_long_silence_is_no_sign_of_death() {
    let patient = Settings { missed_reports: 10, ..settings() };
    let mut story = Story::settled(patient);
    story.attach(hello(A, Phase::Serving));
    story.seconds(2, &[(P, Phase::Serving, 3), (A, Phase::Serving, 4)]);
    story.seconds(4, &[(P, Phase::Serving, 3)]);
    story.observe(Observation::Disconnected { server: id(A), attachment: 1 }).unwrap();
    assert_eq!(story.phase(A), Some(Phase::Suspect));
    story.seconds(4, &[(P, Phase::Serving, 3)]);
    assert!(story.fleet.routing().server(&id(A)).is_some(), "it stays its viewers' place until it is lost");
    story.seconds(1, &[(P, Phase::Serving, 3)]);
    assert_eq!(story.phase(A), Some(Phase::Lost));
}

#[test]
fn when_what_stands_between_starts_again_no_relay_is_taken_for_dead() {
    let mut story = Story::settled(settings());
    let relays = [A, B, "127.0.0.4"];
    for relay in relays {
        story.attach(Hello { launched: true, ..hello(relay, Phase::Serving) });
    }
    story.seconds(1, &relays.map(|relay| (relay, Phase::Serving, 4)));
    for relay in relays {
        story.observe(Observation::Disconnected { server: id(relay), attachment: 1 }).unwrap();
    }
    story.seconds(3, &[(P, Phase::Serving, 3)]);
    assert!(relays.iter().all(|relay| story.fleet.routing().server(&id(relay)).is_some()));
    story.seconds(3, &[(P, Phase::Serving, 3)]);
    assert!(relays.iter().all(|relay| story.phase(relay) == Some(Phase::Lost)), "but not for ever");
}

#[test]
fn the_viewers_of_a_relay_that_leaves_or_starts_again_are_adrift_too() {
    for observation in [
        Observation::Goodbye { server: id(A), attachment: 1 },
        Observation::Attached(Hello { attachment: 2, incarnation: 2, ..hello(A, Phase::Serving) }),
    ] {
        let mut story = Story::settled(settings());
        story.attach(hello(A, Phase::Serving));
        story.seconds(2, &[(P, Phase::Serving, 3), (A, Phase::Serving, 4)]);
        if matches!(observation, Observation::Attached(_)) {
            story.observe(Observation::Disconnected { server: id(A), attachment: 1 }).unwrap();
        }
        story.observe(observation).unwrap();
        assert_eq!(story.fleet.server(&id(A)).unwrap().viewers.total(), 0);
        assert_eq!(demanded(&story), 7);
    }
}
