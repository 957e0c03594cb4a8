//! One session at this server: when it is alive, and from when it counts.
//!
//! All of it is a function of `now` and of what was noted; noting is a store of an atomic.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use hls::cmcd::Report;
use policy::{Class, Time, adaptation::Settings, session::Session};

use super::{personal::Personal, rungs::Rungs, sent::Sent};

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
    /// Sent by the primary's 307, as it begins or in the midst of playing: nothing more. Players that redirect are always given the
    /// primary's URLs.
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
    /// The rungs that it asks for, was given, and can take.
    pub(super) rungs: Rungs,
    /// It has asked for media: who asks for playlists alone takes nothing of the uplink.
    takes_media: AtomicBool,
    /// What its player said last of its buffer, in milliseconds; [`NOTHING_SAID`] before it did.
    said_buffer_ms: AtomicU64,
    /// What its player said last of its throughput, in bits per second; [`NOTHING_SAID`] before it did.
    said_throughput: AtomicU64,
    /// When it said so.
    said_at: AtomicU64,
    personal: OnceLock<Arc<Personal>>,
    /// Media that its connections have been sent.
    pub(super) sent: Sent,
}

/// How long a player takes at most from its multivariant playlist to its first media playlist, and to look at all others.
pub const BEGINS: Duration = Duration::from_secs(10);

/// By how much another server's clock may be ahead of this one's.
pub const CLOCKS_DIFFER: Duration = Duration::from_secs(2);

/// How long a token may say that its session is fresh: tokens know seconds.
pub(super) const SEEMS_FRESH: Duration =
    BEGINS.saturating_add(CLOCKS_DIFFER).saturating_add(Duration::from_secs(1));

/// A player that has not said how it plays.
const NOTHING_SAID: u64 = u64::MAX;

/// What a player says holds for so many target durations: it says it with every request.
const SAID_TARGETS: u32 = 2;

impl Record {
    /// A session at its first reload here.
    pub(super) fn new(session: Session, reload: Reload<'_>, coming: Coming, now: Time) -> Self {
        let rungs = Rungs::new(reload.rung, now);
        if coming == Coming::Back {
            rungs.all_were_given();
        }
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
            rungs,
            takes_media: AtomicBool::new(false),
            said_buffer_ms: AtomicU64::new(NOTHING_SAID),
            said_throughput: AtomicU64::new(NOTHING_SAID),
            said_at: AtomicU64::new(0),
            personal: OnceLock::new(),
            sent: Sent::default(),
        }
    }

    /// Notes a further reload.
    pub(super) fn reloaded(&self, reload: Reload<'_>, now: Time) {
        self.target_ms.store(millis(reload.target_duration), Relaxed);
        self.life_ms.store(millis(reload.life), Relaxed);
        if let Some(rung) = reload.rung {
            self.rungs.asks_for(rung, self.begins(now), now);
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

    /// Since when it has asked for one rung above `cap`, and for no other; none if it does not, and for players that adapt: those that
    /// steer, and those that ever went down a rung.
    pub(super) fn above_since(&self, cap: usize) -> Option<Time> {
        self.rungs.above_since(cap).filter(|_| self.session.class != Class::Steers)
    }

    /// Whether anything was ever made for it alone.
    pub(super) fn is_personal(&self) -> bool {
        self.personal.get().is_some()
    }

    /// Notes that it asks for media.
    pub(super) fn takes_media(&self) {
        self.takes_media.store(true, Relaxed);
    }

    /// The rung that it takes of the uplink, once it takes anything.
    pub(super) fn taken_rung(&self) -> Option<usize> {
        self.rungs.sent().filter(|_| self.takes_media.load(Relaxed))
    }

    /// What was made for it alone, if anything was.
    pub(super) fn made_personal(&self) -> Option<Arc<Personal>> {
        self.personal.get().cloned()
    }

    /// It was here before, and was listed this, and other things together with all.
    pub(super) fn goes_on_with(&self, personal: Arc<Personal>) {
        self.rungs.all_were_given();
        self.personal.get_or_init(|| personal);
    }

    /// Whether it came just now.
    fn begins(&self, now: Time) -> bool {
        now.since(self.first) <= BEGINS
    }

    /// Whether its token may say that it is fresh, though something was listed to it.
    pub(super) fn may_seem_fresh(&self, now: Time) -> bool {
        now.since(self.first) <= SEEMS_FRESH
    }

    /// What it alone is sent, made when it first matters.
    pub(super) fn personal(&self) -> &Personal {
        self.personal.get_or_init(Arc::default)
    }

    /// Decides up to which rung its own line carries.
    pub(super) fn decide(&self, rates: &[u64], settings: &Settings, now: Time) {
        let rung = self.personal().decide(self.said_throughput(now), rates, settings, now);
        self.rungs.carries(rung);
    }

    /// Notes what its player says of how it plays.
    pub(super) fn says(&self, report: Report, now: Time) {
        if let Some(buffer_ms) = report.buffer_ms {
            self.said_buffer_ms.store(buffer_ms, Relaxed);
        }
        if let Some(kbps) = report.throughput_kbps {
            self.said_throughput.store(kbps.saturating_mul(1000), Relaxed);
        }
        self.said_at.store(now.as_millis(), Relaxed);
    }

    /// Whether its player says that it has less than half a segment left to play, and does not only begin.
    pub(super) fn says_it_runs_out(&self, now: Time) -> bool {
        let (target, buffer_ms) = (self.target_duration(), self.said_buffer_ms.load(Relaxed));
        let begins = now.since(self.first) < target * (SAID_TARGETS + 1);
        !begins && self.said_lately(now) && Duration::from_millis(buffer_ms) < target / 2
    }

    fn said_throughput(&self, now: Time) -> Option<u64> {
        let said = self.said_throughput.load(Relaxed);
        Some(said).filter(|said| *said != NOTHING_SAID && self.said_lately(now))
    }

    fn said_lately(&self, now: Time) -> bool {
        now.since(Time::from_millis(self.said_at.load(Relaxed))) <= self.target_duration() * SAID_TARGETS
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

fn digest(rendition: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    rendition.hash(&mut hasher);
    hasher.finish()
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use policy::{Region, ServerId};

    use super::*;

    fn comes(class: Class, coming: Coming) -> Record {
        let session = Session {
            id: "a".parse().expect("an id"),
            stream: "live".parse().expect("a name"),
            region: Region::fallback(),
            class,
            server: ServerId::primary(),
            expires_unix: 0,
        };
        let (target_duration, life) = (Duration::from_secs(2), Duration::from_secs(5));
        let reload = Reload { rendition: "v", rung: Some(1), target_duration, life };
        Record::new(session, reload, coming, Time::from_millis(0))
    }

    #[test]
    fn who_comes_back_may_have_been_given_every_rung() {
        let first = |coming| comes(Class::Steers, coming).rungs.is_first(Some(0));
        assert_eq!([Coming::New, Coming::Sent, Coming::Back].map(first), [true, true, false]);
    }

    #[test]
    fn players_that_steer_adapt() {
        let above = |class| comes(class, Coming::New).above_since(0).is_some();
        assert_eq!([Class::Steers, Class::Redirects, Class::Fixed].map(above), [false, true, true]);
    }
}
