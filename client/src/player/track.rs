//! One media playlist that is played: its reloads, its segments in order, its initialization section.

use std::time::Duration;

use policy::Time;
use url::Url;

use super::{Entry, Listing, Step, cursor::Cursor};

/// Where a player is in one playlist.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) cursor: Cursor,
    pub(super) listing: Option<Listing>,
    reload_at: Time,
    /// Path of the initialization section that was loaded last: the same on every server.
    init: Option<String>,
    /// How much of the stream's time has been loaded of it.
    pub(super) position: Duration,
}

impl Track {
    pub(super) fn new(now: Time) -> Self {
        Self {
            cursor: Cursor::default(),
            listing: None,
            reload_at: now,
            init: None,
            position: Duration::ZERO,
        }
    }

    pub(super) fn step(&mut self, now: Time, full_for: Duration) -> Step {
        let Some(listing) = &self.listing else { return Step::Reload };
        if now >= self.reload_at && !listing.ended {
            return Step::Reload;
        }
        while let Some(entry) = self.cursor.next(listing) {
            if entry.gap {
                self.cursor.done(entry.sequence, true);
                self.position += entry.duration;
                continue;
            }
            if !full_for.is_zero() {
                let drained = now + full_for;
                return Step::WaitUntil(if listing.ended { drained } else { drained.min(self.reload_at) });
            }
            return match &entry.init {
                Some(init) if self.init.as_deref() != Some(init.path()) => Step::Init(init.clone()),
                _ => Step::Segment(entry.clone()),
            };
        }
        if listing.ended { Step::End } else { Step::WaitUntil(self.reload_at) }
    }

    /// Reloaded after a target duration, or half of one where nothing changed (RFC 8216bis 6.3.4).
    pub(super) fn listed(&mut self, listing: Listing, asked: Time) {
        let newest = |listing: &Listing| listing.segments.last().map(|entry| entry.sequence);
        let unchanged = self.listing.as_ref().is_some_and(|old| newest(old) == newest(&listing));
        let pause = if unchanged { listing.target / 2 } else { listing.target };
        self.reload_at = asked + pause;
        self.listing = Some(listing);
    }

    pub(super) fn take(&mut self, entry: &Entry, missing: bool) {
        self.cursor.done(entry.sequence, missing);
        self.position += entry.duration;
    }

    /// An initialization section came.
    pub(super) fn initialized(&mut self, init: &Url) {
        self.init = Some(init.path().to_owned());
    }

    /// Another server or rung lists what comes next.
    pub(super) fn redirected(&mut self, now: Time) {
        self.listing = None;
        self.reload_at = now;
    }
}
