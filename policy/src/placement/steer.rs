//! Where a viewer that plays should play from now on. The same for players that poll and for those that are told.
//!
//! ```text
//! first question      where its playlist said, unless that server is gone or has more than it takes
//! server unknown      as a survivor; but while the manager is young, it stays
//! server not serving  as a survivor: one that stands by or warms up, such as a relay that was started again, has nothing to play
//! server suspected    it stays
//! server draining     as a newcomer, to another server, when its turn comes
//! server over target  to a server under its target, when its turn comes
//! else                it stays
//! ```
//!
//! Turns are the moves that the fleet's owner gave out for this step. Viewers return to the primary only from a relay that
//! has more than its target: which it has when it drains, and where the fleet backfills.

use super::{
    Reason, Request,
    reach::{MOVER, NEWCOMER, Reach, SURVIVOR, Try},
};
use crate::{
    Class, Phase, ServerId, Time,
    balancing::Balancer,
    routing::{Route, Routing},
    session::Session,
};

/// A viewer that asks where to play from now on.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Its session.
    pub session: &'a Session,
    /// The server that it plays from.
    pub current: &'a ServerId,
    /// Whether it asks for the first time since it has its playlist.
    pub first: bool,
}

/// Where a viewer plays from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The server.
    pub server: ServerId,
    /// Whether that is another than before.
    pub moved: bool,
    /// Why.
    pub reason: Reason,
}

/// Decides where a viewer plays from now on, and counts the move if it is one.
#[must_use]
pub fn steer(routing: &Routing, question: &Question<'_>, balancer: &Balancer, now: Time, dice: u64) -> Step {
    let (session, current) = (question.session, question.current);
    let request = Request {
        session: &session.id,
        stream: &session.stream,
        region: &session.region,
        class: session.class,
        avoid: std::slice::from_ref(current),
    };
    let steering = Steering { current, reach: Reach::new(routing, &request, balancer, now, dice), now };
    match routing.server(current) {
        _ if matches!(session.class, Class::Redirects | Class::Fixed) => {
            steering.primary(Reason::PrimaryAnswers)
        }
        None if !routing.settled => steering.stay(Reason::Unsettled),
        None => steering.survive(),
        Some(route) if !route.keeps() => steering.survive(),
        Some(route) if question.first => steering.first(route),
        Some(route) => match route.phase {
            Phase::Draining => steering.in_turn(route, NEWCOMER, Reason::Drained, Reason::AwaitsTurn),
            Phase::Serving => steering.in_turn(route, MOVER, Reason::Relieved, Reason::Stays),
            _ => steering.stay(Reason::Stays),
        },
    }
}

struct Steering<'a> {
    current: &'a ServerId,
    reach: Reach<'a>,
    now: Time,
}

impl Steering<'_> {
    fn stay(&self, reason: Reason) -> Step {
        Step { server: self.current.clone(), moved: false, reason }
    }

    fn go(&self, to: &Route, reason: Reason) -> Step {
        to.counters.placed(self.reach.region, self.now);
        Step { server: to.id.clone(), moved: true, reason }
    }

    fn primary(&self, reason: Reason) -> Step {
        let server = ServerId::primary();
        Step { moved: server != *self.current, server, reason }
    }

    fn survive(&self) -> Step {
        let found = self.reach.first_of(SURVIVOR);
        found.map_or_else(|| self.primary(Reason::NoRoom), |(to, _)| self.go(to, Reason::ServerLost))
    }

    /// The viewer is among those on their way to `route`, so only one too many is a reason to send it on.
    fn first(&self, route: &Route) -> Step {
        let other = self.reach.is_overfull(route).then(|| self.reach.first_of(NEWCOMER)).flatten();
        other.map_or_else(|| self.stay(Reason::FirstAnswer), |(to, _)| self.go(to, Reason::ServerFull))
    }

    fn in_turn(&self, from: &Route, order: &[Try], leaves: Reason, stays: Reason) -> Step {
        let to = from.counters.may_leave(self.reach.region).then(|| self.reach.first_of(order));
        match to {
            Some(Some((to, _))) if from.counters.told_to_leave(self.reach.region, self.now) => {
                self.go(to, leaves)
            }
            Some(None) if leaves == Reason::Drained => self.stay(Reason::NoRoom),
            _ => self.stay(stays),
        }
    }
}
