//! How a server hands a stream to viewers: used by the primary and by relays alike.
//!
//! A primary is delivery fed by a source; a relay is delivery fed by an upstream; either stands behind [`feed::Feed`]. So
//! both serve the same URLs, count viewers the same way and belong to the fleet the same way.

pub mod adaptation;
pub mod census;
pub mod clock;
pub mod document;
pub mod feed;
pub mod http;
pub mod membership;
pub mod metrics;
pub mod object;
pub mod reach;
pub mod response;
pub mod situation;
mod sys;
pub mod upstream;
