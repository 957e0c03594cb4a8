//! Waiting on a condition with a deadline.

use std::{
    fmt::Display,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Now, in milliseconds since the Unix epoch: what logs and browsers are compared with.
#[must_use]
pub fn unix_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}

/// Waits until `condition` gives a value. `Err` says what is still wrong; it is in the message when time is up.
///
/// # Panics
/// When `within` has passed.
pub async fn eventually<T, E, F>(what: &str, within: Duration, mut condition: F) -> T
where
    E: Display,
    F: AsyncFnMut() -> Result<T, E>,
{
    let deadline = Instant::now() + within;
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        match condition().await {
            Ok(value) => return value,
            Err(wrong) if Instant::now() >= deadline => panic!("{what}: not within {within:?}: {wrong}"),
            Err(_) => {}
        }
    }
}

/// Waits until `condition` holds and goes on holding for the whole of `hold`.
///
/// # Panics
/// When it has not done so `within` the time.
pub async fn holds_for<E, F>(what: &str, hold: Duration, within: Duration, mut condition: F)
where
    E: Display,
    F: AsyncFnMut() -> Result<(), E>,
{
    let mut since = Instant::now();
    eventually(what, within, async || match condition().await {
        Ok(()) if since.elapsed() >= hold => Ok(()),
        Ok(()) => Err(format!("has held for {:?}", since.elapsed())),
        Err(wrong) => {
            since = Instant::now();
            Err(wrong.to_string())
        }
    })
    .await;
}

/// Looks on while `condition`, which holds already, goes on holding.
///
/// # Panics
/// When it does not for a moment of `time`.
pub async fn stays<E, F>(what: &str, time: Duration, mut condition: F)
where
    E: Display,
    F: AsyncFnMut() -> Result<(), E>,
{
    let since = Instant::now();
    eventually(what, time * 2, async || match condition().await {
        Ok(()) if since.elapsed() >= time => Ok(()),
        Ok(()) => Err("has not held for long enough"),
        Err(wrong) => panic!("{what}: not after {:?}: {wrong}", since.elapsed()),
    })
    .await;
}
