//! Servers whose uplink does not carry as many viewers as they would take: what the fleet makes of it.

mod story;

use policy::{
    Class, Observation, Phase, Region, Settings,
    adaptation::Mode,
    fleet::{Count, Report, StreamState},
};
use story::{A, P, Story, hello, id, settings, stream};

/// The primary reports these viewers, and room for so many.
fn reports(story: &mut Story, viewers: u32, room: u32) {
    let count = Count { region: Region::fallback(), class: Class::Steers, viewers };
    let report = Report {
        applied_generation: u64::MAX,
        viewers: vec![count],
        upstream_healthy: true,
        streams: vec![stream()],
        room: Some(room),
        ..Report::default()
    };
    story.now = story.now + std::time::Duration::from_secs(1);
    story
        .observe(Observation::Reported { server: id(P), attachment: 1, report })
        .expect("a report is always taken");
    story.observe(Observation::Tick).expect("time always passes");
}

#[test]
fn a_primary_that_cannot_carry_its_threshold_gets_a_relay_before_it_turns_viewers_away() {
    let mut story = Story::settled(Settings { threshold: 100, ..settings() });
    story.offer(&[A]);
    reports(&mut story, 17, 200);
    reports(&mut story, 16, 20);
    assert!(story.launches().is_empty());
    reports(&mut story, 17, 20);
    assert_eq!(story.launches(), [id(A)], "above four fifths of what the uplink carries");
}

#[test]
fn newcomers_are_placed_where_there_is_room_and_who_is_there_is_counted_all_the_same() {
    let mut story = Story::settled(Settings { threshold: 100, ..settings() });
    reports(&mut story, 30, 20);
    let primary = story.fleet.server(&id(P)).unwrap();
    assert_eq!((primary.room(), primary.viewers.total()), (20, 30));
    assert_eq!(story.fleet.routing().server(&id(P)).unwrap().capacity, 20);
    reports(&mut story, 30, 1_000_000);
    let primary = story.fleet.server(&id(P)).unwrap();
    assert_eq!(primary.room(), primary.capacity, "no more than it would take anyhow");
}

#[test]
fn a_relay_is_told_who_picks_the_bitrate_as_the_primary_says() {
    let mut story = Story::settled(settings());
    story.attach(hello(A, Phase::Standby));
    let mode = Mode::Server { per_session: true };
    let streams = vec![StreamState { mode, ..stream() }];
    let report = Report { upstream_healthy: true, streams, ..Report::default() };
    story.observe(Observation::Reported { server: id(P), attachment: 1, report }).unwrap();
    let relay = story.fleet.server(&id(A)).unwrap();
    let told = &relay.directive.as_ref().unwrap().content.modes;
    assert_eq!(told.values().copied().collect::<Vec<_>>(), [mode]);
}
