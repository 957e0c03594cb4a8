//! A player that is told over gRPC: its first placement, then every move, and where to go when its server died.
//!
//! All servers have the same URLs, so a move changes the host of the playlists and nothing else. With the manager dead it goes on
//! where it plays, and if that server dies too, to one where it has played before.

use std::time::Duration;

use hls::{MAX_PLAYLIST_BYTES, Multivariant};
use policy::Time;
use proto::v1::{Placement, WatchRequest};
use tokio::sync::oneshot;
use url::Url;

use super::{
    Ticket,
    watcher::{self, Astray},
};
use crate::{
    config::Config,
    exit::Failure,
    fetch::Fetch,
    managers::{ANSWER, TrafficManagers},
    player::pathways::Variant,
};

/// How long the manager is told to avoid a server that failed this viewer; by then it knows itself.
const AVOID_FOR: Duration = Duration::from_secs(10);

/// How many places it remembers.
const MOST_PLACES: usize = 8;

/// At how many servers it asks for its first playlist.
const FIRST_TRIES: usize = 3;

/// Such a route.
#[derive(Debug)]
pub struct Watched {
    here: Place,
    /// Where it has played, newest last.
    been: Vec<Place>,
    failed: Vec<(String, Time)>,
    session: String,
    ladder: Vec<Variant>,
    watcher: watcher::Handle,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    server: String,
    base: Url,
}

impl Watched {
    pub(super) async fn join(
        ticket: &Ticket,
        mut managers: TrafficManagers,
        fetch: &Fetch,
        config: &Config,
    ) -> Result<Self, Failure> {
        let mut request = WatchRequest {
            stream: ticket.stream.to_string(),
            region: ticket.region.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..WatchRequest::default()
        };
        let mut tries = 1;
        loop {
            let (placement, stream) = watcher::open(&mut managers, &request).await?;
            let here = Place::of(&placement)?;
            request.session.clone_from(&placement.session);
            match ladder(&placement, &here, fetch, ANSWER).await {
                Ok(ladder) => {
                    request.avoid.clear();
                    let session = placement.session.clone();
                    let watcher = watcher::start(managers, request, placement, stream, config.retry);
                    let been = vec![here.clone()];
                    return Ok(Self { here, been, failed: Vec::new(), session, ladder, watcher });
                }
                Err(error) if tries == FIRST_TRIES => return Err(error),
                Err(error) => tracing::debug!(%error, server = placement.server, "asking for another server"),
            }
            request.avoid.push(placement.server);
            tries += 1;
        }
    }

    /// Goes where the manager said last, if it said something new.
    pub(super) fn turn(&mut self) -> bool {
        if !self.watcher.news.has_changed().unwrap_or(false) {
            return false;
        }
        let placement = self.watcher.news.borrow_and_update().clone();
        self.go_to(&placement)
    }

    /// Asks for another server; without an answer it goes where it has been before.
    pub(super) async fn failed(&mut self, now: Time, patience: Duration) -> bool {
        self.failed.retain(|(_, until)| *until > now);
        self.failed.push((self.here.server.clone(), now + AVOID_FOR));
        let avoid = self.failed.iter().map(|(server, _)| server.clone()).collect();
        let (reply, answer) = oneshot::channel();
        let placement = async {
            self.watcher.astray.send(Astray { avoid, reply }).await.ok()?;
            answer.await.ok()?
        };
        match tokio::time::timeout(patience, placement).await {
            Ok(Some(placement)) => self.go_to(&placement),
            _ => self.go_back(),
        }
    }

    pub(super) fn ladder(&self) -> &[Variant] {
        &self.ladder
    }

    pub(super) fn session(&self) -> &str {
        &self.session
    }

    pub(super) fn server(&self) -> &str {
        &self.here.server
    }

    fn go_to(&mut self, placement: &Placement) -> bool {
        let Ok(place) = Place::of(placement) else { return false };
        if !placement.session.is_empty() {
            self.session.clone_from(&placement.session);
        }
        self.go(place)
    }

    fn go_back(&mut self) -> bool {
        let healthy = |place: &&Place| self.failed.iter().all(|(server, _)| *server != place.server);
        match self.been.iter().rev().find(healthy).cloned() {
            Some(place) => self.go(place),
            None => false,
        }
    }

    fn go(&mut self, place: Place) -> bool {
        let moved = place != self.here;
        for variant in &mut self.ladder {
            *variant = at_home(variant, &place.base, &self.session);
        }
        self.been.retain(|been| been.server != place.server);
        self.been.push(place.clone());
        if self.been.len() > MOST_PLACES {
            self.been.remove(0);
        }
        self.watcher.current.send_replace(place.server.clone());
        self.here = place;
        moved
    }
}

impl Place {
    fn of(placement: &Placement) -> Result<Self, Failure> {
        let base = placement.base_url.parse().map_err(|error| {
            Failure::Failed(format!("the address {:?} of {}: {error}", placement.base_url, placement.server))
        })?;
        Ok(Self { server: placement.server.clone(), base })
    }
}

/// The rungs of the placement's playlist, all at the placement's server, whichever pathways the playlist lists.
async fn ladder(
    placement: &Placement,
    here: &Place,
    fetch: &Fetch,
    patience: Duration,
) -> Result<Vec<Variant>, Failure> {
    let url = placement
        .playlist_url
        .parse()
        .map_err(|error| Failure::Failed(format!("{:?}: {error}", placement.playlist_url)))?;
    let page = fetch
        .document(&url, MAX_PLAYLIST_BYTES, patience)
        .await
        .map_err(|error| Failure::of_server(&error))?;
    let playlist = Multivariant::parse(&page.body, &page.url)
        .map_err(|error| Failure::Failed(format!("{url}: {error}")))?;
    let mut ladder: Vec<Variant> = Vec::new();
    for variant in &playlist.variants {
        let rung = at_home(&Variant::of(variant, &playlist), &here.base, &placement.session);
        if ladder.iter().all(|other| other.playlist != rung.playlist) {
            ladder.push(rung);
        }
    }
    ladder.sort_by_key(|variant| variant.bandwidth);
    Ok(ladder)
}

/// The same rung at another server.
fn at_home(variant: &Variant, base: &Url, session: &str) -> Variant {
    let moved = |url: &Url| rehomed(url, base, session);
    Variant {
        bandwidth: variant.bandwidth,
        playlist: moved(&variant.playlist),
        audio: variant.audio.as_ref().map(moved),
    }
}

/// The same playlist at another server.
fn rehomed(playlist: &Url, base: &Url, session: &str) -> Url {
    let mut url = base.clone();
    url.set_path(playlist.path());
    if session.is_empty() {
        url.set_query(playlist.query());
    } else {
        url.query_pairs_mut().clear().append_pair(hls::url::SESSION, session);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playlist_keeps_its_path_at_another_server_and_carries_the_session() {
        let playlist = "http://127.0.0.1:8080/live/v0/live.m3u8?s=old".parse().unwrap();
        let base = "http://127.0.0.2:8080".parse().unwrap();
        let at = |session| rehomed(&playlist, &base, session).to_string();
        assert_eq!(at("new"), "http://127.0.0.2:8080/live/v0/live.m3u8?s=new");
        assert_eq!(at(""), "http://127.0.0.2:8080/live/v0/live.m3u8?s=old");
    }
}
