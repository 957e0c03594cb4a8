//! How many watch: HLS has no connection, so a viewer is a session that goes on asking.
//!
//! A session is alive while it reloads a media playlist, or while a connection that carried its playlist is still being
//! sent media ([`line`]); it ends after 2.5 target durations, at least 5 s, of neither. It counts from the second reload of
//! the rendition that it began with, or after one target duration: players probe. The rules for one session stand in
//! [`record`], as functions of `now`; those for viewers without a token in [`rate`].
//!
//! The request path inserts into a concurrent map and stores atomics, nothing more. One task sweeps ([`Census::sweep`]):
//! it alone lets sessions count, ends them, and adds up, from nothing at each sweep, so that no count can leak or go below
//! zero. The table is bounded; sessions beyond the bound are counted as those without a token are.

mod config;
mod line;
mod meter;
mod personal;
mod rate;
mod record;
mod reloaders;
mod rungs;
mod sent;
mod sweep;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use papaya::HashMap;
use policy::{Class, Region, ServerId, SessionId, StreamName, Time, routing::Kind, session::Session};
use tokio::sync::Notify;

pub use self::{
    config::Config,
    line::{Connected, Line, Waiting},
    record::{BEGINS, CLOCKS_DIFFER},
};
use self::{
    personal::Personal,
    record::{Coming, Record, Reload, millis},
    sweep::Sweeper,
};

/// Viewers of one stream, one region and one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// What they watch.
    pub stream: StreamName,
    /// The region of their tokens; of those without one, the server's.
    pub region: Region,
    /// What their players can do; without a token nobody can move them.
    pub class: Class,
    /// How many they are.
    pub viewers: u32,
}

/// What a sweep added up. Told as one: totals that ran ahead of the viewers would show moves as made whose viewers are still counted,
/// and others would be moved in their place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Count {
    /// Who counts.
    pub viewers: Vec<Tally>,
    /// Sessions that take media, by the rung that they ask for, the lowest first; also those that do not count yet.
    pub asking: BTreeMap<StreamName, Vec<u32>>,
    /// Sessions that have had something left to be sent for longer than it plays: they fall behind real time.
    pub behind: u32,
    /// Sessions that began to count here.
    pub opened_total: u64,
    /// Sessions dropped because they were reported open elsewhere.
    pub departed_total: u64,
}

/// Whose census it is.
#[derive(Debug, Clone)]
pub struct Place {
    /// The server.
    pub server: ServerId,
    /// Origin or relay.
    pub kind: Kind,
    /// Where it stands.
    pub region: Region,
    /// Viewers that it takes at most.
    pub capacity: u32,
}

/// A reload of a media playlist that is about to be answered with it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The stream.
    pub stream: &'a StreamName,
    /// The rendition.
    pub rendition: &'a str,
    /// Its place in the ladder, counted from the lowest; none for sound and subtitles.
    pub rung: Option<usize>,
    /// The playlist's target duration.
    pub target_duration: Duration,
    /// Whether the playlist has an end.
    pub ended: bool,
}

/// A newcomer for whom there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this server has as many viewers as it takes ({0})")]
pub struct Full(pub u32);

/// The count, shared by all connections.
#[derive(Debug)]
pub struct Census {
    place: Place,
    config: Config,
    /// Viewers taken now: the place's capacity, or fewer where they would not fit the uplink.
    room: AtomicU32,
    records: HashMap<SessionId, Arc<Record>>,
    /// Sessions in `records`: reserved before one is put in, so that it never exceeds a limit.
    present: AtomicU32,
    /// Viewers without a token, as of the last sweep.
    anonymous: AtomicU32,
    streams: HashMap<StreamName, Arc<Reloads>>,
    lines: HashMap<u64, Arc<Line>>,
    next_line: AtomicU64,
    /// Who last reloaded a rendition from an address, by the digest of both: see [`line`].
    reloaders: HashMap<u64, Arc<Record>>,
    /// Sessions that went elsewhere, and when.
    departed: HashMap<SessionId, Time>,
    /// What was listed to sessions that are gone, as far as it was to them alone, and since when: who comes back may still have it.
    silent: HashMap<SessionId, (Time, Arc<Personal>)>,
    opened_total: AtomicU64,
    departed_total: AtomicU64,
    refused_total: AtomicU64,
    last_asked: AtomicU64,
    longest_life: AtomicU64,
    count: ArcSwap<Count>,
    arrived: Mutex<Vec<SessionId>>,
    /// Whether a session that counted here has gone to another server since the last sweep.
    has_left: AtomicBool,
    moves: Notify,
    sweeper: Mutex<Sweeper>,
}

/// Reloads of one stream without a token.
#[derive(Debug, Default)]
struct Reloads {
    total: AtomicU64,
    target_ms: AtomicU64,
    life_ms: AtomicU64,
}

impl Census {
    /// Nobody yet.
    #[must_use]
    pub fn new(place: Place, config: Config) -> Self {
        Self {
            longest_life: AtomicU64::new(millis(config.min_life)),
            room: AtomicU32::new(place.capacity),
            place,
            config,
            records: HashMap::new(),
            present: AtomicU32::new(0),
            anonymous: AtomicU32::new(0),
            streams: HashMap::new(),
            lines: HashMap::new(),
            next_line: AtomicU64::new(0),
            reloaders: HashMap::new(),
            departed: HashMap::new(),
            silent: HashMap::new(),
            opened_total: AtomicU64::new(0),
            departed_total: AtomicU64::new(0),
            refused_total: AtomicU64::new(0),
            last_asked: AtomicU64::new(0),
            count: ArcSwap::default(),
            arrived: Mutex::default(),
            has_left: AtomicBool::new(false),
            moves: Notify::new(),
            sweeper: Mutex::default(),
        }
    }

    /// How long a session lives without a sign, of a stream with this target duration, with an end or without.
    #[must_use]
    pub fn life(&self, target_duration: Duration, ended: bool) -> Duration {
        self.config.life(target_duration, ended)
    }

    /// Whether this session may ask: it is here already, or there is room.
    ///
    /// # Errors
    /// When it is a newcomer and there is none; counted as refused.
    pub fn admit(&self, session: &SessionId) -> Result<(), Full> {
        if self.has_room() || self.records.pin().contains_key(session) {
            return Ok(());
        }
        Err(self.refuse())
    }

    /// Whether there is room for one more.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.present.load(Relaxed).saturating_add(self.anonymous.load(Relaxed)) < self.room()
    }

    /// Viewers taken now at most.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.room.load(Relaxed)
    }

    /// Takes no more than `viewers`, nor more than the place's capacity. Who is here stays.
    pub fn set_room(&self, viewers: u32) {
        self.room.store(viewers.min(self.place.capacity), Relaxed);
    }

    /// Notes that a newcomer is refused for want of room.
    pub fn refuse(&self) -> Full {
        self.refused_total.fetch_add(1, Relaxed);
        crate::metrics::refused();
        Full(self.room())
    }

    /// Notes a reload of a media playlist on this connection. Whether nothing of this rung was given to the session here before.
    ///
    /// # Errors
    /// When the session is a newcomer and there is no room for it.
    pub fn reloaded(
        &self,
        session: &Session,
        asked: Asked<'_>,
        line: &Line,
        now: Time,
    ) -> Result<bool, Full> {
        let life = self.config.life(asked.target_duration, asked.ended);
        self.longest_life.fetch_max(millis(life), Relaxed);
        let Asked { rendition, rung, target_duration, .. } = asked;
        let reload = Reload { rendition, rung, target_duration, life };
        let records = self.records.pin();
        if let Some(record) = records.get(&session.id) {
            record.reloaded(reload, now);
            self.carried(line, record, asked);
            return Ok(record.rungs.is_first(rung));
        }
        if self.present.load(Relaxed) >= self.config.max_sessions {
            self.reloaded_unknown(asked);
            return Ok(false);
        }
        let limit = self.room().saturating_sub(self.anonymous.load(Relaxed));
        if !self.reserve(limit) {
            return Err(self.refuse());
        }
        let record = Record::new(session.clone(), reload, self.coming_of(session, asked), now);
        // Before anybody finds it, and for others to find until it is found: several of its requests may come back at once.
        if let Some((_, personal)) = self.silent.pin().get(&session.id) {
            record.goes_on_with(Arc::clone(personal));
        }
        let record = Arc::new(record);
        let record = match records.try_insert(session.id.clone(), Arc::clone(&record)) {
            Ok(_) => &record,
            Err(occupied) => {
                self.release();
                occupied.current.reloaded(reload, now);
                occupied.current
            }
        };
        self.silent.pin().remove(&session.id);
        self.carried(line, record, asked);
        Ok(record.rungs.is_first(rung))
    }

    /// Notes that a session is given the playlist of the rung at this place. Whether that is the first time here.
    #[must_use]
    pub fn note_given(&self, session: &SessionId, rung: usize) -> bool {
        self.records.pin().get(session).is_some_and(|record| record.rungs.note_given(rung))
    }

    /// Notes a reload of somebody without a valid token.
    pub fn reloaded_unknown(&self, asked: Asked<'_>) {
        let streams = self.streams.pin();
        let reloads = streams.get_or_insert_with(asked.stream.clone(), Arc::default);
        let life = self.config.life(asked.target_duration, asked.ended);
        self.longest_life.fetch_max(millis(life), Relaxed);
        reloads.target_ms.store(millis(asked.target_duration), Relaxed);
        reloads.life_ms.store(millis(life), Relaxed);
        reloads.total.fetch_add(1, Relaxed);
    }

    /// Notes that a viewer asked anything at all.
    pub fn asked(&self, now: Time) {
        self.last_asked.fetch_max(now.as_millis().max(1), Relaxed);
    }

    /// Notes that a session's reload is answered by a 307: from here on it counts at the relay alone.
    pub fn handed_on(&self, session: &SessionId, now: Time) {
        if let Some(record) = self.depart(session, now) {
            self.has_left.fetch_or(record.counts(), Relaxed);
        }
    }

    /// These sessions began to count elsewhere: they are dropped, and are newcomers if they ask again.
    pub fn moved(&self, sessions: &[SessionId], now: Time) {
        for session in sessions {
            if self.depart(session, now).is_some_and(|record| record.counts()) {
                self.departed_total.fetch_add(1, Relaxed);
                self.has_left.store(true, Relaxed);
            }
        }
    }

    /// The count as of the last sweep.
    #[must_use]
    pub fn count(&self) -> Arc<Count> {
        self.count.load_full()
    }

    /// Sessions that began to count here since this was last called, and count elsewhere for all we know: their token
    /// names another server, or they went elsewhere before.
    #[must_use]
    pub fn take_arrived(&self) -> Vec<SessionId> {
        std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ready when a sweep has added up after sessions came from another server or went to one: the sooner both are reported,
    /// the shorter a moving session is in two counts. For one who waits.
    pub async fn moves(&self) {
        self.moves.notified().await;
    }

    /// Newcomers refused, in total.
    #[must_use]
    pub fn refused_total(&self) -> u64 {
        self.refused_total.load(Relaxed)
    }

    /// Whether no viewer has asked anything for as long as a session could still be alive.
    #[must_use]
    pub fn is_quiet(&self, now: Time) -> bool {
        let last = Time::from_millis(self.last_asked.load(Relaxed));
        last == Time::default() || now.since(last) > Duration::from_millis(self.longest_life.load(Relaxed))
    }

    fn coming_of(&self, session: &Session, asked: Asked<'_>) -> Coming {
        if self.place.kind == Kind::Relay && session.class == Class::Redirects {
            Coming::Sent
        } else if !asked.ended && self.departed.pin().contains_key(&session.id) {
            // A playlist with an end is asked for once.
            Coming::Back
        } else {
            Coming::New
        }
    }

    fn connected(&self, line: &Arc<Line>) -> u64 {
        let number = self.next_line.fetch_add(1, Relaxed);
        self.lines.pin().insert(number, Arc::clone(line));
        number
    }

    /// The connections that there are.
    #[cfg(test)]
    pub(crate) fn lines(&self) -> Vec<Arc<Line>> {
        self.lines.pin().values().cloned().collect()
    }

    fn disconnected(&self, number: u64) {
        self.lines.pin().remove(&number);
    }

    fn reserve(&self, limit: u32) -> bool {
        self.present
            .fetch_update(Relaxed, Relaxed, |present| (present < limit).then_some(present + 1))
            .is_ok()
    }

    /// Gives back what [`Census::reserve`] took: once for each session that is not put in or is taken out.
    fn release(&self) {
        self.present.fetch_sub(1, Relaxed);
    }

    /// Drops a session that is here, and remembers it first: it may ask again at this moment.
    fn depart(&self, session: &SessionId, now: Time) -> Option<Arc<Record>> {
        let records = self.records.pin();
        let record = records.get(session)?;
        self.departed.pin().insert(session.clone(), now);
        self.remember(record, now);
        let record = records.remove(session).cloned()?;
        self.release();
        Some(record)
    }
}
