//! Whether an upstream's list goes on from the last one, or is the work of an encoder that began anew.
//!
//! Nothing in HLS says so: numbers that go back may be an older copy from a cache, and equal numbers may name other media. So the
//! newest segments are remembered by what stays the same in all copies of a list. Queries do not: they carry tokens that change
//! at every reload.

use std::{collections::VecDeque, time::Duration};

use crate::{
    date::Date,
    media::{ByteRange, MediaPlaylist, MediaSegment},
    numbering::ALIGNED,
};

/// Segments remembered: more than copies of a list can lie behind one another.
const MEMORY: usize = 64;

/// How many segments an older copy of a list lies behind at most; caches keep a live list for less than a target duration or two.
const MOST_BEHIND: u64 = 5;

/// Dates that differ by more are of two recordings; packagers that compute them anew each time differ by fractions of a second.
const SAME_DATE: Duration = Duration::from_secs(10);

/// What a list is to the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continuity {
    /// Nothing new.
    Same,
    /// New segments, perhaps after a short hole.
    GoesOn,
    /// New segments after a long hole: of a long time away, or of an encoder that began anew with higher numbers.
    Jumped,
    /// Another encoder's.
    Restarted,
}

/// What is remembered of the lists so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    next: u64,
    ended: bool,
    recent: VecDeque<(u64, Identity)>,
}

#[derive(Debug, Clone)]
struct Identity {
    file: String,
    byte_range: Option<ByteRange>,
    duration: Duration,
    date: Option<Date>,
}

impl Memory {
    /// What `playlist`, which lists segments, is to the ones remembered.
    pub(crate) fn judge(&self, playlist: &MediaPlaylist, longest_hole: u64) -> Continuity {
        let (first, end) = (playlist.media_sequence, playlist.next_sequence());
        let known = |segment: &MediaSegment| {
            let (_, identity) = self.recent.iter().find(|(sequence, _)| *sequence == segment.sequence)?;
            Some(identity.is(segment))
        };
        let goes_back = end < self.next && self.ended && !playlist.ended;
        if goes_back || playlist.segments.iter().any(|segment| known(segment) == Some(false)) {
            return Continuity::Restarted;
        }
        if end <= self.next {
            let copy = self.next - end <= MOST_BEHIND && playlist.segments.iter().any(|s| known(s).is_some());
            return if copy { Continuity::Same } else { Continuity::Restarted };
        }
        match first.saturating_sub(self.next) {
            hole if hole <= longest_hole => Continuity::GoesOn,
            hole if hole <= ALIGNED => Continuity::Jumped,
            _ => Continuity::Restarted,
        }
    }

    /// The number after the last segment seen.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Remembers a list, after it was judged.
    pub(crate) fn remember(&mut self, playlist: &MediaPlaylist, continuity: Continuity) {
        match continuity {
            Continuity::Same => {}
            Continuity::GoesOn | Continuity::Jumped => self.extend(&playlist.segments),
            Continuity::Restarted => {
                *self = Self::default();
                self.extend(&playlist.segments);
            }
        }
        self.ended = playlist.ended && playlist.next_sequence() == self.next;
    }

    fn extend(&mut self, segments: &[MediaSegment]) {
        for segment in &segments[segments.len().saturating_sub(MEMORY)..] {
            if segment.sequence >= self.next {
                self.recent.push_back((segment.sequence, Identity::of(segment)));
                self.next = segment.sequence.saturating_add(1);
            }
        }
        self.recent.drain(..self.recent.len().saturating_sub(MEMORY));
    }
}

impl Identity {
    fn of(segment: &MediaSegment) -> Self {
        Self {
            file: file(segment).to_owned(),
            byte_range: segment.source.byte_range,
            duration: segment.duration,
            date: segment.program_date_time,
        }
    }

    fn is(&self, segment: &MediaSegment) -> bool {
        let dates = self.date.zip(segment.program_date_time);
        let same_date = dates.is_none_or(|(one, other)| {
            let apart_ms = one.unix_ms().abs_diff(other.unix_ms());
            Duration::from_millis(apart_ms) <= SAME_DATE
        });
        same_date
            && self.file == file(segment)
            && self.byte_range == segment.source.byte_range
            && self.duration == segment.duration
    }
}

fn file(segment: &MediaSegment) -> &str {
    let path = segment.source.uri.path();
    path.rsplit_once('/').map_or(path, |(_, file)| file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(first: u64, files: &[&str], end: &str) -> MediaPlaylist {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
        for file in files {
            text.push_str(&format!("#EXTINF:2,\n{file}\n"));
        }
        text.push_str(end);
        let base = "http://origin.example/live/list.m3u8".parse().unwrap();
        MediaPlaylist::parse(text.as_bytes(), &base).unwrap()
    }

    fn after(lists: &[MediaPlaylist]) -> Memory {
        let mut memory = Memory::default();
        for playlist in lists {
            memory.remember(playlist, Continuity::GoesOn);
        }
        memory
    }

    #[test]
    fn a_list_goes_on_whatever_tokens_its_addresses_carry() {
        let memory = after(&[list(4, &["a4?t=1", "a5?t=1"], "")]);
        let judge = |playlist: &MediaPlaylist| memory.judge(playlist, 3);
        assert_eq!(judge(&list(5, &["a5?t=2", "a6?t=2"], "")), Continuity::GoesOn);
        assert_eq!(judge(&list(8, &["a8"], "")), Continuity::GoesOn);
        assert_eq!(judge(&list(5, &["a5?t=2"], "")), Continuity::Same);
    }

    #[test]
    fn an_older_copy_from_a_cache_is_nothing_new() {
        let memory = after(&[list(3, &["a3", "a4", "a5"], "")]);
        assert_eq!(memory.judge(&list(2, &["a2", "a3"], ""), 3), Continuity::Same);
    }

    #[test]
    fn an_encoder_that_begins_anew_is_told_by_numbers_or_by_media() {
        let files = ["a93", "a94", "a95"];
        let memory = after(&[list(93, &files, "")]);
        assert_eq!(memory.judge(&list(200, &["a200"], ""), 3), Continuity::Jumped);
        for anew in [list(0, &["a0"], ""), list(1200, &["a1200"], ""), list(95, &["b95", "b96"], "")] {
            assert_eq!(memory.judge(&anew, 3), Continuity::Restarted);
        }
        let ended = after(&[list(0, &["a0", "a1", "a2"], "#EXT-X-ENDLIST\n")]);
        assert_eq!(ended.judge(&list(0, &["a0"], ""), 3), Continuity::Restarted);
    }
}
