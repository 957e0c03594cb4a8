//! What those who pull over HTTP, a relay from its upstream and a primary from its source, read off a response.

use std::error::Error;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use reqwest::Response;

/// First byte and whole length in `Content-Range: bytes FIRST-LAST/WHOLE` (RFC 9110 14.4); the length is none where nobody
/// knows it yet.
#[must_use]
pub fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, whole.parse().ok()))
}

/// The body as a whole; none where it is larger than `limit` bytes.
///
/// # Errors
/// When it breaks off.
pub async fn body(mut response: Response, limit: usize) -> Result<Option<Bytes>, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body.freeze()))
}

/// An error with what caused it: reqwest's own text stops at "error sending request".
#[must_use]
pub fn reason(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
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
        for nonsense in ["bytes */10", "5-9/10", "lines 1-2/3"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
