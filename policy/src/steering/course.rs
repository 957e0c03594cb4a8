//! Where a player that polls is taken to play from: what it says, unless it was just told to go elsewhere.
//!
//! A player that is told to move says so only when it has loaded something from there: Shaka goes on naming the old pathway for
//! as long as its buffer lasts, and with a short time to live it asks again meanwhile. Taken at its word it would be told to
//! stay where it was to leave. So what it was told holds for a while, in the only memory that there is of it: the address
//! under which it asks again.
//!
//! | it plays | it was told | taken to be |
//! |---|---|---|
//! | says nothing | anything | where it was told |
//! | where it was told | | there, and the move is made |
//! | elsewhere | to move, not long ago, to a server that still takes viewers | where it was told |
//! | elsewhere | anything else | where it plays: it went there by itself |

use std::time::Duration;

use crate::{
    ServerId,
    routing::{Route, Routing},
};

/// How long a player may take to follow. Two segments of the longest that live streams have, 10 s; after that it has failed to.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a player was told last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// Where to play from.
    pub server: ServerId,
    /// When it was told to move there, in seconds of Unix time; none where it has or always did.
    pub since_unix_s: Option<u64>,
}

impl Course {
    /// A player that is where it shall be.
    #[must_use]
    pub const fn at(server: ServerId) -> Self {
        Self { server, since_unix_s: None }
    }

    /// Where a player is taken to play from that says it `plays` from somewhere and was `told` something; none where neither is
    /// known.
    #[must_use]
    pub fn followed(
        plays: Option<ServerId>,
        told: Option<Self>,
        routing: &Routing,
        now_unix_s: u64,
    ) -> Option<Self> {
        match (plays, told) {
            (Some(plays), Some(told)) if plays != told.server && told.holds(routing, now_unix_s) => {
                Some(told)
            }
            (Some(plays), _) => Some(Self::at(plays)),
            (None, told) => told,
        }
    }

    /// What it was told once an answer was given.
    #[must_use]
    pub fn after(self, server: &ServerId, moved: bool, now_unix_s: u64) -> Self {
        let since_unix_s = if moved { Some(now_unix_s) } else { self.since_unix_s };
        Self { server: server.clone(), since_unix_s }
    }

    fn holds(&self, routing: &Routing, now_unix_s: u64) -> bool {
        let fresh = |since: u64| now_unix_s.saturating_sub(since) <= PATIENCE.as_secs();
        self.since_unix_s.is_some_and(fresh) && routing.server(&self.server).is_some_and(Route::accepts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Phase,
        placement::testing::{Changed as _, fleet, id, server},
    };

    const NOW: u64 = 1_795_176_000;

    #[test]
    fn what_a_player_was_told_holds_until_it_has_followed_or_had_time_to() {
        let drains = server("c", 1, 1).phase(Phase::Draining);
        let routing = fleet([server("primary", 3, 3), server("a", 1, 1), server("b", 1, 1), drains]);
        let told = |server, ago: Option<u64>| {
            Some(Course { server: id(server), since_unix_s: ago.map(|ago| NOW - ago) })
        };
        for (who, plays, told, taken) in [
            ("one that says nothing", None, told("a", None), Some("a")),
            ("one of whom nothing is known", None, None, None),
            ("one that asks for the first time", Some("primary"), None, Some("primary")),
            ("one that has followed", Some("a"), told("a", Some(2)), Some("a")),
            ("Shaka, which still plays its buffer", Some("primary"), told("a", Some(1)), Some("a")),
            ("one that failed over by itself", Some("primary"), told("a", None), Some("primary")),
            (
                "one that cannot reach where it was sent",
                Some("primary"),
                told("a", Some(21)),
                Some("primary"),
            ),
            ("one that was sent to what drains now", Some("primary"), told("c", Some(1)), Some("primary")),
            ("one that was sent to what is gone", Some("primary"), told("z", Some(1)), Some("primary")),
        ] {
            let course = Course::followed(plays.map(id), told, &routing, NOW);
            assert_eq!(course.map(|course| course.server.to_string()).as_deref(), taken, "{who}");
        }
    }

    #[test]
    fn a_move_is_remembered_until_it_is_made() {
        let routing = fleet([server("primary", 3, 3), server("a", 1, 1)]);
        let told = Course::at(ServerId::primary()).after(&id("a"), true, NOW);
        let again =
            Course::followed(Some(ServerId::primary()), Some(told.clone()), &routing, NOW + 1).unwrap();
        assert_eq!(again.clone().after(&id("a"), false, NOW + 1), told, "from when it was told");
        let made = Course::followed(Some(id("a")), Some(told), &routing, NOW + 2).unwrap();
        assert_eq!(made, Course::at(id("a")));
    }
}
