//! What the system decides: which relays exist, who plays from where, what a session is.
//!
//! Nothing here reads a clock, rolls a die, logs, locks or does I/O: `now` and randomness are arguments, effects are values
//! that a shell carries out. The traffic manager, the servers, the simulator and the property tests drive this same code.

pub mod class;
pub mod counters;
pub mod name;
pub mod phase;
pub mod redirects;
pub mod routing;
pub mod session;
pub mod time;

pub use class::Class;
pub use name::{InvalidName, Region, ServerId, SessionId, StreamName};
pub use phase::Phase;
pub use time::Time;
