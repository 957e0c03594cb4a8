//! A player that does not steer: it asks the primary's host for its playlist at every reload and goes where that sends it.

use std::time::Duration;

use hls::{MAX_PLAYLIST_BYTES, Multivariant};
use policy::{Class, Time};
use url::Url;

use super::{Ticket, session_of};
use crate::{
    exit::Failure,
    fetch::Fetch,
    managers::{ANSWER, TrafficManagers},
    player::pathways::{Pathways, Variant},
};

/// Such a route.
#[derive(Debug)]
pub struct Redirected {
    ladder: Vec<Variant>,
    session: String,
}

impl Redirected {
    pub(super) async fn join(
        ticket: &Ticket,
        managers: &mut TrafficManagers,
        fetch: &Fetch,
    ) -> Result<Self, Failure> {
        let playlist = watch_page(ticket, managers, fetch).await?;
        // Players of this kind know nothing of pathways: the first one is all they see.
        let pathways = Pathways::new(&playlist, Duration::ZERO, Time::default())
            .map_err(|error| Failure::Failed(error.to_string()))?;
        let ladder = pathways.ladder().to_vec();
        let session = ladder.first().map(|variant| session_of(&variant.playlist)).unwrap_or_default();
        Ok(Self { ladder, session })
    }

    pub(super) fn ladder(&self) -> &[Variant] {
        &self.ladder
    }

    pub(super) fn session(&self) -> &str {
        &self.session
    }
}

/// A manager's multivariant playlist for a new session.
pub(super) async fn watch_page(
    ticket: &Ticket,
    managers: &mut TrafficManagers,
    fetch: &Fetch,
) -> Result<Multivariant, Failure> {
    let page = managers
        .ask(|manager| async move {
            let url = watch_url(ticket, manager.base());
            let page = fetch.document(&url, MAX_PLAYLIST_BYTES, ANSWER).await;
            page.map_err(|error| Failure::of_watch_page(&error, manager.address()))
        })
        .await?;
    Multivariant::parse(&page.body, &page.url)
        .map_err(|error| Failure::Failed(format!("{}: {error}", page.url)))
}

fn watch_url(ticket: &Ticket, base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("watch/{}.m3u8", ticket.stream));
    if let Some(region) = &ticket.region {
        url.query_pairs_mut().append_pair("region", region.as_str());
    }
    if ticket.class == Class::Fixed {
        url.query_pairs_mut().append_pair("player", Class::Fixed.as_str());
    }
    url
}
