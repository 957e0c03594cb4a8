//! Where relays can be started: what the provisioner offers, and which slots rest because a relay died there.

use std::collections::BTreeMap;

use super::{LaunchSpec, Offer};
use crate::{Region, ServerId, Time};

/// The provisioner's slots. Bounded by what it may list.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    offers: BTreeMap<ServerId, Offer>,
    rests: BTreeMap<ServerId, Time>,
    failures: BTreeMap<ServerId, u32>,
}

impl Slots {
    /// Takes the provisioner's list; a slot keeps the host that players know for it.
    pub(crate) fn offer(&mut self, slots: Vec<Offer>, limit: usize) {
        self.offers = slots.into_iter().take(limit).map(|slot| (slot.id.clone(), slot)).collect();
        self.failures.retain(|id, _| self.offers.contains_key(id));
    }

    pub(crate) fn get(&self, id: &ServerId) -> Option<&Offer> {
        self.offers.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Offer> {
        self.offers.values()
    }

    /// Slots from which a region can be reached: its own, then those near everybody; where launches failed come last.
    pub(crate) fn reaching<'a>(&'a self, region: &'a Region) -> Vec<&'a Offer> {
        let reaches = |slot: &&Offer| slot.region.as_ref().is_none_or(|own| own == region);
        let mut slots: Vec<&Offer> = self.offers.values().filter(reaches).collect();
        slots.sort_by_key(|slot| (self.failures.get(&slot.id).copied().unwrap_or(0), slot.region.is_none()));
        slots
    }

    /// Nobody starts in a slot until then.
    pub(crate) fn rest(&mut self, id: &ServerId, until: Time) {
        self.rests.insert(id.clone(), until);
    }

    /// A slot need not rest any longer.
    pub(crate) fn wake(&mut self, id: &ServerId) {
        self.rests.remove(id);
    }

    pub(crate) fn rests(&self, id: &ServerId, now: Time) -> bool {
        self.rests.get(id).is_some_and(|until| now < *until)
    }

    /// Forgets rests that are over.
    pub(crate) fn forget_rests(&mut self, now: Time) {
        self.rests.retain(|_, until| now < *until);
    }

    pub(crate) fn failed(&mut self, id: &ServerId) {
        *self.failures.entry(id.clone()).or_default() += 1;
    }

    pub(crate) fn succeeded(&mut self, id: &ServerId) {
        self.failures.remove(id);
    }

    /// When the next rest is over.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.rests.values().min().copied()
    }
}

impl Offer {
    /// The relay to start here for a region.
    pub(crate) fn spec(&self, region: &Region, capacity: u32) -> LaunchSpec {
        LaunchSpec { id: self.id.clone(), base_url: self.base_url.clone(), region: region.clone(), capacity }
    }
}
