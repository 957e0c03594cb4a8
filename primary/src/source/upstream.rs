//! The HTTP side of pulling: a playlist as bytes, an object as a stream of bytes. Everything is bounded in size and time.
//!
//! It knows nothing of what the playlists say; when to ask again is for whoever asked.

use std::time::Duration;

use bytes::Bytes;
use delivery::{
    object::{Broken, FetchError, Fetched},
    response::{self, content_range, reason},
};
use futures::StreamExt as _;
use hls::{ByteRange, InvalidPlaylist, Source};
use reqwest::{Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use service::BackoffConfig;
use url::Url;

/// The `[pull]` section: how an upstream is pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PullConfig {
    /// How long connecting may take.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long a playlist may take as a whole: longer than this and the next one is due.
    #[serde(with = "humantime_serde")]
    pub playlist_timeout: Duration,
    /// Bytes of one playlist. A day of 2 s segments with long addresses is 8 MiB, and more is never read.
    pub max_playlist_bytes: usize,
    /// Segments listed of a live source, or more where they would last less than three target durations. All of them are
    /// held in memory, to be served on while the upstream is down.
    pub window: usize,
    /// Renditions taken from a multivariant playlist at most.
    pub max_renditions: usize,
    /// Pauses between tries while the upstream is down.
    pub retry: BackoffConfig,
}

impl Default for PullConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            playlist_timeout: Duration::from_secs(10),
            max_playlist_bytes: hls::MAX_PLAYLIST_BYTES,
            window: 10,
            max_renditions: 32,
            retry: BackoffConfig::default(),
        }
    }
}

/// What our requests call themselves.
const USER_AGENT: &str = concat!("spillway-primary/", env!("CARGO_PKG_VERSION"));

/// An upstream that did not give what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    #[error("no answer from {url}: {reason}")]
    NoAnswer { url: Url, reason: String },
    #[error("{url} answered {status}")]
    Status { url: Url, status: StatusCode },
    #[error("the playlist {url} is larger than pull.max_playlist_bytes ({limit})")]
    TooLarge { url: Url, limit: usize },
    #[error("cannot use {url}: {reason}")]
    NoPlaylist { url: Url, reason: InvalidPlaylist },
    #[error("{url} lists more renditions than pull.max_renditions ({limit})")]
    TooManyRenditions { url: Url, limit: usize },
}

/// The client that pulls.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    http: reqwest::Client,
    config: PullConfig,
}

/// A playlist and the URL that it came from in the end, against which its URIs are resolved.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) url: Url,
    pub(crate) document: Bytes,
}

impl Upstream {
    pub(crate) fn new(config: PullConfig) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(config.connect_timeout)
            .build()?;
        Ok(Self { http, config })
    }

    pub(crate) fn config(&self) -> &PullConfig {
        &self.config
    }

    /// A playlist, whole.
    pub(crate) async fn playlist(&self, url: &Url) -> Result<Document, PullError> {
        let late = |_| PullError::NoAnswer { url: url.clone(), reason: "it took too long".to_owned() };
        tokio::time::timeout(self.config.playlist_timeout, self.read_playlist(url)).await.map_err(late)?
    }

    async fn read_playlist(&self, url: &Url) -> Result<Document, PullError> {
        let no_answer =
            |error: reqwest::Error| PullError::NoAnswer { url: url.clone(), reason: reason(&error) };
        let response = self.http.get(url.clone()).send().await.map_err(no_answer)?;
        let (status, url) = (response.status(), response.url().clone());
        if !status.is_success() {
            return Err(PullError::Status { url, status });
        }
        let limit = self.config.max_playlist_bytes;
        match response::body(response, limit).await.map_err(no_answer)? {
            Some(document) => Ok(Document { url, document }),
            None => Err(PullError::TooLarge { url, limit }),
        }
    }

    /// An object from its byte `offset` on. How long it may take is the object store's to say.
    pub(crate) async fn open(&self, source: &Source, offset: u64) -> Result<Fetched, FetchError> {
        let mut request = self.http.get(source.uri.clone());
        let ranged = source.byte_range.is_some() || offset > 0;
        if ranged {
            request = request.header(header::RANGE, range_wanted(source.byte_range, offset));
        }
        let response = request.send().await.map_err(|error| FetchError::Failed(reason(&error)))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if ranged => part(response, source.byte_range, offset),
            StatusCode::OK if source.byte_range.is_none() => Ok(whole(response)),
            StatusCode::OK => Err(FetchError::Failed("the upstream does not serve byte ranges".to_owned())),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(FetchError::Gone),
            status => Err(FetchError::Failed(format!("the upstream answered {status}"))),
        }
    }
}

/// The `Range` header for the bytes from `offset` on of an object that may itself be a part of something.
fn range_wanted(range: Option<ByteRange>, offset: u64) -> String {
    match range {
        Some(range) => format!("bytes={}-{}", range.offset + offset, range.offset + range.length - 1),
        None => format!("bytes={offset}-"),
    }
}

fn whole(response: Response) -> Fetched {
    Fetched { offset: 0, total: response.content_length(), body: body(response) }
}

/// A partial answer, which must begin where it was asked to.
fn part(response: Response, range: Option<ByteRange>, offset: u64) -> Result<Fetched, FetchError> {
    let (start, size) = content_range(response.headers())
        .ok_or_else(|| FetchError::Failed("the upstream's Content-Range makes no sense".to_owned()))?;
    let (first, length) = range.map_or((0, size), |range| (range.offset, Some(range.length)));
    if start != first + offset {
        return Err(FetchError::Failed(format!(
            "the upstream sent bytes from {start}, not {}",
            first + offset
        )));
    }
    Ok(Fetched { offset, total: length, body: body(response) })
}

fn body(response: Response) -> delivery::object::ByteStream {
    Box::pin(
        response
            .bytes_stream()
            .map(|part: reqwest::Result<Bytes>| part.map_err(|error| Broken(reason(&error)))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_part_of_a_file_is_asked_for_within_its_range() {
        assert_eq!(range_wanted(Some(ByteRange { offset: 100, length: 50 }), 0), "bytes=100-149");
        assert_eq!(range_wanted(Some(ByteRange { offset: 100, length: 50 }), 20), "bytes=120-149");
        assert_eq!(range_wanted(None, 20), "bytes=20-");
    }
}
