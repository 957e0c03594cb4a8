//! Following an upstream's media playlist: which of its segments are new, and how viewers get to see them.
//!
//! The pure core of pulling one rendition. It is given each list as it is read and the time, and keeps the window that viewers
//! get; it says what can be fetched under which name, what has left, and when to ask again. Fetching, and what to do when that
//! fails, is the caller's.
//!
//! | the upstream's list | what we do |
//! |---|---|
//! | goes on | list what is new |
//! | is the same, or an older copy from a cache | list nothing, ask again soon |
//! | goes on after a hole no longer than our window | list the missing ones as gaps, so that renditions stay in step |
//! | goes on after a longer hole | list anew from there, the numbers still in step; DISCONTINUITY unless another rendition knows better |
//! | goes back, leaps, names other media by known numbers | a restart: DISCONTINUITY, our next numbers |
//! | ends | end ours; go on if it begins again, because an encoder that is started again writes over its ended list |
//! | has ended before we came | list it whole, under its own numbers, and never ask again |

use std::{collections::BTreeSet, time::Duration};

use crate::{
    continuity::Continuity,
    date::Date,
    media::{MediaPlaylist, Source},
    numbering::Numbering,
    timeline::Timeline,
    track::Track,
    url::{init_name, segment_name},
    window::LiveWindow,
};

/// The shortest time between two reloads, whatever the target duration.
const MIN_RELOAD: Duration = Duration::from_millis(500);

/// What all renditions of a stream share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    pub(crate) numbering: Numbering,
    pub(crate) timeline: Timeline,
}

impl Shared {
    /// A stream that begins at `now_unix_ms`, milliseconds since the Unix epoch.
    #[must_use]
    pub fn starting_at(now_unix_ms: u64) -> Self {
        Self { numbering: Numbering::starting_at(now_unix_ms), timeline: Timeline::default() }
    }
}

/// One rendition being pulled.
#[derive(Debug, Clone)]
pub struct Ingest {
    limit: usize,
    track: Option<Track>,
}

/// What a list has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// What can be fetched from now on, oldest first.
    pub objects: Vec<Object>,
    /// File names of objects that are listed no more. Viewers with an older list may still ask for them.
    pub left: Vec<String>,
    /// The window is another than before: render it.
    pub changed: bool,
    /// The upstream began anew.
    pub restarted: bool,
    /// Segments that were gone from the upstream before they were seen.
    pub missed: u64,
    /// When to load the list again, counted from when this load began (RFC 8216bis 6.3.4); never for a VOD.
    pub reload_after: Option<Duration>,
}

/// Something to fetch from the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its file name in our URLs, after the rendition.
    pub name: String,
    /// Where its bytes are.
    pub source: Source,
}

impl Ingest {
    /// A rendition of which nothing is known; a live one lists `limit` segments.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, track: None }
    }

    /// What viewers get; none before the first segment.
    #[must_use]
    pub fn window(&self) -> Option<&LiveWindow> {
        self.track.as_ref().map(|track| &track.window)
    }

    /// Takes the upstream's list as it is at `now`.
    pub fn take(&mut self, playlist: &MediaPlaylist, shared: &mut Shared, now: Date) -> Change {
        if playlist.segments.is_empty() {
            return Change { reload_after: Some(reload_after(playlist, false)), ..Change::default() };
        }
        let (before, ended) = self.window().map_or_else(Default::default, |w| (names(w), w.has_ended()));
        let mut change = Change::default();
        let track = match &mut self.track {
            Some(track) => {
                let continuity = track.judge(playlist);
                track.take(playlist, continuity, shared, now, &mut change);
                change.restarted = continuity == Continuity::Restarted;
                track
            }
            None => self.track.insert(Track::begin(playlist, self.limit, shared, now, &mut change)),
        };
        let after = names(&track.window);
        change.left = before.difference(&after).cloned().collect();
        change.changed = before != after || ended != track.window.has_ended();
        change.reload_after = (!track.whole).then(|| reload_after(playlist, change.changed));
        change
    }
}

/// The file names of all that the window lists.
fn names(window: &LiveWindow) -> BTreeSet<String> {
    let segments = window.segments().map(|segment| segment_name(segment.sequence, segment.container));
    let maps = window.segments().filter_map(|segment| Some(init_name(segment.map.as_ref()?.number)));
    segments.chain(maps).collect()
}

/// The target duration after a change, half of it where there was none (RFC 8216bis 6.3.4).
fn reload_after(playlist: &MediaPlaylist, changed: bool) -> Duration {
    let target = Duration::from_secs(playlist.target_duration_s);
    if changed { target } else { target / 2 }.max(MIN_RELOAD)
}

#[cfg(test)]
mod tests;
