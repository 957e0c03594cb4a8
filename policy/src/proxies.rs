//! Who asks where proxies stand between: `X-Forwarded-For` is believed as far as those who wrote it are trusted.
//!
//! Each proxy adds at the right whom it was asked by. So the list is read from there, and the first address that is no trusted
//! proxy is the client: what stands left of it, anybody may have made up.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// Proxies whose word counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Those in these networks.
    #[must_use]
    pub fn trusted(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The client of a request that `peer` sent, with what its `X-Forwarded-For` headers say, in their order. Where that is no
    /// address, the last one that is known.
    #[must_use]
    pub fn client<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in forwarded.flat_map(|header| header.split(',')).rev() {
            if !self.0.iter().any(|network| network.contains(&client)) {
                break;
            }
            let Some(before) = address(hop.trim()) else { break };
            client = before.to_canonical();
        }
        client
    }
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(peer: &str, headers: &[&str]) -> String {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap());
        let proxies = Proxies::trusted(networks.to_vec());
        proxies.client(peer.parse().unwrap(), headers.iter().copied()).to_string()
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_no_trusted_proxy() {
        for (who, peer, headers, found) in [
            ("nobody between", "203.0.113.7", &[][..], "203.0.113.7"),
            ("one who claims to be another", "203.0.113.7", &["198.51.100.1"][..], "203.0.113.7"),
            ("one proxy", "10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("one that was lied to", "10.0.0.1", &["192.0.2.9, 198.51.100.1"], "198.51.100.1"),
            ("two proxies", "10.0.0.1", &["198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            ("two headers", "10.0.0.1", &["192.0.2.9", "198.51.100.1,10.9.9.9"], "198.51.100.1"),
            ("nobody but proxies", "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("a proxy that says nothing", "10.0.0.1", &[""], "10.0.0.1"),
            ("one that hides its client", "10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("with a port", "10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("IPv6", "2001:db8::1", &["[2a00::7]:4711"], "2a00::7"),
            ("IPv6 in brackets", "2001:db8::1", &["[2a00::7]"], "2a00::7"),
            ("IPv4 in IPv6", "::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ] {
            assert_eq!(client(peer, headers), found, "{who}");
        }
    }

    proptest! {
        #[test]
        fn who_is_not_trusted_is_taken_for_itself_whatever_it_claims(header in ".{0,80}") {
            prop_assert_eq!(client("203.0.113.7", &[&header]), "203.0.113.7");
            let _ = client("10.0.0.1", &[&header]);
        }
    }
}
