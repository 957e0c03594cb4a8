//! Drains of the fleet's relays: how they begin, and what follows when they are over.
//!
//! A relay that was launched may go; one that an operator started stands by again. Its part of what is moved comes with the
//! targets, its part of the redirects with the directives.

use super::{Fleet, Server};
use crate::{
    Phase, ServerId, Time,
    decision::{Action, Reason},
    drain::{Drain, Drained},
};

impl Fleet {
    pub(super) fn begin_drain(&mut self, id: &ServerId, reason: Reason) {
        let now = self.now;
        let longest = self.streams().iter().map(|stream| stream.target_duration).max().unwrap_or_default();
        let Some(server) = self.servers.get_mut(id) else { return };
        let deadline = now + self.settings.drain_deadline_for(longest.max(server.target_duration()));
        server.desired = Phase::Draining;
        let can_return = !matches!(reason, Reason::NeverReady(_));
        server.drain = Some(Drain { since: now, deadline, can_return });
        if server.phase != Phase::Suspect {
            server.enter(Phase::Draining, now);
        }
        self.decide_about(id, Action::Drain, reason);
    }

    /// Ends the drains that are over.
    pub(super) fn follow_drains(&mut self) {
        let now = self.now;
        let over: Vec<(ServerId, Drained, u32)> = self
            .servers
            .values()
            .filter(|server| server.desired == Phase::Draining)
            .filter_map(|server| {
                let viewers = server.viewers.total();
                let over = server.drain?.over(viewers, server.has_emptied(now), now)?;
                Some((server.id.clone(), over, viewers))
            })
            .collect();
        for (id, over, viewers) in over {
            let reason = match over {
                Drained::Empty => Reason::Empty,
                Drained::Deadline => Reason::Deadline { viewers },
            };
            self.end_drain(&id, reason);
        }
    }

    fn end_drain(&mut self, id: &ServerId, reason: Reason) {
        let now = self.now;
        let Some(server) = self.servers.get_mut(id) else { return };
        let action = if server.launched {
            server.desired = Phase::Retired;
            // From now it has the exit timeout to go.
            server.drain = server.drain.map(|drain| Drain { deadline: now, ..drain });
            Action::Retire
        } else {
            server.desired = Phase::Standby;
            server.drain = None;
            Action::StandBy
        };
        self.decide_about(id, action, reason);
    }

    pub(super) fn drain_deadlines(&self) -> impl Iterator<Item = Time> {
        let exit = self.settings.exit_timeout;
        self.servers.values().filter_map(move |server| {
            let deadline = server.drain?.deadline;
            Some(if server.desired == Phase::Retired { deadline + exit } else { deadline })
        })
    }
}

impl Server {
    /// Whether it is quiet in a report that knows of its drain, and nobody who was sent here is still on the way.
    fn has_emptied(&self, now: Time) -> bool {
        let knows = self.directive.as_ref().is_some_and(|directive| {
            directive.content.phase == Phase::Draining && self.applied_generation >= directive.generation
        });
        knows && self.quiet && self.counters.pending_total(now) == 0
    }
}
