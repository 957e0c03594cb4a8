//! A small origin in this process: one stream of two rungs, blocking reload, and failures on order.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch};

type Body = BoxBody<Bytes, std::io::Error>;

const MULTIVARIANT: &str = "#EXTM3U\n\
    #EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360\n360p/live.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2400000,RESOLUTION=1280x720\n720p/live.m3u8\n";

/// What every object has: long enough to break in the middle.
pub(super) const OBJECT: &[u8] = b"0123456789";

/// The switching set of all its renditions.
pub(super) const SWITCHING_SET: &str = "00000000000000a1";

/// How old its playlists are, in seconds.
pub(super) const AGE_S: u64 = 1;

/// Handles to the origin, shared with its tasks.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) base_url: Arc<str>,
    newest: watch::Sender<Option<u64>>,
    failing: watch::Sender<bool>,
    lacking: Arc<Mutex<Option<&'static str>>>,
    breaking: Arc<Mutex<bool>>,
    asked: Arc<Mutex<Vec<String>>>,
    passes: Arc<Mutex<Vec<Option<String>>>>,
}

impl Origin {
    /// An origin that lists segments up to `newest`.
    pub(super) async fn listing(newest: Option<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Self {
            base_url: format!("http://{}", listener.local_addr().unwrap()).into(),
            newest: watch::Sender::new(newest),
            failing: watch::Sender::new(false),
            lacking: Arc::default(),
            breaking: Arc::default(),
            asked: Arc::default(),
            passes: Arc::default(),
        };
        let serving = origin.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let origin = serving.clone();
                let service = hyper::service::service_fn(move |request| {
                    let origin = origin.clone();
                    async move { Ok::<_, Infallible>(origin.answer(request).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(socket), service));
            }
        });
        origin
    }

    pub(super) fn lists(&self, newest: u64) {
        self.newest.send_replace(Some(newest));
    }

    pub(super) fn fails(&self, failing: bool) {
        self.failing.send_replace(failing);
    }

    /// Has nothing of one rendition, though it is in the ladder.
    pub(super) fn lacks(&self, rendition: &'static str) {
        *self.lacking.lock().unwrap() = Some(rendition);
    }

    /// The next object breaks off in the middle.
    pub(super) fn breaks_once(&self) {
        *self.breaking.lock().unwrap() = true;
    }

    /// How often anything was asked whose path and query contain `part`.
    pub(super) fn asked(&self, part: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.contains(part)).count()
    }

    pub(super) fn passes(&self) -> Vec<Option<String>> {
        self.passes.lock().unwrap().clone()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let range = request.headers().get(header::RANGE).map(|range| range.to_str().unwrap().to_owned());
        let asked = format!("{} {}", request.uri(), range.as_deref().unwrap_or_default());
        self.asked.lock().unwrap().push(asked);
        let pass = request.headers().get(super::PASS_HEADER).map(|pass| pass.to_str().unwrap().to_owned());
        self.passes.lock().unwrap().push(pass);

        let path = request.uri().path();
        if path == "/live/index.m3u8" {
            return self.unless_failing(MULTIVARIANT.to_owned());
        }
        if path.ends_with("/live.m3u8") {
            let msn = request.uri().query().and_then(|query| query.strip_prefix("_HLS_msn="));
            if let Some(msn) = msn {
                self.hold(msn.parse().unwrap()).await;
            }
            if self.lacking.lock().unwrap().is_some_and(|lacking| path.contains(lacking)) {
                return status(StatusCode::SERVICE_UNAVAILABLE, String::new());
            }
            let mut answer = self.unless_failing(self.playlist());
            answer.headers_mut().insert(header::AGE, format!("{AGE_S}, 0").parse().unwrap());
            answer.headers_mut().insert(super::SWITCHING_SET_HEADER, SWITCHING_SET.parse().unwrap());
            return answer;
        }
        self.object(range.as_deref())
    }

    /// Holds a request until the segment is listed, or until things go wrong.
    async fn hold(&self, msn: u64) {
        let (mut newest, mut failing) = (self.newest.subscribe(), self.failing.subscribe());
        tokio::select! {
            listed = newest.wait_for(|newest| *newest >= Some(msn)) => drop(listed.unwrap()),
            failed = failing.wait_for(|failing| *failing) => drop(failed.unwrap()),
        }
    }

    fn unless_failing(&self, text: String) -> Response<Body> {
        status(if *self.failing.borrow() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }, text)
    }

    fn playlist(&self) -> String {
        let first = self.newest.borrow().map_or(0, |newest| newest.saturating_sub(2));
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
             #EXT-X-MAP:URI=\"init-1.mp4\"\n"
        );
        if let Some(newest) = *self.newest.borrow() {
            (first..=newest).for_each(|sequence| text += &format!("#EXTINF:2.0,\n{sequence}.m4s\n"));
        }
        text
    }

    fn object(&self, range: Option<&str>) -> Response<Body> {
        let first = range.map_or(0, |range| {
            range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse::<usize>().unwrap()
        });
        let len = OBJECT.len();
        let mut response = Response::builder().header(header::CONTENT_LENGTH, len - first);
        if range.is_some() {
            response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, format!("bytes {first}-{}/{len}", len - 1));
        }
        let mut pieces = vec![Ok(Frame::data(Bytes::from_static(&OBJECT[first..])))];
        if std::mem::take(&mut *self.breaking.lock().unwrap()) {
            pieces = vec![
                Ok(Frame::data(Bytes::from_static(&OBJECT[first..5]))),
                Err(std::io::Error::other("broken on order")),
            ];
        }
        // A pause between the pieces lets each reach the wire before the next.
        let pieces = stream::iter(pieces).then(|piece| async {
            tokio::task::yield_now().await;
            piece
        });
        response.body(BodyExt::boxed(StreamBody::new(pieces))).unwrap()
    }
}

fn status(status: StatusCode, text: String) -> Response<Body> {
    let body = Full::from(text).map_err(|never| match never {}).boxed();
    Response::builder().status(status).body(body).unwrap()
}
