//! The one clock of the program: policy's [`Time`] counts from the program's start, and players' tokens from 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use policy::Time;
use tokio::time::Instant;

/// Reads both times. Copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    started_unix: Duration,
}

impl Clock {
    /// A clock whose [`Time`] is zero now.
    pub(crate) fn start() -> Self {
        let started_unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_unix }
    }

    /// Policy's now.
    pub(crate) fn now(&self) -> Time {
        Time::from_millis(millis(self.started.elapsed()))
    }

    /// When policy's `time` is, for sleeping until then.
    pub(crate) fn instant_of(&self, time: Time) -> Instant {
        self.started + Duration::from_millis(time.as_millis())
    }

    /// Unix time in seconds, by the system's clock at the start: it never jumps while the program runs.
    pub(crate) fn unix_s(&self) -> u64 {
        (self.started_unix + self.started.elapsed()).as_secs()
    }

    /// Unix time in milliseconds of policy's `time`.
    pub(crate) fn unix_ms_of(&self, time: Time) -> u64 {
        millis(self.started_unix).saturating_add(time.as_millis())
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
