//! What viewers and relays reach over HTTP: the same URLs on every server, whatever feeds it.
//!
//! ```text
//! /{stream}/index.m3u8?s=SESSION             [multivariant]   mints a session for who has none
//! /{stream}/{rendition}/live.m3u8?s=SESSION  [playlist]       counts, admits, redirects
//! /{stream}/{rendition}/…                    [media]          objects, whole or in one range
//! /.…                                        [routes]         the program's own
//! ```
//!
//! One answer takes no lock and waits for nothing but its feed. Counting is the census' affair, what to serve the feed's,
//! what to be the situation's.

mod answer;
mod body;
mod cap;
mod config;
mod experience;
mod listen;
mod media;
mod multivariant;
mod negotiation;
mod pacing;
mod playlist;
mod range;
mod redirect;
mod routes;
mod socket;
#[cfg(test)]
mod tests;
mod viewer;
mod witness;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use hls::{Resource, url::Kind};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use policy::{Phase, adaptation::Mode, session::Keys};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::{
    answer::{Answer, Refusal},
    experience::Experiences,
    listen::Connections,
    pacing::{Pacing, Throttle},
    redirect::Redirects,
    socket::Egress,
};
pub use self::{config::Config, pacing::Config as PacingConfig, routes::Routes};
use crate::{
    adaptation::{self, Adaptation},
    census::{self, Census, Connected, Full, Line, Place},
    clock::Clock,
    feed::Feed,
    metrics::{RequestSeconds, egress_bytes, sessions},
    situation::Board,
};

/// A server's site: everything that an answer needs.
#[derive(Debug)]
pub struct Site<F> {
    feed: Arc<F>,
    board: Arc<Board>,
    place: Place,
    config: Config,
    census: Arc<Census>,
    redirects: Redirects,
    connections: Arc<Connections>,
    egress: Arc<Egress>,
    adaptation: Arc<Adaptation>,
    own_mode: Option<Mode>,
    pacing: Pacing,
    routes: Routes,
    own_keys: Keys,
    clock: Clock,
    seconds: RequestSeconds,
    experiences: Experiences,
}

/// What a site is made of, besides its feed and its board.
#[derive(Debug)]
pub struct Setup {
    /// Whose site it is.
    pub place: Place,
    /// `[http]`.
    pub http: Config,
    /// `[census]`.
    pub census: census::Config,
    /// `[rung_cap]`.
    pub rung_cap: adaptation::Config,
    /// Bits per second that the uplink carries, as far as the operator says.
    pub uplink: Option<u64>,
    /// Who picks the bitrate; a relay is told by its directive.
    pub mode: Option<Mode>,
    /// The program's own routes.
    pub routes: Routes,
}

impl<F: Feed> Site<F> {
    /// A site that nobody has reached yet. Its metrics need a recorder: make it after that is installed.
    #[must_use]
    pub fn new(feed: Arc<F>, board: Arc<Board>, setup: Setup) -> Self {
        let Setup { place, http, census, rung_cap, uplink, mode, routes } = setup;
        Self {
            feed,
            board,
            redirects: Redirects::new(census.max_sessions),
            census: Arc::new(Census::new(place.clone(), census)),
            experiences: Experiences::new(&place.region),
            connections: Arc::new(Connections::new(&http)),
            pacing: Pacing::new(&http.pacing),
            config: http,
            egress: Arc::new(Egress::new(egress_bytes())),
            adaptation: Arc::new(Adaptation::new(rung_cap, place.kind, uplink, place.capacity)),
            own_mode: mode,
            routes,
            own_keys: viewer::own_keys(),
            clock: Clock::start(),
            seconds: RequestSeconds::new(),
            place,
        }
    }

    /// What is sent at most.
    #[must_use]
    pub fn adaptation(&self) -> &Arc<Adaptation> {
        &self.adaptation
    }

    /// The census of its viewers.
    #[must_use]
    pub fn census(&self) -> &Arc<Census> {
        &self.census
    }

    /// Whether no viewer has asked anything for as long as a session could still be alive.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.census.is_quiet(self.clock.now())
    }

    /// Counts viewers, keeps what they are sent within the uplink and follows the directive's quotas, until told to stop.
    pub async fn keep(&self, stop: CancellationToken) {
        let follow = async {
            let mut changes = self.board.changes();
            loop {
                self.redirects.follow(&self.board.snapshot().redirects);
                self.show_streams();
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let adapt = async {
            let mut ticks = tokio::time::interval(self.adaptation.config().interval);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                self.adapt().await;
            }
        };
        tokio::select! {
            () = self.census.run(self.clock, stop.clone()) => {}
            () = follow => stop.cancelled().await,
            () = adapt => {}
        }
    }

    /// Shows streams that nobody watches yet: a metric that is missing looks like a server that is.
    fn show_streams(&self) {
        let count = self.census.count();
        for stream in self.feed.streams() {
            if count.viewers.iter().all(|tally| tally.stream != stream.name) {
                sessions(&stream.name, 0);
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>, caller: &Caller) -> Answer {
        let started = Instant::now();
        caller.asked.store(true, Relaxed);
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let resource = Resource::parse(&path);
        let answered = match (&method, &resource) {
            (&Method::OPTIONS, _) => Ok(answer::preflight()),
            (&Method::GET | &Method::HEAD, Some(resource)) => self.resource(&request, resource, caller).await,
            (_, Some(_)) => Err(Refusal::Method),
            (_, None) => self.other(request).await,
        };
        let answer = answered.unwrap_or_else(|refusal| refusal.answer());
        let took = started.elapsed();
        self.seconds.took(resource.map(|resource| resource.kind), caller.is_relay(), took);
        // The path alone: a query may hold a token.
        tracing::trace!(%method, path, status = answer.status().as_u16(), ?took, "answered");
        answer::finish(answer, method == Method::HEAD)
    }

    async fn resource(
        &self,
        request: &Request<Incoming>,
        resource: &Resource<'_>,
        caller: &Caller,
    ) -> Result<Answer, Refusal> {
        self.make_room_for_relays(request.headers(), caller)?;
        if !caller.is_relay() && self.board.now().phase == Phase::Standby {
            self.census.refuse();
            return Err(Refusal::StandsBy { retry_after: self.config.retry_after });
        }
        let answer = match resource.kind {
            Kind::Multivariant => return self.multivariant(request, resource.stream).await,
            Kind::Playlist { rendition } => {
                self.playlist(request, resource.stream, rendition, caller).await?
            }
            Kind::Segment { .. } | Kind::Init { .. } => self.media(request, resource, caller).await?,
        };
        self.experiences.hear(request, answer.status(), caller, self.clock.now());
        Ok(answer)
    }

    /// Refuses those who are not relays, and have not been served on this connection before, when connections run short.
    fn make_room_for_relays(&self, headers: &HeaderMap, caller: &Caller) -> Result<(), Refusal> {
        if !caller.is_relay() && self.is_relay(headers) {
            caller.line().is_of_relay();
        }
        if caller.is_relay() || caller.served.load(Relaxed) {
            return Ok(());
        }
        if self.connections.are_short() {
            self.census.refuse();
            return Err(Refusal::Connections { retry_after: self.config.retry_after });
        }
        caller.served.store(true, Relaxed);
        Ok(())
    }

    /// What is no stream's: a route of the program, or nothing.
    async fn other(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let Some(handler) = self.routes.find(request.method(), request.uri().path()) else {
            let known: Vec<String> =
                self.feed.streams().iter().map(|stream| stream.name.to_string()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Refusal::NoSuchPath(known));
        };
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, self.config.max_body_bytes).collect();
        let body = timeout(self.config.idle_timeout, body).await.map_err(|_| Refusal::LateBody)?;
        let body = body.map_err(|_| Refusal::BadBody)?.to_bytes();
        Ok(answer::of_route(handler(Request::from_parts(parts, body)).await))
    }

    fn full(&self, reason: Full) -> Refusal {
        Refusal::Full { reason, retry_after: self.config.retry_after }
    }
}

/// Who is at the other end of a connection.
#[derive(Debug)]
struct Caller {
    connected: Connected,
    /// None if it is never paced.
    throttle: Option<Arc<Throttle>>,
    asked: AtomicBool,
    served: AtomicBool,
}

impl Caller {
    fn new(connected: Connected, throttle: Option<Arc<Throttle>>) -> Self {
        Self { connected, throttle, asked: AtomicBool::new(false), served: AtomicBool::new(false) }
    }

    fn line(&self) -> &Arc<Line> {
        self.connected.line()
    }

    /// Whether it has shown a pass.
    fn is_relay(&self) -> bool {
        self.line().is_relay()
    }

    fn has_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }
}
