//! How a program lives: it reads its config, binds its sockets, builds what it is, then runs until it is told to stop.
//!
//! Four programs share this so that they start, fail, report and end alike. What a program does is its own affair; this
//! crate knows nothing of streams.

pub mod address;
pub mod admin;
pub mod backoff;
pub mod bind;
pub mod bitrate;
pub mod config;
pub mod flags;
pub mod lifecycle;
pub mod program;
pub mod readiness;
pub mod secret;
pub mod telemetry;

pub use backoff::{Backoff, BackoffConfig};
pub use bind::{BindError, bind};
pub use bitrate::{BitRate, InvalidBitRate};
pub use config::{ConfigError, load};
pub use flags::CommonFlags;
pub use lifecycle::{Shutdown, Tasks};
pub use program::{Usage, run, run_with_codes};
pub use readiness::{Latch, Readiness};
pub use secret::Secret;
