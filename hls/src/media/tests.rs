//! What upstreams write, what they may write wrong, and our own lists read back.

use proptest::prelude::*;

use super::*;
use crate::window::{Extent, LiveWindow, Map, Segment, Settings};

const FMP4: &str = r#"#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:41
#EXT-X-DISCONTINUITY-SEQUENCE:3
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-DATERANGE:ID="ad",START-DATE="2026-11-20T14:00:00Z"
#EXT-X-MAP:URI="all.mp4",BYTERANGE="800@0"
#EXT-X-PROGRAM-DATE-TIME:2026-11-20T14:00:00.000+0000
#EXTINF:3.84,first
#EXT-X-BYTERANGE:1000@800
all.mp4
#EXT-X-CUE-OUT:30
#EXTINF:4
#EXT-X-BYTERANGE:500
all.mp4
#EXT-X-DISCONTINUITY
#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://key",KEYFORMAT="com.apple.streamingkeydelivery"
#EXT-X-MAP:URI="https://cdn.example/b.mp4"
#EXT-X-GAP
#EXTINF:4.0,
b1.m4s?token=1
#EXT-X-ENDLIST
"#;

fn base() -> Url {
    "https://origin.example/live/v0/list.m3u8".parse().unwrap()
}

fn parse(text: &str) -> Result<MediaPlaylist, InvalidPlaylist> {
    MediaPlaylist::parse(text.as_bytes(), &base())
}

#[test]
fn all_that_a_list_implies_is_said_of_every_segment() {
    let playlist = parse(FMP4).unwrap();
    assert!(playlist.ended && playlist.independent_segments && !playlist.vod);
    assert_eq!((playlist.target_duration_s, playlist.next_sequence()), (4, 44));
    assert_eq!(playlist.date_ranges.len(), 1);
    let [first, second, third] = &playlist.segments[..] else { panic!("three segments") };
    assert_eq!((first.sequence, first.discontinuity_sequence), (41, 3));
    assert_eq!(first.duration, Duration::from_millis(3840));
    assert_eq!(first.program_date_time.unwrap().to_string(), "2026-11-20T14:00:00.000Z");
    assert_eq!(first.map.as_ref().unwrap().source.byte_range, Some(ByteRange { offset: 0, length: 800 }));
    assert_eq!(second.source.byte_range, Some(ByteRange { offset: 1800, length: 500 }));
    assert_eq!(second.tags, ["#EXT-X-CUE-OUT:30"]);
    assert_eq!((third.sequence, third.discontinuity_sequence), (43, 4));
    assert!(third.gap && third.discontinuity && !third.keys.is_empty());
    assert_eq!(third.source.uri.as_str(), "https://origin.example/live/v0/b1.m4s?token=1");
    assert_eq!(third.container(), Container::Mp4);
}

#[test]
fn a_list_without_segments_is_a_list() {
    let playlist = parse("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n").unwrap();
    assert_eq!((playlist.segments.len(), playlist.next_sequence()), (0, 7));
}

#[test]
fn what_cannot_be_used_says_why() {
    for (text, words) in [
        ("", "empty"),
        ("<html>", "web page"),
        ("#EXTM3U\n#EXTINF:2,\na.ts\n", "EXT-X-TARGETDURATION"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n", "multivariant"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:2\na.ts\n", "line 3 of the playlist: a segment without EXTINF"),
        ("#EXTM3U\n#EXTINF:-1,\na.ts\n", "not a duration"),
        ("#EXTM3U\n#EXTINF:inf,\na.ts\n", "not a duration"),
        ("#EXTM3U\n#EXTINF:2,\n#EXT-X-BYTERANGE:5\na.ts\n", "continues no other"),
        ("#EXTM3U\n#EXTINF:2,\n#EXT-X-BYTERANGE:0@0\na.ts\n", "empty"),
        ("#EXTM3U\n#EXTINF:2,\n#EXT-X-BYTERANGE:2@18446744073709551615\na.ts\n", "beyond"),
        ("#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"0@7\"\n#EXTINF:2,\na.m4s\n", "empty"),
        ("#EXTM3U\n#EXTINF:2,\ngopher://a\n", "only http"),
        ("#EXTM3U\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n", "delta updates"),
        ("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:x\n", "not a number"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[derive(Debug, Clone)]
struct Step {
    hole: u64,
    millis: u64,
    discontinuity: bool,
    gap: bool,
    map: Option<u64>,
    date: Option<u64>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        prop_oneof![9 => Just(0), 1 => 1_u64..5],
        400_u64..4000,
        proptest::bool::weighted(0.2),
        proptest::bool::weighted(0.1),
        proptest::option::weighted(0.8, 0_u64..3),
        proptest::option::of(0_u64..2_000_000_000_000),
    );
    let step = step.prop_map(|(hole, millis, discontinuity, gap, map, date)| Step {
        hole,
        millis,
        discontinuity,
        gap,
        map,
        date,
    });
    proptest::collection::vec(step, 1..60)
}

fn listed(sequence: u64, step: &Step) -> Segment {
    Segment {
        sequence,
        container: Container::Mp4,
        duration: Duration::from_millis(step.millis),
        discontinuity: step.discontinuity,
        gap: step.gap,
        map: step.map.map(|number| Map { number, keys: Keys::default() }),
        keys: Keys::default(),
        program_date_time: step.date.map(Date::from_unix_ms),
        tags: Vec::new(),
    }
}

proptest! {
    #[test]
    fn a_listed_segment_never_changes_its_name_or_its_discontinuity_count(
        steps in steps(),
        limit in 1_usize..8,
    ) {
        let settings = Settings {
            extent: Extent::Live { limit },
            target_duration_s: 2,
            independent_segments: true,
            discontinuity_sequence: 9,
        };
        let mut window = LiveWindow::new(&settings);
        let mut sequence = 1_700_000_000;
        let mut seen = std::collections::BTreeMap::new();
        let mut target = 0;
        for step in &steps {
            sequence += 1 + step.hole;
            window.push(listed(sequence, step)).unwrap();
            let playlist = MediaPlaylist::parse(window.render().as_bytes(), &base()).unwrap();
            prop_assert!(playlist.target_duration_s >= target);
            target = playlist.target_duration_s;
            let numbers = playlist.media_sequence..=playlist.next_sequence() - 1;
            prop_assert_eq!(Some(numbers), window.listed());
            prop_assert_eq!(playlist.next_sequence(), sequence + 1);
            for segment in &playlist.segments {
                let now = (segment.source.uri.clone(), segment.discontinuity_sequence, segment.duration);
                prop_assert_eq!(seen.entry(segment.sequence).or_insert_with(|| now.clone()), &now);
            }
        }
    }

    #[test]
    fn what_is_listed_is_read_back(steps in steps()) {
        let settings = Settings {
            extent: Extent::Vod,
            target_duration_s: 4,
            independent_segments: false,
            discontinuity_sequence: 0,
        };
        let mut window = LiveWindow::new(&settings);
        for (sequence, step) in (0..).zip(&steps) {
            window.push(listed(sequence, step)).unwrap();
        }
        window.end();
        let playlist = MediaPlaylist::parse(window.render().as_bytes(), &base()).unwrap();
        prop_assert!(playlist.vod && playlist.ended);
        prop_assert_eq!(playlist.segments.len(), steps.len());
        for (ours, read) in window.segments().zip(&playlist.segments) {
            prop_assert_eq!(read.sequence, ours.sequence);
            prop_assert_eq!(read.duration, ours.duration);
            prop_assert_eq!(read.discontinuity, ours.discontinuity);
            prop_assert_eq!(read.gap, ours.gap);
            prop_assert_eq!(read.program_date_time, ours.program_date_time);
            if let Some(map) = &ours.map {
                let path = format!("/live/v0/init-{}.mp4", map.number);
                prop_assert_eq!(read.map.as_ref().unwrap().source.uri.path(), path);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(document in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = MediaPlaylist::parse(&document, &base());
        let _ = MediaPlaylist::parse(&[b"#EXTM3U\n".as_slice(), &document].concat(), &base());
    }

    #[test]
    fn no_tags_make_the_parser_panic(
        lines in proptest::collection::vec(
            "#EXT(INF|-X-KEY|-X-MAP|-X-BYTERANGE|-X-PROGRAM-DATE-TIME|-X-TARGETDURATION|-X-MEDIA-SEQUENCE):[0-9A-Z\",=:@a-z.-]{0,40}|[a-z:/]{1,9}",
            0..20,
        )
    ) {
        let _ = MediaPlaylist::parse(format!("#EXTM3U\n{}", lines.join("\n")).as_bytes(), &base());
    }
}
