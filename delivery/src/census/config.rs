//! The `[census]` section: how viewers are counted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How viewers are counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Sessions in the table. Those beyond it are counted by how often they reload, as viewers without a token are.
    pub max_sessions: u32,
    /// Sessions remembered as having moved elsewhere, so that their return is reported.
    pub max_departed: usize,
    /// How often the table is swept: how late a session may begin or end to count.
    #[serde(with = "humantime_serde")]
    pub sweep_interval: Duration,
    /// The least time of silence that ends a session: with short segments players pause longer than 2.5 of them.
    #[serde(with = "humantime_serde")]
    pub min_life: Duration,
    /// How long a session of a stream that has an end is kept when its connection is not used: a player that has
    /// buffered all it wants asks nothing.
    #[serde(with = "humantime_serde")]
    pub ended_life: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_sessions: 100_000,
            max_departed: 20_000,
            sweep_interval: Duration::from_millis(250),
            min_life: Duration::from_secs(5),
            ended_life: Duration::from_secs(60),
        }
    }
}

impl Config {
    /// How long a session lives without a sign.
    pub(super) fn life(&self, target_duration: Duration, ended: bool) -> Duration {
        if ended { self.ended_life } else { (target_duration * 5 / 2).max(self.min_life) }
    }
}
