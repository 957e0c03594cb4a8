//! Real media, made by `ladder/make`: which rungs form a set, and what is put into them so that they do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use hls::{
    Container, Rendition,
    mp4::{
        self, Init,
        parameter_sets::{Peek, Refused, insert, peek},
    },
    switching::{Coding, Judge, Look, Reason, Standing, Unfit},
    ts::counters::settle,
};
use proptest::prelude::*;

/// One rung of a ladder: its initialization section, where it has one, and its segments.
#[derive(Clone, Copy)]
struct Rung {
    name: &'static str,
    init: Option<&'static [u8]>,
    segments: [&'static [u8]; 3],
}

macro_rules! rungs {
    ($folder:tt, $extension:tt, $($name:tt),*) => {
        [$(Rung {
            name: $name,
            init: rungs!(@init $extension $folder $name),
            segments: [
                include_bytes!(concat!("ladder/", $folder, "/", $name, "-0.", $extension)),
                include_bytes!(concat!("ladder/", $folder, "/", $name, "-1.", $extension)),
                include_bytes!(concat!("ladder/", $folder, "/", $name, "-2.", $extension)),
            ],
        }),*]
    };
    (@init "ts" $folder:tt $name:tt) => { None };
    (@init "m4s" $folder:tt $name:tt) => {
        Some(include_bytes!(concat!("ladder/", $folder, "/", $name, "-init.mp4")).as_slice())
    };
}

const TS: [Rung; 3] = rungs!("ts", "ts", "low", "high", "odd");
const MP4: [Rung; 3] = rungs!("mp4", "m4s", "low", "high", "odd");
const HEVC: [Rung; 3] = rungs!("hevc", "m4s", "low", "high", "odd");

fn name(name: &str) -> Rendition {
    name.parse().unwrap()
}

fn init(rung: &Rung) -> Init {
    Init::of(rung.init.unwrap()).unwrap()
}

/// The segment with parameter sets in its keyframes, or with settled counters.
fn complete(rung: &Rung, segment: &[u8]) -> Vec<u8> {
    match rung.init {
        Some(_) => insert(&init(rung), segment).unwrap().unwrap(),
        None => settle(segment).unwrap().unwrap(),
    }
}

fn look(rung: &Rung, segment: &[u8]) -> Result<Look, Unfit> {
    let container = if rung.init.is_some() { Container::Mp4 } else { Container::Ts };
    Look::at(container, rung.init, segment)
}

/// The judge after it has seen all segments of these rungs, each changed in a way of its own.
fn judged(rungs: &[Rung], change: impl Fn(&Rung, &[u8]) -> Vec<u8>) -> (Judge, Vec<Standing>) {
    let mut judge = Judge::new(rungs.iter().map(|rung| name(rung.name)));
    let mut standings = vec![Standing::Unknown; rungs.len()];
    for sequence in 0..3 {
        for rung in rungs {
            let media = change(rung, rung.segments[sequence]);
            for turn in judge.observe(&name(rung.name), sequence as u64, look(rung, &media)) {
                let place = rungs.iter().position(|rung| rung.name == turn.rendition.as_str()).unwrap();
                standings[place] = turn.standing;
            }
        }
    }
    (judge, standings)
}

#[test]
fn aligned_rungs_form_a_set_and_one_with_other_groups_of_pictures_stays_out() {
    for ladder in [TS, MP4, HEVC] {
        let (judge, standings) = judged(&ladder, complete);
        let set = judge.set_of(&name("low"));
        assert!(set.is_some() && set == judge.set_of(&name("high")), "{standings:?}");
        let Standing::Apart(reason) = &standings[2] else { panic!("{standings:?}") };
        let reason = reason.to_string();
        assert!(
            reason.starts_with("starts segment 1 at ") && reason.contains(" where low starts it at "),
            "{reason}"
        );
    }
}

#[test]
fn sounds_and_profiles_are_read_in_both_containers() {
    for (rung, profile) in [(TS[0], 100), (MP4[0], 100), (HEVC[0], 1)] {
        let media = complete(&rung, rung.segments[0]);
        let look = look(&rung, &media).unwrap();
        let codings: Vec<Coding> = look.traits.tracks.iter().map(|track| track.coding).collect();
        let [Coding::Video { profile: read }, Coding::Sound { rate: 16_000, .. }] = codings[..] else {
            panic!("{codings:?}")
        };
        assert_eq!(read, profile);
        assert_eq!(look.starts.len(), 2);
    }
}

#[test]
fn as_they_come_from_ffmpeg_no_rungs_are_in_a_set() {
    for (ladder, unfit) in [(TS, Unfit::Counters), (MP4, Unfit::NoParameterSets)] {
        let (judge, standings) = judged(&ladder[..2], |_, segment| segment.to_vec());
        assert_eq!(judge.set_of(&name("low")), None);
        assert_eq!(standings[0], Standing::Apart(Reason::Unfit { sequence: 0, unfit }));
    }
}

#[test]
fn parameter_sets_are_put_in_once_and_everything_that_counts_bytes_follows() {
    for rung in MP4.iter().chain(&HEVC) {
        for segment in rung.segments {
            let changed = complete(rung, segment);
            assert!(changed.len() > segment.len());
            assert_eq!(insert(&init(rung), &changed), Ok(None), "there is nothing more to put in");
            assert_eq!(complete(rung, segment), changed, "the same bytes each time");
            assert_eq!(mp4::decode_times(&changed), mp4::decode_times(segment));
            let (before, after) = (Look::at(Container::Mp4, rung.init, segment), look(rung, &changed));
            assert_eq!((before, after.is_ok()), (Err(Unfit::NoParameterSets), true));
        }
    }
}

#[test]
fn what_counts_bytes_in_a_way_that_is_not_followed_is_refused() {
    let [low, ..] = &MP4;
    let indexed = [low.segments[0], &[0, 0, 0, 8], b"mfra"].concat();
    assert_eq!(insert(&init(low), &indexed), Err(Refused::Counted(*b"mfra")));
    let unfit = look(low, &indexed).unwrap_err().to_string();
    assert!(unfit.ends_with("none can be put in: a mfra box counts its bytes"), "{unfit}");
    let other = Init::of(TS[0].segments[0]);
    assert!(other.is_err(), "a transport stream is no initialization section");
}

#[test]
fn the_first_bytes_say_whether_the_rest_has_to_be_waited_for() {
    let [low, ..] = &MP4;
    let (init, bare) = (init(low), low.segments[0]);
    let complete = complete(low, bare);
    let first = |segment: &[u8]| {
        (0..=segment.len()).map(|len| peek(&init, &segment[..len])).find(|peek| *peek != Peek::TooShort)
    };
    assert_eq!((first(bare), first(&complete)), (Some(Peek::Bare), Some(Peek::Complete)));
    assert_eq!(peek(&init, b"no boxes at all"), Peek::TooShort);
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(
        at in 0..4000_usize,
        bytes in proptest::collection::vec(any::<u8>(), 0..8),
        cut in 0..6000_usize,
    ) {
        for rung in [TS[0], MP4[0], HEVC[0]] {
            let bent = |data: &[u8]| {
                let mut data = data.to_vec();
                for (place, byte) in data.iter_mut().skip(at).zip(&bytes) {
                    *place = *byte;
                }
                data.truncate(cut.max(at));
                data
            };
            let segment = bent(rung.segments[0]);
            let _ = (look(&rung, &segment), settle(&segment));
            if let Some(init) = rung.init {
                let bent = bent(init);
                let _ = Look::at(Container::Mp4, Some(&bent), rung.segments[0]);
                let _ = Init::of(&bent).map(|bent| (insert(&bent, rung.segments[0]), peek(&bent, rung.segments[0])));
                let whole = Init::of(init).unwrap();
                let _ = (insert(&whole, &segment), peek(&whole, &segment));
            }
        }
    }
}
