//! The census' rules on a clock that the test turns.

mod lines;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Weak,
};

use futures::FutureExt as _;

use super::*;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const TARGET: Duration = Duration::from_secs(2);

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

fn census_of(kind: Kind, capacity: u32, config: Config) -> Arc<Census> {
    let server = match kind {
        Kind::Primary => ServerId::primary(),
        Kind::Relay => ServerId::of_relay("127.0.0.2").unwrap(),
    };
    Arc::new(Census::new(Place { server, kind, region: Region::fallback(), capacity }, config))
}

fn census() -> Arc<Census> {
    census_of(Kind::Primary, 1_000, Config::default())
}

fn session(id: &str, class: Class) -> Session {
    Session {
        id: id.parse().unwrap(),
        stream: "live".parse().unwrap(),
        region: "eu".parse().unwrap(),
        class,
        server: ServerId::primary(),
        expires_unix: 0,
    }
}

/// A line without a socket, which keeps nobody alive.
fn no_line() -> Line {
    Line::new(Weak::new(), LOOPBACK)
}

fn asks(census: &Census, session: &Session, rendition: &str, ms: u64) -> Result<bool, Full> {
    asks_on(census, session, rendition, &no_line(), ms)
}

fn asks_on(census: &Census, session: &Session, rendition: &str, line: &Line, ms: u64) -> Result<bool, Full> {
    let (stream, target_duration) = (&session.stream, TARGET);
    let asked = Asked { stream, rendition, rung: None, target_duration, ended: false };
    census.reloaded(session, asked, line, at(ms))
}

fn viewers(census: &Census, ms: u64) -> u32 {
    census.sweep(at(ms));
    census.count().viewers.iter().map(|tally| tally.viewers).sum()
}

#[test]
fn a_session_counts_from_its_second_reload() {
    let (census, viewer) = (census(), session("a", Class::Steers));
    asks(&census, &viewer, "v0", 0).unwrap();
    assert_eq!(viewers(&census, 100), 0);
    asks(&census, &viewer, "v0", 500).unwrap();
    assert_eq!(viewers(&census, 600), 1);
    assert_eq!(census.count().opened_total, 1);
}

#[test]
fn a_session_counts_after_one_target_duration() {
    let (census, viewer) = (census(), session("a", Class::Steers));
    asks(&census, &viewer, "v0", 0).unwrap();
    assert_eq!(viewers(&census, 1_999), 0);
    assert_eq!(viewers(&census, 2_000), 1);
}

#[test]
fn audio_and_video_of_a_session_are_one_and_its_first_look_at_both_is_no_second_reload() {
    let (census, viewer) = (census(), session("a", Class::Steers));
    asks(&census, &viewer, "v0", 0).unwrap();
    asks(&census, &viewer, "audio", 10).unwrap();
    assert_eq!(viewers(&census, 100), 0);
    asks(&census, &viewer, "v0", 1_000).unwrap();
    asks(&census, &viewer, "audio", 1_010).unwrap();
    assert_eq!(viewers(&census, 1_100), 1);
}

#[test]
fn a_session_ends_after_the_longer_of_five_seconds_and_two_and_a_half_target_durations() {
    let (census, viewer) = (census(), session("a", Class::Steers));
    asks(&census, &viewer, "v0", 0).unwrap();
    assert_eq!((viewers(&census, 5_000), viewers(&census, 5_001)), (1, 0));
    let long = Asked {
        stream: &viewer.stream,
        rendition: "v0",
        rung: None,
        target_duration: Duration::from_secs(6),
        ended: false,
    };
    census.reloaded(&viewer, long, &no_line(), at(10_000)).unwrap();
    assert_eq!((viewers(&census, 25_000), viewers(&census, 25_001)), (1, 0));
    assert_eq!(census.present.load(Relaxed), 0);
}

#[test]
fn a_session_of_a_stream_that_has_an_end_is_kept_for_a_minute() {
    let (census, viewer) = (census(), session("a", Class::Steers));
    let asked =
        Asked { stream: &viewer.stream, rendition: "v0", rung: None, target_duration: TARGET, ended: true };
    census.reloaded(&viewer, asked, &no_line(), at(0)).unwrap();
    assert_eq!((viewers(&census, 60_000), viewers(&census, 60_001)), (1, 0));
}

#[test]
fn counts_are_by_stream_region_and_class() {
    let census = census();
    for (id, class) in [("a", Class::Steers), ("b", Class::Redirects), ("c", Class::Steers)] {
        asks(&census, &session(id, class), "v0", 0).unwrap();
    }
    assert_eq!(viewers(&census, 2_000), 3);
    let tally = |class, viewers| Tally {
        stream: "live".parse().unwrap(),
        region: "eu".parse().unwrap(),
        class,
        viewers,
    };
    assert_eq!(census.count().viewers, [tally(Class::Steers, 2), tally(Class::Redirects, 1)]);
}

#[test]
fn newcomers_beyond_the_capacity_are_refused_and_who_plays_goes_on() {
    let census = census_of(Kind::Primary, 1, Config::default());
    let (first, second) = (session("a", Class::Steers), session("b", Class::Steers));
    asks(&census, &first, "v0", 0).unwrap();
    assert_eq!(census.admit(&first.id), Ok(()));
    assert_eq!(census.admit(&second.id), Err(Full(1)));
    assert_eq!(asks(&census, &second, "v0", 10), Err(Full(1)));
    asks(&census, &first, "v0", 20).unwrap();
    assert_eq!((viewers(&census, 100), census.refused_total()), (1, 2));
    census.sweep(at(6_000));
    assert_eq!(census.admit(&second.id), Ok(()));
}

#[test]
fn who_began_to_count_elsewhere_is_dropped_and_is_a_newcomer_if_he_asks_again() {
    let (census, viewer) = (census(), session("a", Class::Steers));
    asks(&census, &viewer, "v0", 0).unwrap();
    assert_eq!(viewers(&census, 2_000), 1);
    census.moved(&[viewer.id.clone(), "stranger".parse().unwrap()], at(2_500));
    assert_eq!((viewers(&census, 2_500), census.count().departed_total), (0, 1));
    assert_eq!(census.take_arrived(), []);
    asks(&census, &viewer, "v0", 3_000).unwrap();
    asks(&census, &viewer, "v0", 4_000).unwrap();
    assert_eq!(viewers(&census, 4_000), 1);
    assert_eq!(census.take_arrived(), std::slice::from_ref(&viewer.id), "its return is reported");
    assert_eq!(census.take_arrived(), [], "once");
}

#[test]
fn a_reload_that_was_on_its_way_while_its_player_moved_is_no_return() {
    let (census, viewer) = (census(), session("a", Class::Steers));
    asks(&census, &viewer, "v0", 0).unwrap();
    assert_eq!(viewers(&census, 2_000), 1);
    census.moved(std::slice::from_ref(&viewer.id), at(2_500));
    asks(&census, &viewer, "v0", 2_600).unwrap();
    asks(&census, &viewer, "audio", 2_610).unwrap();
    assert_eq!(viewers(&census, 5_000), 0, "those that were on their way");
    asks(&census, &viewer, "v1", 5_100).unwrap();
    assert_eq!(viewers(&census, 5_100), 1, "one who plays, whatever rendition");
}

#[test]
fn who_has_departed_is_in_the_total_only_once_he_is_not_among_the_viewers() {
    let (census, viewer) = (census(), session("a", Class::Steers));
    asks(&census, &viewer, "v0", 0).unwrap();
    assert_eq!(census.count().opened_total, 0);
    assert_eq!((viewers(&census, 2_000), census.count().opened_total), (1, 1));
    census.moved(std::slice::from_ref(&viewer.id), at(2_100));
    let count = census.count();
    assert_eq!((count.viewers.len(), count.departed_total), (1, 0), "as of the last sweep");
    assert_eq!((viewers(&census, 2_250), census.count().departed_total), (0, 1));
}

#[test]
fn who_was_given_to_another_server_is_reported_when_he_begins_to_count() {
    let (census, mut viewer) = (census(), session("a", Class::Steers));
    viewer.server = ServerId::of_relay("127.0.0.9").unwrap();
    asks(&census, &viewer, "v0", 0).unwrap();
    census.sweep(at(100));
    assert_eq!(census.take_arrived(), []);
    census.sweep(at(2_000));
    assert_eq!(census.take_arrived(), [viewer.id]);
}

#[test]
fn a_move_is_told_once_by_the_sweep_that_has_added_it_up() {
    let (source, destination, viewer) = (census(), census(), session("a", Class::Steers));
    let tells = |census: &Census, ms| {
        census.sweep(at(ms));
        census.moves().now_or_never().is_some()
    };
    asks(&source, &viewer, "v0", 0).unwrap();
    assert!(!tells(&source, 2_000), "it was given to this server");

    let moving = Session { server: ServerId::of_relay("127.0.0.9").unwrap(), ..viewer.clone() };
    asks(&destination, &moving, "v0", 3_000).unwrap();
    assert!(!tells(&destination, 4_000), "it may be a probe");
    assert!(tells(&destination, 5_000), "it has come");
    assert_eq!(destination.take_arrived(), std::slice::from_ref(&viewer.id));
    assert!(!tells(&destination, 5_100), "once");

    source.moved(std::slice::from_ref(&viewer.id), at(5_000));
    assert!(source.moves().now_or_never().is_none(), "its tallies still have it");
    assert!(tells(&source, 5_100) && source.count().viewers.is_empty(), "it has gone");
    assert!(!tells(&source, 5_200), "once");
}

#[test]
fn who_is_answered_by_a_307_counts_no_longer_here_and_at_once_at_the_relay() {
    let (primary, viewer) = (census(), session("a", Class::Redirects));
    asks(&primary, &viewer, "v0", 0).unwrap();
    assert_eq!(viewers(&primary, 2_000), 1);
    primary.handed_on(&viewer.id, at(2_100));
    assert_eq!(viewers(&primary, 2_100), 0);
    let relay = census_of(Kind::Relay, 10, Config::default());
    asks(&relay, &viewer, "v0", 0).unwrap();
    assert_eq!(viewers(&relay, 0), 1);
}

#[test]
fn reloads_without_a_token_are_counted_by_their_rate_in_the_servers_region() {
    let census = census();
    let stream: StreamName = "live".parse().unwrap();
    let asked = Asked { stream: &stream, rendition: "v0", rung: None, target_duration: TARGET, ended: false };
    for ms in (0..20_000).step_by(100) {
        // 20 viewers, each every 2 s.
        census.reloaded_unknown(asked);
        if ms % 500 == 0 {
            census.sweep(at(ms));
        }
    }
    let tallies = &census.count().viewers;
    assert_eq!((tallies.len(), tallies[0].class, &tallies[0].region), (1, Class::Fixed, &Region::fallback()));
    assert!((19..=21).contains(&tallies[0].viewers), "{tallies:?}");
    census.sweep(at(20_100));
    assert_eq!(viewers(&census, 26_000), 0);
}

#[test]
fn sessions_beyond_the_table_are_counted_by_their_rate() {
    let census = census_of(Kind::Primary, 100, Config { max_sessions: 2, ..Config::default() });
    for ms in (0..10_000).step_by(2_000) {
        for id in ["a", "b", "c", "d"] {
            asks(&census, &session(id, Class::Steers), "v0", ms).unwrap();
        }
        census.sweep(at(ms));
    }
    assert_eq!(viewers(&census, 10_000), 4);
}

#[test]
fn nothing_is_left_when_all_have_gone() {
    let census = census();
    for id in 0..500 {
        asks(&census, &session(&format!("s{id}"), Class::Steers), "v0", 0).unwrap();
    }
    assert_eq!(viewers(&census, 2_000), 500);
    census.moved(&[session("s7", Class::Steers).id], at(2_000));
    assert_eq!(viewers(&census, 5_001), 0);
    assert_eq!((census.present.load(Relaxed), census.records.len()), (0, 0));
    assert!(census.count().viewers.is_empty());
}

#[test]
fn the_departed_are_bounded_and_the_oldest_forgotten_first() {
    let census = census_of(Kind::Primary, 100, Config { max_departed: 2, ..Config::default() });
    for (index, id) in ["a", "b", "c"].into_iter().enumerate() {
        let viewer = session(id, Class::Redirects);
        asks(&census, &viewer, "v0", 0).unwrap();
        census.handed_on(&viewer.id, at(index as u64));
    }
    census.sweep(at(10));
    let departed = census.departed.pin();
    assert!(departed.len() == 2 && !departed.contains_key(&"a".parse::<SessionId>().unwrap()));
}

#[test]
fn it_is_quiet_when_nobody_has_asked_for_as_long_as_a_session_lives() {
    let census = census();
    assert!(census.is_quiet(at(0)));
    census.asked(at(1_000));
    assert_eq!((census.is_quiet(at(6_000)), census.is_quiet(at(6_001))), (false, true));
}

#[test]
fn sessions_are_counted_by_the_rung_that_they_asked_for_last() {
    let census = census();
    let asks = |id: &str, rung: Option<usize>, ms: u64| {
        let viewer = session(id, Class::Steers);
        let (stream, target_duration) = (&viewer.stream, TARGET);
        let asked = Asked { stream, rendition: "v0", rung, target_duration, ended: false };
        let line = no_line();
        census.reloaded(&viewer, asked, &line, at(ms)).unwrap();
        if id != "probe" {
            census.media_asked("live", "v0", &line);
        }
    };
    for ms in [0, 500] {
        asks("probe", Some(2), ms);
        asks("a", Some(2), ms);
        asks("b", Some(0), ms);
        asks("c", None, ms);
    }
    asks("a", Some(1), 1_000);
    asks("a", None, 1_100);
    census.sweep(at(1_200));
    assert_eq!(
        census.count().asking["live"],
        [1, 1],
        "sound has no rung and changes none, and who takes no media takes nothing"
    );
}

#[test]
fn a_census_with_less_room_refuses_newcomers_and_keeps_who_is_here() {
    let census = census();
    let (here, newcomer) = (session("a", Class::Steers), session("b", Class::Steers));
    asks(&census, &here, "v0", 0).unwrap();
    census.set_room(1);
    assert_eq!(asks(&census, &newcomer, "v0", 10), Err(Full(1)));
    asks(&census, &here, "v0", 500).unwrap();
    census.set_room(5_000);
    assert_eq!(census.room(), 1_000, "never more than the capacity");
    asks(&census, &newcomer, "v0", 600).unwrap();
}

#[test]
fn who_falls_silent_young_was_given_what_he_was_given_for_as_long_as_his_token_seems_fresh() {
    let kept = u64::try_from(record::SEEMS_FRESH.as_millis()).unwrap();
    for (returns, first) in [(8_000 + kept, false), (8_001 + kept, true)] {
        let (census, viewer) = (census(), session("a", Class::Steers));
        let (stream, target_duration) = (&viewer.stream, TARGET);
        let asked = Asked { stream, rendition: "v0", rung: Some(0), target_duration, ended: false };
        assert_eq!(census.reloaded(&viewer, asked, &no_line(), at(0)), Ok(true));
        assert!(census.note_given(&viewer.id, 0));
        for ms in [8_000, returns] {
            assert_eq!(viewers(&census, ms), 0);
        }
        assert_eq!(census.reloaded(&viewer, asked, &no_line(), at(returns)), Ok(first));
    }
}
