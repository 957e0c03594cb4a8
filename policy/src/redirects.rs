//! How viewers whose players do not steer are shared out: they ask the primary at every reload, and it serves them itself or
//! sends them to a relay by 307.
//!
//! The fleet's owner says how many each may have of a region, in a directive; the primary keeps a [`Book`] of who has gone
//! where. Counts and not shares by hash, because a hash cannot leave exactly so many of a small crowd at the primary, and
//! changes the place of viewers that need not move. Sending the answer is left to the server.

mod book;

pub use self::book::{Book, Limits};
use crate::{Region, routing::Slot, target::split};

/// How many sessions of class `redirects` of a region a primary keeps, and where the others go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectQuota {
    /// Of which region.
    pub region: Region,
    /// How many the primary keeps.
    pub keep: u32,
    /// How many each relay gets. A relay with none loses those that it has at their next reload.
    pub relays: Vec<RelayQuota>,
}

/// How many sessions of class `redirects` a relay gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayQuota {
    /// Which relay, and where it is.
    pub relay: Slot,
    /// How many.
    pub viewers: u32,
}

/// A region's viewers, and what carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// Viewers of class `fixed`: they stay at the primary before all others, whatever is said here.
    pub fixed: u32,
    /// Viewers of class `redirects`, wherever they are.
    pub redirects: u32,
    /// Viewers of the region that the primary carries.
    pub primary_target: u32,
}

impl Crowd {
    /// How many of class `redirects` the primary carries beside the `fixed`.
    #[must_use]
    pub fn kept(&self) -> u32 {
        self.primary_target.saturating_sub(self.fixed).min(self.redirects)
    }
}

/// Shares out a region's viewers of class `redirects`: first those that the primary carries beside the `fixed`, then each
/// relay's part of the rest, by its target and never above it. Who finds no place at a relay stays at the primary.
#[must_use]
pub fn quota(region: &Region, crowd: Crowd, relay_targets: &[(Slot, u32)]) -> RedirectQuota {
    let targets: Vec<u32> = relay_targets.iter().map(|(_, target)| *target).collect();
    let shares = split(crowd.redirects - crowd.kept(), &targets);
    let keep = crowd.redirects - shares.iter().sum::<u32>();
    let relays = relay_targets.iter().zip(shares);
    let relays = relays.map(|((relay, _), viewers)| RelayQuota { relay: relay.clone(), viewers }).collect();
    RedirectQuota { region: region.clone(), keep, relays }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ServerId;

    fn relays(targets: &[u32]) -> Vec<(Slot, u32)> {
        let slot = |at: usize| Slot {
            id: ServerId::of_relay(&format!("127.0.0.{}", at + 2)).unwrap(),
            base_url: format!("http://127.0.0.{}:8080", at + 2).into(),
        };
        targets.iter().enumerate().map(|(at, target)| (slot(at), *target)).collect()
    }

    fn shared(fixed: u32, redirects: u32, primary_target: u32, targets: &[u32]) -> (u32, Vec<u32>) {
        let crowd = Crowd { fixed, redirects, primary_target };
        let quota = quota(&Region::fallback(), crowd, &relays(targets));
        (quota.keep, quota.relays.iter().map(|relay| relay.viewers).collect())
    }

    #[test]
    fn the_primary_keeps_its_target_less_the_fixed_and_relays_share_the_rest() {
        for (fixed, redirects, primary_target, targets, expected) in [
            (0, 10, 3, &[7][..], (3, vec![7])),
            (2, 10, 3, &[9], (1, vec![9])),
            (5, 10, 3, &[12], (0, vec![10])),
            (0, 2, 3, &[9], (2, vec![0])),
            (0, 10, 0, &[20, 20], (0, vec![5, 5])),
            (0, 10, 3, &[], (10, vec![])),
            (0, 10, 3, &[0, 4], (6, vec![0, 4])),
        ] {
            assert_eq!(
                shared(fixed, redirects, primary_target, targets),
                expected,
                "{fixed} {redirects} {primary_target}"
            );
        }
    }

    proptest! {
        #[test]
        fn everybody_has_a_place_and_no_relay_more_than_its_target(
            fixed in 0..50u32, redirects in 0..500u32, carried in 0..100u32, targets in prop::collection::vec(0..100u32, 0..6),
        ) {
            let (keep, viewers) = shared(fixed, redirects, carried, &targets);
            prop_assert_eq!(keep + viewers.iter().sum::<u32>(), redirects);
            prop_assert!(viewers.iter().zip(&targets).all(|(viewers, target)| viewers <= target));
        }
    }
}
