//! What time it is: the one place where delivery reads clocks, so that what decides can be given `now`.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use policy::Time;

/// A clock whose epoch is its making.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the start; they never go back.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::default() + self.0.elapsed()
    }
}

/// Seconds since 1970, for what is told to other hosts: expiry of tokens.
#[must_use]
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
