//! Segments and initialization sections: immutable, without a token, handed on while they arrive, whole or in one range.

use std::sync::Arc;

use hls::Resource;
use http::{HeaderMap, Method, header};

use super::{
    Caller, Site,
    answer::{Answer, Refusal, media, partial, unsatisfiable},
    body::Body,
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
        let line = caller.line();
        let waiting = line.wait();
        let object = self.feed.object(resource).await?;
        let wanted = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
        // What a range is conditional on, we never gave out: such a request is for the whole (RFC 9110 13.1.5).
        let wanted = wanted.filter(|_| method == Method::GET && !headers.contains_key(header::IF_RANGE));
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
