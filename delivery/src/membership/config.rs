//! Limits of belonging to a fleet, each with the reason for its default.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use service::BackoffConfig;

/// How a server keeps its connection to the traffic manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long to wait for the connection and for the first directive: a manager in reach answers in milliseconds.
    #[serde(with = "humantime_serde")]
    pub answer_timeout: Duration,
    /// How long to wait between tries. A manager that starts again acts on what it counts after 5 s: all must be back by
    /// then.
    pub retry: BackoffConfig,
    /// How long another server may have this one's id. Longer than the fleet's grace: after a crash the manager holds
    /// the place of the dead process until then.
    #[serde(with = "humantime_serde")]
    pub id_taken_patience: Duration,
    /// How often a silent connection is probed. It finds a manager whose host went away without a word.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// How long a Goodbye may take to get through.
    #[serde(with = "humantime_serde")]
    pub goodbye_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            answer_timeout: Duration::from_secs(5),
            retry: BackoffConfig { longest: Duration::from_secs(1), ..BackoffConfig::default() },
            id_taken_patience: Duration::from_secs(30),
            keep_alive: Duration::from_secs(5),
            goodbye_timeout: Duration::from_secs(1),
        }
    }
}
