//! Where a viewer plays from: at its start, and from then on.
//!
//! Both are read off the fleet's picture and its counters; nothing is remembered about the viewer. Neither ever fails to
//! say why. What an answer looks like to a player is `steering`'s; who may leave and how many is the fleet's owner's.
//!
//! ```text
//! newcomer   the primary under its target, the region's relays under theirs, the region's with room, the neighbours' with
//!            room, the primary up to its capacity; else refused with a time to retry
//! survivor   whose server just failed: relays first, so that a dying relay does not take the primary with it
//! ```
//!
//! Players that neither steer nor watch always start at the primary, which redirects them itself.

mod reach;
mod steer;

use std::{sync::Arc, time::Duration};

use self::reach::{NEWCOMER, Reach, SURVIVOR};
pub use self::steer::{Question, Step, steer};
use crate::{
    Class, Region, ServerId, SessionId, StreamName, Time,
    balancing::Balancer,
    routing::{Kind, Route, Routing},
};

/// How long a refused viewer waits where its region says nothing: as long as a steering player would.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Who asks for a place.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The session that it is for.
    pub session: &'a SessionId,
    /// What is to be watched.
    pub stream: &'a StreamName,
    /// Where the viewer is.
    pub region: &'a Region,
    /// What the player can do.
    pub class: Class,
    /// Servers that just failed this viewer: given only if there is no other.
    pub avoid: &'a [ServerId],
}

/// Where a viewer plays from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The server.
    pub server: ServerId,
    /// Origin or relay.
    pub kind: Kind,
    /// Where it is: scheme, host and port.
    pub base_url: Arc<str>,
    /// Why there.
    pub reason: Reason,
}

/// Why a viewer plays from where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The primary carries this many of the region itself.
    UnderThreshold,
    /// The primary has its share of the region, a relay in it has room.
    RegionRelay,
    /// No relay of the region has room, one near it has.
    NeighbourRelay,
    /// The primary has its share and more, and no relay in reach has room.
    NoRelayInReach,
    /// The player cannot be told to move: the primary answers its every reload.
    PrimaryAnswers,
    /// The server had just failed this viewer, and there is no other.
    LastResort,
    /// It plays well where it is.
    Stays,
    /// The first answer is where its playlist said, or players break.
    FirstAnswer,
    /// The manager has just started and does not know every server yet.
    Unsettled,
    /// Its server is to be emptied, and its turn has not come.
    AwaitsTurn,
    /// Its server has more viewers than it should, another fewer.
    Relieved,
    /// Its server is being emptied.
    Drained,
    /// Its server is gone.
    ServerLost,
    /// Its server took its last viewer before this one came.
    ServerFull,
    /// Nobody has room: it stays where it is.
    NoRoom,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 15] = [
        Self::UnderThreshold,
        Self::RegionRelay,
        Self::NeighbourRelay,
        Self::NoRelayInReach,
        Self::PrimaryAnswers,
        Self::LastResort,
        Self::Stays,
        Self::FirstAnswer,
        Self::Unsettled,
        Self::AwaitsTurn,
        Self::Relieved,
        Self::Drained,
        Self::ServerLost,
        Self::ServerFull,
        Self::NoRoom,
    ];

    /// The word in metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnderThreshold => "under-threshold",
            Self::RegionRelay => "region-relay",
            Self::NeighbourRelay => "neighbour-relay",
            Self::NoRelayInReach => "no-relay-in-reach",
            Self::PrimaryAnswers => "primary-answers",
            Self::LastResort => "last-resort",
            Self::Stays => "stays",
            Self::FirstAnswer => "first-answer",
            Self::Unsettled => "unsettled",
            Self::AwaitsTurn => "awaits-turn",
            Self::Relieved => "relieved",
            Self::Drained => "drained",
            Self::ServerLost => "server-lost",
            Self::ServerFull => "server-full",
            Self::NoRoom => "no-room",
        }
    }

    /// A sentence for people.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::UnderThreshold => "the primary has fewer of the region's viewers than it carries itself",
            Self::RegionRelay => {
                "the primary has its share of the region's viewers; a relay of the region takes the rest"
            }
            Self::NeighbourRelay => "no relay of the region has room; the nearest other region's has",
            Self::NoRelayInReach => {
                "no relay in reach has room yet; the primary takes more than its share until one has"
            }
            Self::PrimaryAnswers => {
                "this player cannot be told to move; the primary answers or redirects its every reload"
            }
            Self::LastResort => "this server just failed the viewer, but no other is in reach",
            Self::Stays => "the viewer plays well where it is",
            Self::FirstAnswer => "a player's first answer is the server that its playlist named",
            Self::Unsettled => {
                "the traffic manager has just started and moves nobody until it knows every server"
            }
            Self::AwaitsTurn => {
                "the server is being emptied at a bounded pace and this viewer's turn has not come"
            }
            Self::Relieved => "the server has more viewers than its share and another has fewer",
            Self::Drained => "the server is being emptied",
            Self::ServerLost => "the server that the viewer played from is gone",
            Self::ServerFull => "the server filled up before this viewer came",
            Self::NoRoom => "no server in reach has room; the viewer stays where it is",
        }
    }
}

/// That nobody can take a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Every server in reach has as many viewers as it takes.
    #[error("no server in reach has room: ask again in {} s", retry_after.as_secs())]
    NoRoom {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The stream is known, but nobody serves it yet.
    #[error("no server has this stream ready: ask again in {} s", retry_after.as_secs())]
    NoServer {
        /// When to ask again.
        retry_after: Duration,
    },
}

impl Refusal {
    /// The word in metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoRoom { .. } => "refused-no-room",
            Self::NoServer { .. } => "refused-no-server",
        }
    }

    /// When to ask again.
    #[must_use]
    pub const fn retry_after(self) -> Duration {
        match self {
            Self::NoRoom { retry_after } | Self::NoServer { retry_after } => retry_after,
        }
    }
}

/// Places a viewer that starts, or whose server just failed, and counts it as on its way there.
///
/// # Errors
/// When nobody can take it.
pub fn locate(
    routing: &Routing,
    request: &Request<'_>,
    balancer: &Balancer,
    now: Time,
    dice: u64,
) -> Result<Placement, Refusal> {
    let reach = Reach::new(routing, request, balancer, now, dice);
    let found = match request.class {
        Class::Redirects | Class::Fixed => {
            reach.redirecting_primary().map(|route| (route, Reason::PrimaryAnswers))
        }
        Class::Steers | Class::Watches => {
            let order = if request.avoid.is_empty() { NEWCOMER } else { SURVIVOR };
            let unavoided = reach.first_of(order);
            unavoided.or_else(|| {
                reach.avoiding_nobody().first_of(order).map(|(route, _)| (route, Reason::LastResort))
            })
        }
    };
    let (route, reason) = found.ok_or_else(|| reach.refusal())?;
    Ok(place(route, reach.region, reason, now))
}

fn place(route: &Route, region: &Region, reason: Reason, now: Time) -> Placement {
    route.counters.placed(region, now);
    Placement { server: route.id.clone(), kind: route.kind, base_url: Arc::clone(&route.base_url), reason }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
