//! One rendition on its way from the upstream's list to ours: its numbers, maps, keys, dates and discontinuities made our own.
//!
//! What a list is to the ones before it is `continuity`'s to say; when to ask for the next is `ingest`'s.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{
    continuity::{Continuity, Memory},
    date::Date,
    ingest::{Change, Object, Shared},
    key::Keys,
    media::{MapSource, MediaPlaylist, MediaSegment},
    numbering::{Offset, Position},
    url::{Container, init_name, segment_name},
    window::{Extent, LiveWindow, Map, Segment, Settings},
};

/// Segments that are taken from the first live list and after a restart: what a player needs to begin (RFC 8216bis 6.3.3). Few, so
/// that after a quick restart of the primary its numbers are above all that it gave before.
const FIRST_SEGMENTS: usize = 3;

/// Date ranges that wait for a segment to go with.
const MAX_WAITING: usize = 256;

/// What is known of a rendition from its first list on.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    /// It had ended before it was seen: listed from first to last.
    pub(crate) whole: bool,
    pub(crate) window: LiveWindow,
    limit: usize,
    offset: Offset,
    memory: Memory,
    last: Option<Last>,
    /// The discontinuity sequence number of the next segment, its own discontinuity not yet counted.
    discontinuity_sequence: u64,
    map: Option<(Arc<MapSource>, u64)>,
    date_ranges: BTreeSet<String>,
    waiting: Vec<String>,
}

/// The segment listed last.
#[derive(Debug, Clone, Copy)]
struct Last {
    number: u64,
    upstream_discontinuity_sequence: u64,
    duration: Duration,
    container: Container,
    /// When it was over, where the upstream says so.
    over: Option<Date>,
}

/// How the segments at hand relate to those listed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    /// There are none.
    First,
    /// The first one continues them.
    GoesOn,
    /// They are far behind the first one.
    Jumped,
    /// The first one has nothing to do with them.
    Restarted,
}

/// A segment with its date by the list, and a guess where the list gives none.
struct Dated<'a> {
    segment: &'a MediaSegment,
    date: Option<Date>,
    guess: Date,
}

impl Track {
    /// A rendition whose first list is `playlist`, which is not empty.
    pub(crate) fn begin(
        playlist: &MediaPlaylist,
        limit: usize,
        shared: &mut Shared,
        now: Date,
        change: &mut Change,
    ) -> Self {
        let whole = playlist.vod || playlist.ended;
        let segments = dated(playlist, now);
        let segments = if whole { &segments[..] } else { newest(&segments) };
        let first = segments.first().map_or(Position::default(), |dated| position(dated.segment));
        let offset = if whole { Offset::NONE } else { shared.numbering.join(first) };
        let marked = !whole || playlist.segments.first().is_some_and(|segment| segment.discontinuity);
        let discontinuity_sequence =
            offset.discontinuity_sequence(first.discontinuity_sequence).saturating_sub(u64::from(marked));
        let settings = Settings {
            extent: if whole { Extent::Vod } else { Extent::Live { limit } },
            target_duration_s: playlist.target_duration_s,
            independent_segments: playlist.independent_segments,
            discontinuity_sequence,
        };
        let mut track = Self {
            whole,
            window: LiveWindow::new(&settings),
            limit,
            offset,
            memory: Memory::default(),
            last: None,
            discontinuity_sequence,
            map: None,
            date_ranges: BTreeSet::new(),
            waiting: Vec::new(),
        };
        track.note_date_ranges(playlist);
        track.list(segments, Join::First, shared, change);
        track.finish(playlist, Continuity::Restarted);
        track
    }

    /// What `playlist`, which is not empty, is to the ones before it.
    pub(crate) fn judge(&self, playlist: &MediaPlaylist) -> Continuity {
        self.memory.judge(playlist, self.limit as u64)
    }

    /// Lists what is new in `playlist`.
    pub(crate) fn take(
        &mut self,
        playlist: &MediaPlaylist,
        continuity: Continuity,
        shared: &mut Shared,
        now: Date,
        change: &mut Change,
    ) {
        self.note_date_ranges(playlist);
        let segments = dated(playlist, now);
        match continuity {
            Continuity::Same => {}
            Continuity::GoesOn => {
                let new = segments.partition_point(|dated| dated.segment.sequence < self.memory.next());
                self.list(&segments[new..], Join::GoesOn, shared, change);
            }
            Continuity::Jumped => self.list(newest(&segments), Join::Jumped, shared, change),
            Continuity::Restarted => {
                let segments = newest(&segments);
                // What is written over the old addresses may be other bytes.
                self.map = None;
                if let (Some(first), Some(last)) = (segments.first(), self.last) {
                    let upstream = position(first.segment);
                    self.offset = shared.numbering.restart(self.offset, last.number, upstream);
                }
                self.list(segments, Join::Restarted, shared, change);
            }
        }
        self.finish(playlist, continuity);
    }

    fn finish(&mut self, playlist: &MediaPlaylist, continuity: Continuity) {
        self.memory.remember(playlist, continuity);
        if playlist.ended && playlist.next_sequence() == self.memory.next() {
            self.window.end();
        }
    }

    /// Renditions notice a restart one after another, so some of their numbers may be given already: those are left out.
    fn list(&mut self, segments: &[Dated<'_>], mut join: Join, shared: &mut Shared, change: &mut Change) {
        for dated in segments {
            let Some(number) = self.offset.number(dated.segment.sequence) else { continue };
            if let Some(last) = self.last {
                if number <= last.number {
                    continue;
                }
                let missing = last.number + 1..number;
                change.missed += number - missing.start;
                if number - missing.start <= self.limit as u64 {
                    missing.for_each(|number| self.list_gap(number, last, shared));
                }
            }
            self.list_segment(dated, number, join, shared, change);
            join = Join::GoesOn;
        }
    }

    fn list_segment(
        &mut self,
        dated: &Dated<'_>,
        number: u64,
        join: Join,
        shared: &mut Shared,
        change: &mut Change,
    ) {
        let Dated { segment, .. } = dated;
        let discontinuity = match (join, self.last) {
            (Join::First, _) => !self.whole || segment.discontinuity,
            (Join::Restarted, _) | (_, None) => true,
            (Join::Jumped, _)
                if shared.numbering.missed_discontinuity(self.discontinuity_sequence, number) =>
            {
                true
            }
            // One that came in a hole is not lost.
            (Join::Jumped | Join::GoesOn, Some(last)) => {
                segment.discontinuity || segment.discontinuity_sequence > last.upstream_discontinuity_sequence
            }
        };
        let map = self.map(segment, number, discontinuity, change);
        let (date, over) = self.date(dated, number, join, shared);
        let container = segment.container();
        if !segment.gap {
            let name = segment_name(number, container);
            change.objects.push(Object { name, source: segment.source.clone() });
        }
        let mut tags = std::mem::take(&mut self.waiting);
        tags.extend_from_slice(&segment.tags);
        let listed = Segment {
            sequence: number,
            container,
            duration: segment.duration,
            discontinuity,
            gap: segment.gap,
            map,
            keys: segment.keys.of_sequence(segment.sequence),
            program_date_time: date,
            tags,
        };
        let upstream_discontinuity_sequence = segment.discontinuity_sequence;
        let duration = segment.duration;
        self.push(
            listed,
            Last { number, upstream_discontinuity_sequence, duration, container, over },
            shared,
        );
    }

    fn list_gap(&mut self, number: u64, last: Last, shared: &mut Shared) {
        let segment = Segment {
            sequence: number,
            container: last.container,
            duration: last.duration,
            discontinuity: false,
            gap: true,
            map: self.map.as_ref().map(|(source, number)| listed_map(source, *number)),
            keys: Keys::default(),
            program_date_time: None,
            tags: Vec::new(),
        };
        let over = self.last.and_then(|last| last.over).map(|over| over.after(last.duration));
        self.push(segment, Last { number, over, ..last }, shared);
    }

    fn push(&mut self, segment: Segment, last: Last, shared: &mut Shared) {
        self.discontinuity_sequence += u64::from(segment.discontinuity);
        let discontinuity_sequence = self.discontinuity_sequence;
        shared.numbering.gave(Position { sequence: segment.sequence, discontinuity_sequence });
        self.last = Some(last);
        self.window.push(segment).expect("numbers up to the last one are left out");
    }

    /// The map's number is that of the first segment that needs it, so it survives restarts as segments' numbers do.
    fn map(
        &mut self,
        segment: &MediaSegment,
        number: u64,
        discontinuity: bool,
        change: &mut Change,
    ) -> Option<Map> {
        let source = segment.map.as_ref()?;
        match &self.map {
            Some((known, number)) if segment.gap || is_same(known, source, discontinuity) => {
                Some(listed_map(known, *number))
            }
            _ => {
                change.objects.push(Object { name: init_name(number), source: source.source.clone() });
                self.map = Some((source.clone(), number));
                Some(listed_map(source, number))
            }
        }
    }

    /// The segment's date, and when it is over where that is the upstream's word.
    fn date(
        &self,
        dated: &Dated<'_>,
        number: u64,
        join: Join,
        shared: &mut Shared,
    ) -> (Option<Date>, Option<Date>) {
        let duration = dated.segment.duration;
        let continued = self.last.and_then(|last| last.over).filter(|_| join == Join::GoesOn);
        if let Some(date) = dated.date.or(continued) {
            return (Some(date), Some(date.after(duration)));
        }
        let date = match join {
            _ if self.whole => None,
            Join::Restarted | Join::Jumped => shared.timeline.restart(number, duration, dated.guess),
            Join::First | Join::GoesOn => shared.timeline.date(number, duration, dated.guess),
        };
        (date, None)
    }

    /// Date ranges stand anywhere in a list; those not in the list before go with the next new segment.
    fn note_date_ranges(&mut self, playlist: &MediaPlaylist) {
        let fresh = playlist.date_ranges.iter().filter(|line| !self.date_ranges.contains(*line));
        self.waiting.extend(fresh.cloned());
        self.waiting.truncate(MAX_WAITING.max(playlist.segments.len()));
        self.date_ranges = playlist.date_ranges.iter().cloned().collect();
    }
}

fn newest<'a, 'b>(segments: &'b [Dated<'a>]) -> &'b [Dated<'a>] {
    &segments[segments.len().saturating_sub(FIRST_SEGMENTS)..]
}

fn position(segment: &MediaSegment) -> Position {
    Position { sequence: segment.sequence, discontinuity_sequence: segment.discontinuity_sequence }
}

fn listed_map(source: &MapSource, number: u64) -> Map {
    Map { number, keys: source.keys.clone() }
}

/// Queries are tokens, unless the encoding changes: then another query may well be other bytes.
fn is_same(known: &MapSource, other: &MapSource, discontinuity: bool) -> bool {
    let (one, two) = (&known.source, &other.source);
    known == other
        || !discontinuity
            && known.keys == other.keys
            && one.byte_range == two.byte_range
            && one.uri.path() == two.uri.path()
            && one.uri.host() == two.uri.host()
}

/// Dates go on by durations from the nearest one that the list gives. The guess is as if the newest segment were over by now.
fn dated(playlist: &MediaPlaylist, now: Date) -> Vec<Dated<'_>> {
    let mut rest: Duration = playlist.segments.iter().map(|segment| segment.duration).sum();
    let first = playlist.segments.iter().position(|segment| segment.program_date_time.is_some());
    let mut next = first.and_then(|first| {
        let before = playlist.segments[..first].iter().map(|segment| segment.duration).sum();
        Some(playlist.segments[first].program_date_time?.before(before))
    });
    let mut dates = Vec::with_capacity(playlist.segments.len());
    for segment in &playlist.segments {
        let date = segment.program_date_time.or(next);
        dates.push(Dated { segment, date, guess: now.before(rest) });
        next = date.map(|date| date.after(segment.duration));
        rest = rest.saturating_sub(segment.duration);
    }
    dates
}
