//! A rendition's media playlist, followed by blocking reload (RFC 8216bis 6.2.5.2): the upstream holds each request until the
//! next segment is listed, so that a relay has a new playlist when its upstream has it, with one request a segment.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use hls::{MediaPlaylist, Resource};

use super::{
    client::{Client, Read},
    kept::Subject,
    objects::Objects,
};
use crate::{
    document::Document,
    feed::Playlist,
    object::{FetchError, Key, Store},
};

/// How long a blocking reload may be held, in target durations: after three the upstream gives up (RFC 8216bis 6.2.5.2).
pub(super) const HELD_TARGETS: u32 = 3;

/// How long nobody has to ask before a rendition is not watched any more, in halves of a target duration: DESIGN's 2.5.
const INTEREST_HALF_TARGETS: u32 = 5;

/// The same before the target duration is known: longer than a first answer may take.
const FIRST_INTEREST: Duration = Duration::from_secs(10);

/// How long to wait before looking again at a playlist that has ended.
const ENDED_PAUSE: Duration = Duration::from_secs(60);

/// A playlist as it came, and what to fetch of it before anybody asks.
pub(super) struct Listing {
    pub(super) playlist: Playlist,
    /// The newest segments with their initialization sections, oldest first.
    newest: Vec<Key>,
}

impl Listing {
    /// Understands what was read; `ahead` segments are worth to be fetched ahead.
    fn of(Read { body, url, given_at, switching_set }: Read, ahead: usize) -> Result<Self, FetchError> {
        let media = MediaPlaylist::parse(&body, &url)
            .map_err(|error| FetchError::Failed(format!("its playlist {url} cannot be used: {error}")))?;
        let mut newest: Vec<Key> = Vec::new();
        for segment in &media.segments[media.segments.len().saturating_sub(ahead)..] {
            let map = segment.map.as_ref().map(|map| &map.source.uri);
            let source = Some(&segment.source.uri).filter(|_| !segment.gap);
            for uri in map.into_iter().chain(source) {
                // What is not under the upstream's own URLs is not for this relay to fetch.
                let ours = Resource::parse(uri.path()).filter(|_| uri.origin() == url.origin());
                let key = ours.map(|resource| Key::of(&resource));
                newest.extend(key.filter(|key| !newest.contains(key)));
            }
        }
        let playlist = Playlist {
            body: Document::new(body),
            given_at: Some(given_at),
            target_duration: Duration::from_secs(media.target_duration_s),
            newest: media.segments.last().map(|segment| segment.sequence),
            ended: media.ended,
            switching_set,
        };
        Ok(Self { playlist, newest })
    }

    /// The newest segments with their initialization sections, oldest first.
    pub(super) fn newest(&self) -> &[Key] {
        &self.newest
    }
}

/// The media playlist of one rendition.
pub(super) struct Media {
    pub(super) client: Arc<Client>,
    pub(super) store: Store<Objects>,
    /// Its path at every server.
    pub(super) path: String,
    pub(super) fetch_ahead: usize,
    /// Nobody asks for its newest segments now.
    pub(super) spared: AtomicBool,
}

impl Media {
    /// Notes whether its newest segments are asked for by nobody.
    pub(super) fn spare(&self, spared: bool) {
        self.spared.store(spared, Relaxed);
    }

    /// Asks for the playlist once; with `msn`, when that segment is listed.
    pub(super) async fn read(&self, held: Option<(u64, Duration)>) -> Result<Listing, FetchError> {
        let read = match held {
            None => self.client.playlist(&self.path, Duration::ZERO).await?,
            Some((msn, held)) => {
                let path = format!("{}?_HLS_msn={msn}", self.path);
                self.client.playlist(&path, held).await?
            }
        };
        Listing::of(read, self.fetch_ahead)
    }
}

impl Subject for Media {
    type Value = Listing;

    async fn ask(&self, before: Option<&Listing>) -> Result<Listing, FetchError> {
        let before = before.map(|listing| &listing.playlist).filter(|playlist| !playlist.ended);
        let held =
            before.and_then(|playlist| Some((playlist.newest? + 1, playlist.target_duration * HELD_TARGETS)));
        let listing = self.read(held).await?;
        for key in listing.newest().iter().filter(|_| !self.spared.load(Relaxed)) {
            if let Err(error) = self.store.prefetch(key) {
                tracing::debug!(%key, %error, "not fetched ahead");
            }
        }
        Ok(listing)
    }

    /// None, for the upstream holds the next request; unless there is nothing new, as where it does not know how to hold.
    fn pause(&self, before: Option<&Listing>, now: &Listing) -> Duration {
        let now = &now.playlist;
        if now.ended {
            return ENDED_PAUSE;
        }
        let held = before.is_some_and(|before| before.playlist.newest.is_some());
        if now.newest.is_none() || (held && before.map(|before| before.playlist.newest) == Some(now.newest)) {
            return now.target_duration / 2;
        }
        Duration::ZERO
    }

    fn interest(&self, now: Option<&Listing>) -> Duration {
        now.map_or(FIRST_INTEREST, |listing| listing.playlist.target_duration * INTEREST_HALF_TARGETS / 2)
    }
}
