//! Who is there: suspected after missed reports or when a stream just ends, lost after the grace, and a manager that takes
//! itself for the blind one when most of the fleet goes silent at once.
//!
//! ```text
//! suspect   3 reports missed, or the stream ended without a word: counts are kept, nobody new comes, none takes its place
//! vacated   a suspected relay whose stream broke off while it was heard, as when a process dies, and that is not back within
//!           the reattach allowance: its viewers are told to leave, another may come. One that only went silent may be cut
//!           off from the manager alone: it stays its viewers' place until it is lost. And while the primary is not heard
//!           either, the manager may be the one cut off: nobody is told anything. Nor where the streams of most relays broke
//!           in one moment, as they do when what stands between starts again
//! lost      silent for the grace after that: its viewers are counted no more, its slot rests
//! blind     three or more servers and most of them silent since the same moment, none having closed: nobody is
//!           suspected, nothing is launched or drained, until most are heard again or the freeze is over
//! gone      a relay that left, failed or was lost is forgotten once its slot may be used again
//! ```

use std::time::Duration;

use super::Fleet;
use crate::{
    Phase, ServerId, Time,
    decision::{Action, Reason},
    routing::Kind,
};

/// The fleet holds still, or has done so for this silence and will not again.
#[derive(Debug, Clone)]
pub(crate) struct Freeze {
    pub(crate) until: Time,
    pub(crate) holds: bool,
    pub(crate) reason: Reason,
}

/// Fewer servers may well die at once.
const FEWEST_TO_BE_BLIND: usize = 3;

impl Fleet {
    pub(super) fn follow_liveness(&mut self) {
        self.follow_freeze();
        if self.frozen().is_none() {
            self.suspect();
            self.vacate();
            self.lose();
        }
        self.time_launches();
        self.forget();
    }

    /// Servers whose stream is open and from which nothing has come for two reports and a half, and all those attached.
    fn silent(&self) -> (Vec<Time>, usize) {
        let after = self.settings.silence();
        let attached = self.servers.values().filter(|server| server.is_attached());
        let open: Vec<_> = attached.filter_map(|server| server.attachment.filter(|at| at.open)).collect();
        let silent = open.iter().filter(|at| self.now.since(at.heard) > after).map(|at| at.heard).collect();
        (silent, open.len())
    }

    fn follow_freeze(&mut self) {
        let (silent, servers) = self.silent();
        let most = silent.len() * 2 > servers;
        let blind = most && servers >= FEWEST_TO_BE_BLIND && self.within_a_moment(&silent);
        match &mut self.freeze {
            Some(_) if !most => {
                let held = self.freeze.take().is_some_and(|freeze| freeze.holds);
                if held {
                    self.decide(Action::Thaw, Reason::HeardAgain, None, None);
                }
            }
            Some(freeze) if freeze.holds && self.now >= freeze.until => {
                freeze.holds = false;
                self.decide(Action::Thaw, Reason::FreezeOver, None, None);
            }
            None if blind => {
                let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                let reason = Reason::Blind { silent: count(silent.len()), servers: count(servers) };
                let until = self.now + self.settings.freeze;
                self.freeze = Some(Freeze { until, holds: true, reason: reason.clone() });
                self.decide(Action::Freeze, reason, None, None);
            }
            _ => {}
        }
    }

    /// Whether all of it was within the same two report intervals.
    fn within_a_moment(&self, times: &[Time]) -> bool {
        let moment = self.settings.report_interval * 2;
        times.iter().min().zip(times.iter().max()).is_some_and(|(first, last)| last.since(*first) <= moment)
    }

    fn suspect(&mut self) {
        let after = self.settings.suspect_after();
        let now = self.now;
        let silent = |server: &super::Server| server.is_heard() && server.silent_for(now) > after;
        for id in self.ids_of(silent) {
            let silence = self.servers[&id].silent_for(now);
            self.enter(&id, Phase::Suspect);
            self.decide_about(&id, Action::Suspect, Reason::Silent(silence));
        }
    }

    fn vacate(&mut self) {
        if !self.primary().is_some_and(super::Server::is_heard) {
            return;
        }
        if self.most_broke_at_once() {
            return;
        }
        let (now, allowance) = (self.now, self.settings.reattach);
        let dead = |server: &super::Server| {
            server.kind == Kind::Relay
                && !server.vacated
                && server.broken_off.is_some_and(|since| now.since(since) >= allowance)
        };
        for id in self.ids_of(dead) {
            self.cut_loose(&id);
            if let Some(server) = self.servers.get_mut(&id) {
                server.vacated = true;
            }
            self.decide_about(&id, Action::Vacate, Reason::NotBack(allowance));
        }
    }

    /// Whether the streams of most relays, three or more, broke in one moment and are still away.
    fn most_broke_at_once(&self) -> bool {
        let relays =
            self.servers.values().filter(|server| server.kind == Kind::Relay && server.is_attached());
        let (mut all, mut broken) = (0, Vec::new());
        for relay in relays {
            all += 1;
            broken.extend(relay.broken_off);
        }
        broken.len() >= FEWEST_TO_BE_BLIND && broken.len() * 2 > all && self.within_a_moment(&broken)
    }

    fn lose(&mut self) {
        let (now, grace) = (self.now, self.settings.grace);
        let gone =
            |server: &super::Server| server.phase == Phase::Suspect && now.since(server.phase_since) >= grace;
        for id in self.ids_of(gone) {
            let silence = self.servers[&id].silent_for(now);
            self.give_up(&id, Reason::Silent(silence));
        }
    }

    /// A server is lost: nobody is on it any more, and its slot rests.
    pub(super) fn give_up(&mut self, id: &ServerId, reason: Reason) {
        let (now, rest) = (self.now, self.settings.slot_rest);
        self.cut_loose(id);
        let Some(server) = self.servers.get_mut(id) else { return };
        server.redirected.clear();
        server.target.clear();
        server.drain = None;
        server.enter(Phase::Lost, now);
        if server.kind == Kind::Relay {
            server.desired = Phase::Standby;
            self.slots.rest(id, now + rest);
        }
        self.decide_about(id, Action::Lose, reason);
    }

    /// Launches that took too long, and relays that do not go.
    fn time_launches(&mut self) {
        let (now, limit, exit) = (self.now, self.settings.launch_timeout, self.settings.exit_timeout);
        let late = |server: &super::Server| {
            matches!(server.phase, Phase::Requested | Phase::Starting)
                && now.since(server.phase_since) >= limit
        };
        for id in self.ids_of(late) {
            let reason = if self.servers[&id].orphan { Reason::Orphan } else { Reason::LaunchTimeout(limit) };
            self.terminate(&id, reason.clone());
            self.launch_failed(&id, reason);
        }
        let overstays = |server: &super::Server| {
            server.launched
                && server.desired == Phase::Retired
                && server.is_attached()
                && server.drain.is_some_and(|drain| now >= drain.deadline + exit)
        };
        for id in self.ids_of(overstays) {
            self.terminate(&id, Reason::Overstayed);
            self.depart(&id, Reason::Overstayed);
        }
    }

    /// Relays that nobody will hear of again make room. The primary is waited for: without it relays would not know what they serve.
    fn forget(&mut self) {
        let (now, exit) = (self.now, self.settings.exit_timeout);
        let since = |server: &super::Server| now.since(server.phase_since);
        let rests = |id: &ServerId| self.slots.rests(id, now);
        let stale = |server: &super::Server| match server.phase {
            _ if server.kind == Kind::Primary => false,
            Phase::Retired => server.exited || since(server) >= exit,
            Phase::Failed => since(server) >= exit,
            Phase::Lost => !rests(&server.id),
            _ => false,
        };
        for id in self.ids_of(stale) {
            let server = &self.servers[&id];
            if server.launched && !server.exited && server.phase != Phase::Failed {
                self.terminate(&id, Reason::Overstayed);
            }
            self.servers.remove(&id);
        }
        self.slots.forget_rests(now);
    }

    pub(super) fn ids_of(&self, which: impl Fn(&super::Server) -> bool) -> Vec<ServerId> {
        self.servers.values().filter(|server| which(server)).map(|server| server.id.clone()).collect()
    }

    /// Follows relays into the phase that they say they are in and that they are wanted in.
    pub(super) fn follow_phases(&mut self) {
        let heard = |server: &super::Server| server.attachment.is_some_and(|attachment| attachment.open);
        for id in self.ids_of(|server| server.is_attached() && heard(server)) {
            let server = &self.servers[&id];
            let silent = server.silent_for(self.now) > self.settings.suspect_after();
            if server.phase == Phase::Suspect && silent {
                continue;
            }
            let next = server.next_phase();
            if next == server.phase {
                continue;
            }
            self.enter(&id, next);
            if next == Phase::Serving {
                self.decide_about(&id, Action::Serve, Reason::Ready);
            }
        }
    }

    pub(super) fn silence_deadlines(&self) -> impl Iterator<Item = Time> {
        let suspect = self.settings.suspect_after() + Duration::from_millis(1);
        let blind = self.settings.silence() + Duration::from_millis(1);
        let (grace, reattach) = (self.settings.grace, self.settings.reattach);
        self.servers.values().filter(|server| server.is_attached()).flat_map(move |server| {
            let lost = (server.phase == Phase::Suspect).then_some(server.phase_since + grace);
            let heard =
                server.attachment.filter(|attachment| attachment.open).map(|attachment| attachment.heard);
            let vacated = server.broken_off.map(|since| since + reattach);
            let silences = [heard.map(|heard| heard + blind), heard.map(|heard| heard + suspect)];
            silences.into_iter().chain([lost, vacated]).flatten()
        })
    }
}
