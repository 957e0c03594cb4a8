//! Why an observation was not taken: each has a sentence that says what to do.

use std::sync::Arc;

use crate::{Phase, ServerId};

/// Why a server may not attach, or an operator's word cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another live server has this id.
    #[error(
        "server {id} is attached already from {base_url}: stop it, or start this one with another address or --id"
    )]
    DuplicateId {
        /// The id.
        id: ServerId,
        /// Where the other one is.
        base_url: Arc<str>,
    },
    /// A fleet has one primary.
    #[error(
        "this fleet has a primary already, at {base_url}: stop it first, or give this one a manager of its own"
    )]
    SecondPrimary {
        /// Where the other one is.
        base_url: Arc<str>,
    },
    /// The primary's id is the base of every pathway, and only the primary's.
    #[error("id {id} does not go with this kind of server: the primary, and only it, is called \"primary\"")]
    WrongId {
        /// The id.
        id: ServerId,
    },
    /// The address is not a base URL.
    #[error("{base_url:?} is no base URL: give http(s)://host[:port] without a path")]
    InvalidBaseUrl {
        /// What was given.
        base_url: Arc<str>,
    },
    /// Scheme or port differ from the fleet's.
    #[error(
        "{theirs} has another scheme or port than the fleet, which uses those of {ours}: all servers of a fleet share both; start it with that port, or with --advertise if a \
         proxy in front of it has that one"
    )]
    OtherPort {
        /// The newcomer's base URL.
        theirs: Arc<str>,
        /// The primary's.
        ours: Arc<str>,
    },
    /// It is not where the fleet's primary was, and players play from relays that go by that.
    #[error(
        "{theirs} has another scheme or port than {ours}, where this fleet's primary was and which its relays share: start it with \
         that port or --advertise, or drain the relays first"
    )]
    OtherPrimary {
        /// The newcomer's base URL.
        theirs: Arc<str>,
        /// Where the primary was.
        ours: Arc<str>,
    },
    /// Players hold on to an id and its host.
    #[error(
        "server id {id} belongs to {known}: an id is never pointed to another host; start this one with another id"
    )]
    OtherHost {
        /// The id.
        id: ServerId,
        /// The host that players know for it.
        known: Arc<str>,
    },
    /// It takes no viewers.
    #[error("server {id} has a capacity of 0 viewers: give it at least 1")]
    NoCapacity {
        /// The id.
        id: ServerId,
    },
    /// More servers than are kept track of.
    #[error("the fleet has {limit} servers, which is its limit: raise max_slots")]
    FleetFull {
        /// The limit.
        limit: usize,
    },
    /// Nobody has this id.
    #[error("there is no server {0}: `client servers` lists them")]
    UnknownServer(ServerId),
    /// Only relays are drained.
    #[error("server {0} is the primary: only relays can be drained")]
    NotARelay(ServerId),
    /// It is not in a phase in which that can be done.
    #[error("server {server} is {phase}: only an attached relay can be drained or resumed")]
    NotAttached {
        /// Which.
        server: ServerId,
        /// Its phase.
        phase: Phase,
    },
}
