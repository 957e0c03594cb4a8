//! HTTP as a player does it: own connections kept alive, patience with slow bytes but not with silence, redirects seen.
//!
//! Each viewer has its own `Fetch`, and so its own connections. Plain HTTP needs no certificates, so a client without any is
//! made for each viewer (some 20 KiB); the one that can speak TLS is made when the first https address comes, and is shared.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use url::Url;

/// Connections to a server that are kept while nothing is asked on them: one that was just read to its end may not be idle yet when
/// the next playlist is asked for, and if only one were kept, a server would see the session's connection close.
const IDLE_CONNECTIONS: usize = 2;

/// Redirects followed for one request: the primary's, one that a web server in front may add, and one to spare.
const MOST_REDIRECTS: usize = 3;

/// How much of an error's text is shown.
const ERROR_TEXT_BYTES: usize = 1000;

/// Limits of fetching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FetchConfig {
    /// How long a server may take to accept a connection.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// How long a server may be silent before a player goes elsewhere; never longer than a target duration.
    #[serde(with = "humantime_serde")]
    pub silence: Duration,
    /// Largest segment.
    pub segment_bytes: usize,
}

impl Default for FetchConfig {
    /// One second reaches round the world thrice; two seconds is the usual target duration; a segment of 6 s at 40 Mbit/s has
    /// 30 MB.
    fn default() -> Self {
        Self { connect: Duration::from_secs(1), silence: Duration::from_secs(2), segment_bytes: 64 << 20 }
    }
}

/// Why something could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection, a broken one, or silence.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The server answered, but not with what was asked for.
    #[error("{url} answers {status}: {text}")]
    Status {
        /// What was asked for.
        url: String,
        /// Its answer.
        status: StatusCode,
        /// Its words.
        text: String,
        /// When to ask again, if it says so.
        retry_after: Option<Duration>,
    },
    /// More than is read.
    #[error("{url} is larger than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// What is read at most.
        limit: usize,
    },
    /// It came, and is not what it should be.
    #[error("{url}: {reason}")]
    Invalid {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl FetchError {
    /// Whether the server says that it does not have this, being well otherwise.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Status { status, .. } if matches!(*status, StatusCode::NOT_FOUND | StatusCode::GONE))
    }

    /// One word for a count of errors by kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Status { status, .. } if status.is_client_error() => "refused",
            Self::Status { .. } => "failing",
            Self::TooLarge { .. } | Self::Invalid { .. } => "invalid",
        }
    }
}

/// Something that came.
#[derive(Debug)]
pub struct Fetched {
    /// Where it came from in the end.
    pub url: Url,
    /// Its bytes; empty where they were not kept.
    pub body: Bytes,
    /// How many they were.
    pub bytes: u64,
    /// From the request to the last byte.
    pub took: Duration,
}

/// Whether the bytes of something are wanted or only their arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// They are returned.
    Bytes,
    /// They are read and forgotten.
    Nothing,
}

/// One viewer's HTTP client.
#[derive(Debug, Clone)]
pub struct Fetch {
    plain: reqwest::Client,
    shared: Shared,
    headers: HeaderMap,
}

/// What the viewers of a process have in common.
#[derive(Debug, Clone)]
pub struct Shared {
    config: FetchConfig,
    tls: Arc<OnceLock<reqwest::Client>>,
    in_flight: Arc<Semaphore>,
}

impl Shared {
    /// At most `in_flight` requests are under way at one time.
    #[must_use]
    pub fn new(config: FetchConfig, in_flight: usize) -> Self {
        Self { config, tls: Arc::default(), in_flight: Arc::new(Semaphore::new(in_flight)) }
    }

    /// A client with connections of its own that sends `headers` with every request.
    ///
    /// # Errors
    /// When the HTTP library cannot be set up.
    pub fn fetch(&self, headers: HeaderMap) -> reqwest::Result<Fetch> {
        let plain = builder(&self.config).tls_certs_only([]).build()?;
        Ok(Fetch { plain, shared: self.clone(), headers })
    }
}

impl Fetch {
    /// Fetches a small document of at most `limit` bytes.
    ///
    /// # Errors
    /// When it cannot be had, or the server is silent for longer than `patience`.
    pub async fn document(&self, url: &Url, limit: usize, patience: Duration) -> Result<Fetched, FetchError> {
        self.get(url, limit, patience, Keep::Bytes).await
    }

    /// Fetches an initialization section or a segment.
    ///
    /// # Errors
    /// When it cannot be had, or the server is silent for longer than `patience`.
    pub async fn media(&self, url: &Url, patience: Duration, keep: Keep) -> Result<Fetched, FetchError> {
        self.get(url, self.shared.config.segment_bytes, patience, keep).await
    }

    async fn get(
        &self,
        url: &Url,
        limit: usize,
        patience: Duration,
        keep: Keep,
    ) -> Result<Fetched, FetchError> {
        let _place = self.shared.in_flight.acquire().await.expect("the semaphore is never closed");
        let patience = patience.min(self.shared.config.silence);
        let began = Instant::now();
        let (url, mut answer) = self.follow(url, patience).await?;
        let mut body = BytesMut::new();
        let mut bytes = 0_usize;
        while let Some(chunk) = within(patience, &url, answer.chunk()).await? {
            bytes += chunk.len();
            if bytes > limit {
                return Err(FetchError::TooLarge { url: url.into(), limit });
            }
            if keep == Keep::Bytes {
                body.extend_from_slice(&chunk);
            }
        }
        Ok(Fetched { url, body: body.freeze(), bytes: bytes as u64, took: began.elapsed() })
    }

    /// Follows redirects by hand, because where an answer comes from is what this program is about.
    async fn follow(&self, url: &Url, patience: Duration) -> Result<(Url, reqwest::Response), FetchError> {
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let request = self.client(&url)?.get(url.clone()).headers(self.headers.clone());
            let answer = within(patience, &url, request.send()).await?;
            if answer.status().is_success() {
                return Ok((url, answer));
            }
            let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            match location.map(|location| url.join(location)) {
                Some(Ok(next)) if answer.status().is_redirection() => url = next,
                _ => return Err(refusal(url, answer, patience).await),
            }
        }
        Err(FetchError::Invalid { url: url.into(), reason: format!("more than {MOST_REDIRECTS} redirects") })
    }

    fn client(&self, url: &Url) -> Result<&reqwest::Client, FetchError> {
        if url.scheme() != "https" {
            return Ok(&self.plain);
        }
        if let Some(client) = self.shared.tls.get() {
            return Ok(client);
        }
        let made = builder(&self.shared.config).build().map_err(|error| FetchError::Unreachable {
            url: url.to_string(),
            reason: format!("no TLS: {}", causes(&error)),
        })?;
        Ok(self.shared.tls.get_or_init(|| made))
    }
}

fn builder(config: &FetchConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(config.connect)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .user_agent(concat!("spillway-client/", env!("CARGO_PKG_VERSION")))
}

async fn within<T>(
    patience: Duration,
    url: &Url,
    answer: impl Future<Output = reqwest::Result<T>>,
) -> Result<T, FetchError> {
    let reason = match tokio::time::timeout(patience, answer).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => causes(&error),
        Err(_) => format!("silent for {}", humantime::format_duration(patience)),
    };
    Err(FetchError::Unreachable { url: url.to_string(), reason })
}

async fn refusal(url: Url, answer: reqwest::Response, patience: Duration) -> FetchError {
    let status = answer.status();
    let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let text = within(patience, &url, answer.text()).await.unwrap_or_default();
    let text: String = text.trim().chars().take(ERROR_TEXT_BYTES).collect();
    FetchError::Status { url: url.into(), status, text, retry_after }
}

/// The innermost cause says what happened ("connection refused"); what is around it repeats the address.
fn causes(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
