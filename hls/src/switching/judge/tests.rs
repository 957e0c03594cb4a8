//! A ladder of three rungs whose segments are made up.

use super::*;
use crate::switching::{Packing, Start, Traits, traits::tests::traits};

const NAMES: [&str; 3] = ["240p", "360p", "720p"];

fn name(name: &str) -> Rendition {
    name.parse().unwrap()
}

fn judge() -> Judge {
    Judge::new(NAMES.map(name))
}

/// Segment `sequence` of two seconds, begun `late` units of 90 kHz too late.
fn look(traits: Traits, sequence: u64, late: u64) -> Result<Look, Unfit> {
    let at = sequence * 180_000 + late;
    let start = |track| Start { track, decoded: at, presented: at + 3600 };
    Ok(Look { traits, starts: vec![start(1), start(2)] })
}

fn all(judge: &mut Judge, sequences: impl IntoIterator<Item = u64>) -> Vec<Turn> {
    let each = sequences.into_iter().flat_map(|sequence| NAMES.map(|rung| (rung, sequence)));
    each.flat_map(|(rung, sequence)| judge.observe(&name(rung), sequence, look(traits(77), sequence, 0)))
        .collect()
}

fn sets(judge: &Judge) -> [Option<SwitchingSet>; 3] {
    NAMES.map(|rung| judge.set_of(&name(rung)))
}

#[test]
fn rungs_that_are_alike_form_one_set_after_two_segments() {
    let mut judge = judge();
    assert_eq!((all(&mut judge, [10]), sets(&judge)), (Vec::new(), [None; 3]));
    let turns = all(&mut judge, [11]);
    let [Some(one), Some(two), Some(three)] = sets(&judge) else { panic!("{turns:?}") };
    assert!(one == two && two == three);
    assert_eq!(turns.last().unwrap().standing, Standing::Member(one));
    assert_eq!(all(&mut judge, 12..60), Vec::new());
    assert!(judge.rungs.iter().all(|rung| rung.looks.len() == KEPT));
}

#[test]
fn segments_may_come_in_any_order() {
    let mut judge = judge();
    for (rung, sequence) in [("720p", 12), ("720p", 11), ("240p", 11), ("360p", 12), ("360p", 11)] {
        judge.observe(&name(rung), sequence, look(traits(77), sequence, 0));
    }
    judge.observe(&name("240p"), 12, look(traits(77), 12, 0));
    assert!(sets(&judge).iter().all(Option::is_some));
}

#[test]
fn a_rung_that_drifts_leaves_at_once_and_comes_back_after_three_segments() {
    let mut judge = judge();
    all(&mut judge, 10..13);
    let before = sets(&judge);
    judge.observe(&name("240p"), 13, look(traits(77), 13, 0));
    judge.observe(&name("360p"), 13, look(traits(77), 13, 0));
    let turns = judge.observe(&name("720p"), 13, look(traits(77), 13, 1800));
    let [Turn { rendition, standing: Standing::Apart(reason) }] = &turns[..] else { panic!("{turns:?}") };
    assert_eq!(
        format!("{rendition} {reason}"),
        "720p starts segment 13 at 26.06000 s where 240p starts it at 26.04000 s (track 1)"
    );
    assert_eq!(sets(&judge), [before[0], before[1], None]);
    all(&mut judge, [14, 15]);
    assert_eq!(sets(&judge)[2], None);
    all(&mut judge, [16]);
    assert_eq!(sets(&judge), before);
}

#[test]
fn the_others_stay_together_when_the_lowest_drifts() {
    let mut judge = judge();
    all(&mut judge, 10..13);
    let before = sets(&judge);
    let drifted: Vec<Turn> = NAMES
        .iter()
        .flat_map(|rung| {
            judge.observe(&name(rung), 13, look(traits(77), 13, if *rung == "240p" { 90 } else { 0 }))
        })
        .collect();
    let [None, Some(two), Some(three)] = sets(&judge) else { panic!("{drifted:?}") };
    assert!(two == three && Some(two) != before[1], "a set without its lowest is another set");
    let said = drifted.iter().find(|turn| turn.rendition == name("240p")).unwrap();
    assert!(
        matches!(&said.standing, Standing::Apart(Reason::Shifted { other, .. }) if *other == name("360p"))
    );
}

#[test]
fn what_players_rely_on_must_be_the_same() {
    let mut judge = Judge::new(["360p", "720p"].map(name));
    let mut turns = Vec::new();
    for sequence in 10..20 {
        turns.extend(judge.observe(&name("360p"), sequence, look(traits(77), sequence, 0)));
        turns.extend(judge.observe(&name("720p"), sequence, look(traits(100), sequence, 0)));
    }
    let [low, high] = &turns[..] else { panic!("said once of each: {turns:?}") };
    assert_eq!(low.standing, Standing::Apart(Reason::Alone));
    let Standing::Apart(reason) = &high.standing else { panic!("{high:?}") };
    assert!(reason.to_string().contains("profile 100"), "{reason}");
    assert!(reason.to_string().contains("segment 10 where 360p has"), "{reason}");
}

#[test]
fn a_segment_that_cannot_stand_for_another_takes_its_rendition_out() {
    let mut judge = judge();
    all(&mut judge, 10..13);
    let turns = judge.observe(&name("360p"), 13, Err(Unfit::Missing));
    let reason = Reason::Unfit { sequence: 13, unfit: Unfit::Missing };
    assert_eq!(turns, [Turn { rendition: name("360p"), standing: Standing::Apart(reason) }]);
    assert!(sets(&judge)[0].is_some() && sets(&judge)[0] == sets(&judge)[2]);
    let turns = judge.restarted(&name("240p"));
    assert_eq!(turns.len(), 2, "the last pair is apart: {turns:?}");
    assert_eq!(sets(&judge), [None; 3]);
    all(&mut judge, 14..17);
    assert!(sets(&judge).iter().all(Option::is_some));
}

#[test]
fn a_transport_stream_may_be_off_by_a_rounded_tick_and_its_clock_begins_anew() {
    let ts = |profile| Traits { packing: Packing::Ts { map: 4096, clock: 256 }, ..traits(profile) };
    for (traits, shift, aligned) in [(ts(77), 1, true), (ts(77), 2, false), (traits(77), 1, false)] {
        let mut judge = Judge::new(["360p", "720p"].map(name));
        for sequence in 10..12 {
            judge.observe(&name("360p"), sequence, look(traits.clone(), sequence, 0));
            judge.observe(&name("720p"), sequence, look(traits.clone(), sequence, shift));
        }
        assert_eq!(judge.set_of(&name("720p")).is_some(), aligned);
    }
    let mut judge = Judge::new(["360p", "720p"].map(name));
    for sequence in 0..2 {
        let wrapped = |at| Start { track: 1, decoded: at, presented: at };
        let look = |at| Ok(Look { traits: ts(77), starts: vec![wrapped(at)] });
        judge.observe(&name("360p"), sequence, look(0));
        judge.observe(&name("720p"), sequence, look((1 << 33) - 1));
    }
    assert!(judge.set_of(&name("720p")).is_some());
}
