//! The desired state of one server, whole, with a generation: late, twice or after a reconnect it does no harm.
//!
//! The generation grows only when the content changes, so that a server can tell news from repetition. Session keys are
//! secrets that policy does not hold: whoever sends a directive adds them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    Phase, StreamName,
    adaptation::Mode,
    redirects::RedirectQuota,
    routing::{Pathway, Slot},
};

/// What one server shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Grows with the content.
    pub generation: u64,
    /// What it shall be.
    pub content: Content,
}

/// A directive without its generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// `Standby`, `Serving`, `Draining` or `Retired`; always `Serving` for a primary.
    pub phase: Phase,
    /// Streams to hold ready.
    pub streams: Vec<StreamName>,
    /// Who picks the bitrate of which.
    pub modes: BTreeMap<StreamName, Mode>,
    /// The only server to fetch from; none for a primary.
    pub upstream: Option<Arc<str>>,
    /// The primary, where it is known.
    pub primary: Option<Slot>,
    /// Absolute, without a query.
    pub steering_url: Arc<str>,
    /// To a primary: what to do with sessions of class `redirects`.
    pub redirects: Vec<RedirectQuota>,
    /// The fleet's slots, for playlists that declare them.
    pub pathways: Vec<Pathway>,
    /// How often to report.
    pub report_interval: Duration,
    /// The manager does not know its whole fleet yet: who has been told before keeps streams, upstream, primary, redirects and
    /// pathways, so that nobody who plays notices that the manager started anew.
    pub provisional: bool,
}
