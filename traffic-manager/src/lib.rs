//! The traffic manager: the shell around what `policy` decides. It listens to servers and viewers, carries out the fleet
//! controller's commands, and answers from the picture that the controller publishes.
//!
//! It keeps no state about a viewer, and nothing about the fleet that it cannot rebuild from servers that attach again and
//! from its provisioner. What it decides, and why, is left to `policy`; what playlists look like, to `hls`.

pub mod app;
pub mod config;

mod catalogue;
mod clock;
mod controller;
mod grpc;
mod http;
mod invite;
mod keyring;
mod metrics;
mod picture;
mod provisioner;
mod regions;
mod secret;
mod setup;
#[cfg(test)]
mod tests;
mod viewers;
