//! What a session's player can do, and how that is told from its first request.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a session's player can do when its stream should come from another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Follows HLS Content Steering (RFC 8216bis 7).
    Steers,
    /// Asks the same host at every reload and follows its 307s.
    Redirects,
    /// Stays where it started.
    Fixed,
    /// Is told over gRPC.
    Watches,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Steers, Self::Redirects, Self::Fixed, Self::Watches];

    /// The name in metrics, JSON and tokens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steers => "steers",
            Self::Redirects => "redirects",
            Self::Fixed => "fixed",
            Self::Watches => "watches",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A class that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no class of player: steers, redirects, fixed or watches")]
pub struct InvalidClass(String);

impl FromStr for Class {
    type Err = InvalidClass;

    fn from_str(text: &str) -> Result<Self, InvalidClass> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| InvalidClass(text.chars().take(32).collect()))
    }
}
