//! Lists under a cap, as they look and as players read them; and that nothing listed ever changes, whatever grows, restarts or is capped.

use std::{collections::BTreeMap, time::Duration};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::{
    Container, Date, Keys, LiveWindow, MediaPlaylist,
    window::{Extent, Map, Segment, Settings},
};

/// A rendition's list that grows, as the primary's does.
struct Rail {
    window: LiveWindow,
    container: Container,
    next: u64,
    map: u64,
}

impl Rail {
    fn of(container: Container, map: u64) -> Self {
        let window = LiveWindow::new(&Settings {
            extent: Extent::Live { limit: 5 },
            target_duration_s: 2,
            independent_segments: true,
            discontinuity_sequence: 7,
        });
        Self { window, container, next: 100, map }
    }

    fn lists(mut self, newest: u64) -> Self {
        while self.next <= newest {
            self.push();
        }
        self
    }

    fn push(&mut self) {
        let map = Map { number: self.map, keys: Keys::default() };
        let segment = Segment {
            sequence: self.next,
            container: self.container,
            duration: Duration::from_secs(2),
            discontinuity: self.next == 100,
            gap: false,
            map: (self.container == Container::Mp4).then_some(map),
            keys: Keys::default(),
            program_date_time: Some(Date::from_unix_ms(self.next * 2000)),
            tags: Vec::new(),
        };
        self.window.push(segment).unwrap();
        self.next += 1;
    }

    fn text(&self) -> String {
        self.window.render()
    }
}

fn low() -> Rendition {
    "240p".parse().unwrap()
}

/// The list of a rendition under a cap, or without one.
fn listed(swaps: &mut Swaps, own: &Rail, other: Option<&Rail>) -> String {
    let (own, other) = (own.text(), other.map(Rail::text));
    let (own_list, other) = (List::read(&own).unwrap(), other.as_ref().map(|text| List::read(text).unwrap()));
    let rung = low();
    swaps.extend(&own_list, other.as_ref().map(|list| (&rung, list)));
    if swaps.leaves_alone(&own_list) { own } else { swaps.render(&own_list) }
}

#[test]
fn without_a_cap_a_list_is_left_as_it_is() {
    for container in [Container::Ts, Container::Mp4] {
        let (mut swaps, own) = (Swaps::default(), Rail::of(container, 1).lists(109));
        assert_eq!(listed(&mut swaps, &own, None), own.text());
        assert_eq!(
            swaps.render(&List::read(&own.text()).unwrap()),
            own.text(),
            "written anew, it is the same"
        );
    }
}

#[test]
fn a_cap_holds_from_the_next_segment_on_and_its_end_too() {
    let (mut swaps, mut own) = (Swaps::default(), Rail::of(Container::Mp4, 1).lists(103));
    listed(&mut swaps, &own, None);
    own = own.lists(105);
    let other = Rail::of(Container::Mp4, 50).lists(105);
    assert_snapshot!("capped_from_104_on", listed(&mut swaps, &own, Some(&other)));
    own = own.lists(107);
    assert_snapshot!("and_its_own_from_106_on", listed(&mut swaps, &own, None));
    own = own.lists(112);
    assert_eq!(listed(&mut swaps, &own, None), own.text());
    assert_eq!(swaps, Swaps { newest: Some(112), swaps: VecDeque::new() }, "nothing is remembered in vain");
}

#[test]
fn transport_streams_need_nothing_but_the_address() {
    let own = Rail::of(Container::Ts, 1).lists(101);
    let text = listed(&mut Swaps::default(), &own, Some(&Rail::of(Container::Ts, 1).lists(101)));
    assert_snapshot!(text);
}

#[test]
fn what_the_other_rung_is_about_to_have_is_not_listed_yet() {
    let (mut swaps, own) = (Swaps::default(), Rail::of(Container::Ts, 1).lists(104));
    let late = Rail::of(Container::Ts, 1).lists(103);
    let text = listed(&mut swaps, &own, Some(&late));
    assert!(text.ends_with("../240p/103.ts\n"), "{text}");
    assert_eq!(swaps.newest(), Some(103));
    let text = listed(&mut swaps, &own, Some(&late.lists(104)));
    assert!(text.ends_with("../240p/104.ts\n"), "{text}");
}

#[test]
fn a_rung_that_has_stopped_does_not_stop_those_above_it() {
    let (mut swaps, own) = (Swaps::default(), Rail::of(Container::Ts, 1).lists(106));
    let text = listed(&mut swaps, &own, Some(&Rail::of(Container::Ts, 1).lists(104)));
    assert!(text.contains("../240p/104.ts\n") && text.ends_with("\n106.ts\n"), "{text}");
}

#[test]
fn media_of_another_kind_never_stand_in() {
    for other in [Rail::of(Container::Mp4, 1), Rail::of(Container::Aac, 1)] {
        let own = Rail::of(Container::Ts, 1).lists(104);
        assert_eq!(listed(&mut Swaps::default(), &own, Some(&other.lists(104))), own.text());
    }
}

#[test]
fn the_end_of_a_stream_is_the_end_of_its_capped_list() {
    let (mut swaps, mut own) = (Swaps::default(), Rail::of(Container::Ts, 1).lists(104));
    let other = Rail::of(Container::Ts, 1).lists(104);
    listed(&mut swaps, &own, Some(&other));
    own = own.lists(105);
    own.window.end();
    let text = listed(&mut swaps, &own, Some(&other));
    assert!(text.contains("../240p/104.ts\n") && text.ends_with("\n105.ts\n#EXT-X-ENDLIST\n"), "{text}");
}

#[test]
fn a_list_that_has_ended_before_it_was_seen_is_left_alone() {
    let (mut own, mut other) = (Rail::of(Container::Ts, 1).lists(104), Rail::of(Container::Ts, 1).lists(104));
    own.window.end();
    other.window.end();
    assert_eq!(listed(&mut Swaps::default(), &own, Some(&other)), own.text());
}

#[test]
fn an_encrypted_segment_is_its_own() {
    let own = Rail::of(Container::Ts, 1).lists(101).text();
    let own = own.replace("#EXTINF", "#EXT-X-KEY:METHOD=AES-128,URI=\"https://k.example/1\"\n#EXTINF");
    let (list, other) = (List::read(&own).unwrap(), Rail::of(Container::Ts, 1).lists(101).text());
    let mut swaps = Swaps::default();
    swaps.extend(&list, Some((&low(), &List::read(&other).unwrap())));
    assert!(swaps.leaves_alone(&list));
}

/// What a player makes of a list: for each segment its address and that of its initialization section.
fn understood(text: &str) -> BTreeMap<u64, (String, Option<String>)> {
    let base = "http://a.example/live/720p/live.m3u8".parse().unwrap();
    let playlist = MediaPlaylist::parse(text.as_bytes(), &base).unwrap();
    let segments = playlist.segments.iter().map(|segment| {
        let map = segment.map.as_ref().map(|map| map.source.uri.path().to_owned());
        (segment.sequence, (segment.source.uri.path().to_owned(), map))
    });
    segments.collect()
}

proptest! {
    #[test]
    fn what_is_listed_once_never_changes(
        steps in prop::collection::vec((0..3u32, any::<bool>(), any::<bool>()), 1..80),
        fragmented in any::<bool>(),
    ) {
        let container = if fragmented { Container::Mp4 } else { Container::Ts };
        let (mut own, mut other) = (Rail::of(container, 1).lists(102), Rail::of(container, 2).lists(102));
        let (mut swaps, mut before) = (Swaps::default(), BTreeMap::new());
        for (grows, restarts, capped) in steps {
            // The rungs are listed one after the other, sometimes the one first and sometimes the other.
            if grows != 1 && own.next <= other.next + 1 { own.push(); }
            if grows != 0 && other.next <= own.next { other.push(); }
            if restarts && grows == 2 { other.map = other.next; }
            let now = understood(&listed(&mut swaps, &own, capped.then_some(&other)));
            for (sequence, segment) in &now {
                prop_assert!(before.get(sequence).is_none_or(|known| known == segment));
                let (address, map) = segment;
                let folder = |path: &str| path.rsplit_once('/').unwrap().0.to_owned();
                prop_assert!(map.as_ref().is_none_or(|map| folder(map) == folder(address)));
            }
            let newest = |list: &BTreeMap<u64, _>| list.keys().next_back().copied();
            prop_assert!(newest(&now) >= newest(&before), "nothing is taken back");
            prop_assert!(now.keys().zip(now.keys().skip(1)).all(|(one, next)| one + 1 == *next));
            before = now;
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(#EXT(-X-(MAP|KEY|MEDIA-SEQUENCE|GAP|ENDLIST))?:?[A-Z\",=0-9]{0,20}\n|[a-z0-9.]{0,9}\n){0,20}") {
        if let Some(list) = List::read(&text) {
            let mut swaps = Swaps::default();
            swaps.extend(&list, Some((&low(), &list)));
            let _ = swaps.render(&list);
        }
    }
}
