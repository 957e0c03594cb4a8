//! The life of a relay, and which step may follow which.
//!
//! ```text
//! Requested → Starting → Standby → Warming → Serving → Draining → Retired
//!      └─ Failed ─┘         ↑                     ↑________┘ (called back)
//!                           └─ Draining (an operator's relay)
//! any attached phase ⇄ Suspect → Lost
//! ```
//!
//! A relay may attach in any attached phase, from any phase: the process that attaches may be another one, or the manager
//! may be younger than the relay.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a relay stands in its life. A primary is always `Serving`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// A launch was asked of the provisioner.
    Requested,
    /// The provisioner has started it; it has not attached yet.
    Starting,
    /// Attached, waits until it is wanted.
    Standby,
    /// Told to serve; fetches the newest of its streams first.
    Warming,
    /// Takes viewers.
    Serving,
    /// Gets nobody new, goes on serving who is there.
    Draining,
    /// Has left, or was told to.
    Retired,
    /// Has missed reports or lost its connection; counts kept, nobody new. May go on serving who plays from it.
    Suspect,
    /// Silent for longer than the grace; its viewers are counted no more.
    Lost,
    /// Its launch failed or timed out.
    Failed,
}

impl Phase {
    /// Every phase, in the order of a life.
    pub const ALL: [Self; 10] = [
        Self::Requested,
        Self::Starting,
        Self::Standby,
        Self::Warming,
        Self::Serving,
        Self::Draining,
        Self::Retired,
        Self::Suspect,
        Self::Lost,
        Self::Failed,
    ];

    /// The name in metrics, JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Starting => "starting",
            Self::Standby => "standby",
            Self::Warming => "warming",
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Retired => "retired",
            Self::Suspect => "suspect",
            Self::Lost => "lost",
            Self::Failed => "failed",
        }
    }
}

impl Phase {
    /// Whether a server in this phase is there, or was a moment ago.
    #[must_use]
    pub const fn is_attached(self) -> bool {
        matches!(self, Self::Standby | Self::Warming | Self::Serving | Self::Draining | Self::Suspect)
    }

    /// Whether a relay may go from this phase to `next`, which is another one.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match next {
            Self::Requested => matches!(self, Self::Failed | Self::Retired | Self::Lost),
            Self::Starting => matches!(self, Self::Requested),
            Self::Failed => matches!(self, Self::Requested | Self::Starting),
            Self::Standby | Self::Warming | Self::Serving | Self::Draining => true,
            Self::Suspect | Self::Lost => self.is_attached(),
            Self::Retired => !matches!(self, Self::Retired),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
