//! A server attaches: whether it may, and what it is wanted for.
//!
//! Who attaches while it serves is taken as it is: after a restart of the manager the fleet is rebuilt from those who come.

use std::sync::Arc;

use super::{Command, Fleet, Hello, Refusal, Server, address::Address};
use crate::{
    Phase, ServerId,
    decision::{Action, Reason},
    drain::Drain,
    routing::Kind,
};

impl Fleet {
    pub(super) fn attach(&mut self, mut hello: Hello) -> Result<(), Refusal> {
        self.check(&hello)?;
        hello.region = self.counted_region(&hello.region);
        let id = hello.id.clone();
        let wanted = self.wanted_of(&hello);
        let (now, found) = (self.now, hello.phase);
        let relay = hello.kind == Kind::Relay;
        if !relay {
            self.close_misfits(&hello.base_url);
        }
        match self.servers.get(&id).map(|known| known.restarts(&hello)) {
            Some(true) => self.cut_loose(&id),
            Some(false) => self.take_back(&id),
            None => {}
        }
        match self.servers.get_mut(&id) {
            Some(server) => {
                server.greet(hello, now);
                let phase = server.reported_phase;
                server.enter(if relay { phase } else { Phase::Serving }, now);
            }
            None => {
                self.servers.insert(id.clone(), Server::attached(hello, now));
            }
        }
        if let Some(server) = self.servers.get_mut(&id) {
            server.desired = wanted;
            if wanted != Phase::Draining && wanted != Phase::Retired {
                server.drain = None;
            } else if server.drain.is_none() {
                let deadline = now + self.settings.drain_deadline_for(server.target_duration());
                server.drain = Some(Drain { since: now, deadline, can_return: true });
            }
            if let Some(region) = self.regions.get_mut(&server.region).filter(|_| server.launched) {
                region.failures = 0;
                self.slots.succeeded(&id);
            }
        }
        let serving = relay && matches!(found, Phase::Serving | Phase::Warming | Phase::Draining);
        self.decide_about(&id, Action::Attach, if serving { Reason::FoundServing } else { Reason::Attached });
        if serving {
            self.find_serving(&id);
        }
        Ok(())
    }

    /// A relay turned out to serve: its region had a crowd, and has it until the hold says otherwise.
    pub(super) fn find_serving(&mut self, id: &ServerId) {
        let Some(server) = self.servers.get(id).filter(|server| server.desired == Phase::Serving) else {
            return;
        };
        let region = server.region.clone();
        let relays = u32::try_from(self.active(&region).count()).unwrap_or(u32::MAX);
        let (_, most) = self.settings.bounds_of(&region);
        if let Some(state) = self.regions.get_mut(&region) {
            state.passed.assume_over();
            state.wanted.assume(relays.min(most));
        }
    }

    fn check(&self, hello: &Hello) -> Result<(), Refusal> {
        let Some(address) = Address::parse(&hello.base_url) else {
            return Err(Refusal::InvalidBaseUrl { base_url: Arc::clone(&hello.base_url) });
        };
        if (hello.id == ServerId::primary()) != (hello.kind == Kind::Primary) {
            return Err(Refusal::WrongId { id: hello.id.clone() });
        }
        if hello.capacity == 0 {
            return Err(Refusal::NoCapacity { id: hello.id.clone() });
        }
        self.check_id(hello)?;
        self.check_address(hello, address)
    }

    fn check_id(&self, hello: &Hello) -> Result<(), Refusal> {
        let Some(known) = self.servers.get(&hello.id) else {
            let limit = self.settings.max_slots;
            return if self.servers.len() < limit { Ok(()) } else { Err(Refusal::FleetFull { limit }) };
        };
        let another = known.attachment.is_some_and(|old| old.open && old.incarnation != hello.incarnation);
        let live = known.is_heard() && known.silent_for(self.now) < self.settings.suspect_after();
        if !(another && live) {
            return Ok(());
        }
        let base_url = Arc::clone(&known.base_url);
        Err(match hello.kind {
            Kind::Primary => Refusal::SecondPrimary { base_url },
            Kind::Relay => Refusal::DuplicateId { id: hello.id.clone(), base_url },
        })
    }

    fn check_address(&self, hello: &Hello, address: Address<'_>) -> Result<(), Refusal> {
        let slot = self.slots.get(&hello.id).map(|slot| &slot.base_url);
        let known = self
            .servers
            .get(&hello.id)
            .filter(|known| known.kind == Kind::Relay)
            .map(|known| &known.base_url);
        if let Some(known) = slot.or(known).filter(|known| **known != hello.base_url) {
            return Err(Refusal::OtherHost { id: hello.id.clone(), known: Arc::clone(known) });
        }
        let theirs = Arc::clone(&hello.base_url);
        let ours = self.primary().filter(|known| Address::parse(&known.base_url) != Some(address));
        match ours.map(|known| (known.is_attached(), Arc::clone(&known.base_url))) {
            Some((_, ours)) if hello.kind == Kind::Primary && self.serves_beside(&ours) => {
                Err(Refusal::OtherPrimary { theirs, ours })
            }
            Some((true, ours)) if hello.kind == Kind::Relay => Err(Refusal::OtherPort { theirs, ours }),
            _ => Ok(()),
        }
    }

    /// Whether players play from relays that have the scheme and port of the primary at `base_url`.
    fn serves_beside(&self, base_url: &str) -> bool {
        let serves =
            |server: &Server| server.kind == Kind::Relay && server.is_there() && server.viewers.total() > 0;
        self.servers.values().any(|server| serves(server) && Address::same(&server.base_url, base_url))
    }

    /// Whether a relay at `base_url` could be in the fleet: the primary says its scheme and port, as players know them. A relay that
    /// comes before it is judged when it comes.
    pub(super) fn fits(&self, base_url: &str) -> bool {
        self.primary().is_none_or(|primary| Address::same(&primary.base_url, base_url))
    }

    /// Relays that came before the primary and have another scheme or port are let go: they attach again, and hear why they may
    /// not.
    fn close_misfits(&mut self, primary: &str) {
        let misfit = |server: &Server| {
            let other = !Address::same(&server.base_url, primary);
            server.kind == Kind::Relay && server.is_attached() && other
        };
        for id in self.ids_of(misfit) {
            let attachment = self.servers[&id].attachment.filter(|attachment| attachment.open);
            self.depart(&id, Reason::OtherPort);
            if let Some(attachment) = attachment {
                self.commands.push_back(Command::Close { server: id, attachment: attachment.number });
            }
        }
    }

    /// What a server is wanted for as it attaches: what it was wanted for, or what it is doing. One that was given up meanwhile
    /// may have served on all the time.
    fn wanted_of(&self, hello: &Hello) -> Phase {
        if hello.kind == Kind::Primary {
            return Phase::Serving;
        }
        let known = self.servers.get(&hello.id).filter(|known| known.phase != Phase::Lost);
        let same =
            known.and_then(|known| known.attachment).is_some_and(|old| old.incarnation == hello.incarnation);
        let requested = known
            .is_some_and(|known| matches!(known.phase, Phase::Requested | Phase::Starting) && !known.orphan);
        match (known, hello.phase) {
            (Some(known), _) if same || requested => known.desired,
            (_, Phase::Warming | Phase::Serving) => Phase::Serving,
            (_, Phase::Draining) => Phase::Draining,
            _ => Phase::Standby,
        }
    }
}
