//! How the object store takes segments and initialization sections from the upstream.

use std::sync::Arc;

use futures::StreamExt as _;
use http::StatusCode;

use super::client::Client;
use crate::{
    object::{Broken, Fetch, FetchError, Fetched, Key},
    response::{content_range, reason},
};

/// The upstream as the object store sees it.
pub(super) struct Objects {
    pub(super) client: Arc<Client>,
}

impl Fetch for Objects {
    async fn fetch(&self, key: &Key, offset: u64) -> Result<Fetched, FetchError> {
        let (response, place) = self.client.object(key.path(), offset).await?;
        let (offset, total) = if response.status() == StatusCode::PARTIAL_CONTENT {
            content_range(response.headers())
                .ok_or_else(|| FetchError::Failed("its Content-Range cannot be read".to_owned()))?
        } else {
            (0, response.content_length())
        };
        let client = Arc::clone(&self.client);
        let body = response.bytes_stream().map(move |piece| {
            // The place among the requests is taken until the last byte.
            let _place = &place;
            piece.map_err(|error| {
                let reason = reason(&error);
                client.note(Some(&FetchError::Failed(reason.clone())));
                Broken(reason)
            })
        });
        Ok(Fetched { offset, total, body: Box::pin(body) })
    }
}
