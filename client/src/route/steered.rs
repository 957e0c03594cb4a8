//! A player that steers: it asks the steering server when it is due, beside its playing, and follows what that says.

use std::time::Duration;

use hls::steering::{MAX_MANIFEST_BYTES, Manifest};
use http::StatusCode;
use policy::Time;
use tokio::sync::oneshot::{self, error::TryRecvError};
use url::Url;

use super::{Ticket, redirected::watch_page, session_of};
use crate::{
    config::Config,
    exit::Failure,
    fetch::{Fetch, FetchError},
    managers::TrafficManagers,
    player::pathways::{Pathways, Variant},
};

/// How long a steering server may be silent; playing does not wait for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Such a route.
#[derive(Debug)]
pub struct Steered {
    pathways: Pathways,
    session: String,
    fetch: Fetch,
    asked: Option<oneshot::Receiver<Answer>>,
}

#[derive(Debug)]
enum Answer {
    Steer(Manifest),
    Stop,
    None,
}

impl Steered {
    pub(super) async fn join(
        ticket: &Ticket,
        managers: &mut TrafficManagers,
        fetch: &Fetch,
        config: &Config,
        now: Time,
    ) -> Result<Self, Failure> {
        let playlist = watch_page(ticket, managers, fetch).await?;
        let pathways = Pathways::new(&playlist, config.shun_for, now)
            .map_err(|error| Failure::Failed(error.to_string()))?;
        let session =
            pathways.ladder().first().map(|variant| session_of(&variant.playlist)).unwrap_or_default();
        Ok(Self { pathways, session, fetch: fetch.clone(), asked: None })
    }

    pub(super) fn turn(&mut self, now: Time, bits_per_second: Option<u64>) -> bool {
        let moved = match self.asked.as_mut().map(oneshot::Receiver::try_recv) {
            Some(Err(TryRecvError::Empty)) => return false,
            Some(Ok(Answer::Steer(manifest))) => self.pathways.answered(&manifest, now),
            Some(Ok(Answer::Stop)) => {
                self.pathways.stop_asking();
                false
            }
            Some(Ok(Answer::None) | Err(TryRecvError::Closed)) => {
                self.pathways.unanswered(now);
                false
            }
            None => false,
        };
        self.asked = self.pathways.request(now, bits_per_second).map(|url| self.ask(url));
        moved
    }

    pub(super) fn failed(&mut self, now: Time) -> bool {
        self.pathways.failed(now)
    }

    pub(super) fn ladder(&self) -> &[Variant] {
        self.pathways.ladder()
    }

    pub(super) fn session(&self) -> &str {
        &self.session
    }

    pub(super) fn server(&self) -> &str {
        self.pathways.current()
    }

    /// Asks in a task of its own, which ends with its answer or its patience.
    fn ask(&self, url: Url) -> oneshot::Receiver<Answer> {
        let (answer, asked) = oneshot::channel();
        let fetch = self.fetch.clone();
        tokio::spawn(async move {
            // A viewer that has left does not care.
            let _left = answer.send(ask(&fetch, &url).await);
        });
        asked
    }
}

async fn ask(fetch: &Fetch, url: &Url) -> Answer {
    match fetch.document(url, MAX_MANIFEST_BYTES, PATIENCE).await {
        Ok(page) => match Manifest::parse(&page.body) {
            Ok(manifest) => Answer::Steer(manifest),
            Err(error) => {
                tracing::warn!(%url, %error, "a steering answer cannot be used");
                Answer::None
            }
        },
        Err(FetchError::Status { status: StatusCode::GONE, .. }) => Answer::Stop,
        Err(error) => {
            tracing::debug!(%error, "no steering answer");
            Answer::None
        }
    }
}
