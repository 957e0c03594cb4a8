//! Where one viewer plays from, and everything that can move it elsewhere.
//!
//! Players follow a fleet in three ways, and each is a route here: they are told over gRPC, they steer by the standard, or they
//! ask one host and follow its redirects. The viewer plays the same whichever it is.

mod redirected;
mod steered;
mod watched;
mod watcher;

use std::time::Duration;

use http::HeaderMap;
use policy::{Class, Region, StreamName, Time};
use url::Url;

use crate::{
    config::Config,
    exit::Failure,
    fetch::{Fetch, FetchError},
    managers::TrafficManagers,
    player::pathways::Variant,
};
pub use redirected::Redirected;
pub use steered::Steered;
pub use watched::Watched;

/// What a viewer asks for.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// The stream.
    pub stream: StreamName,
    /// The region that it says it is in.
    pub region: Option<Region>,
    /// What its player can do.
    pub class: Class,
}

impl Ticket {
    /// Headers by which the manager tells what the player can do.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.class == Class::Steers {
            // What a script in a browser sends, as hls.js, video.js and Shaka do.
            headers.insert("sec-fetch-dest", http::HeaderValue::from_static("empty"));
        }
        headers
    }
}

/// A viewer's route.
#[derive(Debug)]
pub enum Route {
    /// Told over gRPC.
    Watched(Watched),
    /// Steers by the standard.
    Steered(Steered),
    /// Asks one host, and follows its redirects.
    Redirected(Redirected),
}

/// What is left to do when playing has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recourse {
    /// Another server.
    Elsewhere,
    /// The same again, after a pause.
    Again,
}

impl Route {
    /// Asks for a place to play.
    ///
    /// # Errors
    /// When the manager cannot be reached or refuses.
    pub async fn join(
        ticket: &Ticket,
        config: &Config,
        mut managers: TrafficManagers,
        fetch: &Fetch,
        now: Time,
    ) -> Result<Self, Failure> {
        match ticket.class {
            Class::Watches => Watched::join(ticket, managers, fetch, config).await.map(Self::Watched),
            Class::Steers => {
                Steered::join(ticket, &mut managers, fetch, config, now).await.map(Self::Steered)
            }
            Class::Redirects | Class::Fixed => {
                Redirected::join(ticket, &mut managers, fetch).await.map(Self::Redirected)
            }
        }
    }

    /// Takes what it was told since the last time. True where it plays from elsewhere now.
    pub fn turn(&mut self, now: Time, bits_per_second: Option<u64>) -> bool {
        match self {
            Self::Watched(route) => route.turn(),
            Self::Steered(route) => route.turn(now, bits_per_second),
            Self::Redirected(_) => false,
        }
    }

    /// The server has failed this viewer. Takes no longer than `patience`.
    pub async fn failed(&mut self, error: &FetchError, now: Time, patience: Duration) -> Recourse {
        let elsewhere = match self {
            Self::Watched(route) => route.failed(now, patience).await,
            Self::Steered(route) => route.failed(now),
            Self::Redirected(_) => false,
        };
        tracing::debug!(%error, elsewhere, "a server failed this viewer");
        if elsewhere { Recourse::Elsewhere } else { Recourse::Again }
    }

    /// The ladder where it plays, lowest bitrate first; never empty.
    #[must_use]
    pub fn ladder(&self) -> &[Variant] {
        match self {
            Self::Watched(route) => route.ladder(),
            Self::Steered(route) => route.ladder(),
            Self::Redirected(route) => route.ladder(),
        }
    }

    /// The session's token.
    #[must_use]
    pub fn session(&self) -> &str {
        match self {
            Self::Watched(route) => route.session(),
            Self::Steered(route) => route.session(),
            Self::Redirected(route) => route.session(),
        }
    }

    /// The name that its route has for the server; none where the route knows only addresses.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Watched(route) => Some(route.server()),
            Self::Steered(route) => Some(route.server()),
            Self::Redirected(_) => None,
        }
    }
}

/// The session that a playlist's address carries.
fn session_of(url: &Url) -> String {
    let token = url.query().and_then(|query| hls::url::parameter(query, hls::url::SESSION));
    token.unwrap_or_default().into_owned()
}
