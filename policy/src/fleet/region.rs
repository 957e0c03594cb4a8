//! One region: what it demands, and how many relays that makes.

use super::adrift::Adrift;
use crate::{
    Time,
    decision::{Counted, Reason},
    demand::{Demand, Threshold},
    scaling::Wanted,
};

/// What is known and decided about one region.
#[derive(Debug, Clone, Default)]
pub struct RegionState {
    /// Viewers that servers have seen, and those whose server has just died.
    pub demand: Demand,
    /// What the primary carries of it.
    pub threshold: u32,
    /// Relays that serve, or are on their way to.
    pub relays: u32,
    /// Why a relay that is wanted cannot be had, where that is so.
    pub starved: Option<Reason>,
    /// Relays that would be enough, whatever the region and the fleet may have.
    pub needed: u32,
    /// What was last said of being starved, since the region is over.
    pub(crate) complaint: Option<Reason>,
    /// Viewers whose server's stream has broken, or that is gone, and who count nowhere yet.
    pub(crate) adrift: Adrift,
    pub(crate) passed: Threshold,
    pub(crate) wanted: Wanted,
    /// When a relay was last wanted: none is drained for the cooldown.
    pub(crate) grown: Option<Time>,
    /// Launches that failed in a row.
    pub(crate) failures: u32,
    /// When the next launch may be tried.
    pub(crate) next_launch: Time,
}

impl RegionState {
    /// Whether it is over its threshold.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.passed.is_over()
    }

    /// Relays wanted.
    #[must_use]
    pub fn wanted(&self) -> u32 {
        self.wanted.relays()
    }

    /// A sentence for the operator.
    #[must_use]
    pub fn explanation(&self) -> String {
        let Demand { high: viewers, .. } = self.demand;
        let (threshold, relays, wanted) = (self.threshold, self.relays, self.wanted());
        let carried = format!("{}, the primary carries {threshold}", Counted(viewers, "viewer"));
        match (&self.starved, self.is_over()) {
            (Some(reason), _) => format!("{carried}; relays {relays} of {wanted}: {reason}"),
            (None, true) => format!("{carried}; relays {relays} of {wanted}"),
            (None, false) if wanted > 0 => {
                format!("{carried}; relays {relays} of {wanted}, kept at all times")
            }
            (None, false) => carried,
        }
    }
}
