//! Which rung a server sends at most, so that what all its viewers are sent together fits its uplink: the rung cap.
//!
//! ```text
//! signals     viewers by the rung that they ask for; what each rung takes; what is being sent; what the uplink carries
//! expected    at a cap: every viewer at the lower of the cap and the rung asked, or at the rung asked where no other may stand
//!             for it; more where what is sent shows, some time after the last change and the last newcomer, that rungs take more
//!             than they say
//!             and while a crowd is coming, for as many more as will have come when a change shows ([`ramp`])
//! down        at once, to the highest cap at which what is expected fits the share of viewers
//! up          one rung, after a hold since the last change in which what is expected one rung up has fitted with a margin; who is at
//!             the cap is expected to climb, for players that choose for themselves keep below what they were told
//! steady      what was expected fits, or the cap is the lowest rung: then newcomers are refused, and relays are wanted
//! first       the top rung; unknown uplink: the top rung, until viewers fall behind ([`uplink`])
//! ```
//!
//! The cap is one for all viewers of a stream at a server. What players choose below it is theirs; those that never choose get
//! what fits. A player on a line of its own that is worse than the others' is [`session`]'s affair, and with what one begins
//! [`newcomers`]'s.

pub mod newcomers;
mod ramp;
pub mod session;
pub mod uplink;

use std::time::Duration;

use self::ramp::Ramp;
use crate::Time;

/// What packets add to what is written: headers of Ethernet, IP and TCP, 78 bytes to each 1,448.
pub const PACKET_OVERHEAD: f64 = 1.054;

/// Who picks the bitrate of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Players alone: viewers get the ladder as it is.
    Client,
    /// Players, up to what the server's uplink carries.
    #[default]
    Capped,
    /// The server: viewers get one variant.
    Server {
        /// Whether it picks for each session by that session's line too.
        per_session: bool,
    },
}

/// What an operator may set, each with its reason.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The part of the uplink that is filled at most. 0.9: segments come in bursts, and a full queue delays everybody.
    pub safe_share: f64,
    /// The part kept for relays' fetches, or what they take where that is more. 0.1 at a primary, nothing at a relay: what a relay
    /// fetches serves a whole region.
    pub relay_share: f64,
    /// What must stay free of the viewers' share for the cap to rise. 0.1: newcomers begin with a burst of three segments.
    pub margin: f64,
    /// How long a higher cap must fit before it is taken. 10 s: longer than a reload storm.
    pub hold: Duration,
    /// How long a change takes until what is sent shows it, and newcomers until they are sent no more than they play. 8 s: players
    /// still ask for what was listed before, three target durations of it.
    pub settle: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let hold = Duration::from_secs(10);
        Self { safe_share: 0.9, relay_share: 0.1, margin: 0.1, hold, settle: Duration::from_secs(8) }
    }
}

impl Settings {
    /// Bits per second that viewers may be sent over an uplink of which relays take `to_relays`.
    #[must_use]
    pub fn viewers_share(&self, uplink: u64, to_relays: u64) -> u64 {
        let kept = (uplink as f64 * self.relay_share).max(to_relays as f64);
        whole(uplink as f64 * self.safe_share - kept)
    }

    /// Bits per second on the wire that are left of an uplink for those who begin, where viewers take so much and relays so many bits per
    /// second. It includes what is kept for relays.
    #[must_use]
    pub fn left(&self, uplink: u64, to_relays: u64, taken: f64) -> f64 {
        uplink as f64 * self.safe_share - to_relays as f64 * PACKET_OVERHEAD - taken
    }

    /// Viewers that `share` carries at the lowest rung: beyond them newcomers are refused, and another server is needed.
    #[must_use]
    pub fn room(&self, share: u64, lowest: u64) -> u32 {
        let each = (lowest as f64 * PACKET_OVERHEAD).max(1.0);
        u32::try_from(whole(share as f64 / each)).unwrap_or(u32::MAX)
    }
}

/// A rung of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// Bits per second that its media takes, audio included.
    pub rate: u64,
    /// Viewers that ask for it.
    pub viewers: u32,
    /// Whether segments of lower rungs may stand for its own.
    pub yields: bool,
}

/// How a stream at a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load<'a> {
    /// The ladder, lowest first.
    pub ladder: &'a [Rung],
    /// Of the viewers, those who are only guessed from what is sent: no sign that others come.
    pub guessed: u32,
    /// Bits per second that viewers are being sent, over some seconds.
    pub egress: u64,
    /// Bits per second that they may be sent; none where nobody knows.
    pub share: Option<u64>,
}

impl Load<'_> {
    /// Bits per second on the wire at `cap`, if rungs take what they say.
    #[must_use]
    pub fn expected(&self, cap: usize) -> f64 {
        self.sum(|asked| asked.min(cap))
    }

    /// The same at the rung above `cap`, if all who are at the cap now go on to it.
    fn expected_above(&self, cap: usize) -> f64 {
        self.sum(|asked| if asked < cap { asked } else { cap + 1 })
    }

    fn sum(&self, sent: impl Fn(usize) -> usize) -> f64 {
        let rate = |at: usize| self.ladder.get(at).map_or(0, |rung| rung.rate);
        let each = |(asked, rung): (usize, &Rung)| {
            let sent = if rung.yields { sent(asked) } else { asked };
            f64::from(rung.viewers) * rate(sent) as f64
        };
        self.ladder.iter().enumerate().map(each).sum::<f64>() * PACKET_OVERHEAD
    }

    fn top(&self) -> usize {
        self.ladder.len().saturating_sub(1)
    }
}

/// Why a cap changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The viewers together ask for more than fits, or will with those who are coming.
    Demand,
    /// What is sent is more than fits, whatever the rungs say they take.
    Egress,
    /// One rung more has fitted for the hold.
    Room,
    /// An operator says so.
    Operator,
    /// The ladder is another.
    Ladder,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Demand, Self::Egress, Self::Room, Self::Operator, Self::Ladder];

    /// One word, for metrics and status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Demand => "demand",
            Self::Egress => "egress",
            Self::Room => "room",
            Self::Operator => "operator",
            Self::Ladder => "ladder",
        }
    }
}

/// A cap that became another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The rung before.
    pub from: usize,
    /// The rung now.
    pub to: usize,
    /// Why.
    pub reason: Reason,
}

/// The cap of one stream at one server.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Adaptation {
    /// Rungs of the ladder, once one is known.
    rungs: usize,
    cap: usize,
    changed: Option<Time>,
    viewers: u32,
    /// How many they were when they were few: by this it is seen that more come.
    few: u32,
    /// When markedly more had come last.
    grew: Option<Time>,
    ramp: Ramp,
    fits_since: Option<Time>,
    pinned: Option<usize>,
}

impl Adaptation {
    /// The highest rung that is sent, counted from the lowest.
    #[must_use]
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// Whether viewers may be given less than they ask for.
    #[must_use]
    pub fn is_capped(&self) -> bool {
        self.cap + 1 < self.rungs
    }

    /// Holds the cap where an operator wants it, or lets it go again.
    pub fn pin(&mut self, rung: Option<usize>) {
        self.pinned = rung;
    }

    /// Whether an operator holds it.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pinned.is_some()
    }

    /// Takes in how the stream stands.
    pub fn observe(&mut self, load: &Load<'_>, settings: &Settings, now: Time) -> Option<Change> {
        let top = load.top();
        if self.rungs != load.ladder.len() {
            if self.rungs == 0 {
                self.cap = top;
            }
            self.rungs = load.ladder.len();
            return self.change(self.cap.min(top), Reason::Ladder, now);
        }
        self.come(load, now);
        if let Some(pinned) = self.pinned {
            return self.change(pinned.min(top), Reason::Operator, now);
        }
        // Where nobody knows, everything fits; but from one that was known the cap rises as it always does.
        let share = load.share.unwrap_or(u64::MAX);
        let growth = self.growth(settings, now);
        let scale = self.scale(load, settings, now) * growth;
        let share = share as f64;
        let fits = |cap: usize| load.expected(cap) * scale <= share;
        if !fits(self.cap) && self.cap > 0 {
            let asked = load.expected(self.cap) * growth;
            let reason = if asked > share { Reason::Demand } else { Reason::Egress };
            let cap = (0..self.cap).rev().find(|cap| fits(*cap)).unwrap_or(0);
            return self.change(cap, reason, now);
        }
        let above = load.expected_above(self.cap) * scale;
        self.rise(self.cap < top && above <= share * (1.0 - settings.margin), settings, now)
    }

    /// Takes in who is there.
    fn come(&mut self, load: &Load<'_>, now: Time) {
        self.viewers = load.ladder.iter().map(|rung| rung.viewers).fold(0, u32::saturating_add);
        let seen = self.viewers.saturating_sub(load.guessed);
        if f64::from(seen) > f64::from(self.few) * (1.0 + GROWS) {
            (self.few, self.grew) = (seen, Some(now));
        }
        self.few = self.few.min(seen);
        self.ramp.observe(seen, now);
    }

    fn rise(&mut self, fits: bool, settings: &Settings, now: Time) -> Option<Change> {
        if !fits {
            self.fits_since = None;
            return None;
        }
        let since = *self.fits_since.get_or_insert(now);
        if now.since(since) < settings.hold {
            return None;
        }
        self.change(self.cap + 1, Reason::Room, now)
    }

    /// By how much more viewers there will be when a change shows.
    fn growth(&self, settings: &Settings, now: Time) -> f64 {
        let coming = self.ramp.expected(settings.settle, now);
        1.0 + coming / f64::from(self.viewers.max(1))
    }

    /// By how much more is sent than the rungs say: known once a change shows in what is sent, and newcomers have had the burst that they
    /// begin with. Never less than one: what players leave out today they may ask for tomorrow.
    fn scale(&self, load: &Load<'_>, settings: &Settings, now: Time) -> f64 {
        let mut moments = self.changed.into_iter().chain(self.grew);
        let settled = moments.all(|moment| now.since(moment) >= settings.settle);
        let expected = load.expected(self.cap);
        if !settled || expected <= 0.0 {
            return 1.0;
        }
        (load.egress as f64 * PACKET_OVERHEAD / expected).clamp(1.0, MOST_SCALE)
    }

    fn change(&mut self, cap: usize, reason: Reason, now: Time) -> Option<Change> {
        let from = self.cap;
        if cap == from {
            return None;
        }
        self.cap = cap;
        (self.changed, self.fits_since) = (Some(now), None);
        Some(Change { from, to: cap, reason })
    }
}

/// By how much viewers must become more for their bursts to show in what is sent: the comings and goings of a crowd are less.
const GROWS: f64 = 0.1;

/// Rungs that take more than twice what they say are an error of the ladder or a burst of newcomers, and not to be reckoned with.
const MOST_SCALE: f64 = 2.0;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the type's range first"
)]
fn whole(number: f64) -> u64 {
    number.clamp(0.0, u64::MAX as f64) as u64
}

#[cfg(test)]
mod tests;
