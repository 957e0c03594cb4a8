//! Benchmarks that run us and a peer side by side: what stands on the stage, how load is made, what is measured.

pub mod load;
pub mod plot;
pub mod redirects;
pub mod relay;
pub mod sessions;
pub mod stage;
pub mod steering;
pub mod table;
pub mod uplink;
