//! The way to the traffic manager: one gRPC connection, made when it is first needed, and asked again for a bounded time when
//! nobody answers.

use std::{future::Future, time::Duration};

use proto::v1::{operator_client::OperatorClient, viewers_client::ViewersClient};
use service::{Backoff, BackoffConfig};
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use url::Url;

use crate::{config::Config, exit::Failure, output};

/// How long the manager may be silent on an open connection before it counts as gone.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How long it may take to answer a question.
const ANSWER: Duration = Duration::from_secs(5);

/// The traffic manager, as the client reaches it.
#[derive(Debug, Clone)]
pub struct TrafficManager {
    address: String,
    base: Url,
    channel: Channel,
    retry_for: Duration,
    retry: BackoffConfig,
    quiet: bool,
}

impl TrafficManager {
    /// The one of the configuration. Nothing is connected yet.
    ///
    /// # Errors
    /// When its address is none.
    pub fn new(config: &Config) -> Result<Self, Failure> {
        let host = match config.manager_ip.parse() {
            Ok(std::net::IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => config.manager_ip.clone(),
        };
        let address = format!("{host}:{}", config.manager_port);
        let invalid = |reason: String| Failure::Usage(format!("{address} is no address: {reason}"));
        let base: Url = format!("http://{address}/").parse().map_err(|error| invalid(format!("{error}")))?;
        let channel = Endpoint::from_shared(base.to_string())
            .map_err(|error| invalid(error.to_string()))?
            .connect_timeout(config.fetch.connect)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .tcp_nodelay(true)
            .connect_lazy();
        Ok(Self { address, base, channel, retry_for: config.retry_for, retry: config.retry, quiet: false })
    }

    /// The same one over a connection of its own, for one of many viewers, who says nothing.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_viewer(config: &Config) -> Result<Self, Failure> {
        Ok(Self { quiet: true, ..Self::new(config)? })
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

    /// How long an answer may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        ANSWER
    }

    /// Asks until there is an answer, for a bounded time while nobody is there, or nothing yet to play.
    ///
    /// # Errors
    /// The manager's refusal, or the last failure to reach it.
    pub async fn ask<T, F>(&self, mut question: impl FnMut() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let until = Instant::now() + self.retry_for;
        let mut backoff = Backoff::new(self.retry);
        let mut said = self.quiet;
        loop {
            let answer = tokio::time::timeout(ANSWER, question()).await.unwrap_or_else(|_| {
                let reason = format!("no answer within {}", humantime::format_duration(ANSWER));
                Err(Failure::Unreachable { address: self.address.clone(), reason })
            });
            let failure = match answer {
                Err(failure @ (Failure::Unreachable { .. } | Failure::NotYet(_))) => failure,
                answer => return answer,
            };
            let pause = backoff.pause(rand::random());
            if Instant::now() + pause > until {
                return Err(failure);
            }
            if !said {
                said = true;
                let left = humantime::format_duration(self.retry_for);
                output::say(&format!("{failure}; trying again for {left}"));
            }
            tokio::time::sleep(pause).await;
        }
    }
}
