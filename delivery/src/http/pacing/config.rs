//! The `[http.pacing]` section: how fast media are sent, each with the reason for its default.

use std::time::Duration;

use ipnet::IpNet;
use policy::pacing::{Multiple, Pacing};
use serde::{Deserialize, Serialize};
use service::BitRate;

/// How fast media are sent, so that a few fast downloads do not take the uplink from everyone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many times faster than it plays a connection is sent media; 0 for as fast as its line goes. At 4, a player that fell behind
    /// gains three seconds of buffer every second, and one that keeps up leaves the uplink to others three quarters of the time.
    pub multiple: Multiple,
    /// Media that a session is sent first, as fast as its line goes. Players begin three target durations before the end (RFC 8216bis
    /// 6.3.3), of 6 s as is customary, and load all of that at once. On a tight uplink it is just that; on a known one it comes as fast as
    /// what is left of it allows.
    #[serde(with = "humantime_serde")]
    pub burst: Duration,
    /// What everybody is sent at least: sound and subtitles alone are too small to take anything from others, and waiting for them
    /// would keep the picture waiting. On a tight uplink there is none but 1.25 times the rung's rate for players that do not go by speed.
    pub floor: BitRate,
    /// Networks of caches and load balancers in front of this server, whose connections carry many viewers each and are not paced.
    /// None unless given; `Via` and its like are not believed, because anybody can write them.
    pub proxies: Vec<IpNet>,
}

impl Config {
    /// The rule that this comes to.
    pub(super) fn rule(&self) -> Pacing {
        Pacing { multiple: self.multiple, burst: self.burst, floor: self.floor.bits_per_second() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            multiple: Multiple::try_from(4.0).expect("4 is a multiple"),
            burst: Duration::from_secs(20),
            floor: "1Mbps".parse().expect("a bitrate"),
            proxies: Vec::new(),
        }
    }
}
