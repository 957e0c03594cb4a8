//! Why a manager does not take a server in. What to do about it stands in the manager's own text, which knows more.

use tonic::{Code, Status};

/// A manager that answered and said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The join secrets differ.
    #[error(
        "the traffic manager refuses this server: {0}; give both the same with SPILLWAY_JOIN_SECRET, or join_secret in \
         their config files"
    )]
    Secret(String),
    /// The server cannot be in one fleet with the others: another scheme or port, say.
    #[error("the traffic manager refuses this server: {0}")]
    DoesNotFit(String),
    /// Another live server has the id.
    #[error("the traffic manager refuses this server: {0}")]
    IdTaken(String),
    /// What the server says of itself makes no sense to the manager.
    #[error("the traffic manager refuses this server: {0}")]
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
