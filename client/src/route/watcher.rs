//! Keeps `Viewers.Watch` open for one session, for as long as the viewer plays, and asks again when its server died.
//!
//! Where the manager is gone, the next one is asked, with the session and where it plays, and all of them again for ever, with
//! pauses: playing does not depend on it.

use proto::v1::{Placement, WatchRequest, WatchResponse};
use service::{Backoff, BackoffConfig};
use tokio::sync::{mpsc, oneshot, watch};
use tonic::Streaming;

use crate::{exit::Failure, manager::TrafficManager, managers::TrafficManagers};

/// The viewer's server failed; where else?
#[derive(Debug)]
pub(super) struct Astray {
    /// Servers that failed lately.
    pub(super) avoid: Vec<String>,
    /// None when nobody knows.
    pub(super) reply: oneshot::Sender<Option<Placement>>,
}

/// The viewer's end. The watch ends when it is dropped.
#[derive(Debug)]
pub(super) struct Handle {
    /// The manager's newest word.
    pub(super) news: watch::Receiver<Placement>,
    /// To ask.
    pub(super) astray: mpsc::Sender<Astray>,
    /// To say where it plays.
    pub(super) current: watch::Sender<String>,
}

struct Watcher {
    managers: TrafficManagers,
    request: WatchRequest,
    backoff: Backoff,
    stream: Option<Streaming<WatchResponse>>,
    news: watch::Sender<Placement>,
    current: watch::Receiver<String>,
}

/// Opens the watch of a new session: its first placement, and the stream that those to come are on.
pub(super) async fn open(
    managers: &mut TrafficManagers,
    request: &WatchRequest,
) -> Result<(Placement, Streaming<WatchResponse>), Failure> {
    managers.ask(|manager| async move { try_open(&manager, request).await }).await
}

/// Goes on watching in a task of its own.
pub(super) fn start(
    managers: TrafficManagers,
    request: WatchRequest,
    first: Placement,
    stream: Streaming<WatchResponse>,
    retry: BackoffConfig,
) -> Handle {
    let (current, current_out) = watch::channel(first.server.clone());
    let (news, news_out) = watch::channel(first);
    let (astray, astray_out) = mpsc::channel(1);
    let watcher = Watcher {
        managers,
        request,
        backoff: Backoff::new(retry),
        stream: Some(stream),
        news,
        current: current_out,
    };
    tokio::spawn(watcher.run(astray_out));
    Handle { news: news_out, astray, current }
}

impl Watcher {
    async fn run(mut self, mut astray: mpsc::Receiver<Astray>) {
        loop {
            tokio::select! {
                asked = astray.recv() => match asked {
                    Some(asked) => self.ask_elsewhere(asked).await,
                    None => return,
                },
                // Whatever is dropped here when the viewer asks is begun anew.
                placement = self.next() => if let Some(placement) = placement {
                    self.keep_session(&placement);
                    self.news.send_replace(placement);
                }
            }
        }
    }

    /// The next word of the open watch, or, after a pause, the first one of a new watch.
    async fn next(&mut self) -> Option<Placement> {
        if let Some(stream) = &mut self.stream {
            match stream.message().await {
                Ok(Some(message)) => return message.placement,
                Ok(None) => tracing::debug!("the watch ended"),
                Err(error) => tracing::debug!(%error, "the watch broke"),
            }
            self.stream = None;
            self.managers.turn();
        }
        tokio::time::sleep(self.backoff.pause(rand::random())).await;
        let request = WatchRequest { current: self.current.borrow().clone(), ..self.request.clone() };
        let placement = self.reopen(&request).await?;
        self.backoff.reset();
        Some(placement)
    }

    /// A new watch that avoids what failed takes the place of the old one.
    async fn ask_elsewhere(&mut self, asked: Astray) {
        let request = WatchRequest { avoid: asked.avoid, ..self.request.clone() };
        let placement = self.reopen(&request).await;
        if let Some(placement) = &placement {
            self.keep_session(placement);
        }
        // A viewer that has lost its patience finds the placement in the news.
        if let Err(Some(placement)) = asked.reply.send(placement) {
            self.news.send_replace(placement);
        }
    }

    async fn reopen(&mut self, request: &WatchRequest) -> Option<Placement> {
        match self.managers.ask_each(|manager| async move { resume(&manager, request).await }).await {
            Ok((placement, stream)) => {
                self.stream = Some(stream);
                Some(placement)
            }
            Err(error) => {
                tracing::debug!(%error, "no watch");
                None
            }
        }
    }

    fn keep_session(&mut self, placement: &Placement) {
        if !placement.session.is_empty() {
            self.request.session.clone_from(&placement.session);
        }
    }
}

/// Goes on with the session. A manager that does not know it, because it does not share the others' secret, gives a new one:
/// the viewer plays on meanwhile.
async fn resume(
    manager: &TrafficManager,
    request: &WatchRequest,
) -> Result<(Placement, Streaming<WatchResponse>), Failure> {
    match try_open(manager, request).await {
        Err(Failure::Usage(reason)) if !request.session.is_empty() => {
            tracing::warn!(manager = manager.address(), reason, "asking for a new session");
            let anew = WatchRequest { session: String::new(), ..request.clone() };
            try_open(manager, &anew).await
        }
        answer => answer,
    }
}

async fn try_open(
    manager: &TrafficManager,
    request: &WatchRequest,
) -> Result<(Placement, Streaming<WatchResponse>), Failure> {
    let failure = |status| Failure::of_viewers(&status, manager.address());
    let mut stream = manager.viewers().watch(request.clone()).await.map_err(failure)?.into_inner();
    let first = stream.message().await.map_err(failure)?;
    let placement = first.and_then(|first| first.placement).ok_or_else(|| {
        Failure::Failed("the traffic-manager's answer has no placement: is it of this version?".into())
    })?;
    Ok((placement, stream))
}
