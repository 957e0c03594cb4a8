//! The truth of a census, from the crowd's own log: who asked for a media playlist, and when.
//!
//! The truth at a moment is every session with a reload within the last 2.5 target durations. What a manager may say of that
//! moment is bounded: 2% in the steady state, later by what an arrival takes to count and by one report, and more by those
//! who are in two counts because they are moving.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

/// How long a reload keeps a session alive: 2.5 target durations of 2 s.
const ALIVE_MS: u64 = 5_000;

/// From the first reload to the count: a session counts after one target duration (2 s), and the count is to be right within
/// 2 s of that.
const ARRIVAL_MS: u64 = 4_000;

/// From the end of a session to the count: one report, and one look at it.
const DEPARTURE_MS: u64 = 2_000;

/// From the first reload at another server for how long a session may be in two counts: it counts there after one target
/// duration (2 s), and the source is to drop it within 2 s of that.
const MOVING_MS: u64 = 4_000;

/// What the count may be off in the steady state.
const TOLERANCE: f64 = 0.02;

/// How finely the truth is looked at.
const GRAIN_MS: u64 = 100;

/// One reload of a media playlist, as the crowd wrote it down when the answer had come.
#[derive(Debug, Clone, Deserialize)]
struct Reload {
    unix_ms: u64,
    viewer: u64,
    region: String,
    server: String,
}

/// Reloads of one region by viewer, in the order of time.
#[derive(Debug, Default)]
struct Viewer {
    reloads: Vec<(u64, String)>,
}

impl Viewer {
    fn alive_at(&self, moment: u64) -> bool {
        self.reloads.iter().any(|(at, _)| *at <= moment && moment - at < ALIVE_MS)
    }

    fn moving_at(&self, moment: u64) -> bool {
        self.reloads.windows(2).any(|pair| {
            let [(_, before), (at, server)] = pair else { return false };
            server != before && *at <= moment && moment - at < MOVING_MS
        })
    }
}

/// What the crowd's log says.
#[derive(Debug, Default)]
pub struct Truth {
    regions: BTreeMap<String, BTreeMap<u64, Viewer>>,
}

impl Truth {
    /// Reads a log that `client crowd --log` wrote.
    ///
    /// # Panics
    /// When it cannot be read or has no reload.
    #[must_use]
    pub fn read(log: &Path) -> Self {
        let text = std::fs::read_to_string(log).expect("the crowd has written a log");
        let mut truth = Self::default();
        for reload in text.lines().filter_map(|line| serde_json::from_str::<Reload>(line).ok()) {
            let region = truth.regions.entry(reload.region).or_default();
            region.entry(reload.viewer).or_default().reloads.push((reload.unix_ms, reload.server));
        }
        assert!(!truth.regions.is_empty(), "no reload in {}", log.display());
        truth
    }

    /// How many watch in a region at a moment.
    #[must_use]
    pub fn at(&self, region: &str, moment: u64) -> usize {
        self.regions.get(region).map_or(0, |viewers| viewers.values().filter(|v| v.alive_at(moment)).count())
    }

    /// How long each viewer whose last reload before `moment` was at `server` took from then until it reloaded elsewhere; none for
    /// one that never did.
    #[must_use]
    pub fn leaves(&self, server: &str, moment: u64) -> Vec<Option<u64>> {
        let viewers = self.regions.values().flat_map(BTreeMap::values);
        let there = viewers.filter(|viewer| {
            viewer.reloads.iter().rfind(|(at, _)| *at <= moment).is_some_and(|(_, last)| last == server)
        });
        let left = |viewer: &Viewer| {
            let elsewhere = viewer.reloads.iter().find(|(at, to)| *at > moment && to != server);
            elsewhere.map(|(at, _)| at - moment)
        };
        there.map(left).collect()
    }

    fn moving_at(&self, region: &str, moment: u64) -> usize {
        self.regions.get(region).map_or(0, |viewers| viewers.values().filter(|v| v.moving_at(moment)).count())
    }

    /// The least and the most that may be said of a region at a moment.
    #[must_use]
    pub fn bounds(&self, region: &str, moment: u64) -> (u32, u32) {
        let within = |before: u64| {
            (moment.saturating_sub(before)..=moment).step_by(usize::try_from(GRAIN_MS).unwrap_or(100))
        };
        let least = within(ARRIVAL_MS).map(|at| self.at(region, at)).min().unwrap_or(0);
        let most = within(DEPARTURE_MS).map(|at| self.at(region, at)).max().unwrap_or(0);
        let most = most + self.moving_at(region, moment);
        (down(least), up(most))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small counts"
)]
fn down(count: usize) -> u32 {
    (count as f64 * (1.0 - TOLERANCE)).floor() as u32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small counts"
)]
fn up(count: usize) -> u32 {
    (count as f64 * (1.0 + TOLERANCE)).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(reloads: &[(u64, &str)]) -> Truth {
        let reloads = reloads.iter().map(|(at, server)| (*at, (*server).to_owned())).collect();
        Truth { regions: [("eu".to_owned(), [(7, Viewer { reloads })].into())].into() }
    }

    #[test]
    fn a_reload_keeps_a_session_alive_for_two_and_a_half_target_durations() {
        let truth = truth(&[(10_000, "primary")]);
        assert_eq!([9_999, 10_000, 14_999, 15_000].map(|at| truth.at("eu", at)), [0, 1, 1, 0]);
        assert_eq!(truth.at("us", 10_000), 0);
    }

    #[test]
    fn who_was_at_a_server_leaves_it_with_its_first_reload_elsewhere() {
        let moves = truth(&[(10_000, "relay"), (12_000, "relay"), (13_500, "primary")]);
        assert_eq!(moves.leaves("relay", 12_500), [Some(1_000)]);
        assert_eq!(moves.leaves("primary", 12_500), []);
        assert_eq!(truth(&[(10_000, "relay")]).leaves("relay", 12_500), [None]);
    }

    #[test]
    fn the_bounds_allow_for_arrival_departure_and_moving_and_no_more() {
        let stays = truth(&[(10_000, "primary"), (12_000, "primary")]);
        assert_eq!(stays.bounds("eu", 10_500), (0, 2));
        assert_eq!(stays.bounds("eu", 16_900), (0, 2));
        assert_eq!(stays.bounds("eu", 20_000), (0, 0));
        let moves = truth(&[(10_000, "primary"), (12_000, "relay")]);
        assert_eq!([11_900, 12_000, 15_900, 16_000].map(|at| moves.bounds("eu", at).1), [2, 3, 3, 2]);
    }
}
