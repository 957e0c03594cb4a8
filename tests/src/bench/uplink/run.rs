//! One run: a primary behind a line of its own, the viewers at the other end, and what was seen of both.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    fare::Fare,
    sample::{self, Sample},
    timeline::Timeline,
    viewers,
};
use crate::{
    fleet::Fleet,
    ladder::Ladder,
    network::Subnet,
    replay::Replay,
    slow_line::{Shape, SlowLine},
    wait::unix_ms,
};

/// What the line carries. A third of a second of queue is what home routers and small hosts have; a longer one would hide losses
/// and show delays instead.
pub(super) const LINE: Shape = Shape { kbit_per_s: 8_000, burst_kb: 32, latency_ms: 300 };

/// What may pass from the start of the programs to that of the viewers.
pub(super) const START: Duration = Duration::from_secs(40);

/// How the server answers a full line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Not at all: each player adapts as it can.
    Client,
    /// It caps the rungs that players may ask for.
    Capped,
    /// It alone picks the rung.
    Server,
}

impl Mode {
    /// All of them, the one to compare with first.
    pub const ALL: [Self; 3] = [Self::Client, Self::Capped, Self::Server];

    /// What the config calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Capped => "capped",
            Self::Server => "server",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        named.ok_or_else(|| format!("{text:?} is no mode: give client, capped or server"))
    }
}

/// What one run has shown.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) mode: Mode,
    pub(super) timeline: Timeline,
    /// When the first viewer came, in milliseconds since the Unix epoch.
    pub(super) began_ms: u64,
    pub(super) samples: Vec<Sample>,
    pub(super) fares: Vec<Fare>,
}

impl Run {
    /// Lets the viewers come and go.
    pub(super) async fn make(mode: Mode, timeline: Timeline, ladder: &Arc<Ladder>) -> Self {
        let source = Replay::start(Subnet::unused().source(), Arc::clone(ladder)).await;
        let uplink = format!("{}Mbps", LINE.kbit_per_s / 1000);
        let fleet = Fleet::builder()
            .threshold(1000)
            .source(&source.url)
            .primary_arguments(&["--uplink", &uplink, "--adaptation", mode.as_str()])
            .manager_config("[provisioner]\nkind = \"standby\"")
            .start()
            .await;
        let line = SlowLine::shaped(&fleet.subnet, LINE);
        let (began, began_ms) = (Instant::now(), unix_ms());
        let (samples, fares) = tokio::join!(
            sample::every_second(&fleet, &line, began, timeline.end()),
            viewers::come_and_go(&fleet, &line, began, timeline),
        );
        Self { mode, timeline, began_ms, samples, fares }
    }
}
