//! How the client ends: every failure that has an exit code of its own, and nowhere else what that code is.

use std::{error::Error as _, time::Duration};

use http::StatusCode;
use tonic::{Code, Status};

use crate::fetch::FetchError;

/// Metadata of a refusal: when to ask again, in milliseconds.
const RETRY_AFTER: &str = "retry-after-ms";

/// Why the client did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line, or what it names, makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Nobody answers at the manager's address.
    #[error(
        "the traffic-manager at {address} cannot be reached: {reason}; check MANAGER_IP and MANAGER_PORT, and that it runs"
    )]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// What happened.
        reason: String,
    },
    /// There is no such stream; the text names those known.
    #[error("{0}")]
    UnknownStream(String),
    /// There is no room for another viewer.
    #[error("{text}{}", when(*.retry_after))]
    Refused {
        /// The manager's words.
        text: String,
        /// When to ask again.
        retry_after: Option<Duration>,
    },
    /// The stream is known and cannot be played yet.
    #[error("{0}")]
    NotYet(String),
    /// The picture stood still for longer than was allowed.
    #[error("{0}")]
    Stalled(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// The exit code of an error, where it has one of its own.
#[must_use]
pub fn code(error: &anyhow::Error) -> Option<u8> {
    error.downcast_ref::<Failure>().map(|failure| match failure {
        Failure::Failed(_) | Failure::NotYet(_) => 1,
        Failure::Usage(_) => service::program::EXIT_USAGE,
        Failure::Unreachable { .. } => 3,
        Failure::UnknownStream(_) => 4,
        Failure::Refused { .. } => 5,
        Failure::Stalled(_) => 6,
    })
}

impl Failure {
    /// What a gRPC status of the manager means to whoever asked for a stream.
    #[must_use]
    pub fn of_viewers(status: &Status, address: &str) -> Self {
        let text = status.message().to_owned();
        match status.code() {
            _ if is_transport(status) => Self::unreachable(status, address),
            Code::NotFound => Self::UnknownStream(text),
            Code::InvalidArgument => Self::Usage(text),
            Code::Unavailable => Self::NotYet(text),
            Code::ResourceExhausted => Self::Refused { text, retry_after: retry_after(status) },
            _ => Self::of_other(status, address),
        }
    }

    /// What a gRPC status of the manager means to an operator.
    #[must_use]
    pub fn of_operator(status: &Status, address: &str) -> Self {
        if is_transport(status) {
            return Self::unreachable(status, address);
        }
        match status.code() {
            Code::InvalidArgument => Self::Usage(status.message().to_owned()),
            _ => Self::of_other(status, address),
        }
    }

    /// A traffic manager never answers in these three ways: they are what gRPC makes of somebody else's answer.
    fn of_other(status: &Status, address: &str) -> Self {
        let text = status.message();
        Self::Failed(match status.code() {
            Code::Internal | Code::Unknown | Code::Unimplemented => format!(
                "what answers at {address} is no traffic-manager of this version: check MANAGER_IP and MANAGER_PORT ({text})"
            ),
            _ => text.to_owned(),
        })
    }

    /// What an HTTP answer of the manager means to whoever asked for a stream.
    #[must_use]
    pub fn of_watch_page(error: &FetchError, address: &str) -> Self {
        match error {
            FetchError::Unreachable { reason, .. } => {
                Self::Unreachable { address: address.to_owned(), reason: reason.clone() }
            }
            FetchError::Status { status, text, retry_after, .. } => match *status {
                StatusCode::NOT_FOUND => Self::UnknownStream(text.clone()),
                StatusCode::BAD_REQUEST => Self::Usage(text.clone()),
                StatusCode::SERVICE_UNAVAILABLE => {
                    Self::Refused { text: text.clone(), retry_after: *retry_after }
                }
                _ => Self::Failed(error.to_string()),
            },
            FetchError::TooLarge { .. } | FetchError::Invalid { .. } => Self::Failed(error.to_string()),
        }
    }

    /// What an HTTP answer of a server means to a newcomer.
    #[must_use]
    pub fn of_server(error: &FetchError) -> Self {
        match error {
            FetchError::Status { status: StatusCode::SERVICE_UNAVAILABLE, retry_after, .. } => {
                Self::Refused { text: error.to_string(), retry_after: *retry_after }
            }
            _ => Self::Failed(error.to_string()),
        }
    }

    fn unreachable(status: &Status, address: &str) -> Self {
        let mut cause = status.source();
        let mut reason = status.message().to_owned();
        while let Some(inner) = cause {
            reason = inner.to_string();
            cause = inner.source();
        }
        Self::Unreachable { address: address.to_owned(), reason }
    }
}

/// Whether a status was made on this side, because the connection was not there or broke.
fn is_transport(status: &Status) -> bool {
    status.source().is_some()
}

fn retry_after(status: &Status) -> Option<Duration> {
    status.metadata().get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_millis)
}

fn when(retry_after: Option<Duration>) -> String {
    retry_after
        .map_or_else(String::new, |after| format!("; try again in {}", humantime::format_duration(after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_the_exit_code_that_the_manual_gives() {
        let status = |code| Failure::of_viewers(&Status::new(code, "x"), "127.0.0.1:7000");
        let unreachable = || Failure::Unreachable { address: "a".into(), reason: "r".into() };
        for (failure, expected) in [
            (status(Code::Internal), 1),
            (status(Code::Unavailable), 1),
            (status(Code::InvalidArgument), 2),
            (unreachable(), 3),
            (status(Code::NotFound), 4),
            (status(Code::ResourceExhausted), 5),
            (Failure::Stalled("x".into()), 6),
        ] {
            assert_eq!(code(&anyhow::Error::from(failure)), Some(expected));
        }
        assert_eq!(code(&anyhow::anyhow!("else")), None);
    }

    #[test]
    fn who_answers_and_is_no_traffic_manager_is_said_to_be_none() {
        let of_viewers = Failure::of_viewers(&Status::internal("invalid compression flag"), "127.0.0.1:8080");
        let of_operator = Failure::of_operator(&Status::unimplemented(""), "127.0.0.1:8080");
        for failure in [of_viewers, of_operator] {
            let text = failure.to_string();
            assert!(text.starts_with("what answers at 127.0.0.1:8080 is no traffic-manager"), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_when_to_try_again() {
        let mut status = Status::resource_exhausted("no room for another viewer of live");
        status.metadata_mut().insert(RETRY_AFTER, "3000".parse().unwrap());
        let text = Failure::of_viewers(&status, "a").to_string();
        assert_eq!(text, "no room for another viewer of live; try again in 3s");
    }
}
