//! What the scenarios stand on: the real programs started on loopback addresses of their own, watched from outside, and
//! ended by pid.
//!
//! Nothing here knows how a program works inside. A scenario waits for a condition with a deadline, never for a time.

#![allow(
    clippy::missing_panics_doc,
    reason = "a harness fails by panicking; the message says what was expected"
)]

pub mod alone;
pub mod bench;
mod capped_list;
pub mod caps;
pub mod census;
pub mod client;
pub mod connection;
pub mod fleet;
pub mod http;
pub mod ladder;
pub mod list_watch;
pub mod network;
pub mod packets;
pub mod pages;
pub mod player;
pub mod program;
pub mod proxy;
pub mod replay;
pub mod repository;
pub mod scrape;
pub mod sightings;
pub mod slow_line;
pub mod source;
pub mod stand_in;
pub mod wait;

pub use client::{Ran, client};
pub use fleet::{Fleet, FleetBuilder};
pub use network::Subnet;
pub use player::Player;
pub use program::Program;
pub use proxy::Proxy;
pub use slow_line::{Shape, SlowLine};
pub use stand_in::StandIn;
pub use wait::{eventually, holds_for, stays};
