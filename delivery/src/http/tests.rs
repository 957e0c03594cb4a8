//! A site over real sockets: what it answers, whom it counts, and how its connections end.

mod answers;
mod capping;
mod connections;
mod counting;
mod experience;
mod forms;
mod pacing;
mod stage;
