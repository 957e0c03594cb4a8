//! The metrics of delivery, each described once, in base units.
//!
//! Both kinds of server have them; what a program counts besides stands in its own `metrics`.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use policy::StreamName;

use crate::object::FetchError;

const SESSIONS: &str = "spillway_sessions";
const CACHE_BYTES: &str = "spillway_cache_bytes";
const UPSTREAM_FETCHES: &str = "spillway_upstream_fetches_total";

/// Describes every metric of delivery to the recorder: call it once, after the recorder is installed.
pub fn describe() {
    describe_gauge!(SESSIONS, Unit::Count, "Viewers that this server itself serves, by stream");
    describe_gauge!(CACHE_BYTES, Unit::Bytes, "Media held in memory, complete or arriving");
    describe_counter!(
        UPSTREAM_FETCHES,
        "Requests for objects sent to the upstream or source, by how they ended"
    );
}

/// How one request to the upstream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchResult {
    /// The object is complete.
    Ok,
    /// It broke off and is asked for again from the byte reached.
    Resumed,
    /// There is no such object.
    Gone,
    /// It failed, and so did all who waited.
    Failed,
}

impl FetchResult {
    /// How a request that ended with `error` is counted.
    #[must_use]
    pub const fn of(error: &FetchError) -> Self {
        match error {
            FetchError::Gone => Self::Gone,
            _ => Self::Failed,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Resumed => "resumed",
            Self::Gone => "gone",
            Self::Failed => "failed",
        }
    }
}

/// Counts a request to the upstream. For relays' playlists too, which do not go through the object store.
pub fn upstream_fetch(result: FetchResult) {
    counter!(UPSTREAM_FETCHES, "result" => result.as_str()).increment(1);
}

/// The media held in memory.
#[allow(clippy::cast_precision_loss, reason = "a gauge is a float; bytes stay far below 2^52")]
pub(crate) fn cache_bytes(bytes: u64) {
    gauge!(CACHE_BYTES).set(bytes as f64);
}

/// The viewers of a stream.
pub(crate) fn sessions(stream: &StreamName, viewers: u32) {
    gauge!(SESSIONS, "stream" => stream.as_str().to_owned()).set(f64::from(viewers));
}
