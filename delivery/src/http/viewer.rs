//! Who asks: a relay with a pass, a viewer with a session, or somebody of whom nothing is known.
//!
//! Players cannot refresh the URLs that they hold: an expired or forged token still plays and is counted as anonymous, unless
//! `http.require_token` says otherwise.

use hls::url::{SESSION, parameter};
use http::{HeaderMap, Request, header};
use policy::{
    Class, ServerId, SessionId, StreamName,
    class::{Hints, classify},
    session::{Key, Keys, Session},
};

use super::{Site, answer::Refusal};
use crate::{
    census::{BEGINS, CLOCKS_DIFFER},
    clock::unix_now,
    feed::Feed,
    upstream::PASS_HEADER,
};

/// Who asks for a playlist.
#[derive(Debug)]
pub(super) enum Asker {
    /// One of the fleet's relays: never counted, redirected, or refused for want of room.
    Relay,
    /// A viewer, and the token that says so.
    Viewer(Session, String),
    /// Somebody without a valid token.
    Anonymous,
}

/// A key of this server's own, for sessions that it gives out before a manager has told it the fleet's.
pub(super) fn own_keys() -> Keys {
    Keys::new(Key::new(0, rand::random()), None)
}

impl<F: Feed> Site<F> {
    /// Who asks for a playlist of `stream`.
    pub(super) fn asker<B>(&self, request: &Request<B>, stream: &str) -> Result<Asker, Refusal> {
        if self.is_relay(request.headers()) {
            return Ok(Asker::Relay);
        }
        let token = request.uri().query().and_then(|query| parameter(query, SESSION));
        let session = token.as_deref().and_then(|token| self.session(token));
        match (session, token) {
            (Some(session), Some(token)) if session.stream.as_str() == stream => {
                Ok(Asker::Viewer(session, token.into_owned()))
            }
            // A primary that was just started again cannot tell yet, and a player that is forbidden to go on ends.
            (None, Some(_)) if self.config.require_token && self.board.now().keys.is_none() => {
                Err(Refusal::NoKeys { retry_after: self.config.retry_after })
            }
            _ if self.config.require_token => Err(Refusal::NoToken),
            _ => Ok(Asker::Anonymous),
        }
    }

    /// Whether a valid pass is shown. Before the fleet's keys have come, any is taken at its word: relays ask a primary that was
    /// just started again, and as viewers they would be counted, and could not wait for segments.
    pub(super) fn is_relay(&self, headers: &HeaderMap) -> bool {
        let Some(pass) = headers.get(PASS_HEADER).and_then(|pass| pass.to_str().ok()) else { return false };
        let situation = self.board.now();
        situation.keys.as_deref().is_none_or(|keys| keys.verify_pass(pass, unix_now()).is_ok())
    }

    fn session(&self, token: &str) -> Option<Session> {
        let now = unix_now();
        let situation = self.board.now();
        let fleet = situation.keys.as_deref();
        let known = fleet.and_then(|keys| keys.verify(token, now).ok());
        known.or_else(|| self.own_keys.verify(token, now).ok())
    }

    /// A session of its own for a viewer who came without one, and its token.
    pub(super) fn mint(&self, stream: StreamName, class: Class) -> (Session, String) {
        let session = Session {
            id: SessionId::drawn(rand::random()),
            stream,
            region: self.place.region.clone(),
            class,
            server: self.first_server(class),
            expires_unix: unix_now().saturating_add(self.config.session_life.as_secs()),
        };
        let situation = self.board.now();
        let token = situation.keys.as_deref().unwrap_or(&self.own_keys).sign(&session);
        (session, token)
    }

    /// Whether a session was begun just now, so that nothing was listed to it anywhere: its token says until when it lives. Where the manager
    /// gives out shorter lives than this server's config says, nobody is fresh; where longer ones, some who are not, so much later.
    pub(super) fn is_fresh(&self, session: &Session) -> bool {
        let (born, now) = (session.expires_unix.checked_sub(self.config.session_life.as_secs()), unix_now());
        let fresh = now.saturating_sub(BEGINS.as_secs())..=now.saturating_add(CLOCKS_DIFFER.as_secs());
        born.is_some_and(|born| fresh.contains(&born))
    }

    /// Players that do not steer are given the primary's playlists wherever they ask.
    fn first_server(&self, class: Class) -> ServerId {
        let primary = match class {
            Class::Redirects | Class::Fixed => {
                self.board.now().primary.as_ref().map(|primary| primary.id.clone())
            }
            Class::Steers | Class::Watches => None,
        };
        primary.unwrap_or_else(|| self.place.server.clone())
    }
}

/// What the player can do that sent this.
pub(super) fn class_of<B>(request: &Request<B>, player: Option<&str>) -> Class {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    classify(&Hints {
        player,
        user_agent: text(header::USER_AGENT.as_str()),
        sec_fetch_dest: text("sec-fetch-dest"),
        grpc: false,
    })
}
