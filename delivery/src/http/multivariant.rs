//! `/{stream}/index.m3u8`: a viewer's own multivariant playlist, with the session, and with pathways where the player steers.
//!
//! What a viewer is told is the same wherever he asks: `policy::pathways` says where he plays from, `hls` writes it down.
//! Before a manager has said who the primary is, all URIs are relative.

use hls::{View, url::parameter};
use http::Request;
use policy::{
    Class, StreamName,
    pathways::{self, Needs},
    routing::Kind,
    session::Session,
};

use super::{
    Site,
    answer::{Answer, Refusal, multivariant},
    viewer::{Asker, class_of},
};
use crate::{
    feed::{Error, Feed},
    situation::Situation,
};

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
        let ladder = self.adaptation.ladder_of(&session.stream, &template);
        let withheld = ladder.withheld(self.mode(&session.stream));
        let view = View { stream, session: Some(&token), withheld: &withheld, ..View::default() };
        let view = placed(view, &situation, &session, Needs::of(player.as_deref()));
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
}

/// Adds where this session plays from. Before a manager has said, that is where it asked.
fn placed<'a>(view: View<'a>, situation: &'a Situation, session: &Session, needs: Needs) -> View<'a> {
    let (Some(primary), Some(steering)) = (&situation.primary, &situation.steering_url) else { return view };
    let pathways = pathways::declared(session, needs, primary, &situation.pathways);
    View {
        pathways: pathways
            .iter()
            .map(|slot| hls::Pathway { id: slot.id.as_str(), base: &slot.base_url })
            .collect(),
        steering: (session.class == Class::Steers).then_some(&**steering),
        ..view
    }
}
