//! Upstreams as they behave: going on, pausing, starting again, ending, copied by caches; one rendition and several.

use std::collections::BTreeMap;

use ::url::Url;
use proptest::prelude::*;

use super::*;

const NOW_MS: u64 = 1_795_176_000_000;

/// The number that a stream begins with at that time.
const FIRST: u64 = 111_801_600;

fn now(after_s: u64) -> Date {
    Date::from_unix_ms(NOW_MS + after_s * 1000)
}

fn parse(text: &str) -> MediaPlaylist {
    let base: Url = "https://origin.example/live/v0/list.m3u8".parse().unwrap();
    MediaPlaylist::parse(format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{text}").as_bytes(), &base).unwrap()
}

/// Segments `numbers` of one encoder's run.
fn list(run: &str, numbers: std::ops::Range<u64>) -> MediaPlaylist {
    let segments: String = numbers.clone().map(|n| format!("#EXTINF:2.0,\n{run}{n}.ts\n")).collect();
    parse(&format!("#EXT-X-MEDIA-SEQUENCE:{}\n{segments}", numbers.start))
}

fn names_of(change: &Change) -> Vec<&str> {
    change.objects.iter().map(|object| object.name.as_str()).collect()
}

fn render(ingest: &Ingest) -> String {
    ingest.window().unwrap().render()
}

#[test]
fn a_live_stream_begins_with_its_newest_segments_at_the_time_of_day() {
    let mut shared = Shared::starting_at(NOW_MS);
    let mut ingest = Ingest::new(6);
    let change = ingest.take(&list("a", 70..80), &mut shared, now(0));
    assert_eq!(names_of(&change), ["111801600.ts", "111801601.ts", "111801602.ts"]);
    assert_eq!(change.objects[0].source.uri.path(), "/live/v0/a77.ts");
    assert!(change.changed && !change.restarted && change.left.is_empty());
    assert_eq!(change.reload_after, Some(Duration::from_secs(2)));
    insta::assert_snapshot!(render(&ingest));
}

#[test]
fn what_is_new_is_listed_and_what_is_old_leaves() {
    let mut shared = Shared::starting_at(NOW_MS);
    let mut ingest = Ingest::new(3);
    ingest.take(&list("a", 0..3), &mut shared, now(0));
    let same = ingest.take(&list("a", 0..3), &mut shared, now(2));
    assert!(!same.changed && same.objects.is_empty());
    assert_eq!(same.reload_after, Some(Duration::from_secs(1)));
    let change = ingest.take(&list("a", 1..5), &mut shared, now(4));
    assert_eq!(names_of(&change), ["111801603.ts", "111801604.ts"]);
    assert_eq!(change.left, ["111801600.ts", "111801601.ts"]);
    assert_eq!(ingest.window().unwrap().listed(), Some(FIRST + 2..=FIRST + 4));
}

#[test]
fn a_hole_is_listed_as_gaps_and_everything_after_it_keeps_its_number() {
    let mut shared = Shared::starting_at(NOW_MS);
    let mut ingest = Ingest::new(6);
    ingest.take(&list("a", 0..3), &mut shared, now(0));
    let change = ingest.take(&list("a", 5..7), &mut shared, now(8));
    assert_eq!((change.missed, change.restarted), (2, false));
    assert_eq!(names_of(&change), ["111801605.ts", "111801606.ts"]);
    assert_eq!(render(&ingest).matches("#EXT-X-GAP\n").count(), 2);
}

#[test]
fn a_rendition_that_was_long_away_is_back_in_step_with_the_others() {
    let mut shared = Shared::starting_at(NOW_MS);
    let (mut low, mut high) = (Ingest::new(6), Ingest::new(6));
    for newest in 3..50 {
        low.take(&list("a", newest - 3..newest), &mut shared, now(2 * newest));
        if newest % 40 == 3 {
            let change = high.take(&list("a", newest - 3..newest), &mut shared, now(2 * newest));
            assert!(!change.restarted);
        }
    }
    low.take(&list("a", 97..100), &mut shared, now(200));
    high.take(&list("a", 97..100), &mut shared, now(200));
    let tail =
        |ingest: &Ingest| render(ingest).split_once("#EXT-X-DISCONTINUITY-SEQUENCE").unwrap().1.to_owned();
    assert_eq!(tail(&low), tail(&high));
    assert_eq!(high.window().unwrap().listed(), Some(FIRST + 97..=FIRST + 99));
}

#[test]
fn an_initialization_section_written_over_by_a_new_encoder_gets_a_new_number() {
    let fmp4 = |run: &str, first: u64| {
        parse(&format!("#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2,\n{run}.m4s\n"))
    };
    let mut shared = Shared::starting_at(NOW_MS);
    let mut ingest = Ingest::new(6);
    let names = [("a", 50), ("b", 51), ("c", 0)].map(|(run, first)| {
        let change = ingest.take(&fmp4(run, first), &mut shared, now(0));
        change.objects.into_iter().map(|object| object.name).collect::<Vec<_>>()
    });
    assert_eq!(names[0], ["init-111801600.mp4", "111801600.m4s"]);
    assert_eq!(names[1], ["111801601.m4s"]);
    assert_eq!(names[2], ["init-111801602.mp4", "111801602.m4s"]);
}

#[test]
fn an_encoder_that_starts_again_is_a_discontinuity_in_all_renditions_at_one_number() {
    let mut shared = Shared::starting_at(NOW_MS);
    let (mut low, mut high) = (Ingest::new(6), Ingest::new(6));
    low.take(&list("a", 40..43), &mut shared, now(0));
    high.take(&list("a", 40..43), &mut shared, now(0));
    low.take(&list("a", 41..44), &mut shared, now(2));
    assert!(low.take(&list("b", 0..1), &mut shared, now(30)).restarted);
    assert!(high.take(&list("b", 0..2), &mut shared, now(30)).restarted);
    low.take(&list("b", 0..2), &mut shared, now(32));
    let numbers = |ingest: &Ingest| {
        let segments = ingest.window().unwrap().segments();
        segments.filter(|s| s.discontinuity).map(|s| s.sequence).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&low), [FIRST, FIRST + 4]);
    assert_eq!(numbers(&high), numbers(&low));
    assert_eq!(low.window().unwrap().listed(), high.window().unwrap().listed());
    assert!(render(&high).contains("#EXT-X-GAP"), "the last segment before the restart was never seen");
    let dates = |ingest: &Ingest| ingest.window().unwrap().segments().last().unwrap().program_date_time;
    assert_eq!(dates(&low), dates(&high));
}

#[test]
fn numbers_go_on_above_all_given_when_the_primary_itself_starts_again_however_soon() {
    for (first_run_s, segment_s) in [(1, 2), (1, 1), (34, 2), (34, 1)] {
        let mut shared = Shared::starting_at(NOW_MS);
        let mut ingest = Ingest::new(6);
        let newest = 3 + first_run_s / segment_s;
        for newest in 3..=newest {
            ingest.take(&list("a", newest - 3..newest), &mut shared, now(newest * segment_s));
        }
        let given = *ingest.window().unwrap().listed().unwrap().end();
        let mut shared = Shared::starting_at(NOW_MS + first_run_s * 1000);
        let mut again = Ingest::new(6);
        again.take(&list("a", newest - 3..newest), &mut shared, now(first_run_s));
        assert!(*again.window().unwrap().listed().unwrap().start() > given);
    }
}

#[test]
fn a_vod_is_listed_whole_under_its_own_numbers_and_never_asked_for_again() {
    let segments: String = (0..9).map(|n| format!("#EXTINF:2.0,\nv{n}.ts\n")).collect();
    let playlist = parse(&format!("#EXT-X-PLAYLIST-TYPE:VOD\n{segments}#EXT-X-ENDLIST\n"));
    let mut ingest = Ingest::new(3);
    let change = ingest.take(&playlist, &mut Shared::starting_at(NOW_MS), now(0));
    assert_eq!((change.objects.len(), change.reload_after), (9, None));
    let text = render(&ingest);
    assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD\n") && text.ends_with("8.ts\n#EXT-X-ENDLIST\n"));
    assert!(!text.contains("#EXT-X-DISCONTINUITY\n"));
}

#[test]
fn a_stream_that_ended_goes_on_when_its_encoder_is_started_again() {
    let mut shared = Shared::starting_at(NOW_MS);
    let mut ingest = Ingest::new(6);
    ingest.take(&list("a", 0..3), &mut shared, now(0));
    let mut end = list("a", 0..3);
    end.ended = true;
    let change = ingest.take(&end, &mut shared, now(2));
    assert!(change.changed && change.objects.is_empty() && change.reload_after.is_some());
    assert!(render(&ingest).ends_with("#EXT-X-ENDLIST\n"));
    assert!(ingest.take(&list("a", 0..1), &mut shared, now(60)).restarted);
    assert!(!render(&ingest).contains("#EXT-X-ENDLIST"));
}

const RICH: &str = r#"#EXT-X-MEDIA-SEQUENCE:26
#EXT-X-KEY:METHOD=AES-128,URI="../key?id=1"
#EXT-X-DATERANGE:ID="show",START-DATE="2026-11-20T14:00:00Z"
#EXT-X-PROGRAM-DATE-TIME:2026-11-20T14:00:00.000+0000
#EXTINF:2.0,
e26.ts
#EXTINF:2.0,
e27.ts
#EXT-X-DISCONTINUITY
#EXT-X-KEY:METHOD=NONE
#EXT-X-MAP:URI="ad.mp4",BYTERANGE="700@10"
#EXT-X-CUE-OUT:4
#EXTINF:1.96,
#EXT-X-BYTERANGE:5000@710
ad.mp4
"#;

#[test]
fn keys_maps_ranges_dates_and_foreign_tags_pass_through_under_our_numbers() {
    let mut shared = Shared::starting_at(NOW_MS);
    let mut ingest = Ingest::new(6);
    let change = ingest.take(&parse(RICH), &mut shared, now(0));
    insta::assert_snapshot!(render(&ingest));
    let objects = change.objects.iter().map(|object| {
        let Source { uri, byte_range } = &object.source;
        format!("{} {uri} {byte_range:?}\n", object.name)
    });
    insta::assert_snapshot!(objects.collect::<String>());
    let more = format!("{RICH}#EXT-X-DATERANGE:ID=\"ad\"\n#EXTINF:2.0,\n#EXT-X-BYTERANGE:9@5710\nad.mp4\n");
    let change = ingest.take(&parse(&more), &mut shared, now(2));
    assert_eq!(names_of(&change), ["111801603.m4s"], "the map is known");
    let last = ingest.window().unwrap().segments().last().unwrap().clone();
    assert_eq!(last.tags, ["#EXT-X-DATERANGE:ID=\"ad\""], "and so is the first date range");
    assert_eq!(last.program_date_time.unwrap().to_string(), "2026-11-20T14:00:05.960Z");
}

/// What an upstream does between two reloads.
#[derive(Debug, Clone)]
enum Event {
    Adds(u64),
    Restarts { at: u64 },
    CopiesOld(u64),
}

fn events() -> impl Strategy<Value = Vec<(usize, Event)>> {
    let event = prop_oneof![
        8 => (0_u64..12).prop_map(Event::Adds),
        1 => prop_oneof![0_u64..50, 5000_u64..6000].prop_map(|at| Event::Restarts { at }),
        2 => (0_u64..4).prop_map(Event::CopiesOld),
    ];
    proptest::collection::vec((0_usize..2, event), 1..80)
}

proptest! {
    #[test]
    fn whatever_an_upstream_does_numbers_only_grow_and_never_change_what_they_name(events in events()) {
        let mut shared = Shared::starting_at(NOW_MS);
        let mut renditions = [Ingest::new(5), Ingest::new(5)];
        let mut seen: [BTreeMap<u64, (bool, u64)>; 2] = Default::default();
        let mut sources: [BTreeMap<String, Source>; 2] = Default::default();
        let (mut run, mut start, mut newest) = (0, 0, 4);
        for (time, (which, event)) in (0..).zip(events) {
            let mut behind = 0;
            match event {
                Event::Adds(more) => newest += more,
                Event::Restarts { at } => (run, start, newest) = (run + 1, at, at + 1),
                Event::CopiesOld(by) => behind = by.min(newest - start - 1),
            }
            let end = newest - behind;
            let playlist = list(&format!("r{run}-"), end.saturating_sub(4).max(start)..end);
            let before = renditions[which].window().and_then(|window| Some(*window.listed()?.end()));
            let change = renditions[which].take(&playlist, &mut shared, now(2 * time));
            for object in &change.objects {
                let old = sources[which].insert(object.name.clone(), object.source.clone());
                prop_assert_eq!(old, None, "{} is given once", object.name);
            }
            let window = renditions[which].window().unwrap();
            prop_assert!(Some(*window.listed().unwrap().end()) >= before);
            let base = "https://primary.example/live/v0/live.m3u8".parse().unwrap();
            let read = MediaPlaylist::parse(window.render().as_bytes(), &base).unwrap();
            for segment in &read.segments {
                let now = (segment.gap, segment.discontinuity_sequence);
                prop_assert_eq!(*seen[which].entry(segment.sequence).or_insert(now), now);
                let name = segment_name(segment.sequence, segment.container());
                prop_assert!(segment.gap || sources[which].contains_key(&name));
            }
        }
    }

    /// Each encoder counts from below the one before it, so that no list can be taken for the continuation of another's.
    #[test]
    fn equal_numbers_are_equal_moments_in_all_renditions(events in events()) {
        let mut shared = Shared::starting_at(NOW_MS);
        let mut renditions = [Ingest::new(5), Ingest::new(5), Ingest::new(5)];
        let mut named: BTreeMap<String, String> = BTreeMap::new();
        let (mut run, mut newest) = (0, 200_000);
        for rendition in &mut renditions {
            rendition.take(&list("r0-", newest - 4..newest), &mut shared, now(0));
        }
        for (time, (which, event)) in (0..).zip(events) {
            match event {
                Event::Adds(more) => newest += more,
                Event::Restarts { .. } => (run, newest) = (run + 1, 200_000 - 2000 * (run + 1)),
                Event::CopiesOld(_) => {}
            }
            let playlist = list(&format!("r{run}-"), newest - 4..newest);
            for other in [which, 2] {
                let change = renditions[other].take(&playlist, &mut shared, now(2 * time));
                for object in change.objects {
                    let path = object.source.uri.path().to_owned();
                    prop_assert_eq!(&*named.entry(object.name).or_insert_with(|| path.clone()), &path);
                }
            }
        }
    }
}
