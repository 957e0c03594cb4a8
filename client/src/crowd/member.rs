//! One viewer of a crowd, from pressing play to leaving.

use tokio_util::sync::CancellationToken;

use super::{log::Log, plan::Member, presence::Presence};
use crate::{
    clock::Clock,
    config::Config,
    exit::Failure,
    fetch::{Keep, Shared},
    managers::TrafficManagers,
    player::{Experience, rung::Choice},
    route::{Route, Ticket},
    summary::Summary,
    viewer::{Event, Observer, Viewer, millis},
};

/// What the viewers of a crowd have in common.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) config: Config,
    pub(super) shared: Shared,
    pub(super) choice: Choice,
    pub(super) clock: Clock,
    pub(super) log: Option<Log>,
    pub(super) presence: Presence,
    /// Cancelled when everybody shall leave now.
    pub(super) leave: CancellationToken,
}

/// What became of one: what it went through, and why it gave up if it did; or why it never had a place.
pub(super) type Outcome = Result<(Summary, Option<Failure>), Failure>;

/// Lives through one viewer's life; none for one who left before it had come.
pub(super) async fn live(crowd: std::sync::Arc<Crowd>, member: Member, ticket: Ticket) -> Option<Outcome> {
    let clock = crowd.clock;
    let moment = |after| clock.instant(policy::Time::default() + after);
    let leave = async {
        tokio::select! {
            () = tokio::time::sleep_until(moment(member.leaves)) => {}
            () = crowd.leave.cancelled() => {}
        }
    };
    tokio::pin!(leave);
    tokio::select! {
        () = tokio::time::sleep_until(moment(member.arrives)) => {}
        () = &mut leave => return None,
    }
    let region = ticket.region.as_ref().map(ToString::to_string).unwrap_or_default();
    if let Some(log) = &crowd.log {
        log.start(member.number, &region);
    }
    let mut viewer = tokio::select! {
        viewer = join(&crowd, ticket) => match viewer {
            Ok(viewer) => viewer,
            Err(failure) => return Some(Err(failure)),
        },
        () = &mut leave => return None,
    };
    let mut watched =
        Watched { crowd: &crowd, number: member.number, region, at: None, stalls: 0, logged_ms: 0 };
    let failure = tokio::select! {
        ended = viewer.play(&mut watched) => ended.err(),
        () = leave => None,
    };
    watched.left(&viewer);
    Some(Ok((viewer.summary(), failure)))
}

async fn join(crowd: &Crowd, ticket: Ticket) -> Result<Viewer, Failure> {
    let asked = crowd.clock.now();
    let fetch = crowd
        .shared
        .fetch(ticket.headers())
        .map_err(|error| Failure::Failed(format!("no HTTP client: {error}")))?;
    let managers = TrafficManagers::of_viewer(&crowd.config)?;
    let route = Route::join(&ticket, &crowd.config, managers, &fetch, asked).await?;
    Ok(Viewer::new(ticket, route, fetch, &crowd.config, crowd.choice, crowd.clock, asked))
}

/// Notes what a viewer does, for the log and the others.
struct Watched<'a> {
    crowd: &'a Crowd,
    number: u32,
    region: String,
    at: Option<String>,
    stalls: u32,
    /// Time that the picture has stood still, as far as the log has it.
    logged_ms: u64,
}

impl Watched<'_> {
    fn left(&mut self, viewer: &Viewer) {
        self.crowd.presence.moves(self.at.take().as_deref(), None);
        self.stood_still(viewer, viewer.summary().stalled_ms);
        if let Some(log) = &self.crowd.log {
            log.stop(self.number, &self.region, viewer.session());
        }
    }

    /// Logs a stall that is over, when the picture has stood still for `stalled_ms` in all.
    fn stood_still(&mut self, viewer: &Viewer, stalled_ms: u64) {
        let new_ms = stalled_ms.saturating_sub(std::mem::replace(&mut self.logged_ms, stalled_ms));
        if let Some(log) = self.crowd.log.as_ref().filter(|_| new_ms > 0) {
            log.stall(self.number, &self.region, viewer.session(), new_ms);
        }
    }
}

impl Observer for Watched<'_> {
    fn keep(&self) -> Keep {
        Keep::Nothing
    }

    fn observe(&mut self, event: Event<'_>, viewer: &Viewer) -> Result<(), Failure> {
        match event {
            Event::Reloaded => {
                let server = viewer.origin().unwrap_or_default();
                if self.at.as_deref() != Some(server) {
                    self.crowd.presence.moves(self.at.as_deref(), Some(server));
                    self.at = Some(server.to_owned());
                }
                if let Some(log) = &self.crowd.log {
                    let sent = viewer.player().sent();
                    log.reload(self.number, &self.region, viewer.session(), server, sent);
                }
            }
            Event::Trouble(error) => {
                tracing::debug!(viewer = self.number, %error, "something could not be had");
                self.crowd.presence.erred();
            }
            Event::Tick => {
                let buffer = viewer.player().buffer();
                let Experience { stalls, stalled, .. } = buffer.experience();
                (self.stalls..stalls).for_each(|_| self.crowd.presence.stalled());
                self.stalls = stalls;
                if buffer.stalling().is_zero() {
                    self.stood_still(viewer, millis(stalled));
                }
            }
            Event::Media(_) | Event::Moved => {}
        }
        Ok(())
    }
}
