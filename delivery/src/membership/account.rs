//! What a server says of itself: who it is, once, and how it stands, at every report.

use std::{sync::Arc, time::Duration};

use hls::Rendition;
use policy::{Region, ServerId, SessionId, StreamName, adaptation::Mode, routing::Kind};
use service::Secret;

use crate::adaptation::Standing;
pub use crate::census::Tally;

/// Who a server is. It does not change while the server is attached.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its pathway id.
    pub id: ServerId,
    /// Origin or relay.
    pub kind: Kind,
    /// Where it stands.
    pub region: Region,
    /// Where viewers reach it: scheme, host and port, without a path or a trailing slash.
    pub base_url: Arc<str>,
    /// Viewers that it takes at most.
    pub capacity: u32,
    /// What its line carries; 0 where nobody knows.
    pub uplink_bits_per_second: u64,
    /// What proves that it may join.
    pub join_secret: Secret,
    /// What the provisioner called this launch; empty where an operator started it.
    pub launch_id: String,
    /// Where Prometheus scrapes it: host and port.
    pub metrics_address: String,
}

/// How a server stands. Levels are absolute; totals grow from the start of the process.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Viewers, those that this server itself serves.
    pub viewers: Vec<Tally>,
    /// Of the sessions of class `redirects`, those handed to relays.
    pub redirected: Vec<Tally>,
    /// Sessions that began to count here.
    pub opened_total: u64,
    /// Sessions dropped because they were reported open elsewhere.
    pub departed_total: u64,
    /// Newcomers refused.
    pub refused_total: u64,
    /// Bytes sent to viewers and relays.
    pub egress_bytes_total: u64,
    /// Whether what it serves comes from where it should.
    pub upstream_healthy: bool,
    /// Fetches from there that failed.
    pub upstream_failures_total: u64,
    /// Sessions given to another server that began to count here since the last account.
    pub arrived: Vec<SessionId>,
    /// Whether nobody has asked anything for 2.5 target durations.
    pub quiet: bool,
    /// What is sent at most, and why no more.
    pub standing: Arc<Standing>,
}

/// A stream as this server holds it.
#[derive(Debug, Clone)]
pub struct StreamState {
    /// Its name.
    pub name: StreamName,
    /// Its multivariant playlist, with media URIs relative to `/{stream}/` and without a session.
    pub multivariant: Arc<str>,
    /// Longest duration of its segments.
    pub target_duration: Duration,
    /// False where it has an end.
    pub live: bool,
    /// False before its first window is here.
    pub ready: bool,
    /// Who picks its bitrate.
    pub mode: Mode,
    /// Renditions that newcomers are not to be told of now.
    pub withheld: Vec<Rendition>,
}

/// Who can say how the server stands.
pub trait Witness: Send + Sync + 'static {
    /// How the server stands now; what has arrived is told once.
    fn account(&self) -> Account;

    /// The streams that it holds.
    fn streams(&self) -> Vec<StreamState>;

    /// Ready when sessions have moved here or away since this was last ready, and the account says so.
    fn moves(&self) -> impl Future<Output = ()> + Send;

    /// These sessions began to count elsewhere: stop to count them, unless they ask again.
    fn moved(&self, sessions: &[SessionId]);
}
