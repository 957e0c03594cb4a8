//! The list of one rendition's segments as viewers get it: the primary's own, numbered by the primary.
//!
//! What is listed once never changes what it names, and is the same bytes for every viewer and on every server. Numbers only
//! grow; a hole in them ends what was listed before. How long a segment can still be asked for after it left the list is the
//! object store's to say.

use std::{collections::VecDeque, fmt::Write as _, ops::RangeInclusive, time::Duration};

use crate::{
    date::Date,
    key::Keys,
    url::{Container, init_name, segment_name},
};

/// A live playlist never lists less than this many target durations (RFC 8216bis 6.2.2).
const LEAST_TARGET_DURATIONS: u32 = 3;

/// How far segments shorter than the target duration may stretch the list beyond its limit.
const MOST_TIMES_LIMIT: usize = 8;

/// The least EXT-X-VERSION for durations that are no whole seconds (RFC 8216bis 8).
const VERSION: u64 = 3;
const VERSION_WITH_MAP: u64 = 6;
const VERSION_WITH_GAP: u64 = 8;

/// One segment as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The primary's number.
    pub sequence: u64,
    /// How its media is packed.
    pub container: Container,
    /// How long it plays.
    pub duration: Duration,
    /// Its clock or encoding has nothing to do with those of the segment before.
    pub discontinuity: bool,
    /// It is known to be missing: nobody shall ask for it.
    pub gap: bool,
    /// The initialization section to read before it.
    pub map: Option<Map>,
    /// The keys that it is encrypted with.
    pub keys: Keys,
    /// When it was recorded.
    pub program_date_time: Option<Date>,
    /// Whole lines that come with it and are passed through: date ranges and tags that this crate does not know.
    pub tags: Vec<String>,
}

impl Segment {
    /// Whether neither its media nor its initialization section are encrypted.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.keys.is_empty() && self.map.as_ref().is_none_or(|map| map.keys.is_empty())
    }
}

/// An initialization section (EXT-X-MAP).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// The number in its URL, `init-{number}.mp4`.
    pub number: u64,
    /// The keys that it is encrypted with.
    pub keys: Keys,
}

/// What is known of a rendition before its first segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether and when segments leave the list.
    pub extent: Extent,
    /// EXT-X-TARGETDURATION in seconds; it grows if a longer segment comes, and never shrinks.
    pub target_duration_s: u64,
    /// Every segment can be decoded without the ones before it.
    pub independent_segments: bool,
    /// EXT-X-DISCONTINUITY-SEQUENCE of the first list.
    pub discontinuity_sequence: u64,
}

/// Whether segments leave the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The newest are listed.
    Live {
        /// This many, or more where they would last less than three target durations.
        limit: usize,
    },
    /// All are listed, from the first to the last.
    Vod,
}

/// A segment whose number is not above those listed: its URL may name something else already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("segment {sequence} comes after {newest}: number segments upwards")]
pub struct NotNewer {
    sequence: u64,
    newest: u64,
}

/// One rendition's list.
#[derive(Debug, Clone)]
pub struct LiveWindow {
    extent: Extent,
    segments: VecDeque<Segment>,
    target_duration_s: u64,
    independent_segments: bool,
    discontinuity_sequence: u64,
    version: u64,
    newest: Option<u64>,
    ended: bool,
}

impl LiveWindow {
    /// An empty list.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            extent: settings.extent,
            segments: VecDeque::new(),
            target_duration_s: settings.target_duration_s.max(1),
            independent_segments: settings.independent_segments,
            discontinuity_sequence: settings.discontinuity_sequence,
            version: VERSION,
            newest: None,
            ended: false,
        }
    }

    /// Lists `segment` as the newest and lets the oldest go. A hole in the numbers lets all of the older ones go.
    ///
    /// # Errors
    /// When its number is not above all that were ever listed.
    pub fn push(&mut self, segment: Segment) -> Result<(), NotNewer> {
        if let Some(newest) = self.newest {
            let sequence = segment.sequence;
            if sequence <= newest {
                return Err(NotNewer { sequence, newest });
            }
            if sequence > newest + 1 {
                while self.evict_oldest() {}
            }
        }
        self.newest = Some(segment.sequence);
        self.target_duration_s = self.target_duration_s.max(rounded_s(segment.duration));
        self.version = self.version.max(version(&segment));
        self.segments.push_back(segment);
        self.ended = false;
        while self.has_too_many() && self.evict_oldest() {}
        Ok(())
    }

    /// No more segments will come; if one does all the same, the stream goes on.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether [`LiveWindow::end`] was called after the last segment.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The numbers listed, oldest to newest; none before the first segment.
    #[must_use]
    pub fn listed(&self) -> Option<RangeInclusive<u64>> {
        Some(self.segments.front()?.sequence..=self.segments.back()?.sequence)
    }

    /// The segments listed, oldest first.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter()
    }

    /// EXT-X-TARGETDURATION, in seconds.
    #[must_use]
    pub fn target_duration_s(&self) -> u64 {
        self.target_duration_s
    }

    /// The media playlist, the same for everyone.
    #[must_use]
    pub fn render(&self) -> String {
        let first = self.segments.front().map_or(0, |segment| segment.sequence);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:{}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
            self.version, self.target_duration_s, self.discontinuity_sequence,
        );
        if self.extent == Extent::Vod {
            text.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n");
        }
        if self.independent_segments {
            text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
        let mut state = Written::default();
        for segment in &self.segments {
            state.segment(&mut text, segment);
        }
        if self.ended {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        text
    }

    fn has_too_many(&self) -> bool {
        let Extent::Live { limit } = self.extent else { return false };
        let rest: Duration = self.segments.iter().skip(1).map(|segment| segment.duration).sum();
        let least = Duration::from_secs(self.target_duration_s) * LEAST_TARGET_DURATIONS;
        let limit = limit.max(1);
        self.segments.len() > limit && (rest >= least || self.segments.len() > limit * MOST_TIMES_LIMIT)
    }

    fn evict_oldest(&mut self) -> bool {
        let evicted = self.segments.pop_front();
        let discontinuity = evicted.as_ref().is_some_and(|segment| segment.discontinuity);
        self.discontinuity_sequence += u64::from(discontinuity);
        evicted.is_some()
    }
}

/// What the tags written so far have put into effect.
#[derive(Default)]
struct Written<'a> {
    map: Option<&'a Map>,
    keys: Keys,
}

impl<'a> Written<'a> {
    fn segment(&mut self, text: &mut String, segment: &'a Segment) {
        if segment.discontinuity {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if let Some(map) = &segment.map
            && self.map != Some(map)
        {
            self.keys(text, &map.keys);
            push(text, format_args!("#EXT-X-MAP:URI=\"{}\"", init_name(map.number)));
        }
        self.map = segment.map.as_ref();
        self.keys(text, &segment.keys);
        for tag in &segment.tags {
            push(text, tag);
        }
        if let Some(date) = segment.program_date_time {
            push(text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{date}"));
        }
        if segment.gap {
            text.push_str("#EXT-X-GAP\n");
        }
        let (seconds, micros) = (segment.duration.as_secs(), segment.duration.subsec_micros());
        let name = segment_name(segment.sequence, segment.container);
        push(text, format_args!("#EXTINF:{seconds}.{micros:06},\n{name}"));
    }

    fn keys(&mut self, text: &mut String, keys: &Keys) {
        for tag in keys.tags_after(&self.keys) {
            push(text, tag);
        }
        self.keys = keys.clone();
    }
}

fn push(text: &mut String, line: impl std::fmt::Display) {
    let _ = writeln!(text, "{line}");
}

/// To the nearest second, as target durations are compared (RFC 8216bis 4.4.3.1).
fn rounded_s(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_millis() >= 500)
}

fn version(segment: &Segment) -> u64 {
    let map = segment.map.as_ref().map_or(VERSION, |map| VERSION_WITH_MAP.max(map.keys.version()));
    let gap = if segment.gap { VERSION_WITH_GAP } else { VERSION };
    map.max(gap).max(segment.keys.version())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::attributes::Attributes;

    fn segment(sequence: u64) -> Segment {
        Segment {
            sequence,
            container: Container::Mp4,
            duration: Duration::from_millis(2000),
            discontinuity: false,
            gap: false,
            map: None,
            keys: Keys::default(),
            program_date_time: None,
            tags: Vec::new(),
        }
    }

    fn window(extent: Extent) -> LiveWindow {
        LiveWindow::new(&Settings {
            extent,
            target_duration_s: 2,
            independent_segments: true,
            discontinuity_sequence: 5,
        })
    }

    fn keys(uri: &str) -> Keys {
        let mut key = Attributes::default();
        key.set_bare("METHOD", "AES-128");
        key.set_quoted("URI", uri);
        Keys::default().and(key)
    }

    #[test]
    fn a_list_says_again_what_changes_and_only_that() {
        let mut window = window(Extent::Live { limit: 4 });
        let encrypted = Some(Map { number: 100, keys: keys("https://k.example/map") });
        let date = Some(Date::from_unix_ms(1_700_000_000_000));
        let tags = vec!["#EXT-X-DATERANGE:ID=\"ad\"".to_owned()];
        for listed in [
            Segment { discontinuity: true, ..segment(99) },
            Segment { map: encrypted.clone(), keys: keys("https://k.example/1"), ..segment(100) },
            Segment {
                map: encrypted,
                keys: keys("https://k.example/1"),
                program_date_time: date,
                ..segment(101)
            },
            Segment { gap: true, map: Some(Map { number: 102, keys: Keys::default() }), ..segment(102) },
            Segment { discontinuity: true, tags, duration: Duration::from_micros(1_960_416), ..segment(103) },
        ] {
            window.push(listed).unwrap();
        }
        assert_eq!(window.listed(), Some(100..=103));
        assert_snapshot!(window.render());
    }

    #[test]
    fn a_vod_lists_everything_and_ends() {
        let mut window = window(Extent::Vod);
        for sequence in 0..3 {
            window.push(Segment { container: Container::Ts, ..segment(sequence) }).unwrap();
        }
        window.end();
        assert_snapshot!(window.render());
    }

    #[test]
    fn a_number_is_never_listed_twice_and_a_hole_starts_the_list_anew() {
        let mut window = window(Extent::Live { limit: 6 });
        window.push(Segment { discontinuity: true, ..segment(10) }).unwrap();
        window.push(segment(11)).unwrap();
        assert!(window.push(segment(11)).unwrap_err().to_string().contains("after 11"));
        window.end();
        window.push(Segment { discontinuity: true, ..segment(20) }).unwrap();
        assert_eq!((window.listed(), window.has_ended()), (Some(20..=20), false));
        assert!(window.render().contains("#EXT-X-DISCONTINUITY-SEQUENCE:6\n"));
    }

    #[test]
    fn short_segments_stay_until_three_target_durations_are_listed() {
        let mut window = window(Extent::Live { limit: 3 });
        for sequence in 0..20 {
            window.push(Segment { duration: Duration::from_millis(500), ..segment(sequence) }).unwrap();
        }
        assert_eq!(window.listed(), Some(8..=19));
    }
}
