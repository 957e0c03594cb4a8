//! The session keys that are valid now, and their change when an epoch ends.
//!
//! Keys derive from the fleet's secret and the time alone, so every manager and every life of one has the same. An epoch is
//! as long as a session; two are valid at once.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use policy::session::Keys;
use tokio::sync::watch;

use crate::clock::Clock;

/// Keys, read at every request.
#[derive(Debug)]
pub(crate) struct Keyring {
    secret: Vec<u8>,
    life: Duration,
    clock: Clock,
    keys: ArcSwap<Keys>,
    turns: watch::Sender<u64>,
}

impl Keyring {
    /// The keys of `secret`, for sessions that live for `life`.
    pub(crate) fn new(secret: Vec<u8>, life: Duration, clock: Clock) -> Self {
        let epoch = Keys::epoch(clock.unix_s(), life);
        let keys = ArcSwap::from_pointee(Keys::derive(&secret, epoch));
        Self { secret, life, clock, keys, turns: watch::Sender::new(0) }
    }

    /// The keys that are valid now.
    pub(crate) fn now(&self) -> Arc<Keys> {
        self.keys.load_full()
    }

    /// How often the keys have changed, as it changes.
    pub(crate) fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    /// When a token that is signed now ends, in Unix seconds.
    pub(crate) fn expiry(&self) -> u64 {
        self.clock.unix_s() + self.life.as_secs()
    }

    /// The clock that tokens are checked by.
    pub(crate) fn unix_s(&self) -> u64 {
        self.clock.unix_s()
    }

    /// Changes the keys whenever an epoch ends, for ever.
    pub(crate) async fn turn(&self) {
        loop {
            let life = self.life.as_secs().max(1);
            tokio::time::sleep(Duration::from_secs(life - self.clock.unix_s() % life)).await;
            let epoch = Keys::epoch(self.clock.unix_s(), self.life);
            let keys = Keys::derive(&self.secret, epoch);
            if keys != **self.keys.load() {
                tracing::info!(epoch, "session keys changed; those of the epoch before stay valid");
                self.keys.store(Arc::new(keys));
                self.turns.send_modify(|turns| *turns += 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_change_with_the_epoch_and_the_last_stay_valid() {
        let life = Duration::from_secs(1);
        let keyring = Arc::new(Keyring::new(b"secret".to_vec(), life, Clock::start()));
        let (first, mut turns) = (keyring.now().current().id(), keyring.turns());
        let turning = tokio::spawn({
            let keyring = Arc::clone(&keyring);
            async move { keyring.turn().await }
        });
        turns.changed().await.unwrap();
        let ids: Vec<u32> = keyring.now().iter().map(policy::session::Key::id).collect();
        assert!(ids[0] > first && ids[1] == ids[0] - 1, "{ids:?} after {first}");
        turning.abort();
    }
}
