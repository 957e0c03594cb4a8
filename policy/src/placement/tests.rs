//! One rule a row: the fleet, who asks, and where it plays and why.

use proptest::prelude::*;

use super::{
    testing::{Changed as _, fleet, id, region, server, session, stream},
    *,
};
use crate::{Phase, balancing::Balancing};

const NOW: Time = Time::from_millis(1_000_000);

fn placed(routing: &Routing, class: Class, avoid: &[&str]) -> Result<(String, Reason), Refusal> {
    let avoid: Vec<ServerId> = avoid.iter().map(|name| id(name)).collect();
    let (session, stream, region) = (SessionId::drawn(7), stream(), region());
    let request = Request { session: &session, stream: &stream, region: &region, class, avoid: &avoid };
    let placement = locate(routing, &request, &Balancer::new(Balancing::LeastLoaded), NOW, 0)?;
    Ok((placement.server.to_string(), placement.reason))
}

#[test]
fn a_newcomer_gets_the_first_server_that_will_do() {
    for (rule, servers, expected) in [
        (
            "the primary is under its target",
            vec![server("primary", 2, 3), server("a", 0, 9)],
            ("primary", Reason::UnderThreshold),
        ),
        ("it is not", vec![server("primary", 3, 3), server("a", 0, 9)], ("a", Reason::RegionRelay)),
        (
            "who is under target comes before who is emptier",
            vec![server("primary", 3, 3), server("a", 5, 5), server("b", 7, 8)],
            ("b", Reason::RegionRelay),
        ),
        (
            "all are at their targets",
            vec![server("primary", 3, 3), server("a", 7, 7), server("b", 5, 5)],
            ("b", Reason::RegionRelay),
        ),
        (
            "the region's relays are full",
            vec![server("primary", 3, 3), server("a", 7, 7).capacity(7), server("b", 0, 0).at("asia")],
            ("b", Reason::NeighbourRelay),
        ),
        (
            "a relay elsewhere is not near",
            vec![server("primary", 3, 3), server("b", 0, 0).at("mars")],
            ("primary", Reason::NoRelayInReach),
        ),
        (
            "nobody new on a relay that drains",
            vec![server("primary", 3, 3), server("a", 0, 9).phase(Phase::Draining)],
            ("primary", Reason::NoRelayInReach),
        ),
        (
            "nor on one that is suspected",
            vec![server("primary", 3, 3), server("a", 0, 9).phase(Phase::Suspect)],
            ("primary", Reason::NoRelayInReach),
        ),
        (
            "nor on one that does not have the stream",
            vec![server("primary", 3, 3), Route { streams: Vec::new(), ..server("a", 0, 9) }],
            ("primary", Reason::NoRelayInReach),
        ),
        (
            "a primary that is full is not under its target",
            vec![server("primary", 2, 3).capacity(2), server("a", 0, 9)],
            ("a", Reason::RegionRelay),
        ),
    ] {
        let (name, reason) = expected;
        assert_eq!(placed(&fleet(servers), Class::Steers, &[]), Ok((name.to_owned(), reason)), "{rule}");
    }
}

#[test]
fn a_survivor_gets_another_relay_before_the_primary_and_its_dead_server_last() {
    let both = || vec![server("primary", 0, 3), server("a", 5, 5), server("b", 5, 5)];
    let one = || vec![server("primary", 0, 3), server("a", 5, 5)];
    for (servers, avoid, expected) in [
        (both(), &["a"][..], ("b", Reason::RegionRelay)),
        (one(), &["a"], ("primary", Reason::NoRelayInReach)),
        (one(), &["a", "primary"], ("a", Reason::LastResort)),
    ] {
        let (name, reason) = expected;
        assert_eq!(
            placed(&fleet(servers), Class::Watches, avoid),
            Ok((name.to_owned(), reason)),
            "{avoid:?}"
        );
    }
}

#[test]
fn players_that_cannot_be_told_start_at_the_primary() {
    for class in [Class::Redirects, Class::Fixed] {
        let routing = fleet([server("primary", 50, 3), server("a", 0, 9)]);
        assert_eq!(placed(&routing, class, &[]), Ok(("primary".to_owned(), Reason::PrimaryAnswers)));
    }
}

#[test]
fn a_full_primary_still_redirects_but_takes_nobody_who_cannot_be_redirected() {
    let routing = fleet([server("primary", 3, 3).capacity(3), server("a", 0, 9)]);
    assert!(placed(&routing, Class::Redirects, &[]).is_ok());
    assert!(matches!(placed(&routing, Class::Fixed, &[]), Err(Refusal::NoRoom { .. })));
}

#[test]
fn a_refusal_says_why_and_when_to_come_back() {
    let mut full = fleet([server("primary", 3, 3).capacity(3)]);
    assert_eq!(placed(&full, Class::Steers, &[]), Err(Refusal::NoRoom { retry_after: RETRY_AFTER }));
    full.regions.get_mut(&region()).unwrap().retry_after = Duration::from_secs(4);
    let refusal = placed(&full, Class::Steers, &[]).unwrap_err();
    assert_eq!(refusal.to_string(), "no server in reach has room: ask again in 4 s");
    let none = placed(&fleet([]), Class::Steers, &[]).unwrap_err();
    assert_eq!(none.as_str(), "refused-no-server");
}

#[test]
fn placements_that_nobody_has_seen_yet_count() {
    let routing = fleet([server("primary", 0, 3), server("a", 0, 0)]);
    let names = (0..5).map(|_| placed(&routing, Class::Steers, &[]).unwrap().0);
    assert_eq!(names.collect::<Vec<_>>(), ["primary", "primary", "primary", "a", "a"]);
}

#[test]
fn viewers_of_a_region_that_is_not_followed_count_for_the_fallback() {
    let mut routing = fleet([server("primary", 0, 0)]);
    let home = routing.regions.remove(&region()).unwrap();
    routing.regions.insert(Region::fallback(), home);
    routing.servers[0].target.insert(Region::fallback(), 1);
    assert_eq!(placed(&routing, Class::Steers, &[]).unwrap().1, Reason::UnderThreshold);
}

/// Where a viewer at `current` plays from now on.
fn steered(routing: &Routing, current: &str, first: bool) -> (String, bool, Reason) {
    let (session, current) = (session(Class::Steers, current), id(current));
    let question = Question { session: &session, current: &current, first };
    let step = steer(routing, &question, &Balancer::new(Balancing::LeastLoaded), NOW, 0);
    (step.server.to_string(), step.moved, step.reason)
}

/// A rule, the fleet, where the viewer plays, and where it plays from then on and why.
type Row<'a> = (&'a str, Vec<Route>, &'a str, (&'a str, Reason));

fn assert_steered<const N: usize>(rows: [Row<'_>; N]) {
    for (rule, servers, current, (name, reason)) in rows {
        assert_eq!(
            steered(&fleet(servers), current, false),
            (name.to_owned(), name != current, reason),
            "{rule}"
        );
    }
}

#[test]
fn who_plays_stays_unless_its_server_has_too_many_and_another_too_few() {
    let primary = |seen, moves| server("primary", seen, 3).lets_go(moves);
    assert_steered([
        ("all is well", vec![primary(3, 0), server("a", 5, 5)], "a", ("a", Reason::Stays)),
        (
            "too many here, too few there",
            vec![primary(5, 2), server("a", 0, 2)],
            "primary",
            ("a", Reason::Relieved),
        ),
        (
            "its turn has not come",
            vec![primary(5, 0), server("a", 0, 2)],
            "primary",
            ("primary", Reason::Stays),
        ),
        ("nobody has too few", vec![primary(5, 2), server("a", 2, 2)], "primary", ("primary", Reason::Stays)),
        (
            "who has too few is near",
            vec![primary(5, 2), server("a", 2, 4).at("asia")],
            "primary",
            ("a", Reason::Relieved),
        ),
        (
            "relays are levelled among themselves first",
            vec![primary(0, 0), server("a", 9, 5).lets_go(4), server("b", 1, 5)],
            "a",
            ("b", Reason::Relieved),
        ),
        (
            "backfill: a relay has too many and only the primary too few",
            vec![primary(0, 0), server("a", 9, 6).lets_go(3)],
            "a",
            ("primary", Reason::Relieved),
        ),
        (
            "its server is suspected",
            vec![primary(3, 0), server("a", 5, 5).phase(Phase::Suspect).lets_go(5), server("b", 0, 9)],
            "a",
            ("a", Reason::Stays),
        ),
    ]);
}

#[test]
fn a_relay_that_drains_lets_its_viewers_go_one_turn_after_the_other() {
    let draining = |moves| server("a", 5, 0).phase(Phase::Draining).lets_go(moves);
    let (under, at, full) =
        (|| server("primary", 0, 3), || server("primary", 3, 3), || server("primary", 3, 3).capacity(3));
    assert_steered([
        (
            "the primary has too few",
            vec![under(), draining(1), server("b", 5, 9)],
            "a",
            ("primary", Reason::Drained),
        ),
        ("it does not", vec![at(), draining(1), server("b", 5, 5)], "a", ("b", Reason::Drained)),
        ("there is no other relay", vec![at(), draining(1)], "a", ("primary", Reason::Drained)),
        ("its turn has not come", vec![at(), draining(0), server("b", 5, 5)], "a", ("a", Reason::AwaitsTurn)),
        ("there is no room", vec![full(), draining(1)], "a", ("a", Reason::NoRoom)),
    ]);
}

#[test]
fn viewers_of_a_server_that_is_gone_get_another_relay_before_the_primary() {
    let full = server("primary", 3, 3).capacity(3);
    assert_steered([
        ("a relay is left", vec![server("primary", 0, 3), server("b", 5, 5)], "a", ("b", Reason::ServerLost)),
        ("none is left", vec![server("primary", 3, 3)], "a", ("primary", Reason::ServerLost)),
        ("nor any room", vec![full], "a", ("primary", Reason::NoRoom)),
    ]);
}

#[test]
fn a_relay_that_does_not_serve_is_nobodys_place() {
    for phase in Phase::ALL {
        let not_serving = server("a", 0, 0).phase(phase);
        let routing = fleet([server("primary", 3, 3), not_serving, server("b", 0, 9)]);
        let stays = matches!(phase, Phase::Serving | Phase::Draining | Phase::Suspect);
        for first in [true, false] {
            let (name, moved, reason) = steered(&routing, "a", first);
            assert_eq!(
                (name.as_str(), moved),
                if stays { ("a", false) } else { ("b", true) },
                "{phase}, {first}"
            );
            assert!(stays || reason == Reason::ServerLost, "{phase}: {reason:?}");
        }
    }
}

#[test]
fn the_first_answer_is_what_the_playlist_said_while_that_is_possible() {
    let full = |seen| server("a", seen, 0).capacity(5);
    for (rule, servers, expected) in [
        ("it serves", vec![server("primary", 5, 3), server("a", 1, 9)], ("a", Reason::FirstAnswer)),
        (
            "it drains",
            vec![server("primary", 0, 3), full(1).phase(Phase::Draining).lets_go(9)],
            ("a", Reason::FirstAnswer),
        ),
        ("it is full, with this viewer", vec![server("primary", 0, 3), full(5)], ("a", Reason::FirstAnswer)),
        ("it is more than full", vec![server("primary", 0, 3), full(6)], ("primary", Reason::ServerFull)),
        (
            "and all others are, too",
            vec![server("primary", 3, 3).capacity(3), full(6)],
            ("a", Reason::FirstAnswer),
        ),
        ("it is gone", vec![server("primary", 0, 3)], ("primary", Reason::ServerLost)),
    ] {
        let (name, reason) = expected;
        assert_eq!(steered(&fleet(servers), "a", true), (name.to_owned(), name != "a", reason), "{rule}");
    }
}

#[test]
fn a_young_manager_moves_nobody_whose_server_it_does_not_know_yet() {
    let routing = Routing { settled: false, ..fleet([server("primary", 0, 3)]) };
    assert_eq!(steered(&routing, "a", false), ("a".to_owned(), false, Reason::Unsettled));
}

#[test]
fn every_reason_has_a_word_and_a_sentence_of_its_own() {
    let words: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let sentences: std::collections::BTreeSet<_> =
        Reason::ALL.iter().map(|reason| reason.explanation()).collect();
    assert_eq!((words.len(), sentences.len()), (Reason::ALL.len(), Reason::ALL.len()));
}

fn any_server(name: &'static str) -> impl Strategy<Value = (Route, u32)> {
    let phase = prop::sample::select(&[Phase::Serving, Phase::Draining, Phase::Suspect]);
    (0..12u32, 0..12u32, 1..12u32, phase, 0..4u32).prop_map(move |(seen, target, capacity, phase, moves)| {
        let phase = if name == "primary" { Phase::Serving } else { phase };
        (server(name, seen, target).capacity(capacity).phase(phase).lets_go(moves), moves)
    })
}

/// Where a viewer moves that plays at `current`, or starts.
fn sent(routing: &Routing, current: Option<&str>, dice: u64) -> Option<ServerId> {
    let (session, balancer) = (session(Class::Steers, "primary"), Balancer::default());
    if let Some(current) = current {
        let question = Question { session: &session, current: &id(current), first: false };
        let step = steer(routing, &question, &balancer, NOW, dice);
        return step.moved.then_some(step.server);
    }
    let (stream, region) = (stream(), region());
    let request =
        Request { session: &session.id, stream: &stream, region: &region, class: Class::Steers, avoid: &[] };
    locate(routing, &request, &balancer, NOW, dice).ok().map(|placement| placement.server)
}

proptest! {
    #[test]
    fn nobody_new_comes_to_a_server_that_is_full_or_does_not_serve_and_no_more_leave_than_may(
        servers in [any_server("primary"), any_server("a"), any_server("b")].prop_map(Vec::from),
        viewers in prop::collection::vec((prop::option::of(0..3usize), any::<u64>()), 1..60),
    ) {
        let (servers, moves): (Vec<_>, Vec<_>) = servers.into_iter().unzip();
        let (routing, mut left) = (fleet(servers), [0, 0, 0]);
        for (current, dice) in viewers {
            let from = current.map(|at| routing.servers[at].id.as_str());
            let Some(to) = sent(&routing, from, dice) else { continue };
            current.into_iter().for_each(|at| left[at] += 1);
            let to = routing.server(&to).unwrap();
            prop_assert_eq!(to.phase, Phase::Serving);
            prop_assert!(to.seen_total() + to.counters.pending_total(NOW) <= to.capacity);
        }
        prop_assert!(left.iter().zip(&moves).all(|(left, moves)| left <= moves), "{:?} of {:?}", left, moves);
    }
}

#[test]
fn reasons_can_be_told_apart_by_their_place_among_all() {
    for (at, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, at, "{}", reason.as_str());
    }
}
