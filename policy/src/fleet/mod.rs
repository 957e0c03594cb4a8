//! The fleet controller: takes in what happened, says what to do. Sans-IO: whoever owns a [`Fleet`] feeds it observations,
//! carries out its commands and calls again at its deadline.
//!
//! ```text
//! observe(observation, now)   facts change, then one step: liveness → phases → demand → scaling → drains → targets →
//!                             directives → picture
//! next_command()              what has to be done, in order
//! deadline()                  when to come again if nothing else happens
//! routing()                   what requests are answered from until the next step
//! ```
//!
//! First start: until the first-start window has passed and the primary has reported, nothing is launched or drained, and
//! servers that attach are taken as they are. Recovery: servers that attach again resume; what the provisioner has and never
//! attaches is ended. The same history gives the same commands.

pub(crate) mod address;
mod adrift;
mod attach;
mod command;
mod directing;
mod directive;
mod draining;
mod growth;
mod liveness;
mod observation;
mod operator;
mod picture;
mod refusal;
mod region;
mod regions;
mod reporting;
mod server;
mod sharing;
mod slots;
mod timers;
mod viewers;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

pub use command::{Command, LaunchSpec};
pub use directive::{Content, Directive};
pub use observation::{Count, Hello, Inventory, Observation, Offer, Report, RungCap, StreamState};
pub use refusal::Refusal;
pub use region::RegionState;
pub use server::Server;
pub use viewers::Viewers;

use crate::{
    Phase, Region, ServerId, StreamName, Time,
    decision::{Action, Decision, Journal, Reason},
    routing::{Kind, Routing},
    settings::Settings,
    target::Pace,
};
use liveness::Freeze;
use slots::Slots;

/// The fleet and what is decided about it.
#[derive(Debug)]
pub struct Fleet {
    settings: Settings,
    now: Time,
    started: Time,
    settled: bool,
    servers: BTreeMap<ServerId, Server>,
    regions: BTreeMap<Region, RegionState>,
    slots: Slots,
    freeze: Option<Freeze>,
    /// Whether the last step launched a relay, or had one serve that was not paid for before.
    added: bool,
    pace: Pace,
    generation: u64,
    journal: Journal,
    commands: VecDeque<Command>,
    routing: Arc<Routing>,
}

impl Fleet {
    /// A fleet of which nothing is known yet.
    #[must_use]
    pub fn new(settings: Settings, now: Time) -> Self {
        let mut fleet = Self {
            now,
            started: now,
            settled: false,
            servers: BTreeMap::new(),
            regions: BTreeMap::new(),
            slots: Slots::default(),
            freeze: None,
            added: false,
            pace: Pace::default(),
            generation: settings.first_generation,
            journal: Journal::new(settings.decisions_kept),
            commands: VecDeque::new(),
            routing: Arc::default(),
            settings,
        };
        let regions = fleet.settings.regions.keys().cloned().chain([Region::fallback()]);
        fleet.regions = regions.map(|region| (region, RegionState::default())).collect();
        fleet.step(now);
        fleet
    }

    /// Takes in what happened, and decides what follows.
    ///
    /// # Errors
    /// When a server may not attach or an operator's word cannot be followed. Nothing else is ever refused.
    pub fn observe(&mut self, observation: Observation, now: Time) -> Result<(), Refusal> {
        let before = self.now;
        self.now = self.now.max(now);
        let taken = self.take_in(observation);
        self.step(before);
        taken
    }

    /// What has to be done next; nothing when all is said.
    pub fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// What requests are answered from.
    #[must_use]
    pub fn routing(&self) -> Arc<Routing> {
        Arc::clone(&self.routing)
    }

    /// The settings that it decides by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its members, by id: those asked for, attached, suspected, and those remembered for a while.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.values()
    }

    /// One member.
    #[must_use]
    pub fn server(&self, id: &ServerId) -> Option<&Server> {
        self.servers.get(id)
    }

    /// Its regions: those configured, and those that viewers or relays were seen in.
    pub fn regions(&self) -> impl Iterator<Item = (&Region, &RegionState)> {
        self.regions.iter()
    }

    /// The newest decisions, the oldest first.
    pub fn decisions(&self) -> impl DoubleEndedIterator<Item = &Decision> {
        self.journal.iter()
    }

    /// Whether the first-start window has passed and the primary has reported.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Why it holds still, where it does.
    #[must_use]
    pub fn frozen(&self) -> Option<&Reason> {
        self.freeze.as_ref().filter(|freeze| freeze.holds).map(|freeze| &freeze.reason)
    }

    /// The primary, where one was ever seen.
    #[must_use]
    pub fn primary(&self) -> Option<&Server> {
        self.servers.values().find(|server| server.kind == Kind::Primary)
    }

    /// Relays that the budget pays for now.
    pub(crate) fn paid_relays(&self) -> usize {
        self.servers.values().filter(|server| server.is_paid_for()).count()
    }

    /// Whether the last step added to them. Servers that attach may be more than the budget: they are taken as they are.
    pub(crate) fn has_added(&self) -> bool {
        self.added
    }

    /// The primary's streams.
    #[must_use]
    pub fn streams(&self) -> &[StreamState] {
        self.primary().map_or(&[], |primary| &primary.streams)
    }

    /// The moment of the newest observation.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    fn take_in(&mut self, observation: Observation) -> Result<(), Refusal> {
        match observation {
            Observation::Attached(hello) => return self.attach(hello),
            Observation::Drain { server } => return self.hold(&server),
            Observation::Resume { server } => return self.resume(&server),
            Observation::Reported { server, attachment, report } => self.hear(&server, attachment, &report),
            Observation::Goodbye { server, attachment } => self.bid_farewell(&server, attachment),
            Observation::Disconnected { server, attachment } => self.lose_stream(&server, attachment),
            Observation::LaunchStarted { server } => self.launch_started(&server),
            Observation::LaunchFailed { server, error } => {
                self.launch_failed(&server, Reason::LaunchFailed(error));
            }
            Observation::Listed(inventory) => self.list(inventory),
            Observation::Exited { server } => self.see_exit(&server),
            Observation::Tick => {}
        }
        Ok(())
    }

    fn step(&mut self, before: Time) {
        self.added = false;
        self.follow_liveness();
        self.follow_phases();
        self.settle();
        self.follow_demand();
        if self.may_act() {
            self.shrink();
            self.grow();
        }
        self.follow_drains();
        self.share(before);
        self.direct();
        self.draw_picture();
    }

    /// Begins to act once counts can be relied upon.
    fn settle(&mut self) {
        if self.settled
            || self.now.since(self.started) < self.settings.first_start_window
            || !self.primary_counts()
        {
            return;
        }
        self.settled = true;
        self.decide(Action::Settle, Reason::CountsFresh, None, None);
    }

    /// Whether launching and draining make sense now.
    fn may_act(&self) -> bool {
        self.settled && self.frozen().is_none() && self.primary_counts()
    }

    fn primary_counts(&self) -> bool {
        self.primary().is_some_and(|primary| {
            primary.phase == Phase::Serving
                && primary.attachment.is_some_and(|attachment| attachment.reported)
        })
    }

    fn stream_names(&self) -> Vec<StreamName> {
        self.streams().iter().map(|stream| stream.name.clone()).collect()
    }

    fn decide(&mut self, action: Action, reason: Reason, server: Option<&ServerId>, region: Option<&Region>) {
        let decision = self.journal.write(self.now, action, reason, server, region);
        self.commands.push_back(Command::Record(decision));
    }

    fn decide_about(&mut self, id: &ServerId, action: Action, reason: Reason) {
        let region = self.servers.get(id).map(|server| server.region.clone());
        self.decide(action, reason, Some(id), region.as_ref());
    }

    /// Has a server enter a phase.
    fn enter(&mut self, id: &ServerId, phase: Phase) {
        if let Some(server) = self.servers.get_mut(id) {
            server.enter(phase, self.now);
        }
    }
}
