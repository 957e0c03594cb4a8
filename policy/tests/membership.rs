//! Who belongs to the fleet, and what is believed of whom: one rule a test, on histories told by hand.

mod story;

use std::time::Duration;

use policy::{
    Action, Command, Observation, Phase, Settings,
    fleet::{Hello, Refusal, Report},
};
use story::{A, B, P, Story, hello, id, settings};

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
    assert!(
        story.fleet.routing().server(&id(A)).is_some(),
        "it may be cut off from the manager only, and serve on"
    );
    story.seconds(4, &[(P, Phase::Serving, 3)]);
    assert!(story.launches().is_empty(), "it may still be there");
    story.seconds(1, &[(P, Phase::Serving, 3)]);
    assert_eq!(story.phase(A), Some(Phase::Lost));
    assert_eq!(story.launches(), [id(B)]);
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
fn a_relay_that_was_given_up_and_attaches_again_while_it_serves_goes_on_serving() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Serving));
    story.seconds(3, &[(P, Phase::Serving, 3), (A, Phase::Serving, 5)]);
    story.seconds(12, &[(P, Phase::Serving, 3)]);
    assert_eq!(story.phase(A), Some(Phase::Lost));
    story.attach(Hello { attachment: 2, ..hello(A, Phase::Serving) });
    let relay = story.fleet.server(&id(A)).unwrap();
    assert_eq!((relay.phase, relay.desired), (Phase::Serving, Phase::Serving));
    assert_eq!(relay.directive.as_ref().unwrap().content.phase, Phase::Serving);
}

#[test]
fn a_primary_that_took_its_leave_is_waited_for() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Serving));
    story.seconds(1, &[(P, Phase::Serving, 3), (A, Phase::Serving, 5)]);
    story.observe(Observation::Goodbye { server: id(P), attachment: 1 }).unwrap();
    story.seconds(60, &[(A, Phase::Serving, 5)]);
    let told = &story.fleet.server(&id(A)).unwrap().directive.as_ref().unwrap().content;
    assert_eq!((told.streams.len(), told.upstream.as_deref()), (1, Some("http://127.0.0.1:8080")));
    story.attach(Hello { attachment: 2, incarnation: 2, ..hello(P, Phase::Serving) });
    assert_eq!(story.phase(P), Some(Phase::Serving));
}

#[test]
fn a_primary_that_takes_no_more_than_its_threshold_gets_a_relay_beside_it() {
    let mut story = Story::settled(Settings { threshold: 1_000, ..settings() });
    story.attach(hello(A, Phase::Standby));
    story.seconds(5, &[(P, Phase::Serving, 500), (A, Phase::Standby, 0)]);
    assert_eq!(story.fleet.server(&id(A)).unwrap().desired, Phase::Serving);
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
        "server relay-127-0-0-2 is attached already from http://127.0.0.2:8080: stop it, or start this one with another address or --id"
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
fn the_primary_that_attaches_says_the_scheme_and_port_and_who_came_before_and_does_not_fit_goes() {
    let mut story = Story::new(settings());
    let wrong = || Hello { base_url: "http://127.0.0.3:9000".into(), ..hello(B, Phase::Serving) };
    story.attach(wrong());
    story.attach(hello(P, Phase::Serving));
    assert!(story.said.contains(&Command::Close { server: id(B), attachment: 1 }), "{:?}", story.said);
    assert!(story.fleet.routing().server(&id(B)).is_none());
    let again = Hello { attachment: 2, ..wrong() };
    let refused = story.observe(Observation::Attached(again)).unwrap_err();
    assert!(matches!(refused, Refusal::OtherPort { .. }), "{refused}");
    story.attach(hello(A, Phase::Standby));
}

#[test]
fn a_primary_that_forgot_where_it_was_does_not_send_every_relay_away() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Serving));
    story.seconds(1, &[(P, Phase::Serving, 1), (A, Phase::Serving, 4)]);
    story.observe(Observation::Disconnected { server: id(P), attachment: 1 }).unwrap();
    let elsewhere = || Hello {
        base_url: "http://127.0.0.1:9000".into(),
        attachment: 2,
        incarnation: 2,
        ..hello(P, Phase::Serving)
    };
    let refused = story.observe(Observation::Attached(elsewhere())).unwrap_err().to_string();
    assert!(refused.contains("http://127.0.0.1:9000") && refused.contains("--advertise"), "{refused}");
    assert_eq!(story.phase(A), Some(Phase::Serving));
    story.seconds(1, &[(A, Phase::Serving, 0)]);
    story.attach(elsewhere());
    assert_eq!(story.phase(A), Some(Phase::Retired), "nobody plays from it");
}

#[test]
fn slots_of_another_port_than_the_primarys_are_told_to_nobody_and_started_by_nobody() {
    let mut story = Story::settled(settings());
    story.observe(Observation::Disconnected { server: id(P), attachment: 1 }).unwrap();
    story.attach(Hello {
        base_url: "http://127.0.0.1:80".into(),
        incarnation: 2,
        ..hello(P, Phase::Serving)
    });
    story.offer(&[A]);
    assert!(story.fleet.routing().pathways.is_empty());
    story.seconds(2, &[(P, Phase::Serving, 9)]);
    assert!(story.launches().is_empty());
    let starved = story.fleet.regions().next().unwrap().1.starved.as_ref().unwrap().to_string();
    assert!(starved.contains("http://127.0.0.2:8080") && starved.contains("[provisioner]"), "{starved}");
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
fn a_report_between_two_others_does_not_make_the_rate_of_egress_one_of_an_instant() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Serving));
    let rates = [(0, 0), (1_000, 1_000_000), (10, 1_500_000), (990, 2_000_000)].map(|(ms, sent)| {
        story.now = story.now + Duration::from_millis(ms);
        let report = Report { phase: Some(Phase::Serving), egress_bytes_total: sent, ..Report::default() };
        story.observe(Observation::Reported { server: id(A), attachment: 1, report }).unwrap();
        story.fleet.server(&id(A)).unwrap().egress_bits_per_second
    });
    assert_eq!(rates, [0, 8_000_000, 8_000_000, 8_000_000]);
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
fn a_relay_that_stands_by_is_left_alone_and_given_back_and_both_are_decisions() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Standby));
    story.said.clear();
    story.observe(Observation::Drain { server: id(A) }).unwrap();
    story.seconds(2, &[(P, Phase::Serving, 9), (A, Phase::Standby, 0)]);
    assert_eq!(story.phase(A), Some(Phase::Standby), "it is not wanted while it is held");
    story.observe(Observation::Resume { server: id(A) }).unwrap();
    let by_operator = |action: &Action| matches!(action, Action::Drain | Action::CallBack);
    let actions: Vec<_> = story.actions().into_iter().filter(by_operator).collect();
    assert_eq!(actions, [Action::Drain, Action::CallBack]);
    story.seconds(1, &[(P, Phase::Serving, 9), (A, Phase::Standby, 0)]);
    assert_eq!(story.fleet.server(&id(A)).unwrap().desired, Phase::Serving);
    story.observe(Observation::Resume { server: id(A) }).unwrap();
    assert_eq!(story.actions().iter().filter(|action| by_operator(action)).count(), 2, "once is enough");
}

#[test]
fn until_the_fleet_is_known_directives_are_provisional_and_then_said_for_good() {
    let mut story = Story::new(settings());
    story.attach(hello(A, Phase::Serving));
    let told = |story: &Story| {
        let mut directives = story.said.iter().filter_map(|command| match command {
            Command::Direct { server, directive, .. } if *server == id(A) => Some(directive.content.clone()),
            _ => None,
        });
        directives.next_back().unwrap()
    };
    let first = told(&story);
    assert!(first.provisional && first.upstream.is_none(), "{first:?}");
    story.attach(hello(P, Phase::Serving));
    story.seconds(10, &[(P, Phase::Serving, 3), (A, Phase::Serving, 4)]);
    let last = told(&story);
    assert!(!last.provisional && last.upstream.is_some(), "{last:?}");
}
