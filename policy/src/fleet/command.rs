//! What the fleet's owner has to do: effects as values. Carrying them out may fail; what became of them is observed.

use std::sync::Arc;

use super::Directive;
use crate::{Decision, Region, ServerId, SessionId};

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// End a server's stream: it attaches again, and is told why it may not.
    Close {
        /// Which.
        server: ServerId,
        /// The [`super::Hello::attachment`] of its stream.
        attachment: u64,
    },
    /// Ask the provisioner for a relay.
    Launch(LaunchSpec),
    /// Have the provisioner end a relay, whether it still runs or not.
    Terminate {
        /// Which.
        server: ServerId,
    },
    /// Send a server its desired state.
    Direct {
        /// To whom.
        server: ServerId,
        /// Through which attachment.
        attachment: u64,
        /// What.
        directive: Arc<Directive>,
    },
    /// Tell a server which sessions began to count elsewhere.
    Forward {
        /// To whom.
        server: ServerId,
        /// Through which attachment.
        attachment: u64,
        /// Which sessions.
        sessions: Arc<[SessionId]>,
    },
    /// Write a decision to the log, the metrics and whoever follows.
    Record(Decision),
}

/// The relay to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchSpec {
    /// Its slot's id, which becomes its own: launching twice with one id is one relay.
    pub id: ServerId,
    /// Its slot's address: scheme, host and port.
    pub base_url: Arc<str>,
    /// For whose viewers.
    pub region: Region,
    /// Viewers that it shall take.
    pub capacity: u32,
}
