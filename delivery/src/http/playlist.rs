//! `/{stream}/{rendition}/live.m3u8`: the one thing that a viewer asks again and again, and by which he is counted.
//!
//! In this order: is there such a playlist; does the book send this viewer to a relay; is there room for him; note that he
//! asked; what is sent of it at most. A relay's question is none of that, and may wait for a segment to come (blocking playlist reload).

use hls::{cmsd, url::parameter};
use http::{HeaderMap, Request};
use policy::{
    Class, StreamName,
    routing::{Kind, Slot},
    session::Session,
};

use super::{
    Caller, Site,
    answer::{Answer, Refusal, playlist, redirect},
    cap::Viewer,
    negotiation,
    viewer::Asker,
};
use crate::{
    census::Asked,
    feed::{Error, Feed, Playlist},
    upstream::SWITCHING_SET_HEADER,
};

/// The delivery directive by which a relay waits for a segment (RFC 8216bis 6.2.5.2).
const MSN: &str = "_HLS_msn";

impl<F: Feed> Site<F> {
    /// Answers with the media playlist, or sends the viewer to a relay's.
    pub(super) async fn playlist<B>(
        &self,
        request: &Request<B>,
        stream: &str,
        rendition: &str,
        caller: &Caller,
    ) -> Result<Answer, Refusal> {
        let session = match self.asker(request, stream)? {
            Asker::Relay => return self.to_relay(request, stream, rendition).await,
            Asker::Viewer(session, _) => Some(session),
            Asker::Anonymous => None,
        };
        self.census.asked(self.clock.now());
        let counts = request.method() != http::Method::HEAD;
        let sent_on =
            |session: &Session| self.place.kind == Kind::Primary && session.class == Class::Redirects;
        if let Some(newcomer) = session.as_ref().filter(|session| counts && !sent_on(session)) {
            // Before the feed is asked: a relay should not pull a stream for somebody whom it refuses.
            self.census.admit(&newcomer.id).map_err(|full| self.full(full))?;
        }
        let found = self.feed.media_playlist(stream, rendition, None).await?;
        let session = session.filter(|_| counts);
        if let Some(session) = session.as_ref().filter(|session| sent_on(session)) {
            // The book remembers who does not reload as long as the census does.
            let life = self.census.life(found.target_duration, found.ended);
            if let Some(relay) = self.redirects.place(session, life, self.clock.now()) {
                self.census.handed_on(&session.id, self.clock.now());
                return Ok(self.send_to(&relay, request));
            }
        }
        self.to_viewer(request, (stream, rendition), found, session, caller).await
    }

    /// A relay's: as it is, with what may stand for it, and held until the segment that it waits for is listed.
    async fn to_relay<B>(
        &self,
        request: &Request<B>,
        stream: &str,
        rendition: &str,
    ) -> Result<Answer, Refusal> {
        let msn = request.uri().query().and_then(|query| parameter(query, MSN));
        let msn = msn.and_then(|msn| msn.parse().ok());
        let found = self.feed.media_playlist(stream, rendition, msn).await?;
        let mut answer = self.form(&found, request.headers());
        if let Some(set) = found.switching_set {
            let set = http::HeaderValue::try_from(set.to_string());
            answer.headers_mut().insert(SWITCHING_SET_HEADER, set.expect("hexadecimal digits"));
        }
        Ok(answer)
    }

    /// A viewer's: noted, and under the cap. A session that is not to be noted is none.
    async fn to_viewer<B>(
        &self,
        request: &Request<B>,
        (stream, rendition): (&str, &str),
        found: Playlist,
        session: Option<Session>,
        caller: &Caller,
    ) -> Result<Answer, Refusal> {
        let counts = request.method() != http::Method::HEAD;
        let parsed: StreamName;
        let name = if let Some(session) = &session {
            &session.stream
        } else {
            parsed = stream.parse().map_err(|_| Error::Gone(stream.to_owned()))?;
            &parsed
        };
        let rung = self.rung_of(name, rendition).await;
        let (target_duration, ended) = (found.target_duration, found.ended);
        let place = rung.as_ref().map(|rung| rung.place);
        let asked = Asked { stream: name, rendition, rung: place, target_duration, ended };
        let mut newcomer = false;
        match &session {
            Some(session) => {
                let noted = self.census.reloaded(session, asked, caller.line(), self.clock.now());
                newcomer = noted.map_err(|full| self.full(full))?;
            }
            None if counts => self.census.reloaded_unknown(asked),
            None => {}
        }
        let Some(rung) = rung else { return Ok(self.form(&found, request.headers())) };
        let viewer = session
            .as_ref()
            .map(|session| Viewer { id: &session.id, fresh: newcomer && self.is_fresh(session) });
        let capped = self.capped(name, &rung, found, viewer).await;
        if let Some(sent) = &capped.given.sent {
            self.census.names(stream, sent.as_str(), caller.line());
        }
        let mut answer = self.form(&capped.given.playlist, request.headers());
        if let Some((max_bitrate, duress)) = capped.highest {
            let said = cmsd::Dynamic { server: self.place.server.as_str(), max_bitrate, duress };
            let said = http::HeaderValue::try_from(said.to_string());
            answer
                .headers_mut()
                .insert(cmsd::DYNAMIC, said.expect("a server's id and numbers are visible ASCII"));
        }
        Ok(answer)
    }

    /// The playlist in the form that the asker wants, or word that he has it: he has asked all the same.
    fn form(&self, found: &Playlist, headers: &HeaderMap) -> Answer {
        let compress = found.body.len() > self.config.gzip_above_bytes && negotiation::accepts_gzip(headers);
        let form = if compress { found.body.gzip() } else { found.body.plain() };
        let has_it = form.tag.to_str().is_ok_and(|tag| negotiation::has(headers, tag));
        playlist(found, form, compress, has_it)
    }

    fn send_to<B>(&self, relay: &Slot, request: &Request<B>) -> Answer {
        let path = request.uri().path_and_query().map_or("", |path| path.as_str());
        let location = http::HeaderValue::try_from(format!("{}{path}", relay.base_url));
        redirect(location.expect("a base URL and the path of a request are visible ASCII"))
    }
}
