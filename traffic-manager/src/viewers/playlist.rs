//! A placed viewer's multivariant playlist: `policy::pathways` says what it declares, `hls` writes it down, as at every server.

use hls::{Pathway, View};
use policy::{
    Class,
    pathways::{self, Needs},
};

use super::{Placed, Viewers};

impl Viewers {
    /// The playlist of a viewer that was just placed.
    pub(crate) fn playlist(&self, placed: &Placed, needs: Needs) -> String {
        let picture = self.gallery.now();
        let (session, routing) = (&placed.session, &picture.routing);
        let primary = routing.primary.as_ref();
        let pathways = primary
            .map_or_else(Vec::new, |primary| pathways::declared(session, needs, primary, &routing.pathways));
        placed.template.render(&View {
            stream: session.stream.as_str(),
            session: Some(&placed.token),
            withheld: &placed.withheld,
            steering: (session.class == Class::Steers).then_some(&*self.steering_url),
            pathways: pathways
                .iter()
                .map(|slot| Pathway { id: slot.id.as_str(), base: &slot.base_url })
                .collect(),
        })
    }
}
