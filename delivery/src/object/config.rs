//! The `[cache]` section: how much the object store holds, and how long it tries.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits of the object store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes held in all. 512 MiB is 8 minutes of a 6 Mb/s ladder, far beyond any live window.
    pub max_bytes: u64,
    /// Objects held in all. A few thousand keep the search for the oldest one short.
    pub max_entries: usize,
    /// Bytes of one object. A segment of 10 s at 25 Mb/s has 31 MiB.
    pub max_object_bytes: u64,
    /// Objects being taken at one time.
    pub max_filling: u64,
    /// How often one object is resumed after a break before those who wait are failed.
    pub max_resumes: u32,
    /// Pause before a resume, doubled at each, with jitter.
    #[serde(with = "humantime_serde")]
    pub resume_pause: Duration,
    /// How long the upstream may take to begin its answer.
    #[serde(with = "humantime_serde")]
    pub answer_timeout: Duration,
    /// How long no byte may come before that is taken for a break.
    #[serde(with = "humantime_serde")]
    pub stall_timeout: Duration,
    /// How long a failure answers those who ask after it, so that a crowd's retries reach the upstream as one.
    #[serde(with = "humantime_serde")]
    pub failure_ttl: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_bytes: 512 << 20,
            max_entries: 4_096,
            max_object_bytes: 64 << 20,
            max_filling: 256,
            max_resumes: 3,
            resume_pause: Duration::from_millis(50),
            answer_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(5),
            failure_ttl: Duration::from_millis(250),
        }
    }
}
