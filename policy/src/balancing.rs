//! Which of several servers that would all do gets the next viewer.
//!
//! Who is a candidate is placement's affair; here one is picked, by the method that the operator chose. Loads are compared
//! as parts of capacity. Nothing is remembered but how many turns were taken.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use serde::{Deserialize, Serialize};

use crate::{ServerId, SessionId};

/// How one of several servers is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balancing {
    /// The emptier of two drawn at random: nearly as even as the emptiest of all, and nobody herds onto one whose count is
    /// old (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing").
    #[default]
    TwoChoice,
    /// The emptiest.
    LeastLoaded,
    /// In turn, the larger ones more often.
    WeightedRoundRobin,
    /// In turn.
    RoundRobin,
    /// Any.
    Random,
    /// The same one for the same session, as long as it is there (rendezvous hashing: Thaler and Ravishankar).
    ConsistentHash,
}

impl Balancing {
    /// Every method.
    pub const ALL: [Self; 6] = [
        Self::TwoChoice,
        Self::LeastLoaded,
        Self::WeightedRoundRobin,
        Self::RoundRobin,
        Self::Random,
        Self::ConsistentHash,
    ];

    /// The name in config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TwoChoice => "two-choice",
            Self::LeastLoaded => "least-loaded",
            Self::WeightedRoundRobin => "weighted-round-robin",
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
            Self::ConsistentHash => "consistent-hash",
        }
    }
}

impl fmt::Display for Balancing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A method that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no balancing method: two-choice, least-loaded, weighted-round-robin, round-robin, random or consistent-hash"
)]
pub struct InvalidBalancing(String);

impl FromStr for Balancing {
    type Err = InvalidBalancing;

    fn from_str(text: &str) -> Result<Self, InvalidBalancing> {
        let method = Self::ALL.into_iter().find(|method| method.as_str() == text);
        method.ok_or_else(|| InvalidBalancing(text.chars().take(32).collect()))
    }
}

/// A server that would do.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Which.
    pub id: &'a ServerId,
    /// Viewers that it has or was given.
    pub load: u32,
    /// Viewers that it takes at most.
    pub capacity: u32,
}

/// A method, and how many turns it has taken.
#[derive(Debug, Default)]
pub struct Balancer {
    method: Balancing,
    turns: AtomicU64,
}

impl Balancer {
    /// Picks by `method`.
    #[must_use]
    pub const fn new(method: Balancing) -> Self {
        Self { method, turns: AtomicU64::new(0) }
    }

    /// Which of `candidates` gets `session`: none only if there are none.
    #[must_use]
    pub fn pick(&self, candidates: &[Candidate<'_>], session: &SessionId, dice: u64) -> Option<usize> {
        match (self.method, candidates.len()) {
            (_, 0) => None,
            (_, 1) => Some(0),
            (Balancing::TwoChoice, count) => {
                let first = place(dice, count);
                let second = (first + 1 + place(mix(dice), count - 1)) % count;
                Some(emptier(candidates, first, second))
            }
            (Balancing::LeastLoaded, count) => {
                (0..count).reduce(|best, next| emptier(candidates, best, next))
            }
            (Balancing::WeightedRoundRobin, _) => Some(weighted(candidates, self.turn())),
            (Balancing::RoundRobin, count) => Some(place_in_turn(self.turn(), count)),
            (Balancing::Random, count) => Some(place(dice, count)),
            (Balancing::ConsistentHash, count) => {
                (0..count).max_by_key(|at| mix(hash(session.as_str()) ^ hash(candidates[*at].id.as_str())))
            }
        }
    }

    fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Relaxed)
    }
}

fn emptier(candidates: &[Candidate<'_>], a: usize, b: usize) -> usize {
    // load/capacity < load/capacity, without dividing.
    let fill =
        |one: usize, other: usize| u64::from(candidates[one].load) * u64::from(candidates[other].capacity);
    if fill(b, a) < fill(a, b) { b } else { a }
}

/// The place that `turn` has when the larger candidates take more turns: steps of the golden ratio through the sum of
/// capacities come to each in proportion and evenly spread, with nothing to remember.
fn weighted(candidates: &[Candidate<'_>], turn: u64) -> usize {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15; // 2^64 over the golden ratio
    let total: u64 = candidates.iter().map(|candidate| u64::from(candidate.capacity)).sum();
    let mut point = scaled(turn.wrapping_mul(GOLDEN), total);
    for (at, candidate) in candidates.iter().enumerate() {
        match point.checked_sub(candidate.capacity.into()) {
            Some(left) => point = left,
            None => return at,
        }
    }
    place_in_turn(turn, candidates.len())
}

fn place_in_turn(turn: u64, count: usize) -> usize {
    usize::try_from(turn % count as u64).expect("a remainder of a usize is one")
}

fn place(dice: u64, count: usize) -> usize {
    usize::try_from(scaled(dice, count as u64)).expect("a part of a usize is one")
}

/// `whole` times `part` over 2^64: below `whole`, but for none.
fn scaled(part: u64, whole: u64) -> u64 {
    u64::try_from((u128::from(part) * u128::from(whole)) >> 64)
        .expect("a product of two words over 2^64 is a word")
}

/// FNV-1a, 64 bits: the same on every manager, which std's hashers do not promise.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// The finisher of SplitMix64: every bit of the input moves about half of the output's.
pub(crate) const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(count: usize) -> Vec<ServerId> {
        (0..count).map(|at| format!("relay-{at}").parse().unwrap()).collect()
    }

    fn candidates<'a>(ids: &'a [ServerId], loads: &[(u32, u32)]) -> Vec<Candidate<'a>> {
        ids.iter()
            .zip(loads)
            .map(|(id, (load, capacity))| Candidate { id, load: *load, capacity: *capacity })
            .collect()
    }

    /// How often each of `loads` is picked in `turns`.
    fn picks(method: Balancing, loads: &[(u32, u32)], turns: u64) -> Vec<usize> {
        let (ids, balancer) = (ids(loads.len()), Balancer::new(method));
        let mut picks = vec![0; loads.len()];
        for turn in 0..turns {
            let session = SessionId::drawn(u128::from(mix(turn)));
            picks[balancer.pick(&candidates(&ids, loads), &session, mix(turn + 1)).unwrap()] += 1;
        }
        picks
    }

    #[test]
    fn the_emptier_of_two_is_never_the_fullest() {
        let picks = picks(Balancing::TwoChoice, &[(10, 100), (90, 100), (20, 100)], 900);
        assert!(picks[1] == 0 && picks[0] > 500 && picks[2] > 200, "{picks:?}");
    }

    #[test]
    fn the_least_loaded_is_so_for_its_size() {
        assert_eq!(picks(Balancing::LeastLoaded, &[(30, 100), (100, 1000), (20, 100)], 5), [0, 5, 0]);
    }

    #[test]
    fn in_turn_means_evenly() {
        assert_eq!(picks(Balancing::RoundRobin, &[(0, 1), (0, 1), (0, 1)], 9), [3, 3, 3]);
    }

    #[test]
    fn the_larger_get_more_turns() {
        let picks = picks(Balancing::WeightedRoundRobin, &[(0, 100), (0, 300), (0, 0)], 400);
        assert!(picks[0].abs_diff(100) <= 2 && picks[1].abs_diff(300) <= 2, "{picks:?}");
    }

    #[test]
    fn any_means_about_evenly() {
        let picks = picks(Balancing::Random, &[(0, 1), (99, 100)], 1000);
        assert!(picks[0].abs_diff(500) < 60, "{picks:?}");
    }

    #[test]
    fn names_in_config_are_read_back() {
        for method in Balancing::ALL {
            assert_eq!(method.as_str().parse(), Ok(method));
        }
        assert!("fastest".parse::<Balancing>().unwrap_err().to_string().contains("two-choice"));
    }

    proptest! {
        #[test]
        fn somebody_is_picked_whenever_there_is_somebody(
            method in prop::sample::select(&Balancing::ALL), loads in prop::collection::vec((any::<u32>(), any::<u32>()), 0..8), dice: u64,
        ) {
            let ids = ids(loads.len());
            let picked = Balancer::new(method).pick(&candidates(&ids, &loads), &SessionId::drawn(dice.into()), dice);
            prop_assert_eq!(picked.is_some(), !loads.is_empty());
            prop_assert!(picked.is_none_or(|at| at < loads.len()));
        }

        #[test]
        fn a_server_that_leaves_moves_only_its_own_sessions(sessions in prop::collection::vec(any::<u128>(), 1..50), gone in 0..5usize) {
            let (all, balancer) = (ids(5), Balancer::new(Balancing::ConsistentHash));
            let left: Vec<_> = all.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, id)| id.clone()).collect();
            let picked = |ids: &[ServerId], session: u128| {
                let at = balancer.pick(&candidates(ids, &[(0, 1); 5]), &SessionId::drawn(session), 0).unwrap();
                ids[at].clone()
            };
            for session in sessions {
                let before = picked(&all, session);
                prop_assert!(before == all[gone] || before == picked(&left, session));
            }
        }
    }
}
