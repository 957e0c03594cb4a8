//! One member of the fleet: what it said, what is wanted of it, and where it stands in its life.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Directive, Hello, LaunchSpec, Report, RungCap, StreamState, Viewers};
use crate::{
    Phase, Region, ServerId, Time,
    counters::Counters,
    drain::Drain,
    routing::{Kind, Slot},
};

/// One member of the fleet, from the wish for it until it is forgotten.
#[derive(Debug, Clone)]
pub struct Server {
    /// Pathway id.
    pub id: ServerId,
    /// Origin or relay.
    pub kind: Kind,
    /// Where it stands.
    pub region: Region,
    /// Scheme, host and port.
    pub base_url: Arc<str>,
    /// Viewers that it takes at most.
    pub capacity: u32,
    /// Viewers that it takes now, where its uplink does not carry as many as that.
    pub(crate) room: Option<u32>,
    /// What its uplink carries, in bits per second; 0 where nobody knows.
    pub uplink_bits_per_second: u64,
    /// The streams that it does not send up to their highest rung.
    pub rung_caps: Vec<RungCap>,
    /// Whether a provisioner started it.
    pub launched: bool,
    /// What it said about itself, for the operator.
    pub version: String,
    /// Where Prometheus scrapes it.
    pub metrics_address: String,
    /// Where it stands.
    pub phase: Phase,
    /// Since when.
    pub phase_since: Time,
    /// What is wanted of it: `Standby`, `Serving`, `Draining` or `Retired`.
    pub desired: Phase,
    /// Whether an operator drained it: not called back until resumed.
    pub held: bool,
    /// Viewers that it counts.
    pub viewers: Viewers,
    /// Of its sessions of class `redirects`, those handed to relays, by region.
    pub redirected: BTreeMap<Region, u32>,
    /// Viewers that it should have, by region.
    pub target: BTreeMap<Region, u32>,
    /// What is counted between two steps.
    pub counters: Arc<Counters>,
    /// What it was last told.
    pub directive: Option<Arc<Directive>>,
    /// Generation of the directive that it follows.
    pub applied_generation: u64,
    /// Bits a second that it sends to viewers, over the last report interval or so.
    pub egress_bits_per_second: u64,
    /// Whether its source or upstream answers.
    pub upstream_healthy: bool,
    /// Streams that it has.
    pub streams: Vec<StreamState>,
    pub(crate) attachment: Option<Attachment>,
    pub(crate) drain: Option<Drain>,
    pub(crate) reported_phase: Phase,
    pub(crate) quiet: bool,
    pub(crate) orphan: bool,
    pub(crate) exited: bool,
    pub(crate) came_from: Option<Phase>,
    /// Since when its stream has been broken off: as the sockets of a process that dies do, not those of one that is cut off.
    pub(crate) broken_off: Option<Time>,
    /// Whether it is taken for dead: its viewers are told to leave, and another may come.
    pub(crate) vacated: bool,
    /// The attachment that the directive was sent through.
    pub(crate) directed: Option<u64>,
    /// Viewers told to leave, as of the last step.
    pub(crate) told: u64,
    totals: Option<Totals>,
    egress: Option<Egress>,
}

/// A server's stream, open or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) number: u64,
    pub(crate) incarnation: u64,
    /// When it was last heard.
    pub(crate) heard: Time,
    /// False after the stream ended.
    pub(crate) open: bool,
    /// False until its first report.
    pub(crate) reported: bool,
}

/// The last of the counters that only grow.
#[derive(Debug, Clone, Copy)]
struct Totals {
    opened: u64,
    departed: u64,
}

/// What it had sent, and when: where its rate is measured from.
#[derive(Debug, Clone, Copy)]
struct Egress {
    at: Time,
    bytes: u64,
}

/// Growth between two reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) opened: u32,
    pub(crate) departed: u32,
}

impl Server {
    /// A relay that was asked of the provisioner.
    pub(crate) fn requested(spec: &LaunchSpec, now: Time) -> Self {
        Self {
            id: spec.id.clone(),
            kind: Kind::Relay,
            region: spec.region.clone(),
            base_url: Arc::clone(&spec.base_url),
            capacity: spec.capacity,
            room: None,
            uplink_bits_per_second: 0,
            rung_caps: Vec::new(),
            launched: true,
            version: String::new(),
            metrics_address: String::new(),
            phase: Phase::Requested,
            phase_since: now,
            desired: Phase::Serving,
            held: false,
            viewers: Viewers::default(),
            redirected: BTreeMap::new(),
            target: BTreeMap::new(),
            counters: Arc::default(),
            directive: None,
            applied_generation: 0,
            egress_bits_per_second: 0,
            upstream_healthy: false,
            streams: Vec::new(),
            attachment: None,
            drain: None,
            reported_phase: Phase::Standby,
            quiet: false,
            orphan: false,
            exited: false,
            came_from: None,
            broken_off: None,
            vacated: false,
            directed: None,
            told: 0,
            totals: None,
            egress: None,
        }
    }

    /// A server that nobody knew, as it attaches.
    pub(crate) fn attached(hello: Hello, now: Time) -> Self {
        let spec = LaunchSpec {
            id: hello.id.clone(),
            base_url: Arc::clone(&hello.base_url),
            region: hello.region.clone(),
            capacity: hello.capacity,
        };
        let mut server = Self::requested(&spec, now);
        server.desired = Phase::Standby;
        server.phase = attached_phase(&hello);
        server.launched = hello.launched;
        server.greet(hello, now);
        server
    }

    /// Whether it attaches as another process than before.
    pub(crate) fn restarts(&self, hello: &Hello) -> bool {
        self.attachment.is_none_or(|old| old.incarnation != hello.incarnation)
    }

    /// Takes in what it says as it attaches, without a change of phase.
    pub(crate) fn greet(&mut self, hello: Hello, now: Time) {
        if self.restarts(&hello) {
            self.viewers.clear();
            self.redirected.clear();
            (self.totals, self.egress, self.room) = (None, None, None);
            self.counters = Arc::default();
            self.told = 0;
            self.applied_generation = 0;
        }
        self.attachment = Some(Attachment {
            number: hello.attachment,
            incarnation: hello.incarnation,
            heard: now,
            open: true,
            reported: false,
        });
        self.reported_phase = attached_phase(&hello);
        self.kind = hello.kind;
        self.region = hello.region;
        self.base_url = hello.base_url;
        self.capacity = hello.capacity;
        self.viewers.clamp(hello.capacity);
        self.launched = hello.launched || matches!(self.phase, Phase::Requested | Phase::Starting);
        self.version = hello.version;
        self.metrics_address = hello.metrics_address;
        self.streams = hello.streams;
        self.upstream_healthy = true;
        self.quiet = false;
        self.orphan = false;
        self.exited = false;
    }

    /// Takes in a report; what has grown since the one before. Reports come every `interval`, and between that when viewers
    /// move.
    pub(crate) fn hear(&mut self, report: &Report, interval: Duration, now: Time) -> Growth {
        if let Some(attachment) = &mut self.attachment {
            attachment.heard = now;
            attachment.reported = true;
        }
        if let (Kind::Relay, Some(phase)) = (self.kind, report.phase.and_then(said_phase)) {
            self.reported_phase = phase;
        }
        self.viewers = Viewers::clamped(&report.viewers, self.capacity);
        self.redirected.clear();
        for count in &report.redirected {
            let viewers = self.redirected.entry(count.region.clone()).or_default();
            *viewers = viewers.saturating_add(count.viewers);
        }
        self.applied_generation = report.applied_generation;
        self.upstream_healthy = report.upstream_healthy;
        self.quiet = report.quiet;
        self.room = report.room;
        self.uplink_bits_per_second = report.uplink_bits_per_second;
        self.rung_caps.clone_from(&report.rung_caps);
        self.streams.clone_from(&report.streams);
        self.measure(Egress { at: now, bytes: report.egress_bytes_total }, interval / 2);
        self.count(report)
    }

    /// Measures what it sends, over no less than `shortest`: over an instant a rate says nothing.
    fn measure(&mut self, egress: Egress, shortest: Duration) {
        let Some(before) = self.egress else {
            self.egress = Some(egress);
            return;
        };
        let elapsed = egress.at.since(before.at);
        if elapsed < shortest {
            return;
        }
        let sent = egress.bytes.saturating_sub(before.bytes);
        let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        if let Some(rate) = sent.saturating_mul(8).saturating_mul(1000).checked_div(ms) {
            self.egress_bits_per_second = rate;
        }
        self.egress = Some(egress);
    }

    fn count(&mut self, report: &Report) -> Growth {
        let totals = Totals { opened: report.opened_total, departed: report.departed_total };
        let Some(before) = self.totals.replace(totals) else {
            // The first report of an attachment brings the whole past of its process: none of it was placed by us.
            return Growth { opened: 0, departed: 0 };
        };
        let grown = |total: u64, last: u64| u32::try_from(total.saturating_sub(last)).unwrap_or(u32::MAX);
        Growth {
            opened: grown(report.opened_total, before.opened),
            departed: grown(report.departed_total, before.departed),
        }
    }

    /// The phase that follows from what is wanted of it and what it says.
    pub(crate) fn next_phase(&self) -> Phase {
        match (self.kind, self.desired, self.reported_phase) {
            (Kind::Primary, ..) | (_, Phase::Serving, Phase::Serving) => Phase::Serving,
            // Called back, and has not heard of it.
            (_, Phase::Serving, Phase::Draining) | (_, Phase::Draining | Phase::Retired, _) => {
                Phase::Draining
            }
            (_, Phase::Serving, _) => Phase::Warming,
            (_, _, Phase::Standby) => Phase::Standby,
            // Emptied, and has not heard yet that it stands by.
            _ => Phase::Draining,
        }
    }

    /// A server that was given up is heard again: what it does is what is wanted of it.
    pub(crate) fn resume(&mut self) {
        self.desired = match (self.kind, self.reported_phase) {
            (Kind::Primary, _) | (_, Phase::Warming | Phase::Serving) => Phase::Serving,
            _ => Phase::Standby,
        };
    }

    /// Goes over to another phase, if it is another.
    pub(crate) fn enter(&mut self, phase: Phase, now: Time) {
        if self.phase == phase {
            return;
        }
        if phase != Phase::Suspect {
            (self.broken_off, self.vacated) = (None, false);
        }
        self.came_from = Some(self.phase);
        self.phase = phase;
        self.phase_since = now;
    }

    /// Whether it is there, or was a moment ago.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.phase.is_attached()
    }

    /// Its id and where it is.
    pub(crate) fn slot(&self) -> Slot {
        Slot { id: self.id.clone(), base_url: Arc::clone(&self.base_url) }
    }

    /// Whether it is heard now.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.phase.is_attached() && self.phase != Phase::Suspect
    }

    /// Whether it is there and not taken for dead: requests are to know of it, in whatever phase.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.is_attached() && !self.vacated
    }

    /// Whether it serves, may well serve though it is not heard, or is on its way to.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.kind == Kind::Relay
            && self.desired == Phase::Serving
            && !self.orphan
            && !self.vacated
            && !matches!(self.phase, Phase::Lost | Phase::Failed | Phase::Retired)
    }

    /// Whether the fleet's budget pays for it: a relay from the wish for it until it is gone or taken for dead, whether it serves, drains
    /// or is not heard. A dead one must not stand in the way of the one that takes its place; should it live after all, it is taken as it
    /// is when it comes back. One that an operator started costs the fleet nothing while it only stands by.
    #[must_use]
    pub fn is_paid_for(&self) -> bool {
        let idle = !self.launched
            && self.desired == Phase::Standby
            && matches!(self.phase, Phase::Standby | Phase::Suspect);
        let exists = self.is_there() || matches!(self.phase, Phase::Requested | Phase::Starting);
        self.kind == Kind::Relay && exists && !idle
    }

    /// Since when it has been silent.
    pub(crate) fn silent_for(&self, now: Time) -> Duration {
        self.attachment.map_or(Duration::ZERO, |attachment| now.since(attachment.heard))
    }

    /// Viewers that it takes now: fewer than its capacity where its uplink does not carry so many.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.room.map_or(self.capacity, |room| room.min(self.capacity))
    }

    /// Viewers of a region that it should have.
    #[must_use]
    pub fn target_of(&self, region: &Region) -> u32 {
        self.target.get(region).copied().unwrap_or(0)
    }

    /// Viewers that it should have, of all regions.
    #[must_use]
    pub fn target_total(&self) -> u32 {
        self.target.values().sum()
    }

    /// The longest segment of its streams.
    pub(crate) fn target_duration(&self) -> Duration {
        self.streams.iter().map(|stream| stream.target_duration).max().unwrap_or_default()
    }
}

/// The phase in which a server attaches.
fn attached_phase(hello: &Hello) -> Phase {
    match hello.kind {
        Kind::Primary => Phase::Serving,
        Kind::Relay => said_phase(hello.phase).unwrap_or(Phase::Standby),
    }
}

/// A phase that a relay can say it is in: the others are for the manager to know.
fn said_phase(phase: Phase) -> Option<Phase> {
    matches!(phase, Phase::Standby | Phase::Warming | Phase::Serving | Phase::Draining).then_some(phase)
}
