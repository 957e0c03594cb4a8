//! `Operator`: how the fleet stands, what was decided, and an operator's orders. The same messages are `/api/v1`'s JSON.

use std::{collections::BTreeMap, sync::Arc};

use policy::{
    Decision, Observation, Region, ServerId,
    fleet::{Refusal, RegionState, RungCap, Server},
    routing::Kind,
};
use proto::{
    convert,
    v1::{
        self, DecisionsRequest, DrainRequest, DrainResponse, RegionsRequest, RegionsResponse, ResumeRequest,
        ResumeResponse, ServersRequest, ServersResponse, StatusRequest, StatusResponse,
        operator_server::Operator,
    },
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::words;
use crate::{
    clock::{Clock, millis},
    controller::{Handle, Message, Stopped, Survey},
    metrics::Open,
};

/// Decisions on their way to a follower, beyond those that the controller keeps for it.
const OUTBOX: usize = 16;

/// The service.
#[derive(Debug, Clone)]
pub(crate) struct OperatorService {
    controller: Handle,
    clock: Clock,
    primary_url: Arc<str>,
    followers: Arc<Semaphore>,
    stop: CancellationToken,
}

impl OperatorService {
    /// A service that asks `controller`; `primary_url` is where the manager was told to find its primary, and at most
    /// `max_followers` operators follow decisions at once.
    pub(crate) fn new(
        controller: Handle,
        clock: Clock,
        primary_url: Arc<str>,
        max_followers: usize,
        stop: CancellationToken,
    ) -> Self {
        let followers = Arc::new(Semaphore::new(max_followers.min(Semaphore::MAX_PERMITS)));
        Self { controller, clock, primary_url, followers, stop }
    }

    async fn survey(&self) -> Result<Survey, Stopped> {
        self.controller.ask(Message::Survey).await
    }

    /// All of it.
    pub(crate) async fn status(&self) -> Result<StatusResponse, Stopped> {
        let survey = self.survey().await?;
        let (servers, regions) = (servers(&survey), regions(&survey));
        let attached = |server: &&Server| server.kind == Kind::Relay && server.is_attached();
        Ok(StatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settled: survey.settled,
            generation: survey.generation,
            uptime_ms: millis(survey.uptime),
            viewers: regions.iter().map(|region| region.viewers).fold(0, u32::saturating_add),
            relays: u32::try_from(survey.servers.iter().filter(attached).count()).unwrap_or(u32::MAX),
            streams: words::streams(&survey.catalogue),
            regions,
            servers,
            primary_url: primary_url(&survey, &self.primary_url),
            frozen: survey.frozen.unwrap_or_default(),
        })
    }

    /// Its members.
    pub(crate) async fn servers(&self) -> Result<ServersResponse, Stopped> {
        Ok(ServersResponse { servers: servers(&self.survey().await?) })
    }

    /// Its regions.
    pub(crate) async fn regions(&self) -> Result<RegionsResponse, Stopped> {
        Ok(RegionsResponse { regions: regions(&self.survey().await?) })
    }

    /// The newest decisions, the oldest first; `newest` of 0 is all that are kept.
    pub(crate) async fn kept_decisions(&self, newest: usize) -> Result<Vec<v1::Decision>, Stopped> {
        let kept = self.survey().await?.decisions;
        let skipped = if newest == 0 { 0 } else { kept.len().saturating_sub(newest) };
        Ok(kept.iter().skip(skipped).map(|decision| self.decision(decision)).collect())
    }

    fn decision(&self, decision: &Decision) -> v1::Decision {
        let unix_ms = i64::try_from(self.clock.unix_ms_of(decision.at)).unwrap_or(i64::MAX);
        convert::fleet::decision(decision, unix_ms)
    }

    async fn order(
        &self,
        server: &str,
        order: impl FnOnce(ServerId) -> Observation,
    ) -> Result<v1::ServerStatus, Status> {
        let id: ServerId = server
            .parse()
            .map_err(|error: policy::InvalidName| Status::invalid_argument(error.to_string()))?;
        let observation = order(id.clone());
        let done = self.controller.ask(|answer| Message::Order { observation, answer }).await?;
        done.map_err(|refusal| match refusal {
            Refusal::UnknownServer(_) => Status::not_found(refusal.to_string()),
            _ => Status::failed_precondition(refusal.to_string()),
        })?;
        let survey = self.survey().await?;
        let found = survey.servers.iter().find(|server| server.id == id);
        found.map(|server| status(server, &survey)).ok_or_else(|| Status::not_found("it has just left"))
    }

    fn follower(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.followers).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(
                "too many operators follow decisions: list them now and then, without following",
            )
        })
    }

    async fn follow(self, mut news: broadcast::Receiver<Decision>, told: u64, outbox: Outbox) {
        loop {
            let decision = tokio::select! {
                () = self.stop.cancelled() => return,
                () = outbox.closed() => return,
                decision = news.recv() => decision,
            };
            let answer = match decision {
                Ok(decision) if decision.sequence <= told => continue,
                Ok(decision) => Ok(self.decision(&decision)),
                Err(broadcast::error::RecvError::Lagged(missed)) => Err(Status::data_loss(format!(
                    "read faster: {missed} decisions were missed; follow again"
                ))),
                Err(broadcast::error::RecvError::Closed) => return,
            };
            let last = answer.is_err();
            if outbox.send(answer).await.is_err() || last {
                return;
            }
        }
    }
}

type Outbox = mpsc::Sender<Result<v1::Decision, Status>>;

#[tonic::async_trait]
impl Operator for OperatorService {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Ok(Response::new(self.status().await?))
    }

    async fn servers(&self, _: Request<ServersRequest>) -> Result<Response<ServersResponse>, Status> {
        Ok(Response::new(self.servers().await?))
    }

    async fn regions(&self, _: Request<RegionsRequest>) -> Result<Response<RegionsResponse>, Status> {
        Ok(Response::new(self.regions().await?))
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Result<Response<DrainResponse>, Status> {
        let server = self.order(&request.get_ref().server, |server| Observation::Drain { server }).await?;
        Ok(Response::new(DrainResponse { server: Some(server) }))
    }

    async fn resume(&self, request: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        let server = self.order(&request.get_ref().server, |server| Observation::Resume { server }).await?;
        Ok(Response::new(ResumeResponse { server: Some(server) }))
    }

    type DecisionsStream = ReceiverStream<Result<v1::Decision, Status>>;

    async fn decisions(
        &self,
        request: Request<DecisionsRequest>,
    ) -> Result<Response<Self::DecisionsStream>, Status> {
        let request = request.into_inner();
        let place = if request.follow { Some(self.follower()?) } else { None };
        // Subscribed before the kept ones are read, so that none falls between.
        let news = self.controller.decisions();
        let kept = self.kept_decisions(request.newest as usize).await?;
        let told = kept.last().map_or(0, |decision| decision.sequence);
        let (outbox, outgoing) = mpsc::channel(kept.len() + OUTBOX);
        for decision in kept {
            let _room_for_all_kept = outbox.try_send(Ok(decision));
        }
        if let Some(place) = place {
            let follows = self.clone().follow(news, told, outbox);
            tokio::spawn(async move {
                let _open = Open::follower();
                follows.await;
                drop(place);
            });
        }
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

fn primary_url(survey: &Survey, configured: &str) -> String {
    let attached = survey.servers.iter().find(|server| server.kind == Kind::Primary);
    attached.map_or_else(|| configured.to_owned(), |primary| primary.base_url.to_string())
}

fn servers(survey: &Survey) -> Vec<v1::ServerStatus> {
    let mut servers: Vec<&Server> = survey.servers.iter().collect();
    servers.sort_by_key(|server| server.kind == Kind::Relay);
    servers.into_iter().map(|server| status(server, survey)).collect()
}

fn status(server: &Server, survey: &Survey) -> v1::ServerStatus {
    v1::ServerStatus {
        id: server.id.to_string(),
        kind: v1::ServerKind::from(server.kind).into(),
        region: server.region.to_string(),
        base_url: server.base_url.to_string(),
        phase: v1::Phase::from(server.phase).into(),
        viewers: server.viewers.total(),
        target: server.target_total(),
        pending: server.counters.pending_total(survey.now),
        capacity: server.capacity,
        egress_bits_per_second: server.egress_bits_per_second,
        generation: server.directive.as_ref().map_or(0, |directive| directive.generation),
        applied_generation: server.applied_generation,
        phase_ms: millis(survey.now.since(server.phase_since)),
        launched: server.launched,
        version: server.version.clone(),
        metrics_address: server.metrics_address.clone(),
        upstream_healthy: server.upstream_healthy,
        held: server.held,
        rung_caps: server.rung_caps.iter().map(rung_cap).collect(),
        room: server.room(),
        uplink_bits_per_second: server.uplink_bits_per_second,
    }
}

fn rung_cap(cap: &RungCap) -> v1::RungCap {
    v1::RungCap { stream: cap.stream.to_string(), rung: cap.rung, rendition: cap.rendition.clone() }
}

fn regions(survey: &Survey) -> Vec<v1::RegionStatus> {
    let mut relays: BTreeMap<&Region, u32> = BTreeMap::new();
    for server in survey.servers.iter().filter(|server| server.kind == Kind::Relay && server.is_attached()) {
        *relays.entry(&server.region).or_default() += 1;
    }
    let region = |(name, state): &(Region, RegionState)| v1::RegionStatus {
        name: name.to_string(),
        viewers: state.demand.high,
        threshold: state.threshold,
        over: state.is_over(),
        relays_wanted: state.wanted(),
        relays: relays.get(name).copied().unwrap_or_default(),
        explanation: state.explanation(),
    };
    survey.regions.iter().map(region).collect()
}
