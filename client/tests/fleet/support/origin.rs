//! A server of a live stream whose every byte follows from its number: the same on all servers that share a beginning.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use tokio::runtime::Runtime;

/// Length of a segment, and target duration.
pub(crate) const SEGMENT: Duration = Duration::from_secs(1);

/// Segments listed.
const WINDOW: u64 = 6;

/// The number of the first segment.
const FIRST: u64 = 1_000;

/// What the initialization section is.
pub(crate) const INIT: &[u8] = b"initialization section\n";

/// When a stream began, and whether it goes on.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    began: Instant,
    frozen_at: Arc<AtomicU64>,
}

impl Stream {
    /// One that has filled its window.
    pub(crate) fn begin() -> Self {
        let began = Instant::now().checked_sub(SEGMENT * 20).expect("the machine has run for a while");
        Self { began, frozen_at: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// Nothing new comes from now on.
    pub(crate) fn freeze(&self) {
        self.frozen_at.store(self.newest(), Ordering::Relaxed);
    }

    fn newest(&self) -> u64 {
        let newest = FIRST + self.began.elapsed().as_millis() as u64 / SEGMENT.as_millis() as u64;
        newest.min(self.frozen_at.load(Ordering::Relaxed))
    }
}

/// A segment's bytes.
pub(crate) fn segment(rendition: &str, sequence: u64) -> Vec<u8> {
    format!("segment {sequence} of {rendition}\n").repeat(200).into_bytes()
}

/// All that a viewer writes who plays these segments.
pub(crate) fn recording(rendition: &str, first: u64, newest: u64) -> Vec<u8> {
    let mut bytes = INIT.to_vec();
    (first..=newest).for_each(|sequence| bytes.extend(segment(rendition, sequence)));
    bytes
}

/// A running server. Dropped, it is dead with all its connections.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
    requests: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Site {
    stream: Stream,
    requests: Arc<AtomicU64>,
    full: bool,
    /// Where it sends its viewers for playlists.
    elsewhere: Option<String>,
}

impl Origin {
    pub(crate) fn start(ip: &str, stream: &Stream) -> Self {
        Self::at(SocketAddr::new(ip.parse().unwrap(), 0), stream, false, None)
    }

    /// One on the port of another, as servers of a fleet are.
    pub(crate) fn beside(ip: &str, other: &Self, stream: &Stream) -> Self {
        Self::at(SocketAddr::new(ip.parse::<IpAddr>().unwrap(), other.address.port()), stream, false, None)
    }

    /// One that takes nobody.
    pub(crate) fn full(ip: &str, stream: &Stream) -> Self {
        Self::at(SocketAddr::new(ip.parse().unwrap(), 0), stream, true, None)
    }

    /// One that answers every reload by a redirect.
    pub(crate) fn redirecting(ip: &str, stream: &Stream, elsewhere: &Self) -> Self {
        let elsewhere = Some(elsewhere.base_url());
        Self::at(SocketAddr::new(ip.parse().unwrap(), 0), stream, false, elsewhere)
    }

    fn at(address: SocketAddr, stream: &Stream, full: bool, elsewhere: Option<String>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let site = Site { stream: stream.clone(), requests: Arc::clone(&requests), full, elsewhere };
        let router = Router::new()
            .route("/live/index.m3u8", get(multivariant))
            .route("/live/{rendition}/{file}", get(resource))
            .with_state(site);
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, runtime: Some(runtime), requests }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How much has been asked of it.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.runtime.take().expect("it runs until it is dropped").shutdown_background();
    }
}

#[derive(serde::Deserialize)]
struct Token {
    #[serde(default)]
    s: String,
}

async fn multivariant(State(site): State<Site>, Query(Token { s }): Query<Token>) -> Response {
    if site.full {
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "2")], "full\n").into_response();
    }
    let text = format!(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=40000\nlow/live.m3u8?s={s}\n\
         #EXT-X-STREAM-INF:BANDWIDTH=80000\nhigh/live.m3u8?s={s}\n"
    );
    text.into_response()
}

async fn resource(
    State(site): State<Site>,
    Path((rendition, file)): Path<(String, String)>,
    Query(Token { s }): Query<Token>,
) -> Response {
    site.requests.fetch_add(1, Ordering::Relaxed);
    super::was_asked();
    let newest = site.stream.newest();
    let oldest = newest + 1 - WINDOW;
    if file == "live.m3u8" {
        return match &site.elsewhere {
            Some(base) => {
                Redirect::temporary(&format!("{base}/live/{rendition}/live.m3u8?s={s}")).into_response()
            }
            None => playlist(oldest, newest).into_response(),
        };
    }
    if file == "init-1.mp4" {
        return INIT.into_response();
    }
    let sequence = file.strip_suffix(".m4s").and_then(|number| number.parse().ok());
    match sequence.filter(|sequence| (oldest - 2..=newest).contains(sequence)) {
        Some(sequence) => segment(&rendition, sequence).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn playlist(oldest: u64, newest: u64) -> String {
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{oldest}\n#EXT-X-MAP:URI=\"init-1.mp4\"\n"
    );
    (oldest..=newest).for_each(|sequence| text.push_str(&format!("#EXTINF:1.0,\n{sequence}.m4s\n")));
    text
}
