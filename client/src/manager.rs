//! The way to one traffic manager: one gRPC connection, made when it is first needed.

use std::time::Duration;

use proto::v1::{operator_client::OperatorClient, viewers_client::ViewersClient};
use tonic::transport::{Channel, Endpoint};
use url::Url;

use crate::{address::Address, exit::Failure};

/// How long the manager may be silent on an open connection before it counts as gone.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A traffic manager, as the client reaches it.
#[derive(Debug, Clone)]
pub struct TrafficManager {
    address: String,
    base: Url,
    channel: Channel,
}

impl TrafficManager {
    /// The one at an address, to which a connection may take `connect` to come about. Nothing is connected yet.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(address: &Address, connect: Duration) -> Result<Self, Failure> {
        let address = address.to_string();
        let invalid = |reason: String| Failure::Usage(format!("{address} is no address: {reason}"));
        let base: Url = format!("http://{address}/").parse().map_err(|error| invalid(format!("{error}")))?;
        let channel = Endpoint::from_shared(base.to_string())
            .map_err(|error| invalid(error.to_string()))?
            .connect_timeout(connect)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .tcp_nodelay(true)
            .connect_lazy();
        Ok(Self { address, base, channel })
    }

    /// `host:port`
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where its HTTP pages are.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The service that players ask.
    #[must_use]
    pub fn viewers(&self) -> ViewersClient<Channel> {
        ViewersClient::new(self.channel.clone())
    }

    /// The service that operators ask.
    #[must_use]
    pub fn operator(&self) -> OperatorClient<Channel> {
        OperatorClient::new(self.channel.clone())
    }
}
