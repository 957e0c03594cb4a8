//! The `[http]` section: limits of the server that viewers and relays reach, each with the reason for its default.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pacing;

/// How the server that viewers and relays reach is bounded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Connections at one time. Players open up to six; fewer are taken where the system's limit of open files says so.
    pub max_connections: usize,
    /// Of these, the connections that only relays with a valid pass may use: viewers are refused before relays are.
    pub relay_reserve: usize,
    /// How long a connection may be without a whole request: before the first, between two, and in the midst of one.
    /// Longer than any target duration, so that a player's connection outlives the pause between two reloads.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// How long a client may take nothing of what it is sent. A player that is paused takes nothing either.
    #[serde(with = "humantime_serde")]
    pub stall_timeout: Duration,
    /// Bytes of a request's head, and of what is read ahead on a connection.
    pub max_head_bytes: usize,
    /// Bytes of a request's body, where a route takes one at all.
    pub max_body_bytes: usize,
    /// Requests under way on one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// Bytes of a media playlist above which it is sent in gzip to those who take it. What fits into one packet anyway is
    /// not worth the unpacking: 1,400 of the 1,460 that are left of one on Ethernet, less than a head's share.
    pub gzip_above_bytes: usize,
    /// Refuses viewers without a valid token instead of counting them as anonymous.
    pub require_token: bool,
    /// How long a session lives that this server itself gives out.
    #[serde(with = "humantime_serde")]
    pub session_life: Duration,
    /// What a newcomer is told to wait when there is no room.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
    /// How fast media are sent.
    pub pacing: pacing::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 16_384,
            relay_reserve: 256,
            idle_timeout: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(60),
            max_head_bytes: 16 << 10,
            max_body_bytes: 64 << 10,
            max_streams_per_connection: 100,
            gzip_above_bytes: 1_400,
            require_token: false,
            session_life: Duration::from_secs(24 * 3600),
            retry_after: Duration::from_secs(5),
            pacing: pacing::Config::default(),
        }
    }
}
