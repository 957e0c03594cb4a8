//! The one place that reads a clock for `player`.

use std::time::{SystemTime, UNIX_EPOCH};

use policy::Time;
use tokio::time::Instant;

/// Moments since the program began.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Instant,
}

impl Clock {
    /// A clock that begins now.
    #[must_use]
    pub fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::default() + self.epoch.elapsed()
    }

    /// When a moment is, for a timer.
    #[must_use]
    pub fn instant(&self, time: Time) -> Instant {
        self.epoch + time.since(Time::default())
    }
}

/// Milliseconds since 1970, for logs that are compared with other programs'.
#[must_use]
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
