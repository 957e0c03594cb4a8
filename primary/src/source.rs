//! Where the stream comes from: the built-in test card, or an upstream HLS stream that is pulled.
//!
//! A source publishes: it says what the ladder is, adds numbered segments to each rendition, and knows where each object's
//! bytes are. Handing them to viewers is delivery's affair.

mod card;
mod pull;
mod testcard;
#[cfg(test)]
mod tests;
mod upstream;

use std::sync::Arc;

use delivery::{
    feed::Health,
    object::{Fetch, FetchError, Fetched, Key},
};
use url::Url;

pub use self::upstream::PullConfig;
pub(crate) use self::{
    pull::{Catalogue, Pull},
    testcard::TestCard,
    upstream::Upstream,
};

/// What the primary serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The looped ladder that is compiled into the program.
    TestCard,
    /// An HLS playlist, multivariant or media, live or VOD.
    Pull(Url),
}

/// A SOURCE that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "{given:?} is no source: give the http or https URL of an HLS playlist, such as https://origin.example/live/master.m3u8, or \
     nothing for the test card"
)]
pub(crate) struct InvalidSource {
    given: String,
}

impl Source {
    /// What SOURCE means; nothing given means the test card.
    pub(crate) fn parse(given: Option<&str>) -> Result<Self, InvalidSource> {
        let Some(given) = given else { return Ok(Self::TestCard) };
        Url::parse(given)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .map(Self::Pull)
            .ok_or_else(|| InvalidSource { given: given.to_owned() })
    }
}

/// Where the primary's objects come from.
#[derive(Debug)]
pub(crate) enum Origin {
    TestCard(TestCard),
    Pull(Arc<Catalogue>),
}

impl Origin {
    pub(crate) fn health(&self) -> Health {
        match self {
            Self::TestCard(_) => Health { healthy: true, failures_total: 0 },
            Self::Pull(catalogue) => catalogue.health(),
        }
    }
}

impl Fetch for Origin {
    async fn fetch(&self, key: &Key, offset: u64) -> Result<Fetched, FetchError> {
        match self {
            Self::TestCard(card) => card.fetch(key, offset).await,
            Self::Pull(catalogue) => catalogue.fetch(key, offset).await,
        }
    }

    fn is_listed(&self, key: &Key) -> bool {
        match self {
            // What it listed once can be made again.
            Self::TestCard(_) => false,
            Self::Pull(catalogue) => catalogue.is_listed(key),
        }
    }
}
