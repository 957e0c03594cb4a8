//! Viewers whose server has died or left: they still watch, out of their buffers, and no server counts them until their players have gone
//! elsewhere. Were they forgotten with their server, a region would seem to empty in the very second in which it needs help.
//!
//! Their region demands them until as many have begun to count elsewhere, or until whoever of them went on at the last moment would
//! have: a session lives for 2.5 target durations without a sign, counts one target duration after it is back, and is reported
//! then. Only how many they are is known, so in that time whoever begins to count in the region is taken for one of them.
//! Viewers of class `redirects` are not among them: those are in the primary's book of whom it sent where.

use std::time::Duration;

use super::{Fleet, Server, Viewers};
use crate::{Class, Region, ServerId, Settings, Time};

/// The least time for which servers keep a session without a sign, where their config leaves it as it is.
const SHORTEST_LIFE: Duration = Duration::from_secs(5);

/// Viewers of one region that are adrift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Adrift {
    viewers: u32,
    until: Time,
}

impl Adrift {
    /// How many they are now.
    #[must_use]
    pub fn viewers(&self, now: Time) -> u32 {
        if now < self.until { self.viewers } else { 0 }
    }

    /// When they are given up; none where there are none.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        (self.viewers > 0).then_some(self.until)
    }

    fn add(&mut self, viewers: u32, until: Time, now: Time) {
        if viewers > 0 && until > now {
            let viewers = self.viewers(now).saturating_add(viewers);
            *self = Self { viewers, until: self.until.max(until) };
        }
    }

    fn found(&mut self, viewers: u32) {
        self.viewers = self.viewers.saturating_sub(viewers);
    }
}

impl Fleet {
    /// A server has left, is taken for dead, or was started again: its viewers are counted there no more.
    pub(super) fn set_adrift(&mut self, id: &ServerId) {
        let now = self.now;
        let Some(server) = self.servers.get_mut(id) else { return };
        let until = server.unheard_since(now) + server.longest_absence(&self.settings);
        let viewers = std::mem::take(&mut server.viewers);
        for (region, state) in &mut self.regions {
            state.adrift.add(viewers.going_by_themselves(region), until, now);
        }
    }

    /// A server counts other viewers than `before`: where it has more, they were adrift.
    pub(super) fn find_adrift(&mut self, id: &ServerId, before: &Viewers) {
        let Some(server) = self.servers.get(id) else { return };
        for (region, state) in &mut self.regions {
            let (now, before) =
                (server.viewers.going_by_themselves(region), before.going_by_themselves(region));
            state.adrift.found(now.saturating_sub(before));
        }
    }

    pub(super) fn adrift_deadlines(&self) -> impl Iterator<Item = Time> {
        self.regions.values().filter_map(|state| state.adrift.deadline())
    }
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
