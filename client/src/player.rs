//! One player, without a network or a clock: it says what to do next and is told what came of it.
//!
//! The order of work is that of a live player: reload the playlist when it is due, else load the next segment unless the buffer is
//! full, else wait. Where to load from is not its affair: `route` decides the server, and a move only makes it reload.

pub mod buffer;
pub mod cursor;
pub mod listing;
pub mod pathways;
pub mod rung;
mod track;

use std::time::Duration;

use policy::Time;
use url::Url;

pub use buffer::{Bounds, Buffer, Experience};
use cursor::Cursor;
pub use listing::{Entry, Listing};
use track::Track;

/// How long a player waits before it reloads a playlist whose target duration it does not know yet.
const UNKNOWN_TARGET: Duration = Duration::from_secs(2);

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Load the media playlist.
    Reload,
    /// Load an initialization section.
    Init(Url),
    /// Load a segment.
    Segment(Entry),
    /// Nothing before this moment.
    WaitUntil(Time),
    /// The stream is over and has been shown.
    End,
}

/// One of the playlists that are played together: that of the variant, or of its audio where that is a rendition of its own.
pub type TrackIndex = usize;

/// The track of the variant itself.
pub const MAIN: TrackIndex = 0;

/// The track of audio that is a rendition of its own.
pub const AUDIO: TrackIndex = 1;

/// One player's state.
#[derive(Debug, Clone)]
pub struct Player {
    buffer: Buffer,
    tracks: Vec<Track>,
    /// How much of the stream's time has gone into the buffer: what all tracks have.
    complete: Duration,
    /// The rendition that the newest segment of the main track was of.
    sent: Option<String>,
}

impl Player {
    /// A player that begins at `now`, of a stream with so many tracks.
    #[must_use]
    pub fn new(bounds: Bounds, tracks: usize, now: Time) -> Self {
        Self {
            buffer: Buffer::new(bounds, now),
            tracks: vec![Track::new(now); tracks.max(1)],
            complete: Duration::ZERO,
            sent: None,
        }
    }

    /// What to do at `now`, for which track. The track that is furthest behind comes first.
    pub fn step(&mut self, now: Time) -> (TrackIndex, Step) {
        self.buffer.advance(now);
        let next = self.next_of_tracks(now);
        self.complete(now);
        if let Some(next) = next {
            return next;
        }
        self.buffer.finish(now);
        let end = self.buffer.shown_to_the_end();
        (MAIN, if end { Step::End } else { Step::WaitUntil(now + self.buffer.level()) })
    }

    /// The media playlist came; its request began at `asked`.
    pub fn listed(&mut self, track: TrackIndex, listing: Listing, asked: Time) {
        self.tracks[track].listed(listing, asked);
    }

    /// An initialization section came.
    pub fn initialized(&mut self, track: TrackIndex, init: &Url) {
        self.tracks[track].initialized(init);
    }

    /// A segment came.
    pub fn loaded(&mut self, track: TrackIndex, entry: &Entry, now: Time) {
        self.tracks[track].take(entry, false);
        if track == MAIN {
            self.sent = entry.rendition().map(str::to_owned);
        }
        self.complete(now);
    }

    /// A segment cannot be had anywhere: it goes on without.
    pub fn missed(&mut self, track: TrackIndex, entry: &Entry, now: Time) {
        self.tracks[track].take(entry, true);
        self.complete(now);
    }

    /// It plays from another server, or another rung, from here on: what that lists is asked for next.
    pub fn redirected(&mut self, now: Time) {
        for track in &mut self.tracks {
            track.redirected(now);
        }
    }

    /// The rendition that its server sent last: a lower one than it asked for where the server's uplink is tight.
    #[must_use]
    pub fn sent(&self) -> Option<&str> {
        self.sent.as_deref()
    }

    /// The longest that a segment may be.
    #[must_use]
    pub fn target(&self) -> Duration {
        self.tracks[MAIN].listing.as_ref().map_or(UNKNOWN_TARGET, |listing| listing.target)
    }

    /// How far behind the newest listed media the picture is.
    #[must_use]
    pub fn latency(&self) -> Duration {
        let main = &self.tracks[MAIN];
        let newest = main.cursor.newest();
        let listed = main.listing.iter().flat_map(|listing| &listing.segments);
        let ahead: Duration =
            listed.filter(|entry| Some(entry.sequence) > newest).map(|entry| entry.duration).sum();
        self.buffer.level() + ahead
    }

    /// What is loaded and not yet shown, and what the viewer went through.
    #[must_use]
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Where in the stream it is.
    #[must_use]
    pub fn cursor(&self) -> &Cursor {
        &self.tracks[MAIN].cursor
    }

    /// Segments of all tracks that could not be had.
    #[must_use]
    pub fn gaps(&self) -> u64 {
        self.tracks.iter().map(|track| track.cursor.missed()).sum()
    }

    /// What to load or to wait for; none when all tracks have ended.
    fn next_of_tracks(&mut self, now: Time) -> Option<(TrackIndex, Step)> {
        let mut order: Vec<TrackIndex> = (0..self.tracks.len()).collect();
        order.sort_by_key(|index| self.tracks[*index].position);
        let mut wait: Option<Time> = None;
        for index in order {
            let track = &mut self.tracks[index];
            let full_for = self.buffer.full_for(track.position.saturating_sub(self.complete));
            match track.step(now, full_for) {
                Step::End => {}
                Step::WaitUntil(time) => wait = Some(wait.map_or(time, |wait| wait.min(time))),
                step => return Some((index, step)),
            }
        }
        wait.map(|time| (MAIN, Step::WaitUntil(time)))
    }

    /// Puts into the buffer what all tracks have by now. A gap is shown as one, for as long as it lasts.
    fn complete(&mut self, now: Time) {
        let position = self.tracks.iter().map(|track| track.position).min().unwrap_or_default();
        let more = position.saturating_sub(self.complete);
        if !more.is_zero() {
            self.complete = position;
            self.buffer.append(more, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{listing::tests::listing, *};

    const BOUNDS: Bounds = Bounds { start_with: Duration::from_secs(2), full_at: Duration::from_secs(10) };

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    fn playing() -> Player {
        let mut player = Player::new(BOUNDS, 1, at(0));
        assert_eq!(player.step(at(0)).1, Step::Reload);
        player.listed(MAIN, listing(1..=5), at(0));
        let Step::Init(init) = player.step(at(10)).1 else { panic!("an initialization section comes first") };
        player.initialized(MAIN, &init);
        player
    }

    fn load(player: &mut Player, now: u64) -> u64 {
        let Step::Segment(entry) = player.step(at(now)).1 else { panic!("a segment is next") };
        player.loaded(MAIN, &entry, at(now));
        entry.sequence
    }

    #[test]
    fn it_loads_the_initialization_section_once_then_each_segment_then_waits_for_the_reload() {
        let mut player = playing();
        assert_eq!([20, 30, 40].map(|now| load(&mut player, now)), [3, 4, 5]);
        assert_eq!(player.step(at(50)).1, Step::WaitUntil(at(2000)));
        assert_eq!(player.step(at(2000)).1, Step::Reload);
        player.listed(MAIN, listing(1..=5), at(2000));
        assert_eq!(player.step(at(2010)).1, Step::WaitUntil(at(3000)));
    }

    #[test]
    fn a_move_reloads_at_once_and_goes_on_where_it_was() {
        let mut player = playing();
        assert_eq!(load(&mut player, 20), 3);
        player.redirected(at(30));
        assert_eq!(player.step(at(30)).1, Step::Reload);
        let mut elsewhere = listing(2..=4);
        for entry in &mut elsewhere.segments {
            entry.uri.set_host(Some("127.0.0.2")).unwrap();
            entry.init.as_mut().unwrap().set_host(Some("127.0.0.2")).unwrap();
        }
        player.listed(MAIN, elsewhere, at(30));
        let Step::Segment(entry) = player.step(at(40)).1 else { panic!("the section is the same there") };
        assert_eq!((entry.sequence, entry.uri.host_str()), (4, Some("127.0.0.2")));
    }

    #[test]
    fn a_full_buffer_pauses_loading_but_not_the_reloads() {
        let mut player = Player::new(BOUNDS, 1, at(0));
        let mut long = listing(1..=30);
        long.ended = true;
        player.listed(MAIN, long, at(0));
        player.initialized(MAIN, &"http://127.0.0.1/live/v0/init-1.mp4".parse().unwrap());
        for expected in 1..=6 {
            assert_eq!(load(&mut player, 0), expected);
        }
        assert_eq!(player.step(at(0)).1, Step::WaitUntil(at(2000)));
        assert_eq!(load(&mut player, 2000), 7);
    }

    #[test]
    fn a_stream_that_has_ended_is_shown_to_the_end() {
        let mut player = playing();
        let ended = Listing { ended: true, ..listing(1..=5) };
        player.listed(MAIN, ended, at(20));
        for _ in 3..=5 {
            load(&mut player, 30);
        }
        assert_eq!(player.step(at(40)).1, Step::WaitUntil(at(6030)));
        assert_eq!(player.step(at(6030)).1, Step::End);
        assert_eq!(player.buffer().experience().stalls, 0);
    }

    #[test]
    fn a_segment_listed_as_a_gap_is_passed_over_and_counted() {
        let mut player = playing();
        let mut with_gap = listing(1..=5);
        with_gap.segments[2].gap = true;
        player.listed(MAIN, with_gap, at(20));
        assert_eq!(load(&mut player, 30), 4);
        assert_eq!(player.cursor().missed(), 1);
    }

    #[test]
    fn audio_of_its_own_is_loaded_beside_and_nothing_is_shown_that_one_of_them_lacks() {
        let mut player = Player::new(BOUNDS, 2, at(0));
        let mut order = Vec::new();
        loop {
            match player.step(at(10)) {
                (track, Step::Reload) => player.listed(track, listing(1..=5), at(10)),
                (track, Step::Init(url)) => player.initialized(track, &url),
                (track, Step::Segment(entry)) => {
                    order.push((track, entry.sequence));
                    player.loaded(track, &entry, at(10));
                }
                (_, wait) => break assert_eq!(wait, Step::WaitUntil(at(2010))),
            }
            let both = u64::try_from(order.len() / 2).unwrap();
            assert_eq!(player.buffer().level(), Duration::from_secs(2 * both));
        }
        assert_eq!(order, [(MAIN, 3), (AUDIO, 3), (MAIN, 4), (AUDIO, 4), (MAIN, 5), (AUDIO, 5)]);
    }
}
