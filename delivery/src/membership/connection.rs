//! One connection to a manager, from Hello to its end.

use std::time::Duration;

use proto::v1::{
    AttachRequest, AttachResponse, Directive, attach_response::Message, fleet_client::FleetClient,
};
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming, transport::Channel};

use super::{Config, Identity, Refused, Witness, wire};
use crate::situation::Board;

/// Messages on their way out. More than a few mean that the manager does not read, and then newer ones say it better.
const OUTBOX: usize = 4;

/// How a connection ended.
pub(super) struct Ending {
    /// Whether a directive had come: the manager had taken this server in.
    pub(super) was_attached: bool,
    pub(super) why: Why,
}

/// Why a connection ended.
pub(super) enum Why {
    /// The server left.
    Left,
    /// The manager does not want it.
    Refused(Refused),
    /// Nobody answered, or the connection broke.
    Lost(String),
}

impl From<Status> for Why {
    fn from(status: Status) -> Self {
        Refused::of(&status).map_or_else(|| Self::Lost(status.message().to_owned()), Self::Refused)
    }
}

/// One connection.
pub(super) struct Connection<'a, W> {
    pub(super) manager: &'a str,
    pub(super) channel: Channel,
    pub(super) identity: &'a Identity,
    pub(super) board: &'a Board,
    pub(super) witness: &'a W,
    pub(super) config: &'a Config,
    pub(super) incarnation: u64,
    pub(super) farewell: &'a str,
}

/// What a connection has once the manager has answered.
struct Attached {
    outbox: mpsc::Sender<AttachRequest>,
    inbox: Streaming<AttachResponse>,
    /// Of the newest directive that was followed on this connection.
    generation: u64,
    ticks: Interval,
}

impl<W: Witness> Connection<'_, W> {
    pub(super) async fn run(self, leave: &CancellationToken) -> Ending {
        let attached = tokio::select! {
            () = leave.cancelled() => Err(Why::Left),
            attached = timeout(self.config.answer_timeout, self.attach()) => {
                attached.unwrap_or_else(|_| Err(Why::Lost("it took the connection but does not answer".to_owned())))
            }
        };
        match attached {
            Err(why) => Ending { was_attached: false, why },
            Ok(attached) => Ending { was_attached: true, why: self.stay(attached, leave).await },
        }
    }

    /// Says Hello and waits for the first directive.
    async fn attach(&self) -> Result<Attached, Why> {
        let (outbox, requests) = mpsc::channel(OUTBOX);
        let phase = self.board.now().phase;
        let hello = wire::hello(self.identity, self.incarnation, phase, self.witness.streams());
        let _room_for_the_first = outbox.try_send(hello);
        let mut client = FleetClient::new(self.channel.clone());
        let mut inbox = client.attach(ReceiverStream::new(requests)).await?.into_inner();
        loop {
            let Some(message) = inbox.message().await? else {
                return Err(Why::Lost("it closed the connection before its first directive".to_owned()));
            };
            let Some(Message::Directive(directive)) = message.message else { continue };
            let generation = directive.generation;
            if self.follow(directive) {
                tracing::info!(manager = self.manager, id = %self.identity.id, generation, "attached");
                let ticks = report_ticks(self.board.now().report_interval);
                return Ok(Attached { outbox, inbox, generation, ticks });
            }
        }
    }

    async fn stay(&self, mut attached: Attached, leave: &CancellationToken) -> Why {
        let mut changes = self.board.changes();
        loop {
            tokio::select! {
                () = leave.cancelled() => return self.depart(attached).await,
                message = attached.inbox.message() => match message {
                    Ok(Some(message)) => self.hear(&mut attached, message),
                    Ok(None) => return Why::Lost("it ended the connection".to_owned()),
                    Err(status) => return status.into(),
                },
                _ = attached.ticks.tick() => self.report(&attached),
                () = self.witness.moves() => self.report(&attached),
                // The board outlives this borrow of it, so the watch cannot be closed.
                _ = changes.changed() => self.report(&attached),
            }
        }
    }

    fn hear(&self, attached: &mut Attached, message: AttachResponse) {
        match message.message {
            Some(Message::Directive(directive)) if directive.generation > attached.generation => {
                let generation = directive.generation;
                if self.follow(directive) {
                    attached.generation = generation;
                    self.pace(attached);
                }
            }
            Some(Message::Directive(old)) => {
                tracing::debug!(generation = old.generation, "a directive came late or twice");
            }
            Some(Message::Moved(moved)) => self.witness.moved(&wire::sessions(moved)),
            None => tracing::debug!("the manager said something that this version does not know"),
        }
    }

    /// Puts a directive on the board; false when it makes no sense.
    fn follow(&self, directive: Directive) -> bool {
        match wire::situation(directive, &self.board.now()) {
            Ok(told) => {
                self.board.change(|situation| {
                    let phase = situation.phase;
                    *situation = told.clone();
                    situation.phase = phase;
                });
                true
            }
            Err(error) => {
                tracing::error!(manager = self.manager, %error, "cannot follow a directive");
                false
            }
        }
    }

    /// Takes over the report interval that the board shows.
    fn pace(&self, attached: &mut Attached) {
        let wanted = self.board.now().report_interval;
        if attached.ticks.period() != wanted {
            attached.ticks = report_ticks(wanted);
        }
    }

    /// Reports, unless the manager does not read: then this report would only be older when it is read.
    fn report(&self, attached: &Attached) {
        let Ok(place) = attached.outbox.try_reserve() else {
            tracing::warn!(manager = self.manager, "the manager does not read reports");
            return;
        };
        place.send(wire::report(&self.board.now(), self.witness.account(), self.witness.streams()));
    }

    /// Says Goodbye and waits until the manager has closed, so that it was heard.
    async fn depart(&self, attached: Attached) -> Why {
        let Attached { outbox, mut inbox, .. } = attached;
        let heard = async {
            let _gone_already = outbox.send(wire::goodbye(self.farewell)).await;
            drop(outbox);
            while let Ok(Some(_)) = inbox.message().await {}
        };
        if timeout(self.config.goodbye_timeout, heard).await.is_err() {
            tracing::warn!(manager = self.manager, "left without an answer to the Goodbye");
        }
        Why::Left
    }
}

fn report_ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
