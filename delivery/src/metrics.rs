//! The metrics of delivery, each described once, in base units.
//!
//! Both kinds of server have them; what a program counts besides stands in its own `metrics`.

use std::time::Duration;

use hls::{cmcd::Report, url::Kind};
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use policy::{
    Region, StreamName,
    adaptation::{Change, Reason},
};

use crate::object::FetchError;

const CONNECTIONS: &str = "spillway_connections";
const PACED_CONNECTIONS: &str = "spillway_paced_connections";
const REFUSED: &str = "spillway_refused_total";
const CENSUS_SESSIONS: &str = "spillway_census_sessions";
const CACHE_OBJECTS: &str = "spillway_cache_objects";
const SESSIONS: &str = "spillway_sessions";
const EGRESS_BYTES: &str = "spillway_egress_bytes_total";
const REQUEST_SECONDS: &str = "spillway_request_seconds";
const CACHE_BYTES: &str = "spillway_cache_bytes";
const RUNG_CAP: &str = "spillway_rung_cap";
const RUNG_CAP_HELD: &str = "spillway_rung_cap_held";
const NEWCOMERS_LOWERED: &str = "spillway_newcomers_lowered_total";
const ADAPTATION_CHANGES: &str = "spillway_adaptation_changes_total";
const UPLINK: &str = "spillway_uplink_bytes_per_second";
const VIEWERS_SHARE: &str = "spillway_viewers_share_bytes_per_second";
const EGRESS: &str = "spillway_egress_bytes_per_second";
const ROOM: &str = "spillway_room_viewers";
const UPSTREAM_FETCHES: &str = "spillway_upstream_fetches_total";
/// Their buckets are set in `service::telemetry`.
const VIEWER_BUFFER: &str = "spillway_viewer_buffer_seconds";
const VIEWER_THROUGHPUT: &str = "spillway_viewer_throughput_bytes_per_second";
const VIEWER_STALLS: &str = "spillway_viewer_stalls_total";
const VIEWER_STARTUPS: &str = "spillway_viewer_startups_total";

/// Prometheus' base unit is the byte; players say kilobits.
const BYTES_PER_KILOBIT: f64 = 125.0;

/// Describes every metric of delivery to the recorder: call it once, after the recorder is installed.
pub fn describe() {
    describe_gauge!(
        CONNECTIONS,
        Unit::Count,
        "Connections of viewers and relays; at most http.max_connections"
    );
    describe_gauge!(
        PACED_CONNECTIONS,
        Unit::Count,
        "Connections that are sent media at no more than a multiple of their bitrate; not those in their burst, and none of relays or http.pacing.proxies"
    );
    describe_counter!(REFUSED, Unit::Count, "Newcomers answered with 503 for want of room");
    describe_gauge!(
        CENSUS_SESSIONS,
        Unit::Count,
        "Sessions in the census' table, probes included; at most census.max_sessions"
    );
    describe_gauge!(CACHE_OBJECTS, Unit::Count, "Objects in memory; at most cache.max_entries");
    describe_gauge!(SESSIONS, Unit::Count, "Viewers that this server itself serves, by stream");
    describe_counter!(EGRESS_BYTES, Unit::Bytes, "Bytes sent to viewers and relays");
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "From a request to the first byte of its answer, by what was asked"
    );
    describe_gauge!(CACHE_BYTES, Unit::Bytes, "Media held in memory, complete or arriving");
    describe_counter!(
        UPSTREAM_FETCHES,
        "Requests for objects sent to the upstream or source, by how they ended"
    );
    describe_experience();
    describe_adaptation();
    // From the start, so that the first of a kind is seen as a step and not as a beginning.
    counter!(REFUSED).increment(0);
    for result in FetchResult::ALL {
        counter!(UPSTREAM_FETCHES, "result" => result.as_str()).increment(0);
    }
}

/// Describes what players say of themselves.
fn describe_experience() {
    describe_histogram!(
        VIEWER_BUFFER,
        Unit::Seconds,
        "Media that players hold when they ask for a playlist or a segment, as those with CMCD say, by the region of the viewer"
    );
    describe_histogram!(
        VIEWER_THROUGHPUT,
        "Bytes a second that players have measured when they ask for a playlist or a segment, as those with CMCD say, by the region of the viewer"
    );
    describe_counter!(
        VIEWER_STALLS,
        Unit::Count,
        "Requests whose players, by CMCD, ran out of media since the one before: once a stall"
    );
    describe_counter!(
        VIEWER_STARTUPS,
        Unit::Count,
        "Sessions whose first request with CMCD at this server was to start up, or to recover where they were moved in a stall"
    );
}

/// Describes what is sent at most, and why.
fn describe_adaptation() {
    describe_gauge!(
        RUNG_CAP,
        Unit::Count,
        "The highest rung of a stream's ladder that is sent now; 0 is the lowest"
    );
    describe_gauge!(
        RUNG_CAP_HELD,
        Unit::Count,
        "Whether an operator holds a stream's rung cap where it is: 1 or 0"
    );
    describe_counter!(
        NEWCOMERS_LOWERED,
        Unit::Count,
        "First playlists of newcomers that began below a stream's rung cap, for what was left of the uplink"
    );
    describe_counter!(
        ADAPTATION_CHANGES,
        Unit::Count,
        "Changes of a stream's rung cap, by direction and reason"
    );
    describe_gauge!(
        UPLINK,
        "Bytes a second that the uplink carries, as configured or learnt; 0 where nobody knows"
    );
    describe_gauge!(
        VIEWERS_SHARE,
        "Bytes a second of the uplink that viewers may be sent; 0 where nobody knows"
    );
    describe_gauge!(EGRESS, "Bytes a second sent to viewers, over rung_cap.window");
    describe_gauge!(
        ROOM,
        Unit::Count,
        "Viewers that are taken now: the capacity, or fewer where they would not fit the uplink"
    );
    for (direction, reason) in DIRECTIONS.iter().flat_map(|to| Reason::ALL.map(|reason| (*to, reason))) {
        counter!(ADAPTATION_CHANGES, "direction" => direction, "reason" => reason.as_str()).increment(0);
    }
}

const DIRECTIONS: [&str; 2] = ["down", "up"];

/// A stream's cap became another.
pub(crate) fn adaptation_change(change: Change) {
    let direction = DIRECTIONS[usize::from(change.to > change.from)];
    counter!(ADAPTATION_CHANGES, "direction" => direction, "reason" => change.reason.as_str()).increment(1);
}

/// The highest rung of a stream that is sent, and whether an operator holds it there.
#[allow(clippy::cast_precision_loss, reason = "ladders have few rungs")]
pub(crate) fn rung_cap(stream: &StreamName, cap: usize, pinned: bool) {
    gauge!(RUNG_CAP_HELD, "stream" => stream.as_str().to_owned()).set(f64::from(u8::from(pinned)));
    gauge!(RUNG_CAP, "stream" => stream.as_str().to_owned()).set(cap as f64);
}

/// A newcomer begins below the cap with a rung.
pub(crate) fn newcomer_lowered(stream: &StreamName) {
    counter!(NEWCOMERS_LOWERED, "stream" => stream.as_str().to_owned()).increment(1);
}

/// What the uplink carries, what of it viewers may be sent, and what they are sent, in bits per second.
#[allow(clippy::cast_precision_loss, reason = "bitrates stay far below 2^52")]
pub(crate) fn uplink(uplink: Option<u64>, share: Option<u64>, egress: u64) {
    let bytes = |bits: u64| bits as f64 / 8.0;
    gauge!(UPLINK).set(bytes(uplink.unwrap_or_default()));
    gauge!(VIEWERS_SHARE).set(bytes(share.unwrap_or_default()));
    gauge!(EGRESS).set(bytes(egress));
}

/// The viewers that are taken now.
pub(crate) fn room(viewers: u32) {
    gauge!(ROOM).set(f64::from(viewers));
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

    const ALL: [Self; 4] = [Self::Ok, Self::Resumed, Self::Gone, Self::Failed];

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
pub(crate) fn cache(bytes: u64, objects: usize) {
    gauge!(CACHE_BYTES).set(bytes as f64);
    gauge!(CACHE_OBJECTS).set(objects as f64);
}

/// The viewers of a stream.
pub(crate) fn sessions(stream: &StreamName, viewers: u32) {
    gauge!(SESSIONS, "stream" => stream.as_str().to_owned()).set(f64::from(viewers));
}

/// The sessions in the census' table.
pub(crate) fn census_sessions(sessions: u32) {
    gauge!(CENSUS_SESSIONS).set(f64::from(sessions));
}

/// A newcomer was refused.
pub(crate) fn refused() {
    counter!(REFUSED).increment(1);
}

/// The connections that there are.
pub(crate) fn connections() -> Gauge {
    gauge!(CONNECTIONS)
}

/// The connections whose pace is limited now.
pub(crate) fn paced_connections() -> Gauge {
    gauge!(PACED_CONNECTIONS)
}

/// The bytes sent to viewers and relays.
pub(crate) fn egress_bytes() -> Counter {
    counter!(EGRESS_BYTES)
}

/// How long answers take to begin, by what was asked: looked up once, because it is told at every request.
#[derive(Debug)]
pub(crate) struct RequestSeconds {
    multivariant: Histogram,
    playlist: Histogram,
    media: Histogram,
    /// Relays' reloads wait for the next segment, which says nothing of this server.
    relay_playlist: Histogram,
    /// Apart from viewers', so that one sees that a relay takes each segment once, whatever its crowd.
    relay_media: Histogram,
    other: Histogram,
}

impl RequestSeconds {
    /// Looked up in the recorder that is installed.
    pub(crate) fn new() -> Self {
        let of = |resource: &'static str| histogram!(REQUEST_SECONDS, "resource" => resource);
        Self {
            multivariant: of("multivariant"),
            playlist: of("playlist"),
            media: of("media"),
            relay_playlist: of("relay_playlist"),
            relay_media: of("relay_media"),
            other: of("other"),
        }
    }

    /// Notes one answer.
    pub(crate) fn took(&self, resource: Option<Kind<'_>>, by_relay: bool, time: Duration) {
        let histogram = match resource {
            Some(Kind::Multivariant) => &self.multivariant,
            Some(Kind::Playlist { .. }) if by_relay => &self.relay_playlist,
            Some(Kind::Playlist { .. }) => &self.playlist,
            Some(Kind::Segment { .. } | Kind::Init { .. }) if by_relay => &self.relay_media,
            Some(Kind::Segment { .. } | Kind::Init { .. }) => &self.media,
            None => &self.other,
        };
        histogram.record(time);
    }
}

/// How it plays in one region, as its viewers' players say: looked up once, because it is told at every request.
#[derive(Debug)]
pub(crate) struct Experience {
    buffer: Histogram,
    throughput: Histogram,
    stalls: Counter,
    startups: Counter,
}

impl Experience {
    /// Looked up in the recorder that is installed, and shown from then on.
    pub(crate) fn of(region: &Region) -> Self {
        let region = || region.as_str().to_owned();
        let experience = Self {
            buffer: histogram!(VIEWER_BUFFER, "region" => region()),
            throughput: histogram!(VIEWER_THROUGHPUT, "region" => region()),
            stalls: counter!(VIEWER_STALLS, "region" => region()),
            startups: counter!(VIEWER_STARTUPS, "region" => region()),
        };
        experience.stalls.increment(0);
        experience.startups.increment(0);
        experience
    }

    /// Notes what one request says; whether it is the `first` of a session that says anything.
    #[allow(clippy::cast_precision_loss, reason = "the reader bounds both far below 2^52")]
    pub(crate) fn told(&self, report: Report, first: bool) {
        if let Some(buffer_ms) = report.buffer_ms {
            self.buffer.record(Duration::from_millis(buffer_ms));
        }
        if let Some(kbps) = report.throughput_kbps {
            self.throughput.record(kbps as f64 * BYTES_PER_KILOBIT);
        }
        if report.stalled == Some(true) {
            self.stalls.increment(1);
        }
        if first && report.urgent == Some(true) {
            self.startups.increment(1);
        }
    }
}
