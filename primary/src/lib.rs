//! The origin: takes a stream in, serves the full ladder to viewers and to relays.
//!
//! A source publishes, delivery serves, a membership tells the traffic manager. `app` puts them together.

pub mod app;
pub mod config;
mod feed;
mod fleet;
mod invite;
mod metrics;
mod publication;
pub mod source;
