//! One session at this server: when it is alive, and from when it counts.
//!
//! All of it is a function of `now` and of what was noted; noting is a store of an atomic.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use policy::{Time, session::Session};

use super::sent::Sent;

/// One reload of a media playlist.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reload<'a> {
    /// Which rendition's playlist.
    pub(super) rendition: &'a str,
    /// Its place in the ladder; none for sound and subtitles.
    pub(super) rung: Option<usize>,
    /// The stream's target duration.
    pub(super) target_duration: Duration,
    /// How long the session lives without a further sign.
    pub(super) life: Duration,
}

/// How a session comes to this server, and so what makes it a viewer rather than a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coming {
    /// Of itself: a second reload or one target duration.
    New,
    /// Sent by the primary's 307, in the midst of playing: nothing more. Players that redirect are always given the primary's URLs.
    Sent,
    /// After it went elsewhere: a later reload, of whatever rendition. A lone one may have been on its way while its player moved.
    Back,
}

/// A session that this server has seen.
#[derive(Debug)]
pub(super) struct Record {
    /// What its token says.
    pub(super) session: Session,
    /// The rendition it began with: audio and video of one session are one, so only this one's reloads tell.
    rendition: u64,
    coming: Coming,
    first: Time,
    last: AtomicU64,
    target_ms: AtomicU64,
    life_ms: AtomicU64,
    /// It has reloaded the rendition that it began with.
    confirmed: AtomicBool,
    /// It has reloaded any rendition a second time, not at once.
    reloaded: AtomicBool,
    /// It counts. Only the sweep sets it.
    counted: AtomicBool,
    /// Open connections that carried its playlist last.
    lines: AtomicU32,
    /// Its player has said how it plays.
    told: AtomicBool,
    /// The rung that it asked for last; [`NO_RUNG`] before it asked for one.
    rung: AtomicU32,
    /// Media that its connections have been sent.
    pub(super) sent: Sent,
}

/// A session that has asked for no rung of the ladder.
const NO_RUNG: u32 = u32::MAX;

impl Record {
    /// A session at its first reload here.
    pub(super) fn new(session: Session, reload: Reload<'_>, coming: Coming, now: Time) -> Self {
        Self {
            session,
            rendition: digest(reload.rendition),
            coming,
            first: now,
            last: AtomicU64::new(now.as_millis()),
            target_ms: AtomicU64::new(millis(reload.target_duration)),
            life_ms: AtomicU64::new(millis(reload.life)),
            confirmed: AtomicBool::new(false),
            reloaded: AtomicBool::new(false),
            counted: AtomicBool::new(false),
            lines: AtomicU32::new(0),
            told: AtomicBool::new(false),
            rung: AtomicU32::new(rung(reload)),
            sent: Sent::default(),
        }
    }

    /// Notes a further reload.
    pub(super) fn reloaded(&self, reload: Reload<'_>, now: Time) {
        self.target_ms.store(millis(reload.target_duration), Relaxed);
        self.life_ms.store(millis(reload.life), Relaxed);
        if reload.rung.is_some() {
            self.rung.store(rung(reload), Relaxed);
        }
        // Audio and video are asked for together.
        if now.since(self.first) >= reload.target_duration / 2 {
            self.reloaded.store(true, Relaxed);
        }
        if digest(reload.rendition) == self.rendition {
            self.confirmed.store(true, Relaxed);
        }
        self.seen(now);
    }

    /// The rung that it asked for last.
    pub(super) fn rung(&self) -> Option<usize> {
        let rung = self.rung.load(Relaxed);
        usize::try_from(rung).ok().filter(|_| rung != NO_RUNG)
    }

    /// The stream's target duration.
    pub(super) fn target_duration(&self) -> Duration {
        Duration::from_millis(self.target_ms.load(Relaxed))
    }

    /// Notes a sign of life.
    pub(super) fn seen(&self, now: Time) {
        self.last.fetch_max(now.as_millis(), Relaxed);
    }

    /// Whether it has given a sign within its life.
    pub(super) fn is_alive(&self, now: Time) -> bool {
        let last = Time::from_millis(self.last.load(Relaxed));
        now.since(last) <= Duration::from_millis(self.life_ms.load(Relaxed))
    }

    /// Whether it is a viewer rather than a probe.
    pub(super) fn is_viewer(&self, now: Time) -> bool {
        match self.coming {
            Coming::Sent => true,
            Coming::New => self.confirmed.load(Relaxed) || now.since(self.first) >= self.target_duration(),
            Coming::Back => self.reloaded.load(Relaxed),
        }
    }

    /// Lets it count; true if it did not before.
    pub(super) fn begin_to_count(&self) -> bool {
        !self.counted.swap(true, Relaxed)
    }

    /// A connection carries its playlist.
    pub(super) fn line_opened(&self) {
        self.lines.fetch_add(1, Relaxed);
    }

    /// That connection is closed, or carries another's.
    pub(super) fn line_closed(&self) {
        self.lines.fetch_sub(1, Relaxed);
    }

    /// Whether other connections may stand for it: one that carried its playlist is open, or it has reloaded only once (the
    /// connection of their first reload is closed even by players that keep one for all later ones).
    pub(super) fn may_be_joined(&self) -> bool {
        self.lines.load(Relaxed) > 0 || !self.confirmed.load(Relaxed)
    }

    /// Notes that its player says how it plays; true if it did not before.
    pub(super) fn begins_to_tell(&self) -> bool {
        !self.told.load(Relaxed) && !self.told.swap(true, Relaxed)
    }

    /// Whether it counts.
    pub(super) fn counts(&self) -> bool {
        self.counted.load(Relaxed)
    }
}

fn rung(reload: Reload<'_>) -> u32 {
    reload.rung.and_then(|rung| u32::try_from(rung).ok()).unwrap_or(NO_RUNG)
}

fn digest(rendition: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    rendition.hash(&mut hasher);
    hasher.finish()
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
