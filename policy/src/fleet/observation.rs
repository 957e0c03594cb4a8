//! What the fleet's owner can be told. Nothing in it is about one viewer, but for the ids that one report forwards.

use std::{sync::Arc, time::Duration};

use crate::{Class, Phase, Region, ServerId, SessionId, StreamName, adaptation::Mode, routing::Kind};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// A server opened its stream and said who it is. May be refused.
    Attached(Hello),
    /// A server said how it is.
    Reported {
        /// Who.
        server: ServerId,
        /// The [`Hello::attachment`] that it came through.
        attachment: u64,
        /// What it said.
        report: Report,
    },
    /// A server takes its leave.
    Goodbye {
        /// Who.
        server: ServerId,
        /// The [`Hello::attachment`] that it came through.
        attachment: u64,
    },
    /// A server's stream ended without a word.
    Disconnected {
        /// Who.
        server: ServerId,
        /// The [`Hello::attachment`] that ended.
        attachment: u64,
    },
    /// The provisioner has started a relay; it will attach.
    LaunchStarted {
        /// Which.
        server: ServerId,
    },
    /// The provisioner could not start a relay.
    LaunchFailed {
        /// Which.
        server: ServerId,
        /// Why, for the operator.
        error: String,
    },
    /// What the provisioner has: asked at the start and whenever it changes.
    Listed(Inventory),
    /// The provisioner saw a relay that it started end.
    Exited {
        /// Which.
        server: ServerId,
    },
    /// The operator wants a relay emptied and left alone. May be refused.
    Drain {
        /// Which.
        server: ServerId,
    },
    /// The operator gives a relay back. May be refused.
    Resume {
        /// Which.
        server: ServerId,
    },
    /// Time passed: the moment of [`crate::Fleet::deadline`] has come.
    Tick,
}

/// Who a server is, as it attaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Drawn by the owner for each stream that is opened: tells a message of an older stream from one of this.
    pub attachment: u64,
    /// The server's id, its pathway id and that of its slot.
    pub id: ServerId,
    /// Origin or relay.
    pub kind: Kind,
    /// Where it stands.
    pub region: Region,
    /// Scheme, host and port, without a path or a trailing slash.
    pub base_url: Arc<str>,
    /// Viewers that it takes at most.
    pub capacity: u32,
    /// Drawn anew at each start of its process.
    pub incarnation: u64,
    /// Whether a provisioner started it.
    pub launched: bool,
    /// The phase that it is in.
    pub phase: Phase,
    /// Streams that it has.
    pub streams: Vec<StreamState>,
    /// For the operator.
    pub version: String,
    /// Where Prometheus scrapes it: host and port.
    pub metrics_address: String,
}

/// One stream as a server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// Which.
    pub name: StreamName,
    /// Whether its first window is there.
    pub ready: bool,
    /// Its longest segment (RFC 8216 4.3.3.1).
    pub target_duration: Duration,
    /// Who picks its bitrate.
    pub mode: Mode,
}

/// Up to which rung a server sends a stream, where that is not the highest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RungCap {
    /// Which.
    pub stream: StreamName,
    /// The rung's place in the ladder; 0 is the lowest.
    pub rung: u32,
    /// The rung's name.
    pub rendition: String,
}

/// How a server is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Generation of the directive that it follows.
    pub applied_generation: u64,
    /// The phase that it is in; a primary's is not looked at.
    pub phase: Option<Phase>,
    /// Viewers that it counts.
    pub viewers: Vec<Count>,
    /// Of its sessions of class `redirects`, those handed to relays: not in `viewers`.
    pub redirected: Vec<Count>,
    /// Sessions that began to count since its process started.
    pub opened_total: u64,
    /// Sessions dropped, because they were said to be elsewhere, since its process started.
    pub departed_total: u64,
    /// Bytes sent to viewers since its process started.
    pub egress_bytes_total: u64,
    /// Whether its source or upstream answers.
    pub upstream_healthy: bool,
    /// Sessions that began to count here and were given to another server.
    pub arrived: Vec<SessionId>,
    /// Streams that it has.
    pub streams: Vec<StreamState>,
    /// Whether nothing was asked of it for 2.5 target durations.
    pub quiet: bool,
    /// Viewers that it takes now, where that is fewer than its capacity.
    pub room: Option<u32>,
    /// What its uplink carries, in bits per second; 0 where nobody knows.
    pub uplink_bits_per_second: u64,
    /// The streams that it does not send up to their highest rung.
    pub rung_caps: Vec<RungCap>,
}

/// Viewers of one region and class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Of which region, by the session's token.
    pub region: Region,
    /// What their players can do.
    pub class: Class,
    /// How many.
    pub viewers: u32,
}

/// What a provisioner has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Where it can start relays.
    pub slots: Vec<Offer>,
    /// Slots in which a relay of its runs, attached or not.
    pub running: Vec<ServerId>,
}

/// A host where a relay can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The pathway id of whichever relay runs there.
    pub id: ServerId,
    /// Scheme, host and port, without a path or a trailing slash.
    pub base_url: Arc<str>,
    /// Where it is; absent if it is near everybody.
    pub region: Option<Region>,
}
