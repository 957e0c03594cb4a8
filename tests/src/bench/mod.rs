//! Benchmarks that run us and a peer side by side: what stands on the stage, how load is made, what is measured.

pub mod cases;
pub mod load;
pub mod stage;
