//! The `[rung_cap]` section: how what is sent is kept within the uplink, each key with the reason for its default.

use std::time::Duration;

use policy::{adaptation::Settings, routing::Kind};
use serde::{Deserialize, Serialize};

/// How what is sent is kept within the uplink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether a narrower uplink than `uplink` says, or one where it says nothing, is learnt from most viewers falling behind
    /// real time together. Off: what an operator knows is better, and a house full of bad lines looks like a full uplink.
    pub learn: bool,
    /// The part of the uplink that is filled at most: segments come in bursts, and a full queue delays everybody.
    pub safe_share: f64,
    /// At a primary, the part of the uplink kept for relays, or what they take where that is more: what one relay fetches serves a
    /// whole region.
    pub relay_share: f64,
    /// What must stay free of the viewers' part for the cap to rise: newcomers begin with a burst of three segments.
    pub margin: f64,
    /// How long a higher rung must fit before it is sent: longer than a reload storm.
    #[serde(with = "humantime_serde")]
    pub hold: Duration,
    /// How long a change takes until what is sent shows it: players still ask for what was listed before.
    #[serde(with = "humantime_serde")]
    pub settle: Duration,
    /// Over what time what is sent is measured: two segments of most streams, which come in bursts.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// How often it is looked whether all fits.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let Settings { safe_share, relay_share, margin, hold, settle } = Settings::default();
        Self {
            learn: false,
            safe_share,
            relay_share,
            margin,
            hold,
            settle,
            window: Duration::from_secs(4),
            interval: Duration::from_millis(500),
        }
    }
}

/// Keys that make no sense together or alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rung_cap.{0} makes no sense: give {1}")]
pub struct InvalidConfig(&'static str, &'static str);

impl Config {
    /// Checks what the keys' types cannot.
    ///
    /// # Errors
    /// Names the key and what would do.
    pub fn validated(self) -> Result<Self, InvalidConfig> {
        let part = |share: f64| (0.0..=1.0).contains(&share);
        if !(self.safe_share > 0.0 && part(self.safe_share)) {
            return Err(InvalidConfig("safe_share", "a part of the uplink above 0 and up to 1, such as 0.9"));
        }
        if !(part(self.relay_share) && self.relay_share < self.safe_share) {
            return Err(InvalidConfig("relay_share", "a part of the uplink from 0 to less than safe_share"));
        }
        if !(part(self.margin) && self.margin < 1.0) {
            return Err(InvalidConfig(
                "margin",
                "a part of the viewers' share from 0 to less than 1, such as 0.1",
            ));
        }
        if self.interval.is_zero() || self.window < self.interval {
            return Err(InvalidConfig("window", "at least rung_cap.interval, which is above 0"));
        }
        Ok(self)
    }

    /// What policy is told of it, at a server of this kind: relays have no relays of their own.
    #[must_use]
    pub fn settings(&self, kind: Kind) -> Settings {
        let relay_share = if kind == Kind::Primary { self.relay_share } else { 0.0 };
        let Self { safe_share, margin, hold, settle, .. } = *self;
        Settings { safe_share, relay_share, margin, hold, settle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_by_its_name() {
        type Change = fn(&mut Config);
        let wrong: [(Change, &str); 5] = [
            (|c| c.safe_share = 0.0, "safe_share"),
            (|c| c.safe_share = f64::NAN, "safe_share"),
            (|c| c.relay_share = 0.9, "relay_share"),
            (|c| c.margin = 1.0, "margin"),
            (|c| c.window = Duration::ZERO, "window"),
        ];
        for (change, key) in wrong {
            let mut config = Config::default();
            change(&mut config);
            assert!(config.validated().unwrap_err().to_string().contains(key));
        }
        assert!(Config::default().validated().is_ok());
    }
}
