//! Viewers whose server has died or left: they still watch, out of their buffers, and no server counts them until their players have gone
//! elsewhere. Were they forgotten with their server, a region would seem to empty in the very second in which it needs help.
//!
//! Their region demands them from the moment in which their server's stream broke until as many more count elsewhere, or until whoever
//! of them went on at the last moment would have: a session lives for 2.5 target durations without a sign, counts one target
//! duration after it is back, and is reported then. Only how many they are is known, so in that time by how many the region has
//! grown is taken for so many of them. Who moves between two servers that live makes it no larger for longer than they are in
//! both counts. Viewers of class `redirects` are not among them: those are in the primary's book of whom it sent where.

use std::{collections::VecDeque, time::Duration};

use super::{Fleet, Server, Viewers};
use crate::{Class, Region, ServerId, Settings, Time};

/// The least time for which servers keep a session without a sign, where their config leaves it as it is.
const SHORTEST_LIFE: Duration = Duration::from_secs(5);

/// Viewers of one region that are adrift.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Adrift {
    /// The oldest first: who is found is taken for one of those.
    losses: VecDeque<Loss>,
    /// Viewers that count elsewhere and are nobody's find. Below 0 where some were found and lost again.
    before: i64,
}

/// Those of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Loss {
    server: ServerId,
    viewers: u32,
    /// When they are given up; not while their server may still come back with all of them.
    until: Option<Time>,
}

impl Adrift {
    /// Whether there are any to be found or given up.
    fn is_empty(&self) -> bool {
        self.losses.is_empty()
    }

    /// How many are to be found, where `counted` are counted now.
    fn viewers(&self, counted: u32) -> u32 {
        self.lost() - self.found(counted)
    }

    fn lost(&self) -> u32 {
        self.losses.iter().map(|loss| loss.viewers).fold(0, u32::saturating_add)
    }

    /// By how many the region has grown since the first was lost: of those that were lost.
    fn found(&self, counted: u32) -> u32 {
        let grown = u32::try_from((i64::from(counted) - self.before).max(0)).unwrap_or(u32::MAX);
        grown.min(self.lost())
    }

    /// `viewers` of `server` are counted there no more; `counted` are, elsewhere. Those of one whose stream broke are lost already.
    fn lose(&mut self, server: &ServerId, viewers: u32, counted: u32) {
        if self.losses.iter().any(|loss| loss.is_open(server)) {
            return;
        }
        // Who came or left beyond those that were lost until now says nothing of those that are lost now.
        self.before = i64::from(counted) - i64::from(self.found(counted.saturating_add(viewers)));
        self.losses.push_back(Loss { server: server.clone(), viewers, until: None });
    }

    /// A server whose stream had broken is back, and counts its viewers as before.
    fn restore(&mut self, server: &ServerId) {
        if let Some(at) = self.losses.iter().position(|loss| loss.is_open(server)) {
            self.before += self.losses.remove(at).map_or(0, |loss| i64::from(loss.viewers));
        }
    }

    /// A server does not come back with its viewers: they are given up at `until`.
    fn close(&mut self, server: &ServerId, until: Time) {
        for loss in self.losses.iter_mut().filter(|loss| loss.is_open(server)) {
            loss.until = Some(until);
        }
    }

    /// Gives up who could not come back any more. Who was found among them is no other's find.
    fn give_up(&mut self, counted: u32, now: Time) {
        let mut found = self.found(counted);
        self.losses.retain(|loss| {
            let part = loss.viewers.min(found);
            found -= part;
            let keep = loss.until.is_none_or(|until| now < until);
            if !keep {
                self.before += i64::from(part);
            }
            keep
        });
    }
}

impl Loss {
    fn is_open(&self, server: &ServerId) -> bool {
        self.server == *server && self.until.is_none()
    }
}

impl Fleet {
    /// A server's stream has broken: its viewers may already be on their way elsewhere.
    pub(super) fn cast_adrift(&mut self, id: &ServerId) {
        let Some(server) = self.servers.get(id) else { return };
        for (region, state) in &mut self.regions {
            let viewers = server.viewers.going_by_themselves(region);
            if viewers > 0 {
                let elsewhere = counted(self.servers.values().filter(|other| other.id != *id), region);
                state.adrift.lose(id, viewers, elsewhere);
            }
        }
    }

    /// A server whose stream had broken goes on as the same process.
    pub(super) fn take_back(&mut self, id: &ServerId) {
        for state in self.regions.values_mut() {
            state.adrift.restore(id);
        }
    }

    /// A server has left, is taken for dead, or was started again: its viewers are counted there no more.
    pub(super) fn cut_loose(&mut self, id: &ServerId) {
        self.cast_adrift(id);
        let now = self.now;
        let Some(server) = self.servers.get_mut(id) else { return };
        let until = server.unheard_since(now) + server.longest_absence(&self.settings);
        server.viewers.clear();
        for state in self.regions.values_mut() {
            state.adrift.close(id, until);
        }
    }

    /// Gives up viewers who could not come back any more.
    pub(super) fn follow_adrift(&mut self) {
        for (region, state) in self.regions.iter_mut().filter(|(_, state)| !state.adrift.is_empty()) {
            state.adrift.give_up(counted(self.servers.values(), region), self.now);
        }
    }

    /// Viewers of a region that are adrift.
    pub(super) fn adrift_of(&self, region: &Region) -> u32 {
        let adrift = self.regions.get(region).map(|state| &state.adrift).filter(|adrift| !adrift.is_empty());
        adrift.map_or(0, |adrift| adrift.viewers(counted(self.servers.values(), region)))
    }

    pub(super) fn adrift_deadlines(&self) -> impl Iterator<Item = Time> {
        self.regions.values().flat_map(|state| state.adrift.losses.iter().filter_map(|loss| loss.until))
    }
}

/// Viewers of a region on servers whose stream has not broken, of those that go elsewhere by themselves.
fn counted<'a>(servers: impl Iterator<Item = &'a Server>, region: &Region) -> u32 {
    let count = |server: &Server| server.viewers.going_by_themselves(region);
    let there = servers.filter(|server| server.is_attached() && server.broken_off.is_none());
    there.map(count).fold(0, u32::saturating_add)
}

impl Viewers {
    /// Viewers of one region that go elsewhere by themselves where their server has died.
    fn going_by_themselves(&self, region: &Region) -> u32 {
        self.of(region) - self.of_class(region, Class::Redirects)
    }
}

impl Server {
    /// How long a viewer of its may be counted by nobody and yet go on.
    fn longest_absence(&self, settings: &Settings) -> Duration {
        let target = self.target_duration();
        (target * 5 / 2).max(SHORTEST_LIFE) + target + settings.report_interval
    }

    /// Since when it may have been dead.
    fn unheard_since(&self, now: Time) -> Time {
        let heard = self.attachment.map_or(now, |attachment| attachment.heard);
        self.broken_off.unwrap_or(if self.exited { now } else { heard })
    }
}
