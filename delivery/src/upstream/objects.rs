//! How the object store takes segments and initialization sections from the upstream.

use std::sync::Arc;

use futures::StreamExt as _;
use http::{HeaderMap, StatusCode, header};

use super::client::{Client, reason};
use crate::object::{Broken, Fetch, FetchError, Fetched, Key};

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

/// First byte and whole length in `bytes FIRST-LAST/WHOLE` (RFC 9110 14.4).
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, whole.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_names_its_first_byte_and_maybe_the_whole() {
        let read = |text: &str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_RANGE, text.parse().unwrap())]);
            content_range(&headers)
        };
        assert_eq!(read("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(read("bytes 5-9/*"), Some((5, None)));
        assert_eq!(read("bytes */10"), None);
        assert_eq!(read("5-9/10"), None);
    }
}
