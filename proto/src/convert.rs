//! Policy's words and those of the wire: one to one, but that the wire also knows "unspecified", which no word of policy is.

pub mod fleet;

use policy::{Class, InvalidName, Phase, adaptation::Mode, routing::Kind};

use crate::v1;

/// A word of the wire that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message names no {0}; it may come from a newer version")]
pub struct Unspecified(&'static str);

/// A field of a message that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidField {
    /// Which.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is no name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// It says nothing.
    #[error(transparent)]
    Unspecified(#[from] Unspecified),
}

macro_rules! words {
    ($what:literal: $policy:ident, $wire:ident { $($word:ident),+ $(,)? }) => {
        impl From<$policy> for v1::$wire {
            fn from(word: $policy) -> Self {
                match word {
                    $($policy::$word => Self::$word,)+
                }
            }
        }

        impl TryFrom<v1::$wire> for $policy {
            type Error = Unspecified;

            fn try_from(word: v1::$wire) -> Result<Self, Unspecified> {
                match word {
                    v1::$wire::Unspecified => Err(Unspecified($what)),
                    $(v1::$wire::$word => Ok(Self::$word),)+
                }
            }
        }
    };
}

words!("phase": Phase, Phase {
    Requested, Starting, Standby, Warming, Serving, Draining, Retired, Suspect, Lost, Failed,
});
words!("class": Class, Class { Steers, Redirects, Fixed, Watches });
words!("kind": Kind, ServerKind { Primary, Relay });

impl From<Mode> for v1::Adaptation {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Client => Self::Client,
            Mode::Capped => Self::Capped,
            Mode::Server { per_session: false } => Self::Server,
            Mode::Server { per_session: true } => Self::ServerPerSession,
        }
    }
}

impl TryFrom<v1::Adaptation> for Mode {
    type Error = Unspecified;

    fn try_from(word: v1::Adaptation) -> Result<Self, Unspecified> {
        match word {
            v1::Adaptation::Unspecified => Err(Unspecified("adaptation")),
            v1::Adaptation::Client => Ok(Self::Client),
            v1::Adaptation::Capped => Ok(Self::Capped),
            v1::Adaptation::Server => Ok(Self::Server { per_session: false }),
            v1::Adaptation::ServerPerSession => Ok(Self::Server { per_session: true }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_survives_the_wire() {
        for phase in Phase::ALL {
            assert_eq!(Phase::try_from(v1::Phase::from(phase)), Ok(phase));
        }
        for class in Class::ALL {
            assert_eq!(Class::try_from(v1::Class::from(class)), Ok(class));
        }
        let server = |per_session| Mode::Server { per_session };
        for mode in [Mode::Client, Mode::Capped, server(false), server(true)] {
            assert_eq!(Mode::try_from(v1::Adaptation::from(mode)), Ok(mode));
        }
    }

    #[test]
    fn what_is_not_said_is_no_word() {
        assert_eq!(
            Phase::try_from(v1::Phase::Unspecified).unwrap_err().to_string(),
            "the message names no phase; it may come from a newer version"
        );
    }
}
