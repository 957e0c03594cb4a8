//! The HTTP side of pulling: a playlist as bytes, an object as a stream of bytes. Everything is bounded in size and time.
//!
//! It knows nothing of what the playlists say; when to ask again is for whoever asked.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use delivery::object::{Broken, FetchError, Fetched};
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
            |error: reqwest::Error| PullError::NoAnswer { url: url.clone(), reason: causes(&error) };
        let response = self.http.get(url.clone()).send().await.map_err(no_answer)?;
        let (status, url) = (response.status(), response.url().clone());
        if !status.is_success() {
            return Err(PullError::Status { url, status });
        }
        let mut document = BytesMut::new();
        let mut body = response.bytes_stream();
        while let Some(part) = body.next().await {
            document.extend_from_slice(&part.map_err(no_answer)?);
            if document.len() > self.config.max_playlist_bytes {
                return Err(PullError::TooLarge { url, limit: self.config.max_playlist_bytes });
            }
        }
        Ok(Document { url, document: document.freeze() })
    }

    /// An object from its byte `offset` on. How long it may take is the object store's to say.
    pub(crate) async fn open(&self, source: &Source, offset: u64) -> Result<Fetched, FetchError> {
        let mut request = self.http.get(source.uri.clone());
        let ranged = source.byte_range.is_some() || offset > 0;
        if ranged {
            request = request.header(header::RANGE, range_wanted(source.byte_range, offset));
        }
        let response = request.send().await.map_err(|error| FetchError::Failed(causes(&error)))?;
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
    let answered = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let (start, size) = answered
        .and_then(content_range)
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

/// First byte and size of the whole, from `bytes FIRST-LAST/SIZE`.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (span, size) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = span.split_once('-')?;
    Some((first.parse().ok()?, size.parse().ok()))
}

fn body(response: Response) -> delivery::object::ByteStream {
    Box::pin(
        response
            .bytes_stream()
            .map(|part: reqwest::Result<Bytes>| part.map_err(|error| Broken(causes(&error)))),
    )
}

/// An error with what caused it; reqwest's own text leaves out the part that helps.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    text
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

    #[test]
    fn a_content_range_says_where_it_begins_and_perhaps_the_size() {
        assert_eq!(content_range("bytes 120-149/1000"), Some((120, Some(1000))));
        assert_eq!(content_range("bytes 120-149/*"), Some((120, None)));
        assert_eq!(content_range("lines 1-2/3"), None);
    }
}
