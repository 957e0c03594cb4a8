//! Segments and initialization sections: immutable, without a token, handed on while they arrive, whole or in one range.

use std::sync::Arc;

use hls::Resource;
use http::{HeaderMap, Method, header};

use super::{
    Caller, Site,
    answer::{Answer, MEDIA_TAG, Refusal, media, not_modified, partial, unsatisfiable},
    body::Body,
    negotiation,
    range::{self, Range},
};
use crate::feed::{Error, Feed};

impl<F: Feed> Site<F> {
    /// Answers with an object or with the range asked for, which only a GET can do (RFC 9110 14.2).
    pub(super) async fn media(
        &self,
        resource: &Resource<'_>,
        (method, headers): (&Method, &HeaderMap),
        caller: &Caller,
    ) -> Result<Answer, Refusal> {
        if !caller.is_relay() {
            self.census.asked(self.clock.now());
            let rendition = resource.rendition().unwrap_or_default();
            self.census.media_asked(resource.stream, rendition, caller.line());
        }
        let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        // Whoever has the tag has the media: nothing else was ever called so.
        if negotiation::names(headers, MEDIA_TAG) {
            return Ok(not_modified());
        }
        let line = caller.line();
        let waiting = line.wait();
        let object = self.feed.object(resource).await?;
        // A range of something else than we gave out is asked for as the whole (RFC 9110 13.1.5).
        let of_ours = text(header::IF_RANGE).is_none_or(|tag| tag == MEDIA_TAG);
        let wanted = text(header::RANGE).filter(|_| method == Method::GET && of_ours);
        let Some(wanted) = wanted else {
            return Ok(media(resource.content_type(), Body::object(object.body(), line)));
        };
        let len = match object.len() {
            Some(len) => len,
            // Nobody knows yet where its end is.
            None => object.read().await.map_err(Error::from)?.len() as u64,
        };
        drop(waiting);
        Ok(match range::parse(wanted, len) {
            None => media(resource.content_type(), Body::object(object.body(), line)),
            Some(Range::Unsatisfiable) => unsatisfiable(len),
            Some(Range::Part { start, end }) => {
                let body = Body::object(object.range(start, end), &Arc::clone(line));
                partial(media(resource.content_type(), body), start, end, len)
            }
        })
    }
}
