//! The `[upstream]` section: how a relay asks its upstream, and how long it waits.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use service::BackoffConfig;

/// Limits of a relay's pull side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a TCP connection may take.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long a playlist may take, beyond the time that the upstream was asked to hold it.
    #[serde(with = "humantime_serde")]
    pub answer_timeout: Duration,
    /// Segments taken at one time; more wait. A ladder of six rungs takes six.
    pub max_requests: usize,
    /// Connections kept open while nothing is asked: one for each rendition watched and a few for segments.
    pub max_idle_connections: usize,
    /// How long they are kept: less than servers keep theirs (`http.idle_timeout`), so that none is used as it is closed.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// Bytes of one playlist. A day of 2 s segments has about 4 MiB.
    pub max_playlist_bytes: usize,
    /// Newest segments of a watched rendition that are taken before anybody asks. Players start three from the end.
    pub fetch_ahead: usize,
    /// How often the multivariant playlist is looked at again while it is asked for: a ladder changes rarely.
    #[serde(with = "humantime_serde")]
    pub ladder_refresh: Duration,
    /// How long to wait after a failure. Short at the top: live windows are.
    pub retry: BackoffConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            answer_timeout: Duration::from_secs(5),
            max_requests: 64,
            max_idle_connections: 32,
            idle_timeout: Duration::from_secs(60),
            max_playlist_bytes: 4 << 20,
            fetch_ahead: 3,
            ladder_refresh: Duration::from_secs(10),
            retry: BackoffConfig { first: Duration::from_millis(100), longest: Duration::from_secs(2) },
        }
    }
}
