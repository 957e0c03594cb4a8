//! Who allows no rung above some rung: a server of ours, told on its admin port, or one that stands in for it.

use std::{net::SocketAddr, time::Duration};

use crate::{http::http, stand_in::StandIn, wait::eventually};

/// Until a server that is woken has its stream.
const IS_THERE: Duration = Duration::from_secs(30);

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
    /// Allows no rung of the stream `live` above `rung`, 0 being the lowest, as soon as the server has that stream: a relay has none
    /// until it is woken.
    ///
    /// # Panics
    /// When the server does not do as it is told.
    pub async fn set(&self, rung: usize) {
        match self {
            Self::StandIn(stand_in) => stand_in.cap(rung),
            Self::Server(admin) => {
                let url = format!("http://{admin}/adaptation/cap?stream=live&rung={rung}");
                eventually("a server takes the order", IS_THERE, async || {
                    let answer = http().post(&url).send().await.map_err(|error| error.to_string())?;
                    let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
                    if status.is_success() { Ok(()) } else { Err(format!("{url}: {status}: {text}")) }
                })
                .await;
            }
        }
    }
}
