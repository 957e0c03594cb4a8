//! Requests to the one server that the directive names, proven by a pass, counted and bounded.
//!
//! Nothing else is ever asked: no redirect is followed and no proxy of the environment is used.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use hls::SwitchingSet;
use http::{HeaderMap, StatusCode, header};
use policy::ServerId;
use reqwest::{Client as Http, RequestBuilder, Response};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use url::Url;

use super::Config;
use crate::{
    clock::unix_now,
    feed::Health,
    metrics::{FetchResult, upstream_fetch},
    object::FetchError,
    response::{self, reason},
    situation::Board,
};

/// The header by which a relay proves itself to its upstream.
pub const PASS_HEADER: &str = "spillway-relay";

/// The header by which an upstream tells its relays the switching set of the rendition whose playlist this is.
pub const SWITCHING_SET_HEADER: &str = "spillway-switching-set";

/// How long a pass holds. Each request has a new one; the hour is for clocks that differ.
const PASS_LIFE: Duration = Duration::from_secs(3600);

/// The way to the upstream.
pub(super) struct Client {
    http: Http,
    id: ServerId,
    board: Arc<Board>,
    places: Arc<Semaphore>,
    answer_timeout: Duration,
    max_playlist_bytes: usize,
    failing: AtomicBool,
    failures_total: AtomicU64,
}

/// A playlist of the upstream.
pub(super) struct Read {
    pub(super) body: Bytes,
    /// Where it was read.
    pub(super) url: Url,
    /// Since when it ages.
    pub(super) given_at: Instant,
    /// Which renditions its own may stand for.
    pub(super) switching_set: Option<SwitchingSet>,
}

impl Client {
    pub(super) fn new(id: ServerId, board: Arc<Board>, config: &Config) -> Result<Self, reqwest::Error> {
        let http = Http::builder()
            .connect_timeout(config.connect_timeout)
            .pool_max_idle_per_host(config.max_idle_connections)
            .pool_idle_timeout(config.idle_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .build()?;
        Ok(Self {
            http,
            id,
            board,
            places: Arc::new(Semaphore::new(config.max_requests)),
            answer_timeout: config.answer_timeout,
            max_playlist_bytes: config.max_playlist_bytes,
            failing: AtomicBool::new(false),
            failures_total: AtomicU64::new(0),
        })
    }

    pub(super) fn health(&self) -> Health {
        Health {
            healthy: !self.failing.load(Ordering::Relaxed),
            failures_total: self.failures_total.load(Ordering::Relaxed),
        }
    }

    /// A playlist, after at most `held` that the upstream was asked to hold it.
    pub(super) async fn playlist(&self, path: &str, held: Duration) -> Result<Read, FetchError> {
        let base = self.upstream()?;
        let read = async {
            let url = absolute(&base, path)?;
            let response = self.answer(self.request(url.clone())).await?;
            // Before the body: however long that takes, the playlist ages.
            let given_at = given_at(response.headers());
            let switching_set = response.headers().get(SWITCHING_SET_HEADER);
            let switching_set = switching_set.and_then(|set| set.to_str().ok()?.parse().ok());
            Ok(Read { body: self.body(response).await?, url, given_at, switching_set })
        };
        let answer = tokio::select! {
            answer = timeout(held + self.answer_timeout, read) => {
                answer.unwrap_or_else(|_| Err(FetchError::Failed("no answer in time".to_owned())))
            }
            () = self.upstream_leaves(&base) => {
                return Err(FetchError::Failed("the directive names another upstream now".to_owned()));
            }
        };
        upstream_fetch(answer.as_ref().err().map_or(FetchResult::Ok, FetchResult::of));
        self.note(answer.as_ref().err());
        answer
    }

    /// The answer to a request for an object from byte `offset` on, with its place among the requests.
    pub(super) async fn object(
        &self,
        path: &str,
        offset: u64,
    ) -> Result<(Response, OwnedSemaphorePermit), FetchError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| FetchError::Busy)?;
        let mut request = self.request(absolute(&self.upstream()?, path)?);
        if offset > 0 {
            request = request.header(header::RANGE, format!("bytes={offset}-"));
        }
        let answer = self.answer(request).await;
        self.note(answer.as_ref().err());
        Ok((answer?, place))
    }

    /// Counts a failure, and says when the upstream begins to fail or is back. One that says that something is gone is well.
    pub(super) fn note(&self, error: Option<&FetchError>) {
        let failed = error.filter(|error| matches!(error, FetchError::Failed(_)));
        let was_failing = self.failing.swap(failed.is_some(), Ordering::Relaxed);
        match failed {
            Some(error) => {
                self.failures_total.fetch_add(1, Ordering::Relaxed);
                if !was_failing {
                    tracing::warn!(%error, "serving on what is here; asking again");
                }
            }
            None if was_failing => tracing::info!("the upstream answers again"),
            None => {}
        }
    }

    fn upstream(&self) -> Result<Arc<str>, FetchError> {
        self.board
            .now()
            .upstream
            .clone()
            .ok_or_else(|| FetchError::Failed("the traffic manager has named none yet".to_owned()))
    }

    /// Becomes ready when a directive names another upstream than `base`.
    async fn upstream_leaves(&self, base: &Arc<str>) {
        let mut changes = self.board.changes();
        while self.board.now().upstream.as_ref() == Some(base) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn request(&self, url: Url) -> RequestBuilder {
        let request = self.http.get(url);
        match &self.board.now().keys {
            Some(keys) => {
                let expires_unix = unix_now() + PASS_LIFE.as_secs();
                request.header(PASS_HEADER, keys.sign_pass(&self.id, expires_unix))
            }
            None => request,
        }
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, FetchError> {
        let response = request.send().await.map_err(|error| FetchError::Failed(reason(&error)))?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(FetchError::Gone),
            status => Err(FetchError::Failed(format!("it answered {status}"))),
        }
    }

    async fn body(&self, response: Response) -> Result<Bytes, FetchError> {
        let body = response::body(response, self.max_playlist_bytes).await;
        let body = body.map_err(|error| FetchError::Failed(reason(&error)))?;
        body.ok_or(FetchError::TooLarge("upstream.max_playlist_bytes"))
    }
}

/// Since when an answer ages whose headers have just come. Of several ages the first counts (RFC 9111 5.1); one that reaches beyond
/// the start of this machine's clock is nobody's.
fn given_at(headers: &HeaderMap) -> Instant {
    let age =
        headers.get(header::AGE).and_then(|age| age.to_str().ok()?.split(',').next()?.trim().parse().ok());
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(age.unwrap_or_default())).unwrap_or(now)
}

fn absolute(base: &str, path: &str) -> Result<Url, FetchError> {
    let text = format!("{base}{path}");
    text.parse().map_err(|error| FetchError::Failed(format!("{text:?} is no URL: {error}")))
}
