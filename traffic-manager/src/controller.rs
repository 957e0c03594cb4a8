//! The one task that owns the fleet: it takes observations in, has `policy` decide, carries out the commands and hangs the
//! new picture. It never waits for the network: whoever does is told through a bounded channel, and what became of it is
//! observed.

mod seat;
mod survey;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use policy::{
    Command, Decision, Fleet, Observation, ServerId,
    fleet::{Hello, Refusal, Report},
    routing::{Kind, Routing},
};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    seat::{Place, Seat},
    survey::Survey,
};
use crate::{
    catalogue::{self, Catalogue, Description},
    clock::Clock,
    metrics,
    picture::{Gallery, Picture},
    provisioner::Order,
};

/// How often gauges are set and waiting viewers woken: as often as anybody reads a gauge or needs to move.
const BEAT: Duration = Duration::from_secs(1);

/// What the controller is told or asked.
#[derive(Debug)]
pub(crate) enum Message {
    /// A server wants to attach.
    Attach {
        hello: Hello,
        streams: Vec<Description>,
        seat: Seat,
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    /// A server reports.
    Report { server: ServerId, attachment: u64, report: Report, streams: Vec<Description> },
    /// Something else happened.
    Observed(Observation),
    /// An operator orders something.
    Order { observation: Observation, answer: oneshot::Sender<Result<(), Refusal>> },
    /// Somebody wants to know how the fleet stands.
    Survey(oneshot::Sender<Survey>),
}

/// The way to the controller.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    mailbox: mpsc::Sender<Message>,
    decisions: broadcast::Sender<Decision>,
}

/// The controller has ended: so does the program.
#[derive(Debug, thiserror::Error)]
#[error("the traffic manager is stopping")]
pub(crate) struct Stopped;

impl Handle {
    /// Says something; waits while the controller has more to read than its queue holds.
    pub(crate) async fn tell(&self, message: Message) -> Result<(), Stopped> {
        self.mailbox.send(message).await.map_err(|_| Stopped)
    }

    /// Says something that has an answer.
    pub(crate) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.tell(question(answer)).await?;
        answered.await.map_err(|_| Stopped)
    }

    /// Decisions from now on.
    pub(crate) fn decisions(&self) -> broadcast::Receiver<Decision> {
        self.decisions.subscribe()
    }
}

/// The owner of the fleet.
#[derive(Debug)]
pub(crate) struct Controller {
    fleet: Fleet,
    clock: Clock,
    catalogue: Arc<Catalogue>,
    seats: BTreeMap<ServerId, Seat>,
    mailbox: mpsc::Receiver<Message>,
    decisions: broadcast::Sender<Decision>,
    orders: mpsc::Sender<Order>,
    gallery: Arc<Gallery>,
    shown: Arc<Routing>,
}

/// What the controller's queues hold at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queues {
    /// Messages that it has not read; 0 is taken for 1.
    pub(crate) messages: usize,
    /// Decisions that a follower may be behind.
    pub(crate) decisions: usize,
}

impl Controller {
    /// The owner of `fleet`, which gives its orders to a provisioner through `orders`.
    pub(crate) fn new(
        fleet: Fleet,
        clock: Clock,
        gallery: Arc<Gallery>,
        orders: mpsc::Sender<Order>,
        queues: Queues,
    ) -> (Self, Handle) {
        let (sender, mailbox) = mpsc::channel(queues.messages.max(1));
        let (decisions, _) = broadcast::channel(queues.decisions);
        let handle = Handle { mailbox: sender, decisions: decisions.clone() };
        let shown = Arc::default();
        let (catalogue, seats) = (Arc::default(), BTreeMap::new());
        (Self { fleet, clock, catalogue, seats, mailbox, decisions, orders, gallery, shown }, handle)
    }

    /// Runs until the program is to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.carry_out();
            self.show();
            let wake = self.fleet.deadline().map(|deadline| self.clock.instant_of(deadline));
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                message = self.mailbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => return Ok(()),
                },
                () = sleep(wake) => self.observe(Observation::Tick),
                _ = beats.tick() => self.beat(),
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Attach { hello, streams, seat, answer } => {
                let _gone_meanwhile = answer.send(self.attach(hello, &streams, seat));
            }
            Message::Report { server, attachment, report, streams } => {
                if self.seats.get(&server).is_some_and(|seat| seat.attachment() == attachment) {
                    self.describe(&server, &streams);
                }
                self.observe(Observation::Reported { server, attachment, report });
            }
            Message::Observed(observation) => {
                self.vacate(&observation);
                self.observe(observation);
            }
            Message::Order { observation, answer } => {
                let done = self.fleet.observe(observation, self.clock.now());
                self.carry_out();
                self.show();
                let _gone_meanwhile = answer.send(done);
            }
            Message::Survey(answer) => {
                let _gone_meanwhile = answer.send(self.survey());
            }
        }
    }

    fn attach(&mut self, hello: Hello, streams: &[Description], seat: Seat) -> Result<(), Refusal> {
        let id = hello.id.clone();
        self.fleet.observe(Observation::Attached(hello), self.clock.now())?;
        self.seats.insert(id.clone(), seat);
        self.describe(&id, streams);
        Ok(())
    }

    /// Only the primary says what the streams look like.
    fn describe(&mut self, server: &ServerId, streams: &[Description]) {
        if self.fleet.server(server).is_none_or(|server| server.kind != Kind::Primary) {
            return;
        }
        if let Some(catalogue) = catalogue::renewed(&self.catalogue, streams) {
            self.catalogue = Arc::new(catalogue);
            self.hang();
        }
    }

    fn vacate(&mut self, observation: &Observation) {
        let (Observation::Goodbye { server, attachment } | Observation::Disconnected { server, attachment }) =
            observation
        else {
            return;
        };
        if self.seats.get(server).is_some_and(|seat| seat.attachment() == *attachment) {
            self.seats.remove(server);
        }
    }

    fn observe(&mut self, observation: Observation) {
        if let Err(refusal) = self.fleet.observe(observation, self.clock.now()) {
            tracing::warn!(%refusal, "an observation was not taken");
        }
    }

    fn carry_out(&mut self) {
        while let Some(command) = self.fleet.next_command() {
            match command {
                Command::Launch(spec) => {
                    let id = spec.id.clone();
                    if self.orders.try_send(Order::Launch(spec)).is_err() {
                        let error = "more launches are under way than max_orders allows".to_owned();
                        self.observe(Observation::LaunchFailed { server: id, error });
                    }
                }
                Command::Terminate { server } => {
                    if self.orders.try_send(Order::Terminate(server.clone())).is_err() {
                        tracing::error!(%server, "cannot end a relay: the provisioner's queue is full");
                    }
                }
                Command::Direct { server, attachment, directive } => {
                    if let Some(seat) = self.seat(&server, attachment) {
                        seat.direct(directive);
                    }
                }
                Command::Forward { server, attachment, sessions } => {
                    if self.seat(&server, attachment).is_some_and(|seat| !seat.forward(sessions)) {
                        metrics::forward_dropped();
                    }
                }
                // Its task sees the seat go, and ends the stream.
                Command::Close { server, attachment } => {
                    if self.seat(&server, attachment).is_some() {
                        self.seats.remove(&server);
                    }
                }
                Command::Record(decision) => self.record(decision),
            }
        }
    }

    fn seat(&self, server: &ServerId, attachment: u64) -> Option<&Seat> {
        self.seats.get(server).filter(|seat| seat.attachment() == attachment)
    }

    fn record(&self, decision: Decision) {
        metrics::decided(&decision);
        tracing::info!(
            decision = decision.action.as_str(),
            reason = decision.reason.as_str(),
            server = decision.server.as_ref().map(ServerId::as_str),
            region = decision.region.as_ref().map(policy::Region::as_str),
            explanation = %decision.reason,
            "decided"
        );
        let _nobody_follows = self.decisions.send(decision);
    }

    fn show(&mut self) {
        let routing = self.fleet.routing();
        if !Arc::ptr_eq(&routing, &self.shown) {
            self.shown = routing;
            self.hang();
        }
    }

    fn hang(&self) {
        let (routing, catalogue) = (Arc::clone(&self.shown), Arc::clone(&self.catalogue));
        self.gallery.hang(Picture { routing, catalogue });
    }

    fn beat(&self) {
        metrics::fleet(&self.fleet);
        metrics::controller_queue(self.mailbox.len());
        self.gallery.beat();
    }

    fn survey(&self) -> Survey {
        Survey::of(&self.fleet, &self.catalogue, self.clock)
    }
}

/// Sleeps until `wake`, or for ever where nothing follows from time alone.
async fn sleep(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
