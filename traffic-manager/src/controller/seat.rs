//! A server's place at the controller: where its newest directive lies and what is forwarded to it.
//!
//! A directive is desired state, so one that was not sent yet is replaced by the next. Forwarded sessions are a queue; what does
//! not fit is dropped, and costs that somebody is counted twice for a moment.

use std::sync::Arc;

use policy::{Directive, SessionId};
use tokio::sync::{mpsc, watch};

/// Forwarded lists that wait: more than a few mean that the server does not read.
const FORWARDS: usize = 16;

/// The controller's end.
#[derive(Debug)]
pub(crate) struct Seat {
    attachment: u64,
    directive: watch::Sender<Option<Arc<Directive>>>,
    moved: mpsc::Sender<Arc<[SessionId]>>,
}

/// The end of the task that has the server's stream. It closes when another attachment takes the seat.
#[derive(Debug)]
pub(crate) struct Place {
    /// The newest directive.
    pub(crate) directive: watch::Receiver<Option<Arc<Directive>>>,
    /// Sessions that began to count elsewhere.
    pub(crate) moved: mpsc::Receiver<Arc<[SessionId]>>,
}

impl Seat {
    /// A seat for one attachment, and its other end.
    pub(crate) fn new(attachment: u64) -> (Self, Place) {
        let (directive, newest) = watch::channel(None);
        let (forward, moved) = mpsc::channel(FORWARDS);
        (Self { attachment, directive, moved: forward }, Place { directive: newest, moved })
    }

    /// Whose it is.
    pub(crate) fn attachment(&self) -> u64 {
        self.attachment
    }

    /// Lays the newest directive down.
    pub(crate) fn direct(&self, directive: Arc<Directive>) {
        self.directive.send_replace(Some(directive));
    }

    /// Forwards sessions; false if there is no room.
    pub(crate) fn forward(&self, sessions: Arc<[SessionId]>) -> bool {
        self.moved.try_send(sessions).is_ok()
    }
}
