//! The rung cap at work: what viewers ask for and what is sent go in every half second, up to which rung is sent comes out, for
//! each stream.
//!
//! What to make of it is `policy::adaptation`'s, how a capped playlist looks `hls::cap`'s. Here is what each rung's viewers are given
//! ([`rail`]), who asks for what ([`ladder`]), and what all of it takes of the uplink ([`meter`]). A request looks at atomics, which one
//! step a moment writes; only a newcomer's first takes a lock, under which it is promised something of what is left.

mod config;
mod ladder;
mod meter;
mod rail;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use hls::{Rendition, Template, url::parameter};
use papaya::HashMap;
use policy::{
    StreamName, Time,
    adaptation::{
        self, Change, Load, Mode, PACKET_OVERHEAD, Settings,
        newcomers::{Newcomers, Promise},
        uplink,
    },
    pacing,
    routing::Kind,
};

pub use self::config::{Config, InvalidConfig};
use self::meter::Meter;
pub(crate) use self::{
    ladder::Ladder,
    rail::{Given, Rail, StandIn},
};
use crate::{
    census::{Count, Tally},
    metrics,
};

/// Over how many windows it is measured what relays fetch: one that begins fetches several segments of each rung at once, and viewers
/// are not to be turned away for that.
const RELAY_WINDOWS: u32 = 5;

/// What this server may send, and what it sends at most.
#[derive(Debug)]
pub struct Adaptation {
    settings: Settings,
    config: Config,
    capacity: u32,
    /// Bits per second that the uplink carries, as the operator says.
    configured: Option<u64>,
    ladders: HashMap<StreamName, Arc<Ladder>>,
    state: Mutex<State>,
    /// Only who comes, and the step, take this.
    newcomers: Mutex<Newcomers>,
    standing: ArcSwap<Standing>,
}

/// What the step remembers from one time to the next.
#[derive(Debug)]
struct State {
    uplink: uplink::Uplink,
    to_viewers: Meter,
    to_relays: Meter,
    caps: BTreeMap<StreamName, adaptation::Adaptation>,
}

/// Bytes sent since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// To viewers.
    pub to_viewers: u64,
    /// To relays.
    pub to_relays: u64,
}

/// How it stands, for reports and for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Bits per second that the uplink carries, for all that is known; none where nothing is.
    pub uplink: Option<u64>,
    /// Viewers that are taken now.
    pub room: u32,
    /// The streams whose cap is below their highest rung.
    pub caps: Vec<Cap>,
}

/// A stream that is sent up to a rung.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    /// Which.
    pub stream: StreamName,
    /// The highest rung that is sent, counted from the lowest.
    pub rung: usize,
    /// Its name.
    pub rendition: Rendition,
}

/// A stream as it stands at one step.
struct Stands<'a> {
    stream: &'a StreamName,
    mode: Mode,
    ladder: Arc<Ladder>,
    rungs: Vec<adaptation::Rung>,
    /// Of its viewers those who are only guessed from what is sent.
    guessed: u32,
    /// Bits per second that its viewers would take if nothing were capped: by it streams share the uplink.
    wanted: f64,
}

impl Adaptation {
    /// Of a server with an uplink of which the operator says so much, that takes `capacity` viewers.
    #[must_use]
    pub fn new(config: Config, kind: Kind, uplink: Option<u64>, capacity: u32) -> Self {
        let window = config.window;
        Self {
            settings: config.settings(kind),
            config,
            capacity,
            configured: uplink.filter(|bits| *bits > 0),
            ladders: HashMap::new(),
            state: Mutex::new(State {
                uplink: uplink::Uplink::new(uplink),
                to_viewers: Meter::over(window),
                to_relays: Meter::over(window * RELAY_WINDOWS),
                caps: BTreeMap::new(),
            }),
            newcomers: Mutex::default(),
            standing: ArcSwap::from_pointee(Standing { uplink, room: capacity, caps: Vec::new() }),
        }
    }

    /// `[rung_cap]`.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What policy is told of it.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Arc<Standing> {
        self.standing.load_full()
    }

    /// A stream's rungs, if it was ever looked at.
    pub(crate) fn ladder(&self, stream: &str) -> Option<Arc<Ladder>> {
        self.ladders.pin().get(stream).map(Arc::clone)
    }

    /// A stream's rungs, as its multivariant playlist has them.
    pub(crate) fn ladder_of(&self, stream: &StreamName, template: &Arc<Template>) -> Arc<Ladder> {
        let ladders = self.ladders.pin();
        if let Some(ladder) = ladders.get(stream) {
            ladder.follow(template);
            return Arc::clone(ladder);
        }
        Arc::clone(ladders.get_or_insert_with(stream.clone(), || Arc::new(Ladder::of(template))))
    }

    /// Holds a stream's cap at a rung, or lets it go again, at the next step. False where there is no such stream.
    pub(crate) fn pin(&self, stream: &str, rung: Option<usize>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = state.caps.get_mut(stream);
        known.map(|cap| cap.pin(rung)).is_some()
    }

    /// What an operator orders by a query such as `stream=live&rung=240p`, `rung=0` or `rung=auto`.
    ///
    /// # Errors
    /// Says what is wrong with the order, and what would do.
    pub fn order(&self, query: &str) -> Result<String, String> {
        let stream = parameter(query, "stream").unwrap_or_default();
        let Some(ladder) = self.ladder(&stream) else {
            let known: Vec<String> = self.ladders.pin().keys().map(ToString::to_string).collect();
            return Err(format!("there is no stream {stream:?} here; there are: {}", known.join(", ")));
        };
        let asked = parameter(query, "rung").unwrap_or_default();
        let rung = match asked.parse() {
            _ if asked == "auto" => None,
            Ok(place) if ladder.rate(place) > 0 => Some(place),
            _ => match ladder.rung(&asked) {
                Some((place, _)) => Some(place),
                None => {
                    let mut known: Vec<String> =
                        ladder.up_to(usize::MAX).iter().map(ToString::to_string).collect();
                    known.reverse();
                    return Err(format!(
                        "rung {asked:?} is none of {}: give one of them, its place counted from 0, or auto",
                        known.join(", ")
                    ));
                }
            },
        };
        if !self.pin(&stream, rung) {
            return Err(format!("stream {stream} is not ready yet; ask again"));
        }
        Ok(match rung.and_then(|place| ladder.name(place)) {
            Some(name) => format!("{stream} is sent up to {name} until it is ordered otherwise"),
            None => format!("{stream} is sent up to what the uplink carries"),
        })
    }

    /// With what a newcomer to a stream begins, of the rungs up to `highest`; none where nobody knows what is left.
    pub(crate) fn begin(&self, ladder: &Ladder, highest: usize, now: Time) -> Option<Promise> {
        let mut newcomers = self.newcomers();
        let promise = newcomers.begin(&ladder.rates(), highest, ladder.target_duration(), now);
        self.set_left(newcomers.left_for_each(now));
        promise
    }

    /// It is given the rung at `place` in place of what it was promised.
    pub(crate) fn amend(&self, ladder: &Ladder, promise: &Promise, place: usize, now: Time) {
        let mut newcomers = self.newcomers();
        newcomers.amend(promise, ladder.rate(place));
        self.set_left(newcomers.left_for_each(now));
    }

    /// The uplink is the same for all streams.
    fn set_left(&self, left: Option<f64>) {
        self.ladders.pin().values().for_each(|ladder| ladder.set_left(left.unwrap_or_default()));
    }

    fn newcomers(&self) -> MutexGuard<'_, Newcomers> {
        self.newcomers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in who watches and what was sent, and sets the caps. Viewers that may be taken from now on.
    pub fn step(&self, modes: &BTreeMap<StreamName, Mode>, count: &Count, sent: Sent, now: Time) -> u32 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let egress = state.to_viewers.bits_per_second(sent.to_viewers, now);
        let to_relays = state.to_relays.bits_per_second(sent.to_relays, now);
        self.ladders.pin().retain(|stream, _| modes.contains_key(stream));
        state.caps.retain(|stream, _| modes.contains_key(stream));
        let stands = self.stands(modes, count, egress);
        let all: f64 = stands.iter().map(|stands| stands.wanted).sum();
        let sight = sight(count, egress + to_relays, all);
        let uplink = self.uplink(&mut state, sight, now);
        let share = uplink.map(|bits| self.settings.viewers_share(bits, to_relays));
        metrics::uplink(uplink, share, egress);
        let room = self.room(modes, to_relays);
        metrics::room(room);
        let (mut caps, mut expected) = (Vec::new(), 0.0);
        for stands in &stands {
            let part = if all > 0.0 { stands.wanted / all } else { 1.0 };
            // Where players pick alone, the uplink caps nothing.
            let share = share.filter(|_| stands.mode != Mode::Client).map(|share| scaled(share, part));
            let (ladder, guessed) = (&stands.rungs, stands.guessed);
            let load = Load { ladder, guessed, egress: scaled(egress, part), share };
            let cap = state.caps.entry(stands.stream.clone()).or_default();
            caps.extend(self.follow(cap, stands, &load, now));
            expected += load.expected(cap.cap());
        }
        let taken = expected.max(egress as f64 * PACKET_OVERHEAD);
        let mut newcomers = self.newcomers();
        newcomers.observe(uplink.map(|bits| self.settings.left(bits, to_relays, taken)));
        let stand = uplink.zip(newcomers.left_for_each(now)).map(|(bits, left)| {
            let free = bits as f64 - to_relays as f64 * PACKET_OVERHEAD;
            pacing::Uplink { headroom: pacing::headroom(free, taken), left }
        });
        for Stands { mode, ladder, .. } in &stands {
            // Where each session is picked for, its pace would be taken for its line.
            let matters = matches!(mode, Mode::Capped | Mode::Server { per_session: false });
            ladder.set_uplink(stand.filter(|_| matters));
            ladder.set_picks(matches!(mode, Mode::Server { .. }));
        }
        drop(newcomers);
        self.standing.store(Arc::new(Standing { uplink, room, caps }));
        room
    }

    /// Takes in how one stream stands; its cap, if it has one now.
    fn follow(
        &self,
        cap: &mut adaptation::Adaptation,
        Stands { stream, ladder, .. }: &Stands<'_>,
        load: &Load<'_>,
        now: Time,
    ) -> Option<Cap> {
        if let Some(change) = cap.observe(load, &self.settings, now) {
            said(stream, ladder, change, load);
        }
        ladder.set_cap(if cap.is_capped() { cap.cap() } else { usize::MAX }, now);
        metrics::rung_cap(stream, cap.cap(), cap.is_pinned());
        let rendition = ladder.name(cap.cap()).filter(|_| cap.is_capped())?;
        Some(Cap { stream: StreamName::clone(stream), rung: cap.cap(), rendition })
    }

    /// Viewers that the uplink carries at the lowest rung, as far as the operator says what it carries: what is only learnt turns nobody
    /// away.
    fn room(&self, modes: &BTreeMap<StreamName, Mode>, to_relays: u64) -> u32 {
        let capped = modes.iter().filter(|(_, mode)| **mode != Mode::Client);
        let lowest = capped.filter_map(|(stream, _)| Some(self.ladder(stream.as_str())?.rate(0))).max();
        let Some((uplink, lowest)) = self.configured.zip(lowest) else { return self.capacity };
        let share = self.settings.viewers_share(uplink, to_relays);
        self.settings.room(share, lowest).clamp(1, self.capacity)
    }

    fn uplink(&self, state: &mut State, sight: uplink::Sight, now: Time) -> Option<u64> {
        if self.config.learn && state.uplink.observe(sight, self.settings.hold, now) {
            tracing::warn!(
                bits_per_second = state.uplink.bits_per_second(),
                viewers = sight.viewers,
                behind = sight.behind,
                "most viewers fall behind real time: the uplink carries less than was known"
            );
        }
        state.uplink.bits_per_second()
    }

    /// How each stream stands that is looked at.
    fn stands<'a>(
        &self,
        modes: &'a BTreeMap<StreamName, Mode>,
        count: &Count,
        egress: u64,
    ) -> Vec<Stands<'a>> {
        let stands = |(stream, mode): (&'a StreamName, &Mode)| {
            let ladder = self.ladder(stream.as_str())?;
            let (rungs, guessed) = load(stream, &ladder, count, egress);
            let wanted = Load { ladder: &rungs, guessed, egress: 0, share: None }.expected(usize::MAX);
            Some(Stands { stream, mode: *mode, ladder, rungs, guessed, wanted })
        };
        modes.iter().filter_map(stands).collect()
    }
}

fn load(stream: &StreamName, ladder: &Ladder, count: &Count, egress: u64) -> (Vec<adaptation::Rung>, u32) {
    let of_stream = |tally: &&Tally| tally.stream == *stream;
    let viewers = count.viewers.iter().filter(of_stream).map(|tally| tally.viewers).sum();
    ladder.load(count.asking.get(stream).map_or(&[], Vec::as_slice), viewers, egress)
}

fn sight(count: &Count, egress: u64, wanted: f64) -> uplink::Sight {
    let viewers = count.viewers.iter().map(|tally| tally.viewers).fold(0, u32::saturating_add);
    uplink::Sight { egress, wanted: scaled(1, wanted), viewers, behind: count.behind }
}

fn said(stream: &StreamName, ladder: &Ladder, change: Change, load: &Load<'_>) {
    metrics::adaptation_change(change);
    let Change { from, to, reason } = change;
    let name = |place| ladder.name(place).map(|name| name.to_string());
    let expected = load.expected(to).round();
    let (from, to, reason) = (name(from), name(to), reason.as_str());
    tracing::info!(%stream, from, to, reason, egress = load.egress, share = load.share, expected, "the highest rung that is sent changes");
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a part of a bitrate, which is far below 2^52"
)]
fn scaled(bits_per_second: u64, part: f64) -> u64 {
    (bits_per_second as f64 * part) as u64
}
