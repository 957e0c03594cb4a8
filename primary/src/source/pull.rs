//! An upstream HLS stream, live or VOD, pulled by the standard's rules and published under our URLs and numbers.
//!
//! One task owns all that is known of the source: it asks for every rendition's playlist in that rendition's own rhythm, hands what
//! comes to `hls::ingest`, and publishes. Of a live stream each new segment of each rendition is fetched as it appears, so that the
//! newest window can be served on while the upstream is down; a VOD is fetched as it is asked for.

mod alignment;
mod catalogue;
mod discovery;
mod follower;
mod handling;
mod intake;
mod repack;

use std::sync::Arc;

use delivery::{
    metrics::{FetchResult, upstream_fetch},
    object::Store,
};
use futures::{StreamExt as _, stream::FuturesUnordered};
use hls::MediaPlaylist;
use service::{Backoff, Latch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) use self::catalogue::Catalogue;
use self::{
    discovery::{Discovery, discover},
    follower::{Follower, Turn},
    intake::{Ends, Intake},
};
use super::{
    Origin,
    upstream::{PullError, Upstream},
};
use crate::publication::Publication;

/// A source that is pulled.
#[derive(Debug)]
pub(crate) struct Pull {
    url: Url,
    catalogue: Arc<Catalogue>,
    store: Store<Origin>,
    publication: Arc<Publication>,
    /// Held until the first window is there; says why it is not.
    latch: Latch,
}

/// A rendition that was asked, and what came of it.
struct Asked {
    follower: Follower,
    began: Instant,
    answer: Result<MediaPlaylist, PullError>,
}

impl Pull {
    pub(crate) fn new(
        url: Url,
        catalogue: Arc<Catalogue>,
        store: Store<Origin>,
        publication: Arc<Publication>,
        latch: Latch,
    ) -> Self {
        Self { url, catalogue, store, publication, latch }
    }

    /// Pulls until told to stop. Whatever the upstream does, this goes on.
    pub(crate) async fn run(self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&self) {
        let Discovery { template, playlists } = self.discover().await;
        tracing::info!(source = %self.url, renditions = playlists.len(), "pulling the source");
        let retry = self.upstream().config().retry;
        let mut intake = Intake::new(self.ends(), template, playlists.keys().cloned().collect());
        let mut asking: FuturesUnordered<_> = playlists
            .into_iter()
            .map(|(rendition, url)| self.ask(Follower::new(rendition, url, retry), Instant::now()))
            .collect();
        let mut looking = FuturesUnordered::new();
        while !asking.is_empty() {
            tokio::select! {
                Some(asked) = asking.next() => {
                    if let Some((follower, at)) = self.take(&mut intake, asked) {
                        asking.push(self.ask(follower, at));
                    }
                    looking.extend(intake.inspections().into_iter().map(|each| each.carry_out(&self.store)));
                }
                Some(inspected) = looking.next() => intake.inspected(inspected),
            }
        }
        // A VOD: everything is known, and stays as it is.
        std::future::pending::<()>().await;
    }

    /// What there is at the source, asked for until there is an answer.
    async fn discover(&self) -> Discovery {
        let mut backoff = Backoff::new(self.upstream().config().retry);
        loop {
            match discover(self.upstream(), &self.url).await {
                Ok(discovery) => {
                    upstream_fetch(FetchResult::Ok);
                    return discovery;
                }
                Err(error) => {
                    self.count_failure();
                    let again_in = backoff.pause(rand::random());
                    tracing::warn!(%error, ?again_in, "cannot pull the source; trying again");
                    self.latch.hold(error.to_string());
                    tokio::time::sleep(again_in).await;
                }
            }
        }
    }

    /// Asks for a rendition's playlist when its time has come.
    async fn ask(&self, mut follower: Follower, at: Instant) -> Asked {
        tokio::time::sleep_until(at).await;
        let began = Instant::now();
        if follower.is_lost() {
            self.look_up(&mut follower).await;
        }
        let answer = self.upstream().playlist(&follower.url).await.and_then(|answer| {
            MediaPlaylist::parse(&answer.document, &answer.url)
                .map_err(|reason| PullError::NoPlaylist { url: answer.url, reason })
        });
        Asked { follower, began, answer }
    }

    /// Finds a rendition again that has gone from where it was.
    async fn look_up(&self, follower: &mut Follower) {
        match discover(self.upstream(), &self.url).await {
            Ok(mut discovery) => match discovery.playlists.remove(&follower.rendition) {
                Some(url) => follower.url = url,
                None => {
                    tracing::debug!(rendition = %follower.rendition, "the source does not list it any more");
                }
            },
            Err(error) => tracing::debug!(%error, "cannot look the rendition up"),
        }
    }

    /// Takes an answer in; returns when to ask again, if ever.
    fn take(&self, intake: &mut Intake<'_>, asked: Asked) -> Option<(Follower, Instant)> {
        let Asked { mut follower, began, answer } = asked;
        let rendition = follower.rendition.clone();
        let (turn, again_at) = match &answer {
            Ok(playlist) => {
                upstream_fetch(FetchResult::Ok);
                let change = intake.take(&rendition, playlist);
                let turn = follower.answered(change.changed, playlist.target_duration_s);
                (turn, change.reload_after.map(|pause| began + pause))
            }
            Err(error) => {
                self.count_failure();
                intake.failed(&rendition, error);
                let (pause, turn) = follower.failed(rand::random());
                (turn, Some(Instant::now() + pause))
            }
        };
        intake.set_well(&rendition, follower.is_well());
        match (turn, &answer) {
            (Some(Turn::Still), _) => tracing::warn!(%rendition, "nothing new comes from the source"),
            (Some(Turn::Back), _) => tracing::info!(%rendition, "the source is back"),
            (Some(Turn::Down), Err(error)) => {
                tracing::warn!(%rendition, %error, "cannot pull a rendition; serving what is here and trying again");
            }
            (_, Err(error)) => tracing::debug!(%rendition, %error, "still cannot pull a rendition"),
            _ => {}
        }
        again_at.map(|at| (follower, at))
    }

    fn ends(&self) -> Ends<'_> {
        Ends {
            catalogue: &self.catalogue,
            store: &self.store,
            publication: &self.publication,
            latch: &self.latch,
        }
    }

    fn count_failure(&self) {
        upstream_fetch(FetchResult::Failed);
        self.catalogue.count_failure();
    }

    fn upstream(&self) -> &Upstream {
        self.catalogue.upstream()
    }
}
