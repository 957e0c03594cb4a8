//! Scheme, host and port of a server: all servers of a fleet share scheme and port, because players drop a port that a
//! steering answer names (see the steering rules in ARCHITECTURE.md).

/// What servers of a fleet share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) port: u16,
}

impl<'a> Address<'a> {
    /// Whether two base URLs share scheme and port.
    pub(crate) fn same(one: &str, other: &str) -> bool {
        Address::parse(one) == Address::parse(other)
    }

    /// The parts of `scheme://host[:port]`, or nothing where that is not what it is.
    pub(crate) fn parse(base_url: &'a str) -> Option<Self> {
        parts(base_url).map(|(address, _)| address)
    }
}

/// The host of `scheme://host[:port]`, in brackets where it is an address of IPv6.
pub(crate) fn host_of(base_url: &str) -> Option<&str> {
    parts(base_url).map(|(_, host)| host)
}

fn parts(base_url: &str) -> Option<(Address<'_>, &str)> {
    let (scheme, authority) = base_url.split_once("://")?;
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    if authority.contains(['/', '?', '#', '@', ' ']) {
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, default_port),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || (host.contains(':') && !bracketed) {
        return None;
    }
    Some((Address { scheme, port }, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_and_port_are_found_or_filled_in() {
        assert_eq!(Address::parse("http://127.0.0.2:8080"), Some(Address { scheme: "http", port: 8080 }));
        assert_eq!(Address::parse("https://eu1.example"), Some(Address { scheme: "https", port: 443 }));
        assert_eq!(Address::parse("http://[::1]"), Some(Address { scheme: "http", port: 80 }));
        assert_eq!(Address::parse("http://[::1]:81"), Some(Address { scheme: "http", port: 81 }));
        assert_eq!(host_of("http://[::1]:81"), Some("[::1]"));
        assert_eq!(host_of("https://eu1.example"), Some("eu1.example"));
    }

    #[test]
    fn what_is_no_base_url_is_nothing() {
        for bad in ["", "ftp://a", "http://", "http://a/", "http://a:b", "http://u@a", "http://::1"] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }
}
