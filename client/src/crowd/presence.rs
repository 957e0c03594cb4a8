//! Who watches where at this moment, and samples of it over time.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use policy::Time;
use serde::Serialize;

use crate::clock::unix_ms;

/// How often a sample is taken at first.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// What the viewers of a crowd share while they watch.
#[derive(Debug)]
pub(super) struct Presence {
    most_samples: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    servers: BTreeMap<String, u32>,
    stalls: u32,
    errors: u32,
    samples: Vec<Sample>,
    sampled: Option<Time>,
    every: Duration,
}

/// Viewers per server at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Sample {
    /// When.
    pub(super) unix_ms: u64,
    /// By scheme, host and port.
    pub(super) servers: BTreeMap<String, u32>,
}

impl Presence {
    pub(super) fn new(most_samples: usize) -> Self {
        let state = State { every: SAMPLE_EVERY, ..State::default() };
        Self { most_samples: most_samples.max(2), state: Mutex::new(state) }
    }

    /// A viewer watches at `to` from now on, and no longer at `from`.
    pub(super) fn moves(&self, from: Option<&str>, to: Option<&str>) {
        let mut state = self.locked();
        if let Some(count) = from.and_then(|from| state.servers.get_mut(from)) {
            *count = count.saturating_sub(1);
        }
        if let Some(to) = to {
            *state.servers.entry(to.to_owned()).or_default() += 1;
        }
    }

    pub(super) fn stalled(&self) {
        self.locked().stalls += 1;
    }

    pub(super) fn erred(&self) {
        self.locked().errors += 1;
    }

    /// Takes a sample if it is time to. When there are too many, every second one goes and they are taken half as often.
    pub(super) fn sample(&self, now: Time) {
        let mut state = self.locked();
        if state.sampled.is_some_and(|last| now.since(last) < state.every) {
            return;
        }
        state.sampled = Some(now);
        let servers = state.servers.clone();
        state.samples.push(Sample { unix_ms: unix_ms(), servers });
        if state.samples.len() > self.most_samples {
            let mut keep = false;
            state.samples.retain(|_| {
                keep = !keep;
                keep
            });
            state.every *= 2;
        }
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        self.locked().samples.clone()
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.locked();
        let watching: u32 = state.servers.values().sum();
        write!(f, "{watching} watching, {} stalls, {} errors", state.stalls, state.errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_takes_a_viewer_from_one_server_to_another() {
        let presence = Presence::new(10);
        presence.moves(None, Some("a"));
        presence.moves(Some("a"), Some("b"));
        presence.sample(Time::default());
        assert_eq!(presence.samples()[0].servers, [("a".to_owned(), 0), ("b".to_owned(), 1)].into());
    }

    #[test]
    fn a_long_crowd_is_sampled_more_rarely_and_never_beyond_the_limit() {
        let presence = Presence::new(10);
        for second in 0..1000 {
            presence.sample(Time::from_millis(second * 1000));
        }
        let samples = presence.samples().len();
        assert!((5..=10).contains(&samples), "{samples}");
    }
}
