//! More relays, or fewer: carries out what regions want.
//!
//! Order of growth: a drain is called back, then a relay that stands by is told to serve, then the provisioner is asked;
//! at last a relay that stands by where one has just died. The budget bounds relays that there are, whatever they do; so a drain
//! called back costs nothing new, and an operator's relay that is told to serve does. Order of shrinking: what has not attached yet, then
//! the relay with the fewest viewers. Nothing shrinks within the cooldown of the last growth, nor while a relay of the region is not heard,
//! which may be gone by itself in a moment.

use std::sync::Arc;

use super::{Command, Fleet, Offer, Server};
use crate::{
    Phase, Region, ServerId, Time,
    decision::{Action, Reason},
    routing::Kind,
};

impl Fleet {
    pub(super) fn grow(&mut self) {
        for region in self.regions.keys().cloned().collect::<Vec<_>>() {
            self.grow_region(&region);
        }
    }

    fn grow_region(&mut self, region: &Region) {
        let mut starved = None;
        while self.relays_missing(region) {
            if let Err(reason) = self.add_relay(region) {
                starved = Some(reason);
                break;
            }
        }
        let relays = u32::try_from(self.active(region).count()).unwrap_or(u32::MAX);
        let limit = self.limit_of(region);
        let Some(state) = self.regions.get_mut(region) else { return };
        state.relays = relays;
        let starved = starved.or_else(|| (state.needed > state.wanted()).then_some(limit));
        state.starved.clone_from(&starved);
        // Said once while it lasts: the need for one relay more may come and go with every report.
        if let Some(reason) = starved.filter(|reason| state.complaint.as_ref() != Some(reason)) {
            state.complaint = Some(reason.clone());
            self.decide(Action::Starve, reason, None, Some(region));
        }
    }

    /// What keeps a region from having more relays than it wants.
    fn limit_of(&self, region: &Region) -> Reason {
        let (_, most) = self.settings.bounds_of(region);
        if most < self.settings.fleet_budget { Reason::RegionFull(most) } else { Reason::BudgetSpent(most) }
    }

    fn relays_missing(&self, region: &Region) -> bool {
        let wanted = self.regions.get(region).map_or(0, super::RegionState::wanted);
        self.active(region).count() < wanted as usize
    }

    fn add_relay(&mut self, region: &Region) -> Result<(), Reason> {
        if let Some(id) = self.drain_to_call_back(region) {
            self.call_back(&id, self.reason_to_grow(region));
        } else if let Some(id) = self.standby(region, false) {
            self.warm(&id, region);
        } else if let Err(reason) = self.launch(region) {
            let id = self.standby(region, true).ok_or(reason)?;
            self.warm(&id, region);
        }
        let now = self.now;
        if let Some(state) = self.regions.get_mut(region) {
            state.grown = Some(now);
        }
        Ok(())
    }

    fn reason_to_grow(&self, region: &Region) -> Reason {
        self.regions.get(region).map_or(Reason::Minimum(0), super::RegionState::reason_to_grow)
    }

    /// Of the region's relays being drained, the one with the most viewers.
    fn drain_to_call_back(&self, region: &Region) -> Option<ServerId> {
        let drained = |server: &&Server| {
            server.desired == Phase::Draining
                && server.is_heard()
                && !server.held
                && server.region == *region
                && server.drain.is_some_and(|drain| drain.can_return)
        };
        let viewers = |server: &&Server| server.viewers.total();
        self.servers.values().filter(drained).max_by_key(viewers).map(|server| server.id.clone())
    }

    pub(super) fn call_back(&mut self, id: &ServerId, reason: Reason) {
        if let Some(server) = self.servers.get_mut(id) {
            server.desired = Phase::Serving;
            server.drain = None;
        }
        self.decide_about(id, Action::CallBack, reason);
    }

    fn has_budget(&self) -> bool {
        self.paid_relays() < self.settings.fleet_budget as usize
    }

    /// Of the region's relays that stand by and can be paid for, the largest, where none died a moment ago unless `resting`.
    fn standby(&self, region: &Region, resting: bool) -> Option<ServerId> {
        let has_budget = self.has_budget();
        let stands_by = |server: &&Server| {
            (has_budget || server.is_paid_for())
                && server.kind == Kind::Relay
                && server.phase == Phase::Standby
                && server.desired == Phase::Standby
                && !server.held
                && server.region == *region
                && self.slots.rests(&server.id, self.now) == resting
        };
        let largest = |server: &&Server| (server.capacity, std::cmp::Reverse(server.id.clone()));
        self.servers.values().filter(stands_by).max_by_key(largest).map(|server| server.id.clone())
    }

    fn warm(&mut self, id: &ServerId, region: &Region) {
        if let Some(server) = self.servers.get_mut(id) {
            self.added |= !server.is_paid_for();
            server.desired = Phase::Serving;
        }
        self.decide_about(id, Action::Warm, self.reason_to_grow(region));
    }

    fn launch(&mut self, region: &Region) -> Result<(), Reason> {
        if !self.has_budget() {
            return Err(Reason::BudgetSpent(self.settings.fleet_budget));
        }
        let offer = self.free_slot(region)?;
        if self.regions.get(region).is_some_and(|state| self.now < state.next_launch) {
            return Err(Reason::Backoff);
        }
        let spec = offer.spec(region, self.settings.relay_capacity);
        self.servers.insert(spec.id.clone(), Server::requested(&spec, self.now));
        self.added = true;
        self.decide(Action::Launch, self.reason_to_grow(region), Some(&spec.id), Some(region));
        self.commands.push_back(Command::Launch(spec));
        Ok(())
    }

    /// A slot that reaches the region and where nobody is; else why there is none.
    fn free_slot(&self, region: &Region) -> Result<Offer, Reason> {
        let mut slots = self.slots.reaching(region);
        let Some(slot) = slots.first() else { return Err(Reason::NoProvisioner) };
        let misfit = Reason::SlotsMisfit(Arc::clone(&slot.base_url));
        slots.retain(|slot| self.fits(&slot.base_url));
        if slots.is_empty() {
            return Err(misfit);
        }
        let vacant =
            |slot: &&&Offer| self.servers.get(&slot.id).is_none_or(|server| server.phase == Phase::Failed);
        let rests = |slot: &&Offer| self.slots.rests(&slot.id, self.now);
        if let Some(slot) = slots.iter().filter(vacant).find(|slot| !rests(slot)) {
            return Ok((*slot).clone());
        }
        Err(if slots.iter().any(rests) { Reason::SlotsRest } else { Reason::SlotsTaken })
    }

    /// Drains what is there beyond what is wanted.
    pub(super) fn shrink(&mut self) {
        for region in self.regions.keys().cloned().collect::<Vec<_>>() {
            while let Some(id) = self.surplus(&region) {
                let reason =
                    self.regions.get(&region).map_or(Reason::NotWanted, super::RegionState::reason_to_shrink);
                self.let_go(&id, reason);
            }
        }
        self.retire_unwanted();
        self.drop_unready();
    }

    fn surplus(&self, region: &Region) -> Option<ServerId> {
        let state = self.regions.get(region)?;
        let cooling = state.grown.is_some_and(|grown| self.now < grown + self.settings.cooldown);
        let unsure = self.active(region).any(|server| server.phase == Phase::Suspect);
        if cooling || unsure || self.active(region).count() <= state.wanted() as usize {
            return None;
        }
        self.active(region)
            .min_by_key(|server| {
                (server.is_attached(), server.viewers.total(), std::cmp::Reverse(server.id.clone()))
            })
            .map(|server| server.id.clone())
    }

    /// One relay fewer: drained where it is attached, ended where it is not yet.
    fn let_go(&mut self, id: &ServerId, reason: Reason) {
        if self.servers.get(id).is_some_and(Server::is_attached) {
            self.begin_drain(id, reason);
        } else {
            self.terminate(id, reason.clone());
            self.depart(id, reason);
        }
    }

    /// A launched relay does not stand by for long: it was started for a crowd.
    fn retire_unwanted(&mut self) {
        let (now, hold) = (self.now, self.settings.hold);
        let idle = |server: &Server| {
            server.launched
                && server.phase == Phase::Standby
                && server.desired == Phase::Standby
                && now.since(server.phase_since) >= hold
        };
        for id in self.ids_of(idle) {
            self.begin_drain(&id, Reason::NotWanted);
        }
    }

    /// A relay that cannot get its streams makes room for one that can.
    fn drop_unready(&mut self) {
        let (now, limit) = (self.now, self.settings.launch_timeout);
        let stuck =
            |server: &Server| server.phase == Phase::Warming && now.since(server.phase_since) >= limit;
        for id in self.ids_of(stuck) {
            self.slots.rest(&id, now + self.settings.slot_rest);
            self.begin_drain(&id, Reason::NeverReady(limit));
        }
    }

    pub(super) fn launch_started(&mut self, id: &ServerId) {
        if self.servers.get(id).is_some_and(|server| server.phase == Phase::Requested) {
            self.enter(id, Phase::Starting);
        }
    }

    /// A launch came to nothing: the next one waits, longer each time.
    pub(super) fn launch_failed(&mut self, id: &ServerId, reason: Reason) {
        let now = self.now;
        let Some(server) = self.servers.get_mut(id) else { return };
        if !matches!(server.phase, Phase::Requested | Phase::Starting) {
            return;
        }
        server.enter(Phase::Failed, now);
        server.desired = Phase::Retired;
        self.slots.failed(id);
        let (first, cap) = (self.settings.launch_backoff, self.settings.launch_backoff_cap);
        if let Some(region) = self.regions.get_mut(&server.region) {
            let wait = first.saturating_mul(1 << region.failures.min(16)).min(cap);
            region.failures += 1;
            region.next_launch = now + wait;
        }
        self.decide_about(id, Action::Fail, reason);
    }

    /// Has the provisioner end a relay.
    pub(super) fn terminate(&mut self, id: &ServerId, reason: Reason) {
        self.decide_about(id, Action::Terminate, reason);
        self.commands.push_back(Command::Terminate { server: id.clone() });
    }

    /// Takes what the provisioner has: slots, and relays of an earlier manager that have yet to attach.
    pub(super) fn list(&mut self, inventory: super::Inventory) {
        self.slots.offer(inventory.slots, self.settings.max_slots);
        for id in inventory.running.into_iter().take(self.settings.max_slots) {
            let (Some(slot), None) = (self.slots.get(&id), self.servers.get(&id)) else { continue };
            let region = slot.region.clone().unwrap_or_else(Region::fallback);
            let spec = slot.spec(&region, self.settings.relay_capacity);
            let mut server = Server::requested(&spec, self.now);
            server.phase = Phase::Starting;
            server.orphan = true;
            self.servers.insert(id, server);
        }
    }

    pub(super) fn see_exit(&mut self, id: &ServerId) {
        let Some(server) = self.servers.get_mut(id) else { return };
        server.exited = true;
        match server.phase {
            Phase::Requested | Phase::Starting => self.launch_failed(id, Reason::Exited),
            Phase::Retired | Phase::Failed | Phase::Lost => {}
            _ if server.desired == Phase::Retired => self.depart(id, Reason::Exited),
            _ => self.give_up(id, Reason::Exited),
        }
    }

    pub(super) fn growth_deadlines(&self) -> impl Iterator<Item = Time> {
        let (hold, cooldown) = (self.settings.hold, self.settings.cooldown);
        let regions = self.regions.values().flat_map(move |state| {
            let cooled = state.grown.map(|grown| grown + cooldown);
            [state.passed.deadline(hold), state.wanted.deadline(hold), cooled, Some(state.next_launch)]
        });
        let idle = self.servers.values().filter(|server| server.launched && server.phase == Phase::Standby);
        regions.flatten().chain(idle.map(move |server| server.phase_since + hold))
    }
}
