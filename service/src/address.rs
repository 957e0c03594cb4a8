//! `ip[:port]`: how addresses are given to a program, with the port left out where the usual one is meant.

use std::net::{IpAddr, SocketAddr};

/// An address that is none. The text says what was expected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{given:?} is no address: give an IP address, with or without a port, such as 127.0.0.1 or 127.0.0.1:{default_port}"
)]
pub struct InvalidAddress {
    given: String,
    default_port: u16,
}

/// Reads `ip[:port]`. An IPv6 address with a port stands in brackets.
///
/// # Errors
/// When `text` is neither an IP address nor one with a port.
pub fn parse(text: &str, default_port: u16) -> Result<SocketAddr, InvalidAddress> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>()
        .map(|ip| SocketAddr::new(ip, default_port))
        .or_else(|_| text.parse())
        .map_err(|_| InvalidAddress { given: text.to_owned(), default_port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_left_out() {
        assert_eq!(parse("127.0.0.2", 8080).unwrap(), "127.0.0.2:8080".parse().unwrap());
        assert_eq!(parse("127.0.0.2:90", 8080).unwrap(), "127.0.0.2:90".parse().unwrap());
        assert_eq!(parse("::1", 8080).unwrap(), "[::1]:8080".parse().unwrap());
        assert_eq!(parse("[::1]", 8080).unwrap(), "[::1]:8080".parse().unwrap());
        assert_eq!(parse("[::1]:90", 8080).unwrap(), "[::1]:90".parse().unwrap());
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for given in ["", "localhost", "127.0.0.1:", "127.0.0.1:99999", "http://127.0.0.1"] {
            assert!(parse(given, 7000).unwrap_err().to_string().contains("127.0.0.1:7000"), "{given}");
        }
    }
}
