//! What a server serves: the seam between delivery and what feeds it, a primary's source or a relay's upstream.
//!
//! A feed answers in playlists that are ready to send and in objects that may still be arriving. It knows nothing of HTTP,
//! sessions or viewers; it may learn from being asked what is watched.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use hls::{Resource, SwitchingSet, Template};
use policy::StreamName;

use crate::{
    document::Document,
    object::{FetchError, Object},
};

/// What feeds a server. Names come as they stand in a URL; whether there is such a thing is the feed's to say.
pub trait Feed: Send + Sync + 'static {
    /// Every stream, in the order of their names.
    fn streams(&self) -> Vec<Stream>;

    /// What is the same for all viewers of the stream's multivariant playlist.
    ///
    /// # Errors
    /// See [`Error`].
    fn multivariant(&self, stream: &str) -> impl Future<Output = Result<Arc<Template>, Error>> + Send;

    /// The media playlist of a rendition, with its newest segments.
    ///
    /// With `msn`, the answer is held back until the segment of that media sequence number is listed (blocking playlist
    /// reload, RFC 8216bis 6.2.5.2); only relays ask so.
    ///
    /// # Errors
    /// See [`Error`].
    fn media_playlist(
        &self,
        stream: &str,
        rendition: &str,
        msn: Option<u64>,
    ) -> impl Future<Output = Result<Playlist, Error>> + Send;

    /// A segment or an initialization section, as soon as its first bytes are here.
    ///
    /// # Errors
    /// See [`Error`].
    fn object(&self, resource: &Resource<'_>) -> impl Future<Output = Result<Object, Error>> + Send;

    /// Whether a rendition's newest segments are asked for by nobody, though its playlist is: then none need be fetched ahead.
    fn spare(&self, _stream: &str, _rendition: &str, _spared: bool) {}

    /// How it goes with what this server takes the streams from.
    fn health(&self) -> Health;
}

/// How it goes with an upstream or a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Whether the last request was answered as it should be.
    pub healthy: bool,
    /// Requests that were not, since the start of the process.
    pub failures_total: u64,
}

/// A stream as its server knows it.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Its name.
    pub name: StreamName,
    /// The longest segment's duration, rounded (RFC 8216bis 4.4.3.1).
    pub target_duration: Duration,
    /// Whether it goes on.
    pub live: bool,
    /// Whether its first window is there.
    pub ready: bool,
    /// What is the same in all viewers' multivariant playlists, once it is known.
    pub template: Option<Arc<Template>>,
}

/// A media playlist, ready to send: the same bytes on every server and for every session.
#[derive(Debug, Clone)]
pub struct Playlist {
    /// The playlist.
    pub body: Document,
    /// Since when it ages, at a relay: when the upstream gave it out, or a cache in between had it (RFC 9111 4.2.3). None at the primary:
    /// an origin's own answer has no age (RFC 9111 5.1).
    pub given_at: Option<Instant>,
    /// Its EXT-X-TARGETDURATION.
    pub target_duration: Duration,
    /// The media sequence number of the newest segment listed; none where none is.
    pub newest: Option<u64>,
    /// Whether it is complete (EXT-X-ENDLIST), so that nobody will reload it.
    pub ended: bool,
    /// The renditions whose segments may stand for its own; none where it has none, or nobody has looked at the media.
    pub switching_set: Option<SwitchingSet>,
}

/// What a feed cannot give. One place maps it to HTTP: `http::status`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such stream.
    #[error("there is no stream {name:?}; there are: {}", listed(known))]
    UnknownStream {
        /// As it was asked for.
        name: String,
        /// Those there are.
        known: Vec<StreamName>,
    },
    /// The stream has no such rendition.
    #[error("stream {stream} has no rendition {name:?}; it has: {}", listed(known))]
    UnknownRendition {
        /// The stream.
        stream: StreamName,
        /// As it was asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The stream is known and has nothing to show yet, or not here.
    #[error("stream {0} is not ready yet; ask again")]
    NotReady(StreamName),
    /// No playlist lists this, or none does any more.
    #[error("{0} is not there yet, or no longer")]
    Gone(String),
    /// The media sequence number waited for lies too far ahead (RFC 8216bis 6.2.5.2).
    #[error("the newest segment is {newest}: segment {asked} is too far ahead to wait for")]
    TooFarAhead {
        /// As it was asked for.
        asked: u64,
        /// The newest there is.
        newest: u64,
    },
    /// What feeds this server failed.
    #[error(transparent)]
    Upstream(FetchError),
}

fn listed<T: std::fmt::Display>(known: &[T]) -> String {
    if known.is_empty() {
        return "none".to_owned();
    }
    known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl From<FetchError> for Error {
    fn from(error: FetchError) -> Self {
        Self::Upstream(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_stream_names_those_there_are() {
        let known = vec!["live".parse().unwrap(), "news".parse().unwrap()];
        let error = Error::UnknownStream { name: "liev".into(), known };
        assert_eq!(error.to_string(), "there is no stream \"liev\"; there are: live, news");
        let none = Error::UnknownStream { name: "live".into(), known: Vec::new() };
        assert!(none.to_string().ends_with("there are: none"));
    }
}
