//! How the fleet stands at one moment, for operators: made when one asks.

use std::{sync::Arc, time::Duration};

use policy::{
    Decision, Fleet, Region, Time,
    fleet::{RegionState, Server},
};

use crate::{catalogue::Catalogue, clock::Clock};

/// How the fleet stands.
#[derive(Debug)]
pub(crate) struct Survey {
    /// When this was.
    pub(crate) now: Time,
    /// Since the manager started.
    pub(crate) uptime: Duration,
    /// Whether launching and draining have begun.
    pub(crate) settled: bool,
    /// Of the picture that requests are answered from.
    pub(crate) generation: u64,
    /// Why the fleet holds still, where it does.
    pub(crate) frozen: Option<String>,
    /// Its members.
    pub(crate) servers: Vec<Server>,
    /// Its regions.
    pub(crate) regions: Vec<(Region, RegionState)>,
    /// Its streams.
    pub(crate) catalogue: Arc<Catalogue>,
    /// The newest decisions, the oldest first.
    pub(crate) decisions: Vec<Decision>,
}

impl Survey {
    pub(super) fn of(fleet: &Fleet, catalogue: &Arc<Catalogue>, clock: Clock) -> Self {
        let now = clock.now();
        Self {
            now,
            uptime: now.since(Time::default()),
            settled: fleet.is_settled(),
            generation: fleet.routing().generation,
            frozen: fleet.frozen().map(ToString::to_string),
            servers: fleet.servers().cloned().collect(),
            regions: fleet.regions().map(|(name, state)| (name.clone(), state.clone())).collect(),
            catalogue: Arc::clone(catalogue),
            decisions: fleet.decisions().cloned().collect(),
        }
    }
}
