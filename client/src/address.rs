//! Where a traffic manager listens, as people write it: `HOST:PORT`, an IPv6 address in brackets.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no HOST:PORT, such as 127.0.0.1:7000, [::1]:7000 or manager.example:7000")]
pub struct InvalidAddress(String);

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidAddress(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let bare = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(ip) => ip.parse::<std::net::Ipv6Addr>().map(|_| ip).map_err(|_| invalid())?,
            None if is_name(host) => host,
            None => return Err(invalid()),
        };
        Ok(Self { host: bare.to_owned(), port: port.parse().map_err(|_| invalid())? })
    }
}

/// Letters, digits, hyphens and dots: names and IPv4 addresses.
fn is_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.parse() {
            Ok(IpAddr::V6(ip)) => write!(f, "[{ip}]:{port}"),
            _ => write!(f, "{host}:{port}"),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_was_read() {
        for text in ["127.0.0.1:7000", "[::1]:7000", "manager.example:7001", "traffic-manager:7000"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_lacks_a_port_or_is_a_url_is_no_address() {
        for text in ["", "127.0.0.1", ":7000", "::1:7000", "[manager]:7000", "http://127.0.0.1:7000", "a:b"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("is no HOST:PORT"), "{error}");
        }
    }
}
