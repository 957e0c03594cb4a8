//! `Viewers`: where to play, once or for as long as a session lasts.

use std::sync::Arc;

use policy::{Class, ServerId};
use proto::v1::{
    self, LocateRequest, LocateResponse, WatchRequest, WatchResponse, viewers_server::Viewers as Service,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{Services, peer};
use crate::{
    metrics::Open,
    viewers::{Placed, Viewers, Wish},
};

/// Placements on their way to a viewer: the first, and a move.
const OUTBOX: usize = 2;

/// Servers that a viewer may ask to avoid: as many as can have failed it in a row.
const MOST_AVOIDED: usize = 16;

/// The service.
#[derive(Debug)]
pub(super) struct ViewersService {
    viewers: Arc<Viewers>,
    watchers: Arc<Semaphore>,
    patience: std::time::Duration,
    stop: CancellationToken,
}

impl ViewersService {
    pub(super) fn new(services: &Services, watchers: Semaphore) -> Self {
        Self {
            viewers: Arc::clone(&services.viewers),
            watchers: Arc::new(watchers),
            patience: services.limits.patience,
            stop: services.stop.clone(),
        }
    }
}

#[tonic::async_trait]
impl Service for ViewersService {
    type WatchStream = ReceiverStream<Result<WatchResponse, Status>>;

    async fn locate(&self, request: Request<LocateRequest>) -> Result<Response<LocateResponse>, Status> {
        let peer = peer(request.extensions());
        let request = request.into_inner();
        let class = Class::try_from(request.class()).unwrap_or(Class::Watches);
        let avoid = avoided(&request.avoid);
        let placed = self.viewers.locate(&Wish {
            stream: &request.stream,
            region: Some(&request.region),
            class,
            session: Some(request.session.as_str()).filter(|token| !token.is_empty()),
            avoid: &avoid,
            peer,
        })?;
        Ok(Response::new(LocateResponse { placement: Some(placement(&self.viewers, &placed)) }))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let place = Arc::clone(&self.watchers).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(
                "too many viewers watch for placements: ask Viewers.Locate now and then",
            )
        })?;
        let peer = peer(request.extensions());
        let request = request.into_inner();
        let placed = self.first(&request, peer)?;
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        let watcher = Watcher {
            viewers: Arc::clone(&self.viewers),
            placed,
            outbox,
            patience: self.patience,
            stop: self.stop.clone(),
            _open: Open::watcher(),
            _place: place,
        };
        tokio::spawn(watcher.run());
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

impl ViewersService {
    /// The first placement: where the viewer plays already, if that can stay so; else like any newcomer's.
    fn first(&self, request: &WatchRequest, peer: std::net::IpAddr) -> Result<Placed, Status> {
        let avoid = avoided(&request.avoid);
        let session = Some(request.session.as_str()).filter(|token| !token.is_empty());
        let wish = Wish {
            stream: &request.stream,
            region: Some(&request.region),
            class: Class::Watches,
            session,
            avoid: &avoid,
            peer,
        };
        let current: Option<ServerId> = request.current.parse().ok();
        let resumed = session.zip(current.filter(|current| !avoid.contains(current)));
        if let Some(placed) = resumed.and_then(|(token, current)| self.viewers.resume(token, &current)) {
            return Ok(placed);
        }
        Ok(self.viewers.locate(&wish)?)
    }
}

/// One session's stream of placements.
struct Watcher {
    viewers: Arc<Viewers>,
    placed: Placed,
    outbox: mpsc::Sender<Result<WatchResponse, Status>>,
    patience: std::time::Duration,
    stop: CancellationToken,
    _open: Open,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    async fn run(mut self) {
        let mut beats = self.viewers.gallery.beats();
        if !self.say().await {
            return;
        }
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.outbox.closed() => return,
                changed = beats.changed() => if changed.is_err() { return },
            }
            let step = self.viewers.step(&self.placed.session, &self.placed.placement.server);
            if !step.moved {
                continue;
            }
            // A server that went in this very moment is asked about again at the next beat.
            let Some(placed) = self.viewers.follow(&self.placed, &step) else { continue };
            self.placed = placed;
            if !self.say().await {
                return;
            }
        }
    }

    async fn say(&self) -> bool {
        let response = WatchResponse { placement: Some(placement(&self.viewers, &self.placed)) };
        matches!(timeout(self.patience, self.outbox.send(Ok(response))).await, Ok(Ok(())))
    }
}

/// Names that are none cannot be given anyway.
fn avoided(names: &[String]) -> Vec<ServerId> {
    names.iter().take(MOST_AVOIDED).filter_map(|name| name.parse().ok()).collect()
}

fn placement(viewers: &Viewers, placed: &Placed) -> v1::Placement {
    let Placed { session, token, placement, .. } = placed;
    v1::Placement {
        stream: session.stream.to_string(),
        server: placement.server.to_string(),
        base_url: placement.base_url.to_string(),
        playlist_url: placed.playlist_url(),
        session: token.clone(),
        region: session.region.to_string(),
        watch_url: viewers.watch_url(&session.stream),
        steering_url: viewers.reload_uri(token, None),
        reason: placement.reason.as_str().to_owned(),
        explanation: placement.reason.explanation().to_owned(),
        kind: v1::ServerKind::from(placement.kind).into(),
        expires_unix_seconds: i64::try_from(session.expires_unix).unwrap_or(i64::MAX),
    }
}
