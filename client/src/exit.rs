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
    /// Several managers were asked, and none did it.
    #[error("no traffic-manager of {} asked can do this: {}", .0.len(), each(.0))]
    Everywhere(Vec<Tried>),
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

/// A manager that was asked in vain.
#[derive(Debug)]
pub struct Tried {
    /// Where it is.
    pub address: String,
    /// What was wrong with it.
    pub failure: Failure,
}

/// The exit code of an error, where it has one of its own.
#[must_use]
pub fn code(error: &anyhow::Error) -> Option<u8> {
    error.downcast_ref::<Failure>().map(|failure| match failure.deciding() {
        Failure::Failed(_) | Failure::NotYet(_) | Failure::Everywhere(_) => 1,
        Failure::Usage(_) => service::program::EXIT_USAGE,
        Failure::Unreachable { .. } => 3,
        Failure::UnknownStream(_) => 4,
        Failure::Refused { .. } => 5,
        Failure::Stalled(_) => 6,
    })
}

impl Failure {
    /// What it means that all of these were asked in vain, of whom there is one at least.
    #[must_use]
    pub fn of_all(mut tried: Vec<Tried>) -> Self {
        match tried.pop() {
            Some(last) if tried.is_empty() => last.failure,
            last => Self::Everywhere(tried.into_iter().chain(last).collect()),
        }
    }

    /// Of several managers' failures the one that counts: the last word of any that answered, and among those one that
    /// time will not mend.
    #[must_use]
    pub fn deciding(&self) -> &Self {
        let Self::Everywhere(tried) = self else { return self };
        let weight = |failure: &Self| match failure {
            Self::Unreachable { .. } => 0,
            Self::NotYet(_) => 1,
            _ => 2,
        };
        let failures = tried.iter().map(|tried| &tried.failure);
        failures.max_by_key(|failure| weight(failure)).unwrap_or(self)
    }

    /// Whether it is worth asking again: nobody is there, or nothing yet to play.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self.deciding(), Self::Unreachable { .. } | Self::NotYet(_))
    }

    /// Whether another manager may have a better answer.
    #[must_use]
    pub const fn may_differ_elsewhere(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NotYet(_) | Self::Refused { .. })
    }

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

/// What was wrong with each, and what to do where nobody is there at all.
fn each(tried: &[Tried]) -> String {
    let line = |Tried { address, failure }: &Tried| match failure {
        Failure::Unreachable { reason, .. } => format!("{address} cannot be reached ({reason})"),
        other => format!("{address} says: {other}"),
    };
    let mut text = tried.iter().map(line).collect::<Vec<_>>().join("; ");
    if tried.iter().all(|tried| matches!(tried.failure, Failure::Unreachable { .. })) {
        text.push_str("; check MANAGER_IP, MANAGER_PORT and --manager, and that they run");
    }
    text
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
    fn of_several_managers_one_that_answers_decides_and_each_is_named() {
        let unreachable = || Failure::Unreachable { address: "a:1".into(), reason: "refused".into() };
        let refused = || Failure::Refused { text: "no room".into(), retry_after: None };
        let not_yet = || Failure::NotYet("no primary".into());
        let all = |failures: Vec<Failure>| {
            let tried = failures.into_iter().zip(["a:1", "b:2"]);
            Failure::of_all(tried.map(|(failure, at)| Tried { address: at.into(), failure }).collect())
        };
        for (failures, expected) in [
            (vec![unreachable()], 3),
            (vec![unreachable(), unreachable()], 3),
            (vec![not_yet(), unreachable()], 1),
            (vec![unreachable(), refused()], 5),
            (vec![refused(), not_yet()], 5),
            (vec![refused(), Failure::UnknownStream("x".into())], 4),
        ] {
            let failure = all(failures);
            assert_eq!(code(&anyhow::Error::from(failure)), Some(expected));
        }
        assert_eq!(
            all(vec![unreachable(), refused()]).to_string(),
            "no traffic-manager of 2 asked can do this: a:1 cannot be reached (refused); b:2 says: no room"
        );
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
