//! Which pathways a viewer's multivariant playlist declares, in which order: the same at the manager and at every server,
//! so that a viewer who asks again, or elsewhere, gets the same document.
//!
//! | player | pathways |
//! |---|---|
//! | is told over gRPC | none: it plays from where it asked |
//! | does not steer | the primary's alone: with a second one listed, some fetch both and some freeze |
//! | steers, placed on the primary | the primary's alone: relays are clones |
//! | steers, placed on a relay | the relay's, then the primary's, which is the base of every clone |
//! | Shaka | all that its region's viewers may be sent to as well: its release build cannot match clones |
//!
//! The first one is where the player begins, and what its first steering answer says (`placement::steer`). Rendering is
//! `hls`'s.

use crate::{
    Class,
    routing::{Pathway, Slot},
    session::Session,
};

/// The player that switches between declared pathways only.
const SHAKA: &str = "shaka";

/// What a player needs beyond its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Clones,
    /// Every slot declared as a pathway.
    Declarations,
}

impl Needs {
    /// What the player needs that the parameter `player` names.
    #[must_use]
    pub fn of(player: Option<&str>) -> Self {
        if player.is_some_and(|player| player.eq_ignore_ascii_case(SHAKA)) {
            Self::Declarations
        } else {
            Self::Clones
        }
    }

    /// The `player` that a URL must name so that whoever answers it knows.
    #[must_use]
    pub const fn player(self) -> Option<&'static str> {
        match self {
            Self::Clones => None,
            Self::Declarations => Some(SHAKA),
        }
    }
}

/// The pathways that the playlist of `session` declares, the one to begin with first. Without any, its URIs are relative.
#[must_use]
pub fn declared<'a>(
    session: &Session,
    needs: Needs,
    primary: &'a Slot,
    pathways: &'a [Pathway],
) -> Vec<&'a Slot> {
    match session.class {
        Class::Watches => return Vec::new(),
        Class::Redirects | Class::Fixed => return vec![primary],
        Class::Steers => {}
    }
    let slots = || pathways.iter().map(|pathway| &pathway.slot);
    let first = slots().find(|slot| slot.id == session.server);
    let near = pathways.iter().filter(|pathway| pathway.reaches(&session.region));
    let near = near.map(|pathway| &pathway.slot).filter(|_| needs == Needs::Declarations);
    let mut declared: Vec<&Slot> = Vec::new();
    for slot in first.into_iter().chain([primary]).chain(near) {
        if declared.iter().all(|known| known.id != slot.id) {
            declared.push(slot);
        }
    }
    declared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::testing::{id, session};

    fn slot(name: &str) -> Slot {
        Slot { id: id(name), base_url: format!("http://{name}:8080").into() }
    }

    #[test]
    fn a_playlist_declares_what_its_player_can_use_and_the_viewers_own_server_first() {
        let primary = slot("primary");
        let pathway = |name, regions: &[&str]| Pathway {
            slot: slot(name),
            regions: regions.iter().map(|region| region.parse().unwrap()).collect(),
        };
        let pathways = [
            pathway("a", &["eu"]),
            pathway("b", &["asia", "eu"]),
            pathway("c", &["mars"]),
            pathway("d", &[]),
        ];
        for (player, class, server, names) in [
            (None, Class::Watches, "a", &[][..]),
            (None, Class::Redirects, "primary", &["primary"]),
            (Some("vlc"), Class::Fixed, "primary", &["primary"]),
            (None, Class::Steers, "primary", &["primary"]),
            (None, Class::Steers, "a", &["a", "primary"]),
            (Some("hls.js"), Class::Steers, "c", &["c", "primary"]),
            (None, Class::Steers, "gone", &["primary"]),
            (Some("shaka"), Class::Steers, "primary", &["primary", "a", "b", "d"]),
            (Some("Shaka"), Class::Steers, "b", &["b", "primary", "a", "d"]),
            (Some("shaka"), Class::Redirects, "primary", &["primary"]),
        ] {
            let declared = declared(&session(class, server), Needs::of(player), &primary, &pathways);
            let declared: Vec<&str> = declared.iter().map(|slot| slot.id.as_str()).collect();
            assert_eq!(declared, names, "{player:?}, {class}, placed on {server}");
        }
    }
}
