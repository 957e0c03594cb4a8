//! `Fleet.Attach`: one task a server, between its stream and the controller. It waits for the network so that the controller
//! never does, and knows nothing of what is said.

use std::sync::atomic::{AtomicU64, Ordering};

use policy::{Observation, ServerId, fleet::Refusal};
use proto::{
    convert,
    v1::{
        self, AttachRequest, AttachResponse, attach_request, attach_response::Message as Answer,
        fleet_server::Fleet,
    },
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Services, words};
use crate::controller::{Message, Place, Seat};

/// Messages on their way to a server. More than a few mean that it does not read.
const OUTBOX: usize = 4;

/// The service.
#[derive(Debug)]
pub(super) struct FleetService {
    services: Services,
    attachments: AtomicU64,
}

impl FleetService {
    pub(super) fn new(services: Services) -> Self {
        Self { services, attachments: AtomicU64::new(1) }
    }

    /// Reads the first message and has the controller decide.
    async fn admit(&self, inbox: &mut Streaming<AttachRequest>) -> Result<(ServerId, u64, Place), Status> {
        let first = timeout(self.services.limits.patience, inbox.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("say Hello first"))??;
        let Some(attach_request::Message::Hello(hello)) = first.and_then(|first| first.message) else {
            return Err(Status::invalid_argument("the first message of a server is a Hello"));
        };
        self.check_secret(&hello)?;
        let streams = words::descriptions(&hello.streams).map_err(|error| invalid(&error))?;
        let attachment = self.attachments.fetch_add(1, Ordering::Relaxed);
        let hello = convert::fleet::hello(hello, attachment).map_err(|error| invalid(&error))?;
        let id = hello.id.clone();
        let (seat, place) = Seat::new(attachment);
        let attached =
            self.services.controller.ask(|answer| Message::Attach { hello, streams, seat, answer }).await?;
        attached.map_err(|refusal| refused(&refusal))?;
        Ok((id, attachment, place))
    }

    fn check_secret(&self, hello: &v1::Hello) -> Result<(), Status> {
        match &self.services.join_secret {
            Some(secret) if !same(secret.reveal().as_bytes(), hello.join_secret.as_bytes()) => {
                tracing::warn!(server = hello.id, "a server showed a wrong join secret");
                Err(Status::unauthenticated("the join secret is not this manager's"))
            }
            _ => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl Fleet for FleetService {
    type AttachStream = ReceiverStream<Result<AttachResponse, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let mut inbox = request.into_inner();
        let (id, attachment, place) = self.admit(&mut inbox).await?;
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        let (turns, services) = (self.services.keyring.turns(), self.services.clone());
        let member = Member { id, attachment, inbox, outbox, place, turns, services };
        tokio::spawn(member.run());
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

/// One server's stream.
struct Member {
    id: ServerId,
    attachment: u64,
    inbox: Streaming<AttachRequest>,
    outbox: mpsc::Sender<Result<AttachResponse, Status>>,
    place: Place,
    turns: watch::Receiver<u64>,
    services: Services,
}

/// That a stream has ended, and whether the server took its leave.
enum End {
    Goodbye,
    Broken,
}

impl Member {
    async fn run(mut self) {
        let end = loop {
            if let Err(end) = self.turn().await {
                break end;
            }
        };
        if self.services.stop.is_cancelled() {
            // The manager leaves, not the server.
            return;
        }
        let (server, attachment) = (self.id, self.attachment);
        let observation = match end {
            End::Goodbye => Observation::Goodbye { server, attachment },
            End::Broken => Observation::Disconnected { server, attachment },
        };
        let _manager_stops = self.services.controller.tell(Message::Observed(observation)).await;
    }

    /// Waits for one thing and passes it on.
    async fn turn(&mut self) -> Result<(), End> {
        tokio::select! {
            () = self.services.stop.cancelled() => Err(End::Broken),
            message = self.inbox.message() => match message {
                Ok(Some(message)) => self.hear(message).await,
                Ok(None) | Err(_) => Err(End::Broken),
            },
            changed = self.place.directive.changed() => {
                changed.map_err(|_| End::Broken)?;
                self.direct().await
            }
            changed = self.turns.changed() => {
                changed.map_err(|_| End::Broken)?;
                self.direct().await
            }
            Some(sessions) = self.place.moved.recv() => {
                self.say(Answer::Moved(convert::fleet::moved(&sessions))).await
            }
        }
    }

    async fn hear(&self, message: AttachRequest) -> Result<(), End> {
        match message.message {
            Some(attach_request::Message::Report(report)) => self.report(report).await,
            Some(attach_request::Message::Goodbye(goodbye)) => {
                tracing::debug!(server = %self.id, reason = goodbye.reason, "a server takes its leave");
                Err(End::Goodbye)
            }
            Some(attach_request::Message::Hello(_)) | None => Ok(()),
        }
    }

    /// What makes no sense is left out and said: the next report may be better, and the viewers are there all the same.
    async fn report(&self, mut message: v1::Report) -> Result<(), End> {
        message.applied_generation = message.applied_generation.saturating_sub(*self.turns.borrow());
        let read = convert::fleet::report(&message).map_err(|error| error.to_string()).and_then(|report| {
            let streams = words::descriptions(&message.streams).map_err(|error| error.to_string())?;
            Ok((report, streams))
        });
        let (report, streams) = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(server = %self.id, error, "a report makes no sense");
                return Ok(());
            }
        };
        let (server, attachment) = (self.id.clone(), self.attachment);
        let message = Message::Report { server, attachment, report, streams };
        self.services.controller.tell(message).await.map_err(|_| End::Broken)
    }

    /// Sends the newest directive with the keys of now. A change of keys makes it a new one, so their number counts in its
    /// generation.
    async fn direct(&mut self) -> Result<(), End> {
        let turns = *self.turns.borrow_and_update();
        let Some(directive) = self.place.directive.borrow_and_update().clone() else { return Ok(()) };
        let mut message = convert::fleet::directive(&directive, &self.services.keyring.now());
        message.generation += turns;
        self.say(Answer::Directive(message)).await
    }

    /// A server that does not read is cut off: it attaches again when it can.
    async fn say(&self, answer: Answer) -> Result<(), End> {
        let message = AttachResponse { message: Some(answer) };
        match timeout(self.services.limits.patience, self.outbox.send(Ok(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Broken),
            Err(_) => {
                tracing::warn!(server = %self.id, "a server does not read what it is told");
                Err(End::Broken)
            }
        }
    }
}

/// The one place where a server's refusal becomes a status.
fn refused(refusal: &Refusal) -> Status {
    let text = refusal.to_string();
    match refusal {
        Refusal::DuplicateId { .. } | Refusal::SecondPrimary { .. } => Status::already_exists(text),
        Refusal::OtherPort { .. }
        | Refusal::OtherPrimary { .. }
        | Refusal::OtherHost { .. }
        | Refusal::FleetFull { .. } => Status::failed_precondition(text),
        _ => Status::invalid_argument(text),
    }
}

fn invalid(error: &dyn std::error::Error) -> Status {
    Status::invalid_argument(error.to_string())
}

/// Compares without saying by its duration how far two secrets agree.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
