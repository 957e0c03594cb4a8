//! One steering rule a test, and the player that needs it.

use proptest::prelude::*;

use super::*;
use crate::{
    Class,
    placement::testing::{Changed as _, fleet, id, server, session},
};

fn answered(routing: &Routing, current: &str, first: bool) -> Answer {
    let (session, current) = (session(Class::Steers, current), id(current));
    let question = Question { session: &session, current: &current, first };
    answer(routing, &question, &Balancer::default(), &Pace::default(), Time::default(), 0)
}

fn names<'a>(ids: impl IntoIterator<Item = &'a ServerId>) -> Vec<&'a str> {
    ids.into_iter().map(ServerId::as_str).collect()
}

#[test]
fn the_priority_names_who_serves_the_viewers_own_first_and_the_primary_last() {
    let drains = || server("c", 1, 1).phase(Phase::Draining);
    let suspected = || server("d", 1, 1).phase(Phase::Suspect);
    let others = || [drains(), suspected(), server("e", 1, 1).at("asia"), server("f", 1, 1).at("mars")];
    let all = || [server("primary", 3, 3), server("a", 1, 1), server("b", 1, 1)].into_iter().chain(others());
    for (player, current, priority) in [
        ("any, at a relay", "b", vec!["b", "a", "e", "primary"]),
        ("any, at the primary", "primary", vec!["primary", "a", "b", "e"]),
        (
            "video.js, which flaps back to what died: only who plays there hears of it",
            "d",
            vec!["d", "a", "b", "e", "primary"],
        ),
        ("any, at a relay that drains", "c", vec!["c", "a", "b", "e", "primary"]),
    ] {
        assert_eq!(names(&answered(&fleet(all()), current, false).priority), priority, "{player}");
    }
}

#[test]
fn video_js_hears_of_every_slot_in_its_first_answer_whether_a_relay_runs_there_or_not() {
    let routing = fleet([server("primary", 0, 3), server("a", 1, 1).phase(Phase::Draining)]);
    let first = answered(&routing, "primary", true);
    assert_eq!(names(first.clones.iter().map(|slot| &slot.id)), ["a", "free"]);
    assert_eq!(names(&first.priority), ["primary"]);
}

#[test]
fn a_relay_that_stands_in_the_priority_is_a_clone_wherever_it_is() {
    let routing = fleet([server("primary", 0, 3), server("e", 1, 1).at("asia")]);
    let clones = answered(&routing, "primary", false).clones;
    assert_eq!(names(clones.iter().map(|slot| &slot.id)), ["free", "e"]);
}

#[test]
fn hls_js_gets_the_same_first_answer_as_its_playlist_and_moves_only_later() {
    let routing = fleet([server("primary", 5, 3).lets_go(2), server("a", 0, 2)]);
    let first = answered(&routing, "primary", true);
    assert_eq!((first.current.as_str(), names(&first.priority)[0]), ("primary", "primary"));
    let second = answered(&routing, "primary", false);
    assert_eq!((second.current.as_str(), names(&second.priority)[0], second.moved), ("a", "a", true));
}

#[test]
fn more_viewers_ask_less_often() {
    let pace = Pace {
        ttl: Duration::from_secs(10),
        longest_ttl: Duration::from_secs(60),
        answers_per_second: 1_000,
    };
    for (viewers, least_s, most_s) in [(0, 8, 12), (10_000, 8, 12), (20_000, 16, 24), (1_000_000, 40, 60)] {
        for dice in 0..2_000 {
            let ttl = pace.ttl_for(viewers, dice);
            assert!(
                (Duration::from_secs(least_s)..=Duration::from_secs(most_s)).contains(&ttl),
                "{viewers} {ttl:?}"
            );
        }
    }
}

/// Answers in a second to `viewers` who ask again whenever their answer is too old, over so many rounds.
fn answers_per_second(pace: Pace, viewers: u32) -> (f64, Vec<u64>) {
    let ttls: Vec<u64> = (0..20_000).map(|dice| pace.ttl_for(viewers, mix(dice)).as_secs()).collect();
    let mean_s = f64::from(u32::try_from(ttls.iter().sum::<u64>()).unwrap()) / 20_000.0;
    (f64::from(viewers) / mean_s, ttls)
}

proptest! {
    #[test]
    fn however_many_watch_answers_stay_within_their_bound_until_they_live_the_longest_and_no_drain_is_shorter(
        viewers in 0..3_000_000u32, per_second in 100..50_000u32, ttl_ms in 100..20_000u64, longest_ms in 100..120_000u64, target_s in 1..10u64,
    ) {
        let (ttl, longest_ttl) = (Duration::from_millis(ttl_ms), Duration::from_millis(longest_ms));
        let (asked, ttls) = answers_per_second(Pace { ttl, longest_ttl, answers_per_second: per_second }, viewers);
        let (least, most) = (ttls.iter().min().unwrap(), ttls.iter().max().unwrap());
        prop_assert!(*least >= 1 && (*most <= 2 || least < most), "{least} to {most} s: players ask in step");
        // All the jitter fits below the longest as long as the middle is a fifth below it.
        let longest_reached = f64::from(viewers) / f64::from(per_second) > longest_ttl.as_secs_f64() * 5.0 / 6.0 - 1.0;
        prop_assert!(longest_reached || asked <= f64::from(per_second) * 1.01, "{asked} answers a second");
        let settings = crate::Settings { longest_steering_ttl: longest_ttl, drain_deadline: Duration::from_millis(1), ..Default::default() };
        let target = Duration::from_secs(target_s);
        prop_assert!(settings.drain_deadline_for(target) >= Duration::from_secs(*most) + target * 3);
    }

    #[test]
    fn an_answer_can_always_be_followed(current in prop::sample::select(&["primary", "a", "b", "gone"]), first: bool, moves in 0..2u32) {
        let routing = fleet([
            server("primary", 5, 3).lets_go(moves),
            server("a", 5, 0).phase(Phase::Draining).lets_go(moves),
            server("b", 1, 4),
        ]);
        let answer = answered(&routing, current, first);
        prop_assert_eq!(answer.priority.first(), Some(&answer.current));
        prop_assert_eq!(names(&answer.priority).into_iter().filter(|name| *name == "primary").count(), 1);
        for id in &answer.priority {
            prop_assert!(*id == ServerId::primary() || answer.clones.iter().any(|slot| slot.id == *id));
        }
        prop_assert_eq!(answer.moved, answer.current.as_str() != current);
    }
}
