//! Delivery's view of the primary: playlists as the source has published them, objects through the object store.

use std::sync::Arc;

use delivery::{
    feed::{Error, Feed, Health, Playlist, Stream},
    object::{Key, Object, Store},
};
use hls::{Resource, Template};

use crate::{publication::Publication, source::Origin};

/// What feeds the primary's delivery.
#[derive(Debug, Clone)]
pub(crate) struct SourceFeed {
    publication: Arc<Publication>,
    store: Store<Origin>,
}

impl SourceFeed {
    pub(crate) fn new(publication: Arc<Publication>, store: Store<Origin>) -> Self {
        Self { publication, store }
    }

    fn known(&self, stream: &str) -> Result<&Publication, Error> {
        let known = self.publication.stream();
        if known.as_str() == stream {
            Ok(&self.publication)
        } else {
            Err(Error::UnknownStream { name: stream.to_owned(), known: vec![known.clone()] })
        }
    }
}

impl Feed for SourceFeed {
    fn streams(&self) -> Vec<Stream> {
        vec![self.publication.state()]
    }

    fn health(&self) -> Health {
        self.store.source().health()
    }

    async fn multivariant(&self, stream: &str) -> Result<Arc<Template>, Error> {
        self.known(stream)?.template()
    }

    async fn media_playlist(
        &self,
        stream: &str,
        rendition: &str,
        msn: Option<u64>,
    ) -> Result<Playlist, Error> {
        self.known(stream)?.playlist(rendition, msn).await
    }

    async fn object(&self, resource: &Resource<'_>) -> Result<Object, Error> {
        self.known(resource.stream)?;
        Ok(self.store.open(&Key::of(resource)).await?)
    }
}
