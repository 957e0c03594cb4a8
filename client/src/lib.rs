//! The client of Spillway: one program for who watches, who measures and who operates.
//!
//! `player` is a player without network or clock; `route` says where it plays from and follows every move; `viewer` joins the
//! two to the network. `play` is one viewer in the open, `crowd` hundreds of them. `locate` and `operate` only ask.

pub mod address;
pub mod app;
pub mod args;
pub mod clock;
pub mod config;
pub mod crowd;
pub mod exit;
pub mod fetch;
pub mod line;
pub mod locate;
pub mod manager;
pub mod managers;
pub mod operate;
pub mod output;
pub mod play;
pub mod player;
pub mod route;
pub mod summary;
pub mod table;
pub mod viewer;
