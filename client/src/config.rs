//! What can be set for the client: its limits and habits. What a single run should do is said on the command line.

use std::time::Duration;

use policy::{Region, StreamName};
use serde::{Deserialize, Serialize};
use service::BackoffConfig;

use crate::{address::Address, crowd::CrowdConfig, fetch::FetchConfig, player::Bounds};

/// The client's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Host of the traffic manager.
    pub manager_ip: String,
    /// Its port, for gRPC and HTTP.
    pub manager_port: u16,
    /// Further traffic managers of the fleet, asked in this order when that one cannot do it.
    pub managers: Vec<Address>,
    /// How long managers are asked again while none can be reached.
    #[serde(with = "humantime_serde")]
    pub retry_for: Duration,
    /// The stream, where the command line names none.
    pub stream: StreamName,
    /// The region to ask for, where the command line names none; without it the manager finds the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Limits of fetching.
    pub fetch: FetchConfig,
    /// How players buffer.
    pub buffer: BufferConfig,
    /// Pauses between tries, to play and to ask.
    pub retry: BackoffConfig,
    /// How long a viewer may go without any new media before it gives up.
    #[serde(with = "humantime_serde")]
    pub give_up_after: Duration,
    /// How long a pathway that failed is shunned.
    #[serde(with = "humantime_serde")]
    pub shun_for: Duration,
    /// Limits of a crowd.
    pub crowd: CrowdConfig,
}

impl Default for Config {
    /// Ten seconds are a restart of the manager with its first-start window; a minute without media is the end for anybody's
    /// patience; hls.js shuns a failed pathway for 300 s.
    fn default() -> Self {
        Self {
            manager_ip: "127.0.0.1".to_owned(),
            manager_port: 7000,
            managers: Vec::new(),
            retry_for: Duration::from_secs(10),
            stream: "live".parse().expect("this is a name"),
            region: None,
            fetch: FetchConfig::default(),
            buffer: BufferConfig::default(),
            retry: BackoffConfig { first: Duration::from_millis(100), longest: Duration::from_secs(2) },
            give_up_after: Duration::from_secs(60),
            shun_for: Duration::from_secs(300),
            crowd: CrowdConfig::default(),
        }
    }
}

impl Config {
    /// The traffic manager that is asked first.
    #[must_use]
    pub fn first_manager(&self) -> Address {
        Address { host: self.manager_ip.clone(), port: self.manager_port }
    }
}

/// How players buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BufferConfig {
    /// Playing starts, and starts again after a stall, with this much.
    #[serde(with = "humantime_serde")]
    pub start_with: Duration,
    /// Nothing is loaded ahead beyond this.
    #[serde(with = "humantime_serde")]
    pub full_at: Duration,
}

impl Default for BufferConfig {
    /// Players start with about one segment, and hls.js loads 30 s ahead.
    fn default() -> Self {
        Self { start_with: Duration::from_secs(2), full_at: Duration::from_secs(30) }
    }
}

impl From<BufferConfig> for Bounds {
    fn from(config: BufferConfig) -> Self {
        Self { start_with: config.start_with, full_at: config.full_at }
    }
}

/// What the command line sets of the configuration.
#[derive(Debug, Default, Serialize)]
pub struct Overrides {
    /// MANAGER_IP
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager_ip: Option<String>,
    /// MANAGER_PORT
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager_port: Option<u16>,
    /// --manager
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managers: Vec<Address>,
    /// --retry-for
    #[serde(skip_serializing_if = "Option::is_none", with = "humantime_serde::option")]
    pub retry_for: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_the_configuration() {
        let text = service::config::print(&Config::default()).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), Config::default());
    }
}
