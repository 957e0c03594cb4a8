//! How answers look: types, caching, CORS, and the one place that gives an error its HTTP status.
//!
//! Players run in pages of any origin and must be able to read every answer, errors included. How long answers may be
//! cached follows RFC 8216bis appendix B.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::body::Body;
use crate::{
    census::Full,
    document::Form,
    feed::{Error, Playlist},
    object::FetchError,
};

/// What an answer is.
pub(super) type Answer = Response<Body>;

const PLAYLIST_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const ANY: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// A URL of media never changes what it names; a year is what RFC 9111 calls for ever.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// The entity tag of all media: a tag tells versions of one URL apart (RFC 9110 8.8.3), and a URL of media has one for ever.
pub(super) const MEDIA_TAG: &str = "\"immutable\"";
/// Pages may read these; the others are hidden from them without being named.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("Age, CMSD-Dynamic, Content-Length, Content-Range, ETag, Retry-After");
/// How long a preflight's answer holds; browsers cap it at two hours at most.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Why a request is not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The feed cannot give it.
    #[error(transparent)]
    Feed(#[from] Error),
    /// There is no room for a newcomer.
    #[error("{reason}; ask again later")]
    Full {
        /// What there is.
        reason: Full,
        /// When.
        retry_after: Duration,
    },
    /// The relay is not wanted now.
    #[error("this relay stands by and serves nobody now; ask the traffic manager for a URL")]
    StandsBy {
        /// When it may be another.
        retry_after: Duration,
    },
    /// All connections that viewers may have are taken.
    #[error("this server has as many connections as it takes; ask again later")]
    Connections {
        /// When.
        retry_after: Duration,
    },
    /// `http.require_token` is set and there is no valid token.
    #[error("this stream needs a valid token: ask the traffic manager for a URL")]
    NoToken,
    /// `http.require_token` is set, and the fleet's keys have not come yet.
    #[error("this server cannot check tokens before its traffic manager has told it how; ask again later")]
    NoKeys {
        /// When.
        retry_after: Duration,
    },
    /// No such path.
    #[error("there is nothing here; a stream is at /STREAM/index.m3u8, and there are: {0}")]
    NoSuchPath(String),
    /// No such method here.
    #[error("only GET, HEAD and OPTIONS are answered here")]
    Method,
    /// The body is larger than `http.max_body_bytes`, or broke off.
    #[error("the request's body is too large or incomplete")]
    BadBody,
    /// The body did not come within `http.idle_timeout`.
    #[error("the request's body did not come in time")]
    LateBody,
}

/// What NotReady tells to wait: a target duration of most streams.
const NOT_READY_RETRY: Duration = Duration::from_secs(1);

impl Refusal {
    /// The one place that gives an error its HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Feed(Error::UnknownStream { .. } | Error::UnknownRendition { .. } | Error::Gone(_))
            | Self::Feed(Error::Upstream(FetchError::Gone))
            | Self::NoSuchPath(_) => StatusCode::NOT_FOUND,
            Self::Feed(Error::TooFarAhead { .. }) | Self::BadBody => StatusCode::BAD_REQUEST,
            Self::Feed(Error::Upstream(FetchError::Failed(_) | FetchError::TooLarge(_))) => {
                StatusCode::BAD_GATEWAY
            }
            Self::Feed(Error::NotReady(_) | Error::Upstream(FetchError::Busy))
            | Self::Full { .. }
            | Self::StandsBy { .. }
            | Self::NoKeys { .. }
            | Self::Connections { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoToken => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::LateBody => StatusCode::REQUEST_TIMEOUT,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Full { retry_after, .. }
            | Self::StandsBy { retry_after }
            | Self::NoKeys { retry_after }
            | Self::Connections { retry_after } => Some(*retry_after),
            refusal => (refusal.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(NOT_READY_RETRY),
        }
    }

    /// The answer, in plain words.
    pub(super) fn answer(&self) -> Answer {
        let mut answer = Response::new(Body::from(format!("{self}\n")));
        *answer.status_mut() = self.status();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        if let Some(after) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, after.as_secs().max(1).into());
        }
        match self {
            Self::Method => drop(headers.insert(header::ALLOW, METHODS)),
            // Who is turned away should not keep a connection that others wait for; what is left of a body is no request.
            Self::Connections { .. } | Self::LateBody => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        answer
    }
}

/// A multivariant playlist, which is this viewer's own: asked for once, it is not worth compressing for him alone.
pub(super) fn multivariant(text: String) -> Answer {
    let mut answer = Response::new(Body::from(text));
    answer.headers_mut().insert(header::CONTENT_TYPE, PLAYLIST_TYPE);
    answer.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    answer
}

/// A media playlist in one of its forms: fresh for half a target duration, within which it changes at most once, from when it
/// was made (RFC 8216bis appendix B). For who has it already, all of that without the playlist.
pub(super) fn playlist(playlist: &Playlist, form: &Form, compressed: bool, has_it: bool) -> Answer {
    let body = if has_it { Body::empty() } else { Body::from(form.body.clone()) };
    let mut answer = Response::new(body);
    if has_it {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = answer.headers_mut();
    if !has_it {
        headers.insert(header::CONTENT_TYPE, PLAYLIST_TYPE);
        if compressed {
            headers.insert(header::CONTENT_ENCODING, GZIP);
        }
    }
    let max_age = (playlist.target_duration / 2).as_secs().max(1);
    let cache = HeaderValue::try_from(format!("max-age={max_age}")).unwrap_or(NO_STORE);
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::ETAG, form.tag.clone());
    headers.insert(header::VARY, ACCEPT_ENCODING);
    if let Some(given_at) = playlist.given_at {
        headers.insert(header::AGE, given_at.elapsed().as_secs().into());
    }
    answer
}

/// A segment or an initialization section, or a part of one.
pub(super) fn media(content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, IMMUTABLE);
    headers.insert(header::ETAG, HeaderValue::from_static(MEDIA_TAG));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer
}

/// What the asker has is what there is.
pub(super) fn not_modified() -> Answer {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    answer.headers_mut().insert(header::CACHE_CONTROL, IMMUTABLE);
    answer.headers_mut().insert(header::ETAG, HeaderValue::from_static(MEDIA_TAG));
    answer
}

/// The bytes `start..end` of `len` that an answer holds.
pub(super) fn partial(mut answer: Answer, start: u64, end: u64, len: u64) -> Answer {
    *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    content_range(&mut answer, format!("bytes {start}-{}/{len}", end.saturating_sub(1)));
    answer
}

/// No byte of `len` is within the range asked for.
pub(super) fn unsatisfiable(len: u64) -> Answer {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    answer.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    content_range(&mut answer, format!("bytes */{len}"));
    answer
}

fn content_range(answer: &mut Answer, range: String) {
    if let Ok(range) = HeaderValue::try_from(range) {
        answer.headers_mut().insert(header::CONTENT_RANGE, range);
    }
}

/// Ask there instead, this once.
pub(super) fn redirect(location: HeaderValue) -> Answer {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    answer.headers_mut().insert(header::LOCATION, location);
    answer.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    answer
}

/// What a page may do here: anything that changes nothing.
pub(super) fn preflight() -> Answer {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(header::ALLOW, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ANY);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    answer
}

/// What a route of the program answers, as it is.
pub(super) fn of_route(answer: Response<Bytes>) -> Answer {
    answer.map(Body::from)
}

/// What every answer carries.
pub(super) fn finish(mut answer: Answer, head_only: bool) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    if !head_only {
        return answer;
    }
    // What a 304 leaves out is not of that length (RFC 9110 8.6).
    let whole = answer.status() != StatusCode::NOT_MODIFIED;
    let len = http_body::Body::size_hint(answer.body()).exact();
    if let Some(len) = len.filter(|_| whole) {
        answer.headers_mut().insert(header::CONTENT_LENGTH, len.into());
    }
    answer.map(|_| Body::empty())
}
