//! Names that travel in URLs, playlists, metrics and messages, each a type of its own so that none is taken for another.

use std::{
    borrow::Borrow,
    fmt,
    net::IpAddr,
    str::FromStr,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize};

/// Longest name accepted, in bytes: names are labels of metrics and parts of URLs.
pub const MAX_NAME_LEN: usize = 64;

/// A name that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{kind} {name:?} is not a name: 1 to {MAX_NAME_LEN} of a-z, A-Z, 0-9, '-', '_', '.', and not starting with '.'"
)]
pub struct InvalidName {
    kind: &'static str,
    name: String,
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if is_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidName { kind: $kind, name: text.chars().take(MAX_NAME_LEN).collect() })
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// One live channel.
    StreamName, "stream"
);
name!(
    /// A server's id, which is its pathway id in HLS Content Steering (RFC 8216bis 4.4.6.6).
    ServerId, "server"
);
name!(
    /// A part of the world with a threshold of its own.
    Region, "region"
);
name!(
    /// One viewer and stream.
    SessionId, "session"
);

impl ServerId {
    /// The id of the primary, and so the BASE-ID of every pathway clone.
    #[must_use]
    pub fn primary() -> Self {
        static PRIMARY: LazyLock<Arc<str>> = LazyLock::new(|| "primary".into());
        Self(Arc::clone(&PRIMARY))
    }

    /// The id of whichever relay runs at `host`: an address keeps its id, because players hold on to both.
    ///
    /// # Errors
    /// When the host is no address and has characters that a name cannot have.
    pub fn of_relay(host: &str) -> Result<Self, InvalidName> {
        let host = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => ip.to_string().replace(['.', ':'], "-"),
            Err(_) => host.to_owned(),
        };
        format!("relay-{host}").parse()
    }
}

impl Region {
    /// The name of the region of viewers where nothing tells regions apart.
    pub const FALLBACK: &'static str = "default";

    /// The region of viewers where nothing tells regions apart.
    #[must_use]
    pub fn fallback() -> Self {
        Self(Self::FALLBACK.into())
    }

    /// The region of viewers whose address is in none, where regions are told by address.
    #[must_use]
    pub fn unknown() -> Self {
        Self("unknown".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        assert!("live-1_b.c".parse::<StreamName>().is_ok());
        for bad in ["", ".hidden", "a/b", "a b", "ü", &"x".repeat(MAX_NAME_LEN + 1)] {
            assert!(bad.parse::<StreamName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_always_gives_the_same_relay_id() {
        assert_eq!(ServerId::of_relay("127.0.0.2").unwrap().as_str(), "relay-127-0-0-2");
        assert_eq!(ServerId::of_relay("[::1]").unwrap().as_str(), "relay---1");
        assert_eq!(ServerId::of_relay("eu1.example").unwrap().as_str(), "relay-eu1.example");
    }
}
