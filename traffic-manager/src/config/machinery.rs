//! The sections of the config that tell the program how to reach others: relays to start, the primary to call, the port.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use service::BackoffConfig;

/// Which provisioner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProvisionerKind {
    /// `process` where the primary is on loopback or addresses are given, else `standby`.
    #[default]
    Auto,
    /// Relays are started by operators, and wait.
    Standby,
    /// `local-server` on this host.
    Process,
}

/// How relays are started and stopped.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provisioning {
    /// Which provisioner.
    pub kind: ProvisionerKind,
    /// The program that it starts; without one, the `local-server` that lies beside the traffic manager's.
    pub program: Option<PathBuf>,
    /// Where relays can be; without any, 127.0.0.2 to 127.0.0.9 where the primary is on loopback.
    pub addresses: Vec<IpAddr>,
    /// Their port, which is the fleet's; without one, the primary's.
    pub port: Option<u16>,
    /// Further arguments of the program; `{address}` stands for the relay's IP address.
    pub arguments: Vec<String>,
    /// How long a relay may take to end before it is killed. 10 s: more than its own soft end takes.
    #[serde(with = "humantime_serde")]
    pub stop_timeout: Duration,
}

impl Default for Provisioning {
    fn default() -> Self {
        Self {
            kind: ProvisionerKind::Auto,
            program: None,
            addresses: Vec::new(),
            port: None,
            arguments: Vec::new(),
            stop_timeout: Duration::from_secs(10),
        }
    }
}

/// How the primary is called on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Invite {
    /// Between calls.
    pub backoff: BackoffConfig,
    /// How long a call may take, and how long a primary that accepted may take to attach. 5 s: both take milliseconds.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
    /// How much of an answer is read. 64 KiB: a primary's is a line, and whoever is called may be no primary.
    pub max_answer_bytes: usize,
}

impl Default for Invite {
    fn default() -> Self {
        Self {
            backoff: BackoffConfig::default(),
            patience: Duration::from_secs(5),
            max_answer_bytes: 64 * 1024,
        }
    }
}

/// Limits of the port and of what waits behind it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// The file of hls.js that the watch page plays with, such as node_modules/hls.js/dist/hls.min.js; without one it plays with
    /// the browser's own HLS.
    pub hls_js: Option<PathBuf>,
    /// Proxies whose `X-Forwarded-For` says who asks, such as `["10.0.0.0/8"]`. Nobody else's is believed: it decides the region.
    pub trusted_proxies: Vec<IpNet>,
    /// Load balancers whose connections begin with a PROXY protocol header, version 2, such as `["10.0.1.7/32"]`. Each of theirs must,
    /// and nobody else's may, so no server or operator can connect straight from there. Where `X-Forwarded-For` comes as well, it is
    /// judged as if the client that the header names had connected.
    pub proxy_protocol_from: Vec<IpNet>,
    /// Bytes of such a header at most. 4 KiB: addresses take 52; the rest is notes that are skipped, such as a certificate's name.
    pub max_proxy_header_bytes: usize,
    /// Open connections. 16,384: players that steer keep one for their TTL at most.
    pub max_connections: usize,
    /// How long a client may take to send a request's headers, and before them the first bytes of its connection.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// How often a silent HTTP/2 connection is probed: finds servers whose host went away without a word.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// How long a server may take to say Hello, or to read what it is told.
    #[serde(with = "humantime_serde")]
    pub server_patience: Duration,
    /// Largest message of a server. 1 MiB: a thousand regions, streams and moved sessions.
    pub max_message_bytes: usize,
    /// Messages that wait for the controller. 4,096: a report each from more servers than a fleet has.
    pub max_waiting_messages: usize,
    /// How long a soft end may take.
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
}

/// Limits of what is kept and handed on about the fleet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Servers and slots known at once; who comes beyond them may not attach.
    pub max_slots: usize,
    /// The newest decisions, kept for operators. At least 1.
    pub decisions_kept: usize,
    /// Sessions of one report that are handed on to where they played before; the others are counted twice for a moment.
    pub forwarded_per_report: usize,
    /// Operators that follow decisions at once. 100: one a screen.
    pub max_followers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let policy::Settings { max_slots, decisions_kept, forwarded_per_report, .. } =
            policy::Settings::default();
        Self { max_slots, decisions_kept, forwarded_per_report, max_followers: 100 }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            hls_js: None,
            trusted_proxies: Vec::new(),
            proxy_protocol_from: Vec::new(),
            max_proxy_header_bytes: 4_096,
            max_connections: 16_384,
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(5),
            server_patience: Duration::from_secs(5),
            max_message_bytes: 1 << 20,
            max_waiting_messages: 4_096,
            shutdown_timeout: Duration::from_secs(5),
        }
    }
}
