//! A relay's pull side: the streams of its upstream, taken once however many watch, and only while they do.
//!
//! Playlists are [kept](kept) fresh by one blocking reload each while they are asked for; segments come through the
//! [object store](crate::object). While the upstream fails, the last playlists and the segments that are here are served on.
//! Which server is the upstream, and which streams there are, is the directive's to say; who may watch is the HTTP side's.

mod client;
mod config;
mod kept;
mod media;
mod multivariant;
mod objects;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use hls::{Rendition, Resource, Rung, Template, url::Kind};
use papaya::HashMap;
use policy::{ServerId, StreamName};
use tokio::time::timeout;

use self::{
    client::Client,
    kept::Kept,
    media::{HELD_TARGETS, Listing, Media},
    multivariant::Ladder,
    objects::Objects,
};
pub use self::{
    client::{PASS_HEADER, SWITCHING_SET_HEADER},
    config::Config,
};
use crate::{
    feed::{Error, Feed, Health, Playlist, Stream},
    object::{self, FetchError, Key, Object, Store},
    situation::Board,
};

/// A stream's target duration before any of its playlists is here: the 2 s of most live streams.
const PRESUMED_TARGET: Duration = Duration::from_secs(2);

/// How far ahead of the newest segment one may wait: two, of which the nearer may be about to be listed (RFC 8216bis 6.2.5.2).
const FARTHEST_AHEAD: u64 = 2;

/// The upstream of a relay.
pub struct Upstream {
    board: Arc<Board>,
    client: Arc<Client>,
    store: Store<Objects>,
    config: Config,
    streams: HashMap<StreamName, Arc<Pulled>>,
}

/// One stream of the upstream.
struct Pulled {
    name: StreamName,
    ladder: Arc<Kept<Ladder>>,
    renditions: HashMap<Rendition, Arc<Kept<Media>>>,
}

impl Upstream {
    /// The pull side of relay `id`, which asks whom `board` names.
    ///
    /// # Errors
    /// When the system lets nobody make HTTP requests, as where it has no CA certificates.
    pub fn new(
        id: ServerId,
        board: Arc<Board>,
        config: Config,
        cache: object::Config,
    ) -> Result<Self, reqwest::Error> {
        let client = Arc::new(Client::new(id, Arc::clone(&board), &config)?);
        let store = Store::new(Objects { client: Arc::clone(&client) }, cache);
        Ok(Self { board, client, store, config, streams: HashMap::new() })
    }

    /// Asks for all that a first viewer of each stream would ask for: every playlist, and the newest segment of the lowest
    /// rung that there is. A rendition that the upstream itself cannot give keeps nobody from watching the others. Leaves
    /// nothing running behind.
    ///
    /// # Errors
    /// When a stream has no rung yet: why its lowest is not there.
    pub async fn warm(&self) -> Result<(), Error> {
        let situation = self.board.snapshot();
        if situation.streams.is_empty() {
            return Err(FetchError::Failed("the traffic manager has named no stream yet".to_owned()).into());
        }
        for name in &situation.streams {
            let stream = self.stream(name.as_str())?;
            let template = stream.ladder.value().await?;
            let warm = self.warm_rung(&stream, &template.ladder()).await?;
            for rendition in template.renditions().into_iter().filter(|rendition| **rendition != warm) {
                if let Err(error) = self.listing(&stream, rendition).await {
                    tracing::warn!(stream = %name, %rendition, %error, "the upstream does not have a rendition; going on without");
                }
            }
        }
        Ok(())
    }

    /// Warms the lowest rung that lists a segment, and says which it is.
    async fn warm_rung(&self, stream: &Pulled, ladder: &[Rung]) -> Result<Rendition, Error> {
        let mut why_not_the_lowest = None;
        for Rung { rendition, .. } in ladder {
            match self.listing(stream, rendition).await {
                Ok(listing) => {
                    if let Some(newest) = listing.newest().last() {
                        self.store.open(newest).await?.read().await?;
                    }
                    return Ok(rendition.clone());
                }
                Err(error) => {
                    why_not_the_lowest.get_or_insert(error);
                }
            }
        }
        Err(why_not_the_lowest.unwrap_or_else(|| Error::NotReady(stream.name.clone())))
    }

    /// What a rendition lists, a segment at least.
    async fn listing(&self, stream: &Pulled, rendition: &Rendition) -> Result<Listing, Error> {
        let listing = self.media(&stream.name, rendition).read(None).await?;
        if listing.playlist.newest.is_none() {
            return Err(Error::NotReady(stream.name.clone()));
        }
        Ok(listing)
    }

    fn stream(&self, name: &str) -> Result<Arc<Pulled>, Error> {
        let situation = self.board.now();
        let Some(known) = situation.streams.iter().find(|known| known.as_str() == name) else {
            // Before a directive has come nothing is known of any stream.
            if let (true, Ok(name)) = (situation.streams.is_empty(), name.parse()) {
                return Err(Error::NotReady(name));
            }
            return Err(Error::UnknownStream { name: name.to_owned(), known: situation.streams.clone() });
        };
        let streams = self.streams.pin();
        if let Some(stream) = streams.get(name) {
            return Ok(Arc::clone(stream));
        }
        streams.retain(|name, _| situation.streams.contains(name));
        Ok(Arc::clone(streams.get_or_insert_with(known.clone(), || Arc::new(self.pulled(known)))))
    }

    fn pulled(&self, name: &StreamName) -> Pulled {
        let ladder = Ladder {
            client: Arc::clone(&self.client),
            path: Resource { stream: name.as_str(), kind: Kind::Multivariant }.to_string(),
            refresh: self.config.ladder_refresh,
        };
        let ladder = Kept::new(ladder, self.config.retry);
        Pulled { name: name.clone(), ladder, renditions: HashMap::new() }
    }

    /// A rendition that the stream has.
    async fn rendition(&self, stream: &str, rendition: &str) -> Result<Arc<Kept<Media>>, Error> {
        let stream = self.stream(stream)?;
        let watched = stream.renditions.pin().get(rendition).map(Arc::clone);
        if let Some(media) = watched {
            return Ok(media);
        }
        let template = stream.ladder.value().await?;
        let renditions = template.renditions();
        let Some(known) = renditions.iter().find(|known| known.as_str() == rendition) else {
            return Err(Error::UnknownRendition {
                stream: stream.name.clone(),
                name: rendition.to_owned(),
                known: renditions.into_iter().map(ToString::to_string).collect(),
            });
        };
        let kept = stream.renditions.pin();
        kept.retain(|name, _| renditions.contains(name));
        let make = || Kept::new(self.media(&stream.name, known), self.config.retry);
        Ok(Arc::clone(kept.get_or_insert_with(Rendition::clone(known), make)))
    }

    /// The first playlist that lists `msn`, for those who would otherwise ask again and again.
    async fn held(&self, media: &Arc<Kept<Media>>, now: Playlist, msn: u64) -> Result<Playlist, Error> {
        let newest = now.newest.unwrap_or_default();
        if msn > newest.saturating_add(FARTHEST_AHEAD) {
            return Err(Error::TooFarAhead { asked: msn, newest });
        }
        let listed = |listing: &Listing| listing.playlist.newest >= Some(msn) || listing.playlist.ended;
        match timeout(now.target_duration * HELD_TARGETS, media.wait(listed)).await {
            Ok(listing) => Ok(listing?.playlist.clone()),
            Err(_) => Ok(now),
        }
    }

    fn media(&self, stream: &StreamName, rendition: &Rendition) -> Media {
        let kind = Kind::Playlist { rendition: rendition.as_str() };
        Media {
            client: Arc::clone(&self.client),
            store: self.store.clone(),
            path: Resource { stream: stream.as_str(), kind }.to_string(),
            fetch_ahead: self.config.fetch_ahead,
            spared: AtomicBool::new(false),
        }
    }
}

impl Pulled {
    /// The stream as its playlists here show it.
    fn describe(&self) -> Stream {
        let renditions = self.renditions.pin();
        let any = renditions.values().find_map(|media| media.peek());
        Stream {
            name: self.name.clone(),
            target_duration: any.as_ref().map_or(PRESUMED_TARGET, |any| any.playlist.target_duration),
            live: any.as_ref().is_none_or(|any| !any.playlist.ended),
            ready: self.ladder.peek().is_some(),
            template: self.ladder.peek().map(|template| Arc::clone(&*template)),
        }
    }
}

impl Feed for Upstream {
    fn streams(&self) -> Vec<Stream> {
        let situation = self.board.now();
        let mut streams: Vec<Stream> = situation
            .streams
            .iter()
            .filter_map(|name| self.stream(name.as_str()).ok())
            .map(|stream| stream.describe())
            .collect();
        streams.sort_by(|one, other| one.name.cmp(&other.name));
        streams
    }

    async fn multivariant(&self, stream: &str) -> Result<Arc<Template>, Error> {
        Ok(Arc::clone(&*self.stream(stream)?.ladder.value().await?))
    }

    async fn media_playlist(
        &self,
        stream: &str,
        rendition: &str,
        msn: Option<u64>,
    ) -> Result<Playlist, Error> {
        let media = self.rendition(stream, rendition).await?;
        let playlist = media.value().await?.playlist.clone();
        match msn {
            Some(msn) if playlist.newest < Some(msn) && !playlist.ended => {
                self.held(&media, playlist, msn).await
            }
            _ => Ok(playlist),
        }
    }

    async fn object(&self, resource: &Resource<'_>) -> Result<Object, Error> {
        // Names that nobody could have are not worth a request to the upstream.
        self.rendition(resource.stream, resource.rendition().unwrap_or_default()).await?;
        Ok(self.store.open(&Key::of(resource)).await?)
    }

    fn spare(&self, stream: &str, rendition: &str, spared: bool) {
        let watched = |stream: &Arc<Pulled>| stream.renditions.pin().get(rendition).map(Arc::clone);
        if let Some(media) = self.streams.pin().get(stream).and_then(watched) {
            media.subject().spare(spared);
        }
    }

    fn health(&self) -> Health {
        self.client.health()
    }
}
