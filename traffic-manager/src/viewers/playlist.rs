//! A placed viewer's multivariant playlist: which pathways it declares, by what its player needs.
//!
//! | player | pathways |
//! |---|---|
//! | does not steer | the primary's alone: with a second one listed, some fetch both and some freeze |
//! | steers, placed on the primary | the primary's alone: relays are clones |
//! | steers, placed on a relay | the relay's, then the primary's, which is the base of every clone |
//! | Shaka | all slots of its region: its release build cannot match clones |

use hls::{Pathway, SteeringTag, View};
use policy::{
    Class, ServerId,
    routing::{Kind, Slot},
};

use super::{Placed, Viewers};

/// What a player needs beyond its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlayerNeeds {
    /// Nothing.
    Clones,
    /// Every slot declared as a pathway.
    Declarations,
}

impl PlayerNeeds {
    /// What the player of that name needs.
    pub(crate) fn of(player: Option<&str>) -> Self {
        if player.is_some_and(|player| player.eq_ignore_ascii_case("shaka")) {
            Self::Declarations
        } else {
            Self::Clones
        }
    }
}

impl Viewers {
    /// The playlist of a viewer that was just placed.
    pub(crate) fn playlist(&self, placed: &Placed, needs: PlayerNeeds) -> String {
        let steers = placed.session.class == Class::Steers;
        let pathways = self.pathways(placed, needs);
        let steering_url = self.steering_url(&placed.token, None);
        placed.template.render(&View {
            stream: placed.session.stream.as_str(),
            session: Some(&placed.token),
            steering: steers.then(|| SteeringTag {
                server_uri: &steering_url,
                pathway: placed.placement.server.as_str(),
            }),
            pathways: pathways
                .iter()
                .map(|slot| Pathway { id: slot.id.as_str(), base: &slot.base_url })
                .collect(),
        })
    }

    /// The server that the viewer is placed on first.
    fn pathways(&self, placed: &Placed, needs: PlayerNeeds) -> Vec<Slot> {
        let picture = self.gallery.now();
        let slot = |id: &ServerId, base_url: &std::sync::Arc<str>| Slot {
            id: id.clone(),
            base_url: base_url.clone(),
        };
        let mut pathways = vec![slot(&placed.placement.server, &placed.placement.base_url)];
        if placed.session.class != Class::Steers {
            return pathways;
        }
        let primary = picture.routing.servers.iter().find(|route| route.kind == Kind::Primary);
        let mut others: Vec<Slot> =
            primary.map(|route| slot(&route.id, &route.base_url)).into_iter().collect();
        if needs == PlayerNeeds::Declarations {
            let (region, _) = picture.routing.region(&placed.session.region);
            others.extend(picture.routing.slots.get(region).into_iter().flatten().cloned());
        }
        for other in others {
            if pathways.iter().all(|known| known.id != other.id) {
                pathways.push(other);
            }
        }
        pathways
    }
}
