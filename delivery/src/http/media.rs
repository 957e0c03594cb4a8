//! Segments and initialization sections: immutable, without a token, handed on while they arrive, whole or in one range.

use hls::Resource;
use http::{Method, Request, header};
use http_body::Body as _;

use super::{
    Caller, Site,
    answer::{Answer, MEDIA_TAG, Refusal, media, not_modified, partial, unsatisfiable},
    body::Body,
    negotiation,
    range::{self, Range},
};
use crate::{
    feed::{Error, Feed},
    object,
};

impl<F: Feed> Site<F> {
    /// Answers with an object or with the range asked for, which only a GET can do (RFC 9110 14.2).
    pub(super) async fn media<B>(
        &self,
        request: &Request<B>,
        resource: &Resource<'_>,
        caller: &Caller,
    ) -> Result<Answer, Refusal> {
        if !caller.is_relay() {
            self.census.asked(self.clock.now());
            let rendition = resource.rendition().unwrap_or_default();
            self.census.media_asked(resource.stream, rendition, caller.line());
        }
        let text =
            |name| request.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        // Whoever has the tag has the media: nothing else was ever called so.
        if negotiation::names(request.headers(), MEDIA_TAG) {
            return Ok(not_modified());
        }
        let line = caller.line();
        let waiting = line.wait();
        let object = self.feed.object(resource).await?;
        let send = |body: object::Body| {
            if request.method() == Method::GET {
                let bytes = (body.size_hint().exact(), object.len());
                self.pace(resource, bytes, request.version(), caller);
            }
            media(resource.content_type(), Body::object(body, line))
        };
        // A range of something else than we gave out is asked for as the whole (RFC 9110 13.1.5).
        let of_ours = text(header::IF_RANGE).is_none_or(|tag| tag == MEDIA_TAG);
        let wanted = text(header::RANGE).filter(|_| request.method() == Method::GET && of_ours);
        let Some(wanted) = wanted else {
            return Ok(send(object.body()));
        };
        let len = match object.len() {
            Some(len) => len,
            // Nobody knows yet where its end is.
            None => object.read().await.map_err(Error::from)?.len() as u64,
        };
        drop(waiting);
        Ok(match range::parse(wanted, len) {
            None => send(object.body()),
            Some(Range::Unsatisfiable) => unsatisfiable(len),
            Some(Range::Part { start, end }) => partial(send(object.range(start, end)), start, end, len),
        })
    }
}
