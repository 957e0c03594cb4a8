//! How much media somebody has been sent: by this a start-up burst is spent, whichever connections it comes over.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// A sum of media time.
#[derive(Debug, Default)]
pub(super) struct Sent {
    micros: AtomicU64,
}

impl Sent {
    /// Adds what is being sent now; what was sent before.
    pub(super) fn add(&self, media: Duration) -> Duration {
        let more = u64::try_from(media.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.micros.fetch_add(more, Relaxed))
    }
}
