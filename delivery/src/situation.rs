//! What a server has been told to be and what it is: its manager's latest directive in our own words, and its phase.
//!
//! The HTTP path reads it at every request, so it is an immutable value behind an atomic pointer; tasks that have to act
//! on a change wait on the board's watch. Who writes: membership (what is wanted), and the server's own phase machine.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use policy::{
    Phase, StreamName,
    adaptation::Mode,
    redirects::RedirectQuota,
    routing::{Pathway, Slot},
    session::Keys,
};
use tokio::sync::watch;

/// How often to report before a directive has said so; DESIGN's default.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// What a server has been told to be and what it is.
#[derive(Debug, Clone)]
pub struct Situation {
    /// Of the directive that this came from; 0 before the first. Grows within one connection to a manager.
    pub generation: u64,
    /// Whether a manager has this server in its fleet at this moment. Without one everything goes on.
    pub attached: bool,
    /// The phase that the manager wants.
    pub wanted: Phase,
    /// The phase that the server is in.
    pub phase: Phase,
    /// Streams to hold ready.
    pub streams: Vec<StreamName>,
    /// Who picks their bitrate.
    pub modes: BTreeMap<StreamName, Mode>,
    /// The only server that this one may fetch from: scheme, host and port. None for a primary.
    pub upstream: Option<Arc<str>>,
    /// The fleet's primary, where it is known.
    pub primary: Option<Slot>,
    /// Where players that steer ask, without a query.
    pub steering_url: Option<Arc<str>>,
    /// To a primary: how it shares out viewers whose players do not steer.
    pub redirects: Vec<RedirectQuota>,
    /// Servers that viewers can play from, or will when one runs there; without the primary.
    pub pathways: Vec<Pathway>,
    /// What tokens and passes are signed with, once a manager has said.
    pub keys: Option<Arc<Keys>>,
    /// How often to report.
    pub report_interval: Duration,
}

impl Situation {
    /// Before any directive: in `phase`, and meant to be.
    #[must_use]
    pub fn at_start(phase: Phase) -> Self {
        Self {
            generation: 0,
            attached: false,
            wanted: phase,
            phase,
            streams: Vec::new(),
            modes: BTreeMap::new(),
            upstream: None,
            primary: None,
            steering_url: None,
            redirects: Vec::new(),
            pathways: Vec::new(),
            keys: None,
            report_interval: REPORT_INTERVAL,
        }
    }
}

/// Where the situation stands for all to read.
#[derive(Debug)]
pub struct Board {
    situation: ArcSwap<Situation>,
    changed: watch::Sender<()>,
}

impl Board {
    /// A board that shows `situation`.
    #[must_use]
    pub fn new(situation: Situation) -> Self {
        Self { situation: ArcSwap::from_pointee(situation), changed: watch::Sender::new(()) }
    }

    /// The situation now. For a look, not to be kept: see [`Board::snapshot`].
    #[must_use]
    pub fn now(&self) -> Guard<Arc<Situation>> {
        self.situation.load()
    }

    /// The situation now, to keep for as long as one likes.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Situation> {
        self.situation.load_full()
    }

    /// Becomes ready whenever the situation has changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Changes the situation. `change` may run more than once when two change it at the same moment.
    pub fn change(&self, change: impl Fn(&mut Situation)) {
        self.situation.rcu(|before| {
            let mut after = Situation::clone(before);
            change(&mut after);
            after
        });
        self.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_seen_at_once_and_wakes_who_waits() {
        let board = Board::new(Situation::at_start(Phase::Standby));
        let mut changes = board.changes();
        let before = board.snapshot();
        board.change(|situation| situation.phase = Phase::Warming);
        assert_eq!(board.now().phase, Phase::Warming);
        assert_eq!(before.phase, Phase::Standby);
        changes.changed().await.unwrap();
        assert!(!changes.has_changed().unwrap());
    }
}
