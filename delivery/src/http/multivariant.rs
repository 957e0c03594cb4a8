//! `/{stream}/index.m3u8`: a viewer's own multivariant playlist, with the session, and with pathways where the player steers.
//!
//! What a viewer is told is the same wherever he asks: a player that does not steer gets the primary's playlists and nothing
//! else; one that does gets the server that his token names first and the primary always, because the primary's is the id
//! that every clone is based on. Before a manager has said who the primary is, all URIs are relative.

use hls::{
    template::{Pathway, SteeringTag, View},
    url::parameter,
};
use http::Request;
use policy::{Class, Region, StreamName, routing::Kind, session::Session};

use super::{
    Site,
    answer::{Answer, Refusal, multivariant},
    viewer::{Asker, class_of},
};
use crate::{
    feed::{Error, Feed},
    situation::Situation,
};

/// Shaka switches between pathways that are declared, never to clones: so it is told of all slots from the first.
const SHAKA: &str = "shaka";

impl<F: Feed> Site<F> {
    /// Answers with the multivariant playlist.
    pub(super) async fn multivariant<B>(
        &self,
        request: &Request<B>,
        stream: &str,
    ) -> Result<Answer, Refusal> {
        let asker = self.asker(request, stream)?;
        let template = self.feed.multivariant(stream).await?;
        let player = request.uri().query().and_then(|query| parameter(query, "player"));
        let viewer = match asker {
            Asker::Relay => None,
            Asker::Viewer(session, token) => Some((session, token)),
            Asker::Anonymous => {
                let name: StreamName = stream.parse().map_err(|_| Error::Gone(stream.to_owned()))?;
                Some(self.newcomer(name, class_of(request, player.as_deref()))?)
            }
        };
        let Some((session, token)) = viewer else {
            return Ok(multivariant(template.render(&View { stream, ..View::default() })));
        };
        let situation = self.board.snapshot();
        let declares_all = player.as_deref().is_some_and(|player| player.eq_ignore_ascii_case(SHAKA));
        let pathways = self.pathways(&situation, &session, declares_all);
        let steering = situation.steering_url.as_deref().filter(|_| session.class == Class::Steers);
        let server_uri = steering.map(|url| format!("{url}?s={token}"));
        let steering = server_uri.as_deref().zip(pathways.first());
        let steering = steering.map(|(server_uri, first)| SteeringTag { server_uri, pathway: first.id });
        let view = View { stream, session: Some(&token), steering, pathways: pathways.clone() };
        Ok(multivariant(template.render(&view)))
    }

    /// A session for somebody who has none, if there is room for one more.
    fn newcomer(&self, stream: StreamName, class: Class) -> Result<(Session, String), Refusal> {
        // The primary may still send these on to relays, and where to is only asked when they reload.
        let may_be_sent_on = self.place.kind == Kind::Primary
            && class == Class::Redirects
            && !self.board.now().redirects.is_empty();
        if !may_be_sent_on && !self.census.has_room() {
            return Err(self.full(self.census.refuse()));
        }
        Ok(self.mint(stream, class))
    }

    /// Where this session plays from, the first one first; none for "from where you asked".
    fn pathways<'a>(
        &'a self,
        situation: &'a Situation,
        session: &'a Session,
        declares_all: bool,
    ) -> Vec<Pathway<'a>> {
        let Some(primary) = &situation.primary else { return Vec::new() };
        let origin = Pathway { id: primary.id.as_str(), base: &primary.base_url };
        match session.class {
            Class::Watches => return Vec::new(),
            Class::Redirects | Class::Fixed => return vec![origin],
            Class::Steers if situation.steering_url.is_none() => return vec![origin],
            Class::Steers => {}
        }
        let mut pathways = vec![origin];
        if let Some(base) = self.base_of(situation, session).filter(|_| session.server != primary.id) {
            pathways.insert(0, Pathway { id: session.server.as_str(), base });
        }
        if declares_all {
            // Without a region it is near everybody.
            let near = |region: Option<&Region>| region.is_none_or(|region| *region == session.region);
            for slot in situation.pathways.iter().filter(|slot| near(slot.region.as_ref())) {
                if pathways.iter().all(|pathway| pathway.id != slot.id.as_str()) {
                    pathways.push(Pathway { id: slot.id.as_str(), base: &slot.base_url });
                }
            }
        }
        pathways
    }

    /// Where the server is that the session was given first, if anybody has told us.
    fn base_of<'a>(&'a self, situation: &'a Situation, session: &Session) -> Option<&'a str> {
        if session.server == self.place.server {
            return Some(&self.base_url);
        }
        let slot = situation.pathways.iter().find(|slot| slot.id == session.server);
        slot.map(|slot| &*slot.base_url)
    }
}
