//! The stage: a site with a feed that the test plays, and a client that has one connection.

use std::{
    future::Future,
    net::SocketAddr,
    sync::atomic::{AtomicU8, AtomicU64},
    time::Duration,
};

use bytes::Bytes;
use hls::{Multivariant, SwitchingSet, Template};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use policy::{
    Phase, Region, ServerId, SessionId, Time,
    routing::{Pathway, Slot},
    session::Session,
};
use service::Shutdown;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use super::super::*;
use crate::{
    clock::unix_now,
    document::Document,
    feed::{Error, Health, Playlist, Stream},
    object::{Broken, Fetch, FetchError, Fetched, Key, Object, Store},
    situation::Situation,
};

pub(super) const TARGET: Duration = Duration::from_secs(2);
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
pub(super) const LIST: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n";

/// A ladder of three rungs, of which `unaligned` is in no switching set, besides `v0`, whose list is as short as can be.
pub(super) const LADDER: &str = "#EXTM3U\n\
    #EXT-X-STREAM-INF:BANDWIDTH=300000\n240p/live.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=800000\n360p/live.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2000000\n720p/live.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2100000\nunaligned/live.m3u8\n";

/// How a playlist can be had: at once, not at all, or not yet.
pub(super) const THERE: u8 = 0;
pub(super) const FAILS: u8 = 1;
pub(super) const SILENT: u8 = 2;

/// A feed of one stream, `live`, with one rendition, `v0`; or with others, which list the segments up to `newest`.
///
/// In each rendition `1.m4s` is `0123456789`; `2.m4s` is what the test sends; `3.m4s` has 16 MiB; others are gone.
pub(super) struct Stage {
    pub(super) newest: AtomicU64,
    /// How `240p` can be had.
    pub(super) lowest: AtomicU8,
    /// How many have waited for it.
    pub(super) waiting: AtomicU8,
    template: Arc<Template>,
    given_at: Option<Instant>,
    store: Store<Script>,
}

pub(super) struct Script {
    arriving: tokio::sync::Mutex<Option<mpsc::Receiver<Result<Bytes, Broken>>>>,
}

impl Fetch for Script {
    async fn fetch(&self, key: &Key, _: u64) -> Result<Fetched, FetchError> {
        match key.path().trim_start_matches("/live/").split_once('/').map_or("", |(_, name)| name) {
            "1.m4s" => Ok(Fetched::whole(Bytes::from_static(b"0123456789"))),
            "2.m4s" => {
                let pieces = self.arriving.lock().await.take().expect("asked once");
                let body = Box::pin(tokio_stream::wrappers::ReceiverStream::new(pieces));
                Ok(Fetched { offset: 0, total: None, body })
            }
            "3.m4s" => Ok(Fetched::whole(Bytes::from(vec![7; 16 << 20]))),
            "4.m4s" => Err(FetchError::Failed("status 500".into())),
            _ => Err(FetchError::Gone),
        }
    }
}

impl Feed for Stage {
    fn streams(&self) -> Vec<Stream> {
        vec![Stream {
            name: "live".parse().unwrap(),
            target_duration: TARGET,
            live: true,
            ready: true,
            template: Some(Arc::clone(&self.template)),
        }]
    }

    fn health(&self) -> Health {
        Health { healthy: true, failures_total: 0 }
    }

    async fn multivariant(&self, stream: &str) -> Result<Arc<Template>, Error> {
        self.known(stream)?;
        Ok(Arc::clone(&self.template))
    }

    async fn media_playlist(&self, stream: &str, name: &str, msn: Option<u64>) -> Result<Playlist, Error> {
        self.known(stream)?;
        match self.lowest.load(Relaxed) {
            FAILS if name == "240p" => return Err(Error::Gone(name.to_owned())),
            SILENT if name == "240p" => {
                self.waiting.fetch_add(1, Relaxed);
                while self.lowest.load(Relaxed) == SILENT {
                    tokio::task::yield_now().await;
                }
            }
            _ => {}
        }
        if name != "v0" {
            return Ok(self.rung(name));
        }
        let body = msn.map_or_else(|| LIST.to_owned(), |msn| format!("{LIST}#waited for {msn}\n"));
        let (body, given_at) = (Document::new(body), self.given_at);
        Ok(Playlist {
            body,
            given_at,
            target_duration: TARGET,
            newest: Some(3),
            ended: false,
            switching_set: Some(SwitchingSet::of_digest(0xa1)),
        })
    }

    async fn object(&self, resource: &Resource<'_>) -> Result<Object, Error> {
        Ok(self.store.open(&Key::of(resource)).await?)
    }
}

impl Stage {
    /// The list of a rung: segments from 1 on.
    fn rung(&self, name: &str) -> Playlist {
        let newest = self.newest.load(Relaxed);
        let mut text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n".to_owned();
        (1..=newest).for_each(|sequence| text += &format!("#EXTINF:2.0,\n{sequence}.ts\n"));
        Playlist {
            body: Document::new(text),
            given_at: self.given_at,
            target_duration: TARGET,
            newest: Some(newest),
            ended: false,
            switching_set: (name != "unaligned").then(|| SwitchingSet::of_digest(0xa1)),
        }
    }

    fn known(&self, stream: &str) -> Result<(), Error> {
        let known = vec!["live".parse().unwrap()];
        if stream == "live" { Ok(()) } else { Err(Error::UnknownStream { name: stream.into(), known }) }
    }
}

/// A site that listens, and what the test turns.
pub(super) struct Play {
    pub(super) site: Arc<Site<Stage>>,
    pub(super) address: SocketAddr,
    pub(super) shutdown: Shutdown,
    pub(super) served: tokio::task::JoinHandle<std::io::Result<()>>,
    /// The pieces of `2.m4s`.
    pub(super) pieces: mpsc::Sender<Result<Bytes, Broken>>,
}

pub(super) struct Scene {
    pub(super) kind: policy::routing::Kind,
    pub(super) capacity: u32,
    pub(super) http: Config,
    pub(super) census: census::Config,
    pub(super) situation: Situation,
    pub(super) routes: Routes,
    /// Since when the playlist ages, where it came from an upstream.
    pub(super) given_at: Option<Instant>,
    /// The multivariant playlist.
    pub(super) ladder: &'static str,
    pub(super) rung_cap: adaptation::Config,
    pub(super) uplink: Option<u64>,
    pub(super) mode: Option<Mode>,
}

impl Default for Scene {
    fn default() -> Self {
        let mut situation = Situation::at_start(Phase::Serving);
        situation.keys = Some(Arc::new(Keys::derive(b"secret", 1)));
        Self {
            kind: policy::routing::Kind::Primary,
            capacity: 100,
            http: Config::default(),
            census: census::Config::default(),
            situation,
            routes: Routes::default(),
            given_at: None,
            ladder: "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS=\"avc1.64001f\"\nv0/live.m3u8\n",
            rung_cap: adaptation::Config::default(),
            uplink: None,
            mode: None,
        }
    }
}

impl Scene {
    /// With three rungs that are aligned and one that is not.
    pub(super) fn with_ladder() -> Self {
        Self { ladder: LADDER, ..Self::default() }
    }

    pub(super) fn relay() -> Self {
        Self { kind: policy::routing::Kind::Relay, ..Self::default() }
    }

    /// In a fleet with a primary elsewhere and steering.
    pub(super) fn in_fleet(mut self) -> Self {
        let relay = ServerId::of_relay("127.0.0.2").unwrap();
        let slot = |id, base_url: &str| Slot { id, base_url: base_url.into() };
        self.situation.primary = Some(slot(ServerId::primary(), "http://127.0.0.1:8080"));
        let pathway = Pathway { slot: slot(relay, "http://127.0.0.2:8080"), regions: Vec::new() };
        self.situation.pathways = vec![pathway];
        self.situation.steering_url = Some("http://127.0.0.1:7000/steer".into());
        self
    }

    pub(super) async fn begin(self) -> Play {
        let base = "http://origin.example/live/index.m3u8".parse().unwrap();
        let (template, _) =
            Template::of_upstream(&Multivariant::parse(self.ladder.as_bytes(), &base).unwrap()).unwrap();
        let (pieces, arriving) = mpsc::channel(16);
        let script = Script { arriving: tokio::sync::Mutex::new(Some(arriving)) };
        let feed = Stage {
            newest: AtomicU64::new(3),
            lowest: AtomicU8::new(THERE),
            waiting: AtomicU8::new(0),
            template: Arc::new(template),
            given_at: self.given_at,
            store: Store::new(script, crate::object::Config::default()),
        };
        let server = match self.kind {
            policy::routing::Kind::Primary => ServerId::primary(),
            policy::routing::Kind::Relay => ServerId::of_relay("127.0.0.2").unwrap(),
        };
        let setup = Setup {
            place: Place { server, kind: self.kind, region: Region::fallback(), capacity: self.capacity },
            http: self.http,
            census: self.census,
            rung_cap: self.rung_cap,
            uplink: self.uplink,
            mode: self.mode,
            routes: self.routes,
        };
        let site = Arc::new(Site::new(Arc::new(feed), Arc::new(Board::new(self.situation)), setup));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::default();
        let served = tokio::spawn(Arc::clone(&site).serve(listener, shutdown.clone()));
        // Before anybody comes, as the first tick does.
        site.adapt().await;
        Play { site, address, shutdown, served, pieces }
    }
}

impl Play {
    pub(super) async fn client(&self) -> Client {
        Client::to(self.address).await
    }

    /// Asks on a connection of its own.
    pub(super) async fn get(&self, path: &str) -> Response<Bytes> {
        self.client().await.get(path).await
    }

    /// A token of this fleet.
    pub(super) fn token(&self, session: &Session) -> String {
        self.site.board.now().keys.as_ref().unwrap().sign(session)
    }

    /// The URL of the media playlist for this session.
    pub(super) fn playlist(&self, session: &Session) -> String {
        format!("/live/v0/live.m3u8?s={}", self.token(session))
    }

    pub(super) fn pass(&self) -> String {
        let relay = ServerId::of_relay("127.0.0.3").unwrap();
        self.site.board.now().keys.as_ref().unwrap().sign_pass(&relay, unix_now() + 60)
    }

    /// Viewers counted, as if `later` had passed.
    pub(super) fn viewers_after(&self, later: Duration) -> u32 {
        let now: Time = self.site.clock.now() + later;
        self.site.census.sweep(now);
        self.site.census.count().viewers.iter().map(|tally| tally.viewers).sum()
    }
}

pub(super) fn session(id: &str, class: policy::Class) -> Session {
    Session {
        id: id.parse::<SessionId>().unwrap(),
        stream: "live".parse().unwrap(),
        region: "eu".parse().unwrap(),
        class,
        server: ServerId::primary(),
        expires_unix: unix_now() + 60,
    }
}

/// One connection.
pub(super) struct Client {
    /// Its own end.
    pub(super) address: SocketAddr,
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Client {
    pub(super) async fn to(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        Self { address, sender }
    }

    pub(super) async fn get(&mut self, path: &str) -> Response<Bytes> {
        self.ask(Request::get(path)).await
    }

    pub(super) async fn ask(&mut self, request: http::request::Builder) -> Response<Bytes> {
        self.send(request.header("host", "test").body(Full::default()).unwrap()).await
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        let (parts, body) = self.begin(request).await.into_parts();
        let body = soon(body.collect()).await.unwrap().to_bytes();
        Response::from_parts(parts, body)
    }

    /// The answer's head; its body is still to be read.
    pub(super) async fn begin(&mut self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        soon(self.sender.ready()).await.unwrap();
        soon(self.sender.send_request(request)).await.unwrap()
    }
}

pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it happens in time")
}

pub(super) fn header<'a>(answer: &'a Response<Bytes>, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

pub(super) fn text(answer: &Response<Bytes>) -> &str {
    std::str::from_utf8(answer.body()).unwrap()
}
