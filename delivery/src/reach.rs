//! Where a server is reached: by viewers and other servers under its base URL, by Prometheus and supervisors at its admin port.
//!
//! It listens where it was told to. What others use differs where that is all addresses, or where something stands in
//! front: then `advertise` says it.

use std::net::SocketAddr;

use service::{Usage, address};
use url::Url;

/// Port of viewers where ADDRESS names none.
const VIEWERS_PORT: u16 = 8080;

/// Where a server listens, and under which URL others reach it.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Where viewers and servers connect.
    pub address: SocketAddr,
    /// Where `/metrics`, `/live` and `/ready` are.
    pub admin: SocketAddr,
    advertised: Option<Url>,
}

impl Reach {
    /// Reads ADDRESS and `admin`, each `ip[:port]`. Without an `admin` it is `admin_port` of ADDRESS.
    ///
    /// # Errors
    /// Says which of them makes no sense, and what would.
    pub fn check(
        address: &str,
        advertise: Option<&Url>,
        admin: Option<&str>,
        admin_port: u16,
    ) -> Result<Self, Usage> {
        let parse = |text, port| address::parse(text, port).map_err(|error| Usage(error.to_string()));
        let address = parse(address, VIEWERS_PORT)?;
        let beside = Ok(SocketAddr::new(address.ip(), admin_port));
        let admin = admin.map_or(beside, |given| parse(given, admin_port))?;
        let advertised = advertise.map(|url| origin(url, "the advertised URL (--advertise)")).transpose()?;
        if advertised.is_none() && address.ip().is_unspecified() {
            return Err(Usage(format!(
                "viewers cannot use the address {}: say with --advertise under which URL they reach this server",
                address.ip()
            )));
        }
        Ok(Self { address, admin, advertised })
    }

    /// What viewers and servers use of a server that is `bound` there: scheme, host and port.
    #[must_use]
    pub fn base(&self, bound: SocketAddr) -> Url {
        let plain = || format!("http://{bound}").parse().expect("a socket address is a URL's host and port");
        self.advertised.clone().unwrap_or_else(plain)
    }

    /// Where Prometheus finds the admin port that is `bound` there: nobody can connect to all addresses.
    #[must_use]
    pub fn metrics_address(&self, bound: SocketAddr) -> String {
        match self.advertised.as_ref().and_then(Url::host_str) {
            Some(host) if bound.ip().is_unspecified() => format!("{host}:{}", bound.port()),
            _ => bound.to_string(),
        }
    }
}

/// `url`, if it is nothing but scheme, host and port.
///
/// # Errors
/// When it is more; `what` says which URL it is.
pub fn origin(url: &Url, what: &str) -> Result<Url, Usage> {
    let bare = matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none();
    if bare {
        return Ok(url.clone());
    }
    Err(Usage(format!("{what} is scheme, host and port, such as http://192.0.2.1:8080, not {url}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(address: &str, advertise: Option<&str>, admin: Option<&str>) -> Result<Reach, Usage> {
        let advertise = advertise.map(|url| url.parse().unwrap());
        Reach::check(address, advertise.as_ref(), admin, 9102)
    }

    #[test]
    fn the_admin_port_is_beside_that_of_viewers_unless_it_is_given() {
        let reach = |admin| reach("127.0.0.5:90", None, admin).unwrap().admin.to_string();
        assert_eq!(reach(None), "127.0.0.5:9102");
        assert_eq!(reach(Some("127.0.0.1")), "127.0.0.1:9102");
    }

    #[test]
    fn a_server_on_all_addresses_is_found_under_its_advertised_host() {
        let all = reach("0.0.0.0", Some("https://eu1.example/"), None).unwrap();
        assert_eq!(all.base(all.address).as_str(), "https://eu1.example/");
        assert_eq!(all.metrics_address(all.admin), "eu1.example:9102");
        let one = reach("127.0.0.2", Some("https://eu1.example/"), None).unwrap();
        assert_eq!(one.metrics_address(one.admin), "127.0.0.2:9102");
    }

    #[test]
    fn what_nobody_could_use_is_refused_with_what_to_say() {
        for (address, advertise) in [("0.0.0.0", None), ("127.0.0.1", Some("http://127.0.0.1/live"))] {
            assert!(reach(address, advertise, None).unwrap_err().to_string().contains("--advertise"));
        }
    }
}
