//! The answer to a player that steers (HLS Content Steering, RFC 8216bis 7): from which servers, in which order, which
//! servers there may ever be, and when to ask again. Where it plays from is `placement`'s; rendering is `hls`'s.
//!
//! | rule | the player that needs it |
//! |---|---|
//! | the priority names only servers that serve, the viewer's own first, the primary last | video.js flaps back to a dead one |
//! | every slot of the region is a clone, from the first answer on | video.js reads clones once |
//! | always a time to live, never the same for all | hls.js and Shaka ask in step otherwise |
//! | more viewers, longer time to live | none: the manager's load stays bounded |
//! | what it was told holds until it has had time to follow ([`Course`]) | Shaka, which plays its buffer first |

mod course;

use std::{sync::Arc, time::Duration};

pub use self::course::Course;

use crate::{
    Phase, ServerId, Time,
    balancing::{Balancer, mix},
    placement::{Question, Reason, steer},
    routing::{Kind, Route, Routing, Slot},
    session::Session,
};

/// How often players ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time to live of an answer while there are few viewers.
    pub ttl: Duration,
    /// Time to live at most, with all the jitter: a drain cannot be shorter.
    pub longest_ttl: Duration,
    /// Answers in a second at most: with more viewers they live longer.
    pub answers_per_second: u32,
}

impl Default for Pace {
    /// 10 s: a player moves within two segments or so. 20,000 answers a second are less than half a core
    /// (BENCHMARKS.md).
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(10),
            longest_ttl: Duration::from_secs(60),
            answers_per_second: 20_000,
        }
    }
}

/// What a player is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Where it plays from now on: the first of the priority.
    pub current: ServerId,
    /// Servers that it may play from, best first.
    pub priority: Vec<ServerId>,
    /// Every server that there is or may be, but for the primary.
    pub clones: Vec<Slot>,
    /// When to ask again.
    pub ttl: Duration,
    /// Whether it was moved.
    pub moved: bool,
    /// Why it plays from there.
    pub reason: Reason,
}

/// Answers a player that asks where to play from.
#[must_use]
pub fn answer(
    routing: &Routing,
    question: &Question<'_>,
    balancer: &Balancer,
    pace: &Pace,
    now: Time,
    dice: u64,
) -> Answer {
    let step = steer(routing, question, balancer, now, dice);
    let priority = priority(routing, question.session, &step.server);
    Answer {
        clones: clones(routing, question.session, &priority),
        priority,
        ttl: pace.ttl_for(routing.viewers(), mix(dice)),
        current: step.server,
        moved: step.moved,
        reason: step.reason,
    }
}

/// The viewer's server, the other relays of its region and of those near it that serve, and the primary last.
fn priority(routing: &Routing, session: &Session, current: &ServerId) -> Vec<ServerId> {
    let (region, home) = routing.region(&session.region);
    let near = || std::iter::once(region).chain(home.into_iter().flat_map(|home| &home.neighbours));
    let serves = |route: &&Route| route.phase == Phase::Serving && route.streams.contains(&session.stream);
    let relays = || routing.servers.iter().filter(|route| route.kind == Kind::Relay).filter(serves);
    let relays = near().flat_map(|region| relays().filter(move |route| route.region == *region));
    let primary = routing.servers.iter().filter(|route| route.kind == Kind::Primary);
    let others = relays.chain(primary).map(|route| &route.id).filter(|id| *id != current);
    std::iter::once(current).chain(others).cloned().collect()
}

/// The region's slots, and whoever else stands in the priority.
fn clones(routing: &Routing, session: &Session, priority: &[ServerId]) -> Vec<Slot> {
    let (region, _) = routing.region(&session.region);
    let mut clones: Vec<Slot> = routing.slots_of(region).cloned().collect();
    for id in priority {
        let unknown = *id != ServerId::primary() && clones.iter().all(|slot| slot.id != *id);
        if let Some(route) = routing.server(id).filter(|_| unknown) {
            clones.push(Slot { id: id.clone(), base_url: Arc::clone(&route.base_url) });
        }
    }
    clones
}

impl Pace {
    /// A fifth more or less than what keeps `viewers` at the pace, in whole seconds as a player is told it: never 0, for a player
    /// would ask without a pause, and never above the longest. Jittered at the longest too. What is cut off a second is given
    /// back as often as it is large, so that answers live as long as they should on average.
    #[must_use]
    pub fn ttl_for(&self, viewers: u32, dice: u64) -> Duration {
        let bounded = Duration::from_secs(1) * viewers / self.answers_per_second.max(1);
        let ttl = self.ttl.max(bounded).min(self.longest_ttl * 5 / 6);
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX / 10_000);
        let jittered_ms = ttl_ms * 4 / 5 + ttl_ms * 2 / 5 * (dice % 1001) / 1000;
        let rounded_s = (jittered_ms + dice / 1001 % 1000) / 1000;
        Duration::from_secs(rounded_s.min(self.longest_ttl.as_secs()).max(1))
    }
}

#[cfg(test)]
mod tests;
