//! Loopback addresses that belong to one test: a /24 of 127.0.0.0/8 and one port that is free on the part of it that is used.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use rand::Rng as _;

/// Hosts of a subnet that tests use: 1 for the primary and the manager, 2 to 9 for relays, 10 for sources.
const HOSTS: std::ops::RangeInclusive<u8> = 1..=10;

/// Ports below those that the system hands out for outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How many subnets and ports are tried before giving up.
const TRIES: usize = 100;

/// Addresses of one test.
#[derive(Debug, Clone, Copy)]
pub struct Subnet {
    second: u8,
    third: u8,
    /// Viewers' port, the same on every server; `port + 1` is the manager's, `port + 2` admin, `port + 3` sources.
    pub port: u16,
}

impl Subnet {
    /// A subnet that nobody uses.
    ///
    /// # Panics
    /// When none is found.
    #[must_use]
    pub fn unused() -> Self {
        let mut dice = rand::rng();
        for _ in 0..TRIES {
            let subnet = Self {
                second: dice.random_range(1..=254),
                third: dice.random_range(0..=254),
                port: dice.random_range(PORTS),
            };
            if subnet.is_free() {
                return subnet;
            }
        }
        panic!("no free loopback subnet in {TRIES} tries");
    }

    fn is_free(&self) -> bool {
        HOSTS
            .flat_map(|host| (0..4).map(move |offset| (host, offset)))
            .all(|(host, offset)| TcpListener::bind((self.host(host), self.port + offset)).is_ok())
    }

    /// The address of a host.
    #[must_use]
    pub fn host(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.second, self.third, host)
    }

    /// Where a host serves viewers.
    #[must_use]
    pub fn viewers(&self, host: u8) -> SocketAddr {
        (self.host(host), self.port).into()
    }

    /// Where the manager listens.
    #[must_use]
    pub fn manager(&self) -> SocketAddr {
        (self.host(1), self.port + 1).into()
    }

    /// Where a host's program serves its metrics; the manager's is that of host 10.
    #[must_use]
    pub fn admin(&self, host: u8) -> SocketAddr {
        (self.host(host), self.port + 2).into()
    }

    /// Where a test serves a source.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        (self.host(10), self.port + 3).into()
    }

    /// What every address of the subnet begins with.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("127.{}.{}.", self.second, self.third)
    }
}
