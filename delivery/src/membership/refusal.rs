//! Why a manager does not take a server in, and whether there is any use in asking again.

use tonic::{Code, Status};

/// A manager that answered and said no. The text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The join secrets differ.
    #[error(
        "attach to the traffic manager: it refuses this server's join secret ({0}); give both the same with \
         SPILLWAY_JOIN_SECRET or join_secret in their config"
    )]
    Secret(String),
    /// The server cannot be in one fleet with the others.
    #[error(
        "attach to the traffic manager: {0}; all servers of a fleet share one scheme and one port and differ by host"
    )]
    DoesNotFit(String),
    /// Another live server has the id.
    #[error(
        "attach to the traffic manager: {0}; give this server another address, or another id with --id, or stop the \
         other one"
    )]
    IdTaken(String),
    /// What the server says of itself makes no sense to the manager.
    #[error("attach to the traffic manager: {0}; mend this server's flags or config")]
    Senseless(String),
}

impl Refused {
    /// The refusal in a status, if it is one; any other status is a manager that is not there.
    pub(super) fn of(status: &Status) -> Option<Self> {
        let text = status.message().to_owned();
        match status.code() {
            Code::Unauthenticated => Some(Self::Secret(text)),
            Code::FailedPrecondition => Some(Self::DoesNotFit(text)),
            Code::AlreadyExists => Some(Self::IdTaken(text)),
            Code::InvalidArgument => Some(Self::Senseless(text)),
            _ => None,
        }
    }
}
