//! Who allows no rung above some rung: a server of ours, told on its admin port, or one that stands in for it.

use std::net::SocketAddr;

use crate::{http::http, stand_in::StandIn};

/// The handle of one server's cap.
#[derive(Debug, Clone)]
pub enum Caps {
    /// A server that caps rungs, by the address of its admin port.
    Server(SocketAddr),
    /// A proxy before one that does not.
    StandIn(StandIn),
}

/// Whether caps are a stand-in's, as where `STAND_IN` asks for it: to see what players do apart from what a server does.
#[must_use]
pub fn by_stand_in() -> bool {
    std::env::var_os("STAND_IN").is_some()
}

impl Caps {
    /// Allows no rung of the stream `live` above `rung`, 0 being the lowest.
    ///
    /// # Panics
    /// When the server does not do as it is told.
    pub async fn set(&self, rung: usize) {
        match self {
            Self::StandIn(stand_in) => stand_in.cap(rung),
            Self::Server(admin) => {
                let url = format!("http://{admin}/adaptation/cap?stream=live&rung={rung}");
                let answer = http().post(&url).send().await.expect("the admin port answers");
                assert!(answer.status().is_success(), "{url}: {}", answer.status());
            }
        }
    }
}
