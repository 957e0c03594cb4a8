//! What requests are answered from: the controller's picture of the fleet and the streams that there are, read without a lock.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use policy::routing::Routing;
use tokio::sync::watch;

use crate::catalogue::Catalogue;

/// One moment.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    /// Where viewers can be sent.
    pub(crate) routing: Arc<Routing>,
    /// What they can watch.
    pub(crate) catalogue: Arc<Catalogue>,
}

/// Where the newest picture hangs.
#[derive(Debug)]
pub(crate) struct Gallery {
    newest: ArcSwap<Picture>,
    beats: watch::Sender<u64>,
}

impl Default for Gallery {
    fn default() -> Self {
        Self { newest: ArcSwap::default(), beats: watch::Sender::new(0) }
    }
}

impl Gallery {
    /// The newest picture. Hold it for one answer, not across a wait.
    pub(crate) fn now(&self) -> Guard<Arc<Picture>> {
        self.newest.load()
    }

    /// Hangs a newer one, and wakes whoever waits for it.
    pub(crate) fn hang(&self, picture: Picture) {
        self.newest.store(Arc::new(picture));
        self.beat();
    }

    /// Wakes whoever waits, without a new picture: more moves may be allowed than a moment ago.
    pub(crate) fn beat(&self) {
        self.beats.send_modify(|beats| *beats += 1);
    }

    /// Changes whenever it is worth to look again.
    pub(crate) fn beats(&self) -> watch::Receiver<u64> {
        self.beats.subscribe()
    }
}
