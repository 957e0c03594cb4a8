//! What attached servers say: reports, goodbyes, and streams that just end.

use std::sync::Arc;

use super::{Command, Fleet, Report};
use crate::{
    Phase, ServerId, SessionId,
    decision::{Action, Reason},
};

impl Fleet {
    pub(super) fn hear(&mut self, id: &ServerId, attachment: u64, report: &Report) {
        if !self.is_current(id, attachment) {
            return;
        }
        let mut report = report.clone();
        for count in report.viewers.iter_mut().chain(&mut report.redirected) {
            count.region = self.counted_region(&count.region);
        }
        let now = self.now;
        let Some(server) = self.servers.get_mut(id) else { return };
        let growth = server.hear(&report, self.settings.report_interval, now);
        let back = server.phase == Phase::Lost;
        if back {
            server.resume();
            server.enter(server.reported_phase, now);
        }
        server.counters.opened(growth.opened, now);
        server.counters.departed(growth.departed, now);
        let arrived = report.arrived.iter().take(self.settings.forwarded_per_report).cloned().collect();
        self.forward(id, arrived);
        if back {
            self.decide_about(id, Action::Attach, Reason::HeardAgain);
            self.find_serving(id);
        }
    }

    /// Tells the other servers which sessions are here now.
    fn forward(&mut self, from: &ServerId, arrived: Vec<SessionId>) {
        if arrived.is_empty() {
            return;
        }
        let sessions: Arc<[SessionId]> = arrived.into();
        for server in self.servers.values().filter(|server| server.is_attached() && server.id != *from) {
            if let Some(attachment) = server.attachment.filter(|attachment| attachment.open) {
                let (server, attachment) = (server.id.clone(), attachment.number);
                self.commands.push_back(Command::Forward {
                    server,
                    attachment,
                    sessions: Arc::clone(&sessions),
                });
            }
        }
    }

    pub(super) fn bid_farewell(&mut self, id: &ServerId, attachment: u64) {
        if self.is_current(id, attachment) {
            self.depart(id, Reason::Goodbye);
        }
    }

    /// A server has left.
    pub(super) fn depart(&mut self, id: &ServerId, reason: Reason) {
        let now = self.now;
        self.cut_loose(id);
        let Some(server) = self.servers.get_mut(id) else { return };
        server.redirected.clear();
        server.target.clear();
        server.drain = None;
        server.desired = Phase::Retired;
        server.enter(Phase::Retired, now);
        if let Some(attachment) = &mut server.attachment {
            attachment.open = false;
        }
        self.decide_about(id, Action::Detach, reason);
    }

    pub(super) fn lose_stream(&mut self, id: &ServerId, attachment: u64) {
        if !self.is_current(id, attachment) {
            return;
        }
        let (now, silence) = (self.now, self.settings.silence());
        let Some(server) = self.servers.get_mut(id) else { return };
        if let Some(attachment) = &mut server.attachment {
            attachment.open = false;
        }
        if server.desired == Phase::Retired {
            self.depart(id, Reason::StreamEnded);
        } else if server.is_heard() {
            // The end of a connection over which nothing came any more says only that somebody stopped waiting for it.
            let spoke = server.silent_for(now) <= silence;
            server.enter(Phase::Suspect, now);
            server.broken_off = spoke.then_some(now);
            if spoke {
                self.cast_adrift(id);
            }
            self.decide_about(id, Action::Suspect, Reason::StreamEnded);
        }
    }

    /// Whether a message came through the stream that a server is attached by.
    fn is_current(&self, id: &ServerId, attachment: u64) -> bool {
        self.servers
            .get(id)
            .and_then(|server| server.attachment)
            .is_some_and(|current| current.open && current.number == attachment)
    }
}
