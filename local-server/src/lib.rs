//! A relay: stands by until its region is wanted, pulls the stream from its upstream once, re-streams it to its viewers, drains
//! and is gone.
//!
//! `life` says which phase follows, `belonging` follows it, `app` puts delivery's parts together; everything that viewers
//! meet is delivery's.

pub mod app;
mod belonging;
pub mod config;
mod life;
mod linger;
mod metrics;
