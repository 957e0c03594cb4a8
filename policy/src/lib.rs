//! What the system decides: which relays exist, who plays from where, what a session is.
//!
//! Nothing here reads a clock, rolls a die, logs, locks or does I/O: `now` and randomness are arguments, effects are values
//! that a shell carries out. The traffic manager, the servers, the simulator and the property tests drive this same code.

pub mod adaptation;
pub mod audit;
pub mod balancing;
pub mod class;
pub mod counters;
pub mod decision;
pub mod demand;
pub mod drain;
pub mod fleet;
pub mod geography;
pub mod name;
pub mod pacing;
pub mod pathways;
pub mod phase;
pub mod placement;
pub mod proxies;
pub mod redirects;
pub mod region_map;
pub mod routing;
pub mod scaling;
pub mod session;
pub mod settings;
pub mod steering;
pub mod target;
pub mod time;

pub use audit::{Violation, audit};
pub use class::Class;
pub use decision::{Action, Decision, Reason};
pub use fleet::{Command, Directive, Fleet, Observation};
pub use name::{InvalidName, Region, ServerId, SessionId, StreamName};
pub use phase::Phase;
pub use settings::{InvalidSettings, Settings};
pub use time::Time;
