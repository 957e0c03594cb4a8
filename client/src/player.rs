//! One player, without a network or a clock: it says what to do next and is told what came of it.
//!
//! The order of work is that of a live player: reload the playlist when it is due, else load the next segment unless the buffer is
//! full, else wait. Where to load from is not its affair: `route` decides the server, and a move only makes it reload.

pub mod buffer;
pub mod cursor;
pub mod listing;
pub mod pathways;
pub mod rung;

use std::time::Duration;

use policy::Time;
use url::Url;

pub use buffer::{Bounds, Buffer, Experience};
use cursor::Cursor;
pub use listing::{Entry, Listing};

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

/// One player's state.
#[derive(Debug, Clone)]
pub struct Player {
    buffer: Buffer,
    cursor: Cursor,
    listing: Option<Listing>,
    reload_at: Time,
    /// Path of the initialization section that was loaded last: the same on every server.
    init: Option<String>,
}

impl Player {
    /// A player that begins at `now`.
    #[must_use]
    pub fn new(bounds: Bounds, now: Time) -> Self {
        Self {
            buffer: Buffer::new(bounds, now),
            cursor: Cursor::default(),
            listing: None,
            reload_at: now,
            init: None,
        }
    }

    /// What to do at `now`.
    pub fn step(&mut self, now: Time) -> Step {
        self.buffer.advance(now);
        let Some(listing) = &self.listing else { return Step::Reload };
        if now >= self.reload_at && !listing.ended {
            return Step::Reload;
        }
        while let Some(entry) = self.cursor.next(listing) {
            if entry.gap {
                self.cursor.done(entry.sequence, true);
                continue;
            }
            let full_for = self.buffer.full_for();
            if !full_for.is_zero() {
                let drained = now + full_for;
                return Step::WaitUntil(if listing.ended { drained } else { drained.min(self.reload_at) });
            }
            return match &entry.init {
                Some(init) if self.init.as_deref() != Some(init.path()) => Step::Init(init.clone()),
                _ => Step::Segment(entry.clone()),
            };
        }
        if !listing.ended {
            return Step::WaitUntil(self.reload_at);
        }
        self.buffer.finish(now);
        if self.buffer.shown_to_the_end() { Step::End } else { Step::WaitUntil(now + self.buffer.level()) }
    }

    /// The media playlist came; its request began at `asked`. Reloaded after a target duration, or half of one where nothing
    /// changed (RFC 8216bis 6.3.4).
    pub fn listed(&mut self, listing: Listing, asked: Time) {
        let newest = |listing: &Listing| listing.segments.last().map(|entry| entry.sequence);
        let unchanged = self.listing.as_ref().is_some_and(|old| newest(old) == newest(&listing));
        let pause = if unchanged { listing.target / 2 } else { listing.target };
        self.reload_at = asked + pause;
        self.listing = Some(listing);
    }

    /// An initialization section came.
    pub fn initialized(&mut self, init: &Url) {
        self.init = Some(init.path().to_owned());
    }

    /// A segment came.
    pub fn loaded(&mut self, entry: &Entry, now: Time) {
        self.cursor.done(entry.sequence, false);
        self.buffer.append(entry.duration, now);
    }

    /// A segment cannot be had anywhere: it goes on without.
    pub fn missed(&mut self, entry: &Entry) {
        self.cursor.done(entry.sequence, true);
    }

    /// It plays from another server, or another rung, from here on: what that lists is asked for next.
    pub fn redirected(&mut self, now: Time) {
        self.listing = None;
        self.reload_at = now;
    }

    /// The longest that a segment may be.
    #[must_use]
    pub fn target(&self) -> Duration {
        self.listing.as_ref().map_or(UNKNOWN_TARGET, |listing| listing.target)
    }

    /// How far behind the newest listed media the picture is.
    #[must_use]
    pub fn latency(&self) -> Duration {
        let newest = self.cursor.newest();
        let listed = self.listing.iter().flat_map(|listing| &listing.segments);
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
        &self.cursor
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
        let mut player = Player::new(BOUNDS, at(0));
        assert_eq!(player.step(at(0)), Step::Reload);
        player.listed(listing(1..=5), at(0));
        let Step::Init(init) = player.step(at(10)) else { panic!("an initialization section comes first") };
        player.initialized(&init);
        player
    }

    fn load(player: &mut Player, now: u64) -> u64 {
        let Step::Segment(entry) = player.step(at(now)) else { panic!("a segment is next") };
        player.loaded(&entry, at(now));
        entry.sequence
    }

    #[test]
    fn it_loads_the_initialization_section_once_then_each_segment_then_waits_for_the_reload() {
        let mut player = playing();
        assert_eq!([20, 30, 40].map(|now| load(&mut player, now)), [3, 4, 5]);
        assert_eq!(player.step(at(50)), Step::WaitUntil(at(2000)));
        assert_eq!(player.step(at(2000)), Step::Reload);
        player.listed(listing(1..=5), at(2000));
        assert_eq!(player.step(at(2010)), Step::WaitUntil(at(3000)));
    }

    #[test]
    fn a_move_reloads_at_once_and_goes_on_where_it_was() {
        let mut player = playing();
        assert_eq!(load(&mut player, 20), 3);
        player.redirected(at(30));
        assert_eq!(player.step(at(30)), Step::Reload);
        let mut elsewhere = listing(2..=4);
        for entry in &mut elsewhere.segments {
            entry.uri.set_host(Some("127.0.0.2")).unwrap();
            entry.init.as_mut().unwrap().set_host(Some("127.0.0.2")).unwrap();
        }
        player.listed(elsewhere, at(30));
        let Step::Segment(entry) = player.step(at(40)) else { panic!("the section is the same there") };
        assert_eq!((entry.sequence, entry.uri.host_str()), (4, Some("127.0.0.2")));
    }

    #[test]
    fn a_full_buffer_pauses_loading_but_not_the_reloads() {
        let mut player = Player::new(BOUNDS, at(0));
        let mut long = listing(1..=30);
        long.ended = true;
        player.listed(long, at(0));
        player.initialized(&"http://127.0.0.1/live/v0/init-1.mp4".parse().unwrap());
        for expected in 1..=6 {
            assert_eq!(load(&mut player, 0), expected);
        }
        assert_eq!(player.step(at(0)), Step::WaitUntil(at(2000)));
        assert_eq!(load(&mut player, 2000), 7);
    }

    #[test]
    fn a_stream_that_has_ended_is_shown_to_the_end() {
        let mut player = playing();
        let ended = Listing { ended: true, ..listing(1..=5) };
        player.listed(ended, at(20));
        for _ in 3..=5 {
            load(&mut player, 30);
        }
        assert_eq!(player.step(at(40)), Step::WaitUntil(at(6030)));
        assert_eq!(player.step(at(6030)), Step::End);
        assert_eq!(player.buffer().experience().stalls, 0);
    }

    #[test]
    fn a_segment_listed_as_a_gap_is_passed_over_and_counted() {
        let mut player = playing();
        let mut with_gap = listing(1..=5);
        with_gap.segments[2].gap = true;
        player.listed(with_gap, at(20));
        assert_eq!(load(&mut player, 30), 4);
        assert_eq!(player.cursor().missed(), 1);
    }
}
