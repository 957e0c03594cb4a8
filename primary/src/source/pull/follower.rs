//! How the following of one rendition goes: well, or failing, or with nothing new coming. When to ask again while it goes well is
//! `hls::ingest`'s to say.

use std::time::Duration;

use hls::Rendition;
use service::{Backoff, BackoffConfig};
use tokio::time::Instant;
use url::Url;

/// After this many target durations without a new segment the source is said to stand still.
const STILL_TARGET_DURATIONS: u32 = 4;

/// After this many failures in a row the rendition is looked up again: addresses with tokens in them expire.
const FAILURES_BEFORE_LOOKUP: u32 = 3;

/// One rendition's turn.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) rendition: Rendition,
    pub(crate) url: Url,
    backoff: Backoff,
    failures: u32,
    changed_at: Instant,
    still: bool,
}

/// How a rendition is doing, when that has just changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It failed for the first time.
    Down,
    /// It answers, with new segments, after it failed or stood still.
    Back,
    /// It answers, but nothing new comes.
    Still,
}

impl Follower {
    pub(crate) fn new(rendition: Rendition, url: Url, retry: BackoffConfig) -> Self {
        let backoff = Backoff::new(retry);
        Self { rendition, url, backoff, failures: 0, changed_at: Instant::now(), still: false }
    }

    /// Whether all is as it should be.
    pub(crate) fn is_well(&self) -> bool {
        self.failures == 0 && !self.still
    }

    /// Whether its address should be looked up in the multivariant playlist before it is asked again.
    pub(crate) fn is_lost(&self) -> bool {
        self.failures > 0 && self.failures.is_multiple_of(FAILURES_BEFORE_LOOKUP)
    }

    /// It answered with a playlist of this target duration, with or without anything new.
    pub(crate) fn answered(&mut self, news: bool, target_duration_s: u64) -> Option<Turn> {
        let was_well = self.is_well();
        self.failures = 0;
        self.backoff.reset();
        if news {
            self.changed_at = Instant::now();
        }
        self.still =
            self.changed_at.elapsed() > Duration::from_secs(target_duration_s) * STILL_TARGET_DURATIONS;
        match (was_well, self.is_well()) {
            (false, true) => Some(Turn::Back),
            (true, false) => Some(Turn::Still),
            _ => None,
        }
    }

    /// It could not be had. Returns when to ask again.
    pub(crate) fn failed(&mut self, dice: f64) -> (Duration, Option<Turn>) {
        let turn = (self.failures == 0).then_some(Turn::Down);
        self.failures = self.failures.saturating_add(1);
        (self.backoff.pause(dice), turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: u64 = 4;

    fn follower() -> Follower {
        let url = "http://127.0.0.1/live.m3u8".parse().unwrap();
        Follower::new("main".parse().unwrap(), url, BackoffConfig::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_playlist_that_stands_still_is_noticed_once_and_so_is_its_return() {
        let mut follower = follower();
        tokio::time::advance(Duration::from_secs(TARGET * 5)).await;
        assert_eq!(follower.answered(false, TARGET), Some(Turn::Still));
        assert_eq!(follower.answered(false, TARGET), None);
        assert!(!follower.is_well());
        assert_eq!(follower.answered(true, TARGET), Some(Turn::Back));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_said_once_spaced_out_and_lead_to_a_new_lookup() {
        let mut follower = follower();
        assert_eq!(follower.failed(1.0), (Duration::from_millis(250), Some(Turn::Down)));
        assert_eq!(follower.failed(1.0), (Duration::from_millis(500), None));
        assert!(!follower.is_lost());
        follower.failed(1.0);
        assert!(follower.is_lost());
        assert_eq!(follower.answered(true, TARGET), Some(Turn::Back));
        assert!(!follower.is_lost());
    }
}
