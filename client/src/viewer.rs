//! One viewer: joins a player and a route to the network, and keeps count of what happened.
//!
//! It never decides where to play nor what to load. Failures have one owner here: a server that fails is reported to the route,
//! which says whether to go elsewhere or to try again, and between tries there are pauses.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hls::MAX_PLAYLIST_BYTES;
use policy::Time;
use service::Backoff;
use url::Url;

use crate::{
    clock::Clock,
    config::Config,
    exit::Failure,
    fetch::{Fetch, FetchError, Keep},
    player::{
        AUDIO, Entry, Listing, MAIN, Player, Step, TrackIndex,
        pathways::Variant,
        rung::{Choice, Throughput},
    },
    route::{Recourse, Route, Ticket},
    summary::Summary,
};

/// How long a viewer sleeps at most before it looks whether it was told to move.
const LOOK: Duration = Duration::from_millis(250);

/// How often a segment that its server does not have is asked for before it is given up.
const MOST_TRIES: u32 = 3;

/// How many failures in a row are answered by another server at once; more are answered by a pause too.
const HASTY: u32 = 2;

/// Who sees what a viewer does.
pub trait Observer: Send {
    /// Whether the media itself is wanted.
    fn keep(&self) -> Keep;

    /// Something happened.
    ///
    /// # Errors
    /// When the viewer should end because of it.
    fn observe(&mut self, event: Event<'_>, viewer: &Viewer) -> Result<(), Failure>;
}

/// What an observer sees.
#[derive(Debug)]
pub enum Event<'a> {
    /// A media playlist came.
    Reloaded,
    /// An initialization section or a segment came, not of audio that is a rendition of its own.
    Media(&'a Bytes),
    /// It plays from another server.
    Moved,
    /// Something could not be had.
    Trouble(&'a FetchError),
    /// It looks what to do next.
    Tick,
}

/// One viewer.
#[derive(Debug)]
pub struct Viewer {
    ticket: Ticket,
    route: Route,
    player: Player,
    fetch: Fetch,
    clock: Clock,
    began: Instant,
    choice: Choice,
    rung: usize,
    line: Throughput,
    backoff: Backoff,
    stall_limit: Option<Duration>,
    give_up_after: Duration,
    newest_media: Time,
    failures: u32,
    /// Scheme, host and port of the last playlist.
    origin: Option<String>,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    switches: u32,
    segments: u64,
    bytes: u64,
    errors: BTreeMap<&'static str, u32>,
}

impl Viewer {
    /// A viewer who has a place and has not begun to play; `asked` is when it pressed play.
    #[must_use]
    pub fn new(
        ticket: Ticket,
        route: Route,
        fetch: Fetch,
        config: &Config,
        choice: Choice,
        clock: Clock,
        asked: Time,
    ) -> Self {
        let ladder: Vec<u64> = route.ladder().iter().map(|variant| variant.bandwidth).collect();
        let tracks = route.ladder().first().map_or(1, Variant::tracks);
        let line = Throughput::default();
        Self {
            rung: choice.rung(&ladder, None, &line, Duration::ZERO),
            ticket,
            route,
            player: Player::new(config.buffer.into(), tracks, asked),
            fetch,
            clock,
            began: Instant::now(),
            choice,
            line,
            backoff: Backoff::new(config.retry),
            stall_limit: None,
            give_up_after: config.give_up_after,
            newest_media: asked,
            failures: 0,
            origin: None,
            tally: Tally::default(),
        }
    }

    /// The picture may stand still for so long at one time.
    #[must_use]
    pub fn with_stall_limit(mut self, limit: Option<Duration>) -> Self {
        self.stall_limit = limit;
        self
    }

    /// Plays until the stream ends. May be dropped at any moment.
    ///
    /// # Errors
    /// When it stalls for longer than allowed, or the observer wants an end.
    pub async fn play(&mut self, observer: &mut impl Observer) -> Result<(), Failure> {
        loop {
            let now = self.clock.now();
            if self.route.turn(now, self.bits_per_second()) {
                self.player.redirected(now);
            }
            let (track, step) = self.player.step(now);
            self.check_patience(now)?;
            observer.observe(Event::Tick, self)?;
            let failed = match step {
                Step::End => return Ok(()),
                Step::WaitUntil(time) => {
                    tokio::time::sleep_until(self.clock.instant(time.min(now + LOOK))).await;
                    continue;
                }
                Step::Reload => self.reload(track, now, observer).await?.err().map(|error| (error, None)),
                Step::Init(url) => match self.load(track, &url, observer).await? {
                    Ok(_) => {
                        self.player.initialized(track, &url);
                        None
                    }
                    Err(error) => Some((error, None)),
                },
                Step::Segment(entry) => match self.load(track, &entry.uri, observer).await? {
                    Ok(cost) => {
                        self.loaded(track, &entry, cost);
                        None
                    }
                    Err(error) => Some((error, Some(entry))),
                },
            };
            if let Some((error, segment)) = failed {
                self.trouble(&error, segment.map(|entry| (track, entry)), observer).await?;
            }
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut buffer = self.player.buffer().clone();
        buffer.advance(self.clock.now());
        let (experience, cursor) = (buffer.experience(), self.player.cursor());
        Summary {
            stream: self.ticket.stream.to_string(),
            class: self.ticket.class,
            session: self.route.session().to_owned(),
            server: self.server().to_owned(),
            watched_ms: millis(self.began.elapsed()),
            start_up_ms: experience.start_up.map(millis),
            played_ms: millis(experience.played),
            stalls: experience.stalls,
            stalled_ms: millis(experience.stalled),
            longest_stall_ms: millis(experience.longest_stall),
            switches: self.tally.switches,
            first_sequence: cursor.first(),
            newest_sequence: cursor.newest(),
            gaps: self.player.gaps(),
            segments: self.tally.segments,
            bytes: self.tally.bytes,
            errors: self.tally.errors.values().sum(),
            errors_by_kind: self.tally.errors.clone(),
        }
    }

    /// Its player.
    #[must_use]
    pub fn player(&self) -> &Player {
        &self.player
    }

    /// The rung that it plays, from 0, and its bits per second.
    #[must_use]
    pub fn rung(&self) -> (usize, u64) {
        let ladder = self.route.ladder();
        (self.rung, ladder.get(self.rung).map_or(0, |variant| variant.bandwidth))
    }

    /// Whether its server sent it another rung than it asked for, last, and which.
    #[must_use]
    pub fn lowered_to(&self) -> Option<&str> {
        let asked = self.route.ladder().get(self.rung)?.rendition()?;
        self.player.sent().filter(|sent| *sent != asked)
    }

    /// The server it plays from, by the name its route has for it, else by its address.
    #[must_use]
    pub fn server(&self) -> &str {
        self.route.server().or(self.origin.as_deref()).unwrap_or("nowhere yet")
    }

    /// Scheme, host and port that its last playlist came from.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Whether the audio that it plays is a rendition of its own.
    #[must_use]
    pub fn has_audio_apart(&self) -> bool {
        self.route.ladder().iter().any(|variant| variant.audio.is_some())
    }

    /// Its session's token.
    #[must_use]
    pub fn session(&self) -> &str {
        self.route.session()
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is positive and finite"
    )]
    fn bits_per_second(&self) -> Option<u64> {
        self.line.bits_per_second().map(|rate| rate as u64)
    }

    /// Loads a media playlist.
    async fn reload(
        &mut self,
        track: TrackIndex,
        now: Time,
        observer: &mut impl Observer,
    ) -> Result<Result<(), FetchError>, Failure> {
        let (origin, listing) = match self.listing(track).await {
            Ok(listed) => listed,
            Err(error) => return Ok(Err(error)),
        };
        self.player.listed(track, listing, now);
        let moved = self.origin.as_ref().is_some_and(|before| *before != origin);
        self.tally.switches += u32::from(moved);
        self.origin = Some(origin);
        observer.observe(Event::Reloaded, self)?;
        if moved {
            observer.observe(Event::Moved, self)?;
        }
        Ok(Ok(()))
    }

    async fn listing(&self, track: TrackIndex) -> Result<(String, Listing), FetchError> {
        let ladder = self.route.ladder();
        let variant = ladder.get(self.rung).or(ladder.last()).expect("a route's ladder is never empty");
        let url = if track == AUDIO { variant.audio.as_ref() } else { None }.unwrap_or(&variant.playlist);
        let page = self.fetch.document(url, MAX_PLAYLIST_BYTES, self.player.target()).await?;
        let listing = Listing::parse(&page.body, &page.url)
            .map_err(|error| FetchError::Invalid { url: page.url.to_string(), reason: error.to_string() })?;
        Ok((page.url.origin().ascii_serialization(), listing))
    }

    /// Loads media and shows it to the observer. The inner result is how long it took and how much it was.
    async fn load(
        &mut self,
        track: TrackIndex,
        url: &Url,
        observer: &mut impl Observer,
    ) -> Result<Result<(Duration, u64), FetchError>, Failure> {
        let fetched = match self.fetch.media(url, self.player.target(), observer.keep()).await {
            Ok(fetched) => fetched,
            Err(error) => return Ok(Err(error)),
        };
        self.tally.bytes += fetched.bytes;
        self.failures = 0;
        self.backoff.reset();
        if track == MAIN {
            observer.observe(Event::Media(&fetched.body), self)?;
        }
        Ok(Ok((fetched.took, fetched.bytes)))
    }

    fn loaded(&mut self, track: TrackIndex, entry: &Entry, (took, bytes): (Duration, u64)) {
        let now = self.clock.now();
        self.player.loaded(track, entry, now);
        self.newest_media = now;
        self.tally.segments += 1;
        if track != MAIN {
            return;
        }
        self.line.measured(bytes, took, entry.duration);
        let ladder: Vec<u64> = self.route.ladder().iter().map(|variant| variant.bandwidth).collect();
        let rung = self.choice.rung(&ladder, Some(self.rung), &self.line, self.player.buffer().level());
        if rung != self.rung {
            self.rung = rung;
            self.player.redirected(now);
        }
    }

    async fn trouble(
        &mut self,
        error: &FetchError,
        segment: Option<(TrackIndex, Entry)>,
        observer: &mut impl Observer,
    ) -> Result<(), Failure> {
        *self.tally.errors.entry(error.kind()).or_default() += 1;
        self.failures += 1;
        observer.observe(Event::Trouble(error), self)?;
        let recourse = match segment {
            // The server is well: the list has moved on, or is ahead of what it has.
            Some((track, entry)) if error.is_missing() => {
                if self.failures >= MOST_TRIES {
                    self.player.missed(track, &entry, self.clock.now());
                }
                Recourse::Again
            }
            _ => self.route.failed(error, self.clock.now(), self.player.target()).await,
        };
        if recourse == Recourse::Again || self.failures > HASTY {
            tokio::time::sleep(self.backoff.pause(rand::random())).await;
        }
        self.player.redirected(self.clock.now());
        Ok(())
    }

    fn check_patience(&self, now: Time) -> Result<(), Failure> {
        let longest = self.player.buffer().experience().longest_stall;
        if let Some(limit) = self.stall_limit.filter(|limit| longest > *limit) {
            let (longest, limit) = (rounded(longest), rounded(limit));
            return Err(Failure::Stalled(format!("stalled for {longest}, more than {limit}")));
        }
        let idle = now.since(self.newest_media);
        if idle > self.give_up_after {
            let what = format!("no media for {} from {}", rounded(idle), self.server());
            return Err(Failure::Stalled(what));
        }
        Ok(())
    }
}

fn rounded(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_millis(millis(time)))
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
