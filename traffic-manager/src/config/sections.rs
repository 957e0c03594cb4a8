//! The sections of the config that tell policy what to do. Their defaults are policy's, with their reasons.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use policy::{Region, Settings, settings::RegionSettings, steering::Pace};
use serde::{Deserialize, Serialize};
use service::BackoffConfig;

/// How one region differs from the rest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegionConfig {
    /// Viewers that the primary carries itself; the fleet's threshold where absent.
    pub threshold: Option<u32>,
    /// Relays kept even if nobody watches.
    pub min_relays: u32,
    /// Relays at most.
    pub max_relays: u32,
    /// Other regions whose relays may help, nearest first.
    pub neighbours: Vec<Region>,
    /// Where it is: viewers in a city that no rule of `[region_map]` names are in the nearest region that has a location.
    pub location: Option<Location>,
}

impl Default for RegionConfig {
    fn default() -> Self {
        let RegionSettings { threshold, min_relays, max_relays, neighbours } = RegionSettings::default();
        Self { threshold, min_relays, max_relays, neighbours, location: None }
    }
}

/// A place on the earth: `location = { latitude = 50.11, longitude = 8.68 }`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Degrees north of the equator; south is negative.
    pub latitude: f64,
    /// Degrees east of Greenwich; west is negative.
    pub longitude: f64,
}

/// Regions by address: the operator's networks, of which the longest prefix wins, then what a database says of the address. Who is
/// in none, and did not say, is in region `unknown`, or in `default` where there is neither networks nor a database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegionMapConfig {
    /// A file with a network and a region a line. It is read again when it changes.
    pub file: Option<PathBuf>,
    /// The largest such file that is read. 64 MiB: as many networks as a map may have, a million, at more than 64 bytes a line.
    pub max_map_bytes: u64,
    /// A MaxMind database (`.mmdb`) of any vendor, City or Country edition, such as `GeoLite2-City.mmdb`. It is read again when it
    /// changes, and kept in memory whole, twice for the moment when a new one takes over.
    pub database: Option<PathBuf>,
    /// The largest database that is read. 512 MiB: several times the largest City edition that is sold.
    pub max_database_bytes: u64,
    /// How far from a viewer's city the nearest region's location may be. 2,000 km: some 20 ms there and back by fibre.
    pub nearest_within_km: f64,
    /// How vague a city's coordinates may be to count. 200 km: beyond it databases mean half a country.
    pub max_accuracy_km: u16,
    /// How often to look whether a file has changed. 5 s: an operator who waits for it does not wait long.
    #[serde(with = "humantime_serde")]
    pub look_every: Duration,
    /// The same as in the file, here: `"203.0.113.0/24" = "eu"`.
    pub networks: BTreeMap<String, Region>,
    /// Regions by city, by number in GeoNames or country and English name: `2643743 = "eu"`, `"GB/London" = "eu"`.
    pub cities: BTreeMap<String, Region>,
    /// Regions by subdivision of a country (ISO 3166-2): `US-CA = "us-west"`.
    pub subdivisions: BTreeMap<String, Region>,
    /// Regions by country (ISO 3166-1): `US = "us-east"`.
    pub countries: BTreeMap<String, Region>,
    /// Regions by continent (AF, AN, AS, EU, NA, OC, SA): `EU = "eu"`.
    pub continents: BTreeMap<String, Region>,
}

impl Default for RegionMapConfig {
    fn default() -> Self {
        Self {
            file: None,
            max_map_bytes: 64 << 20,
            database: None,
            max_database_bytes: 512 << 20,
            nearest_within_km: 2_000.0,
            max_accuracy_km: 200,
            look_every: Duration::from_secs(5),
            networks: BTreeMap::new(),
            cities: BTreeMap::new(),
            subdivisions: BTreeMap::new(),
            countries: BTreeMap::new(),
            continents: BTreeMap::new(),
        }
    }
}

impl RegionMapConfig {
    /// Whether regions are told by address at all.
    #[must_use]
    pub fn tells_regions(&self) -> bool {
        self.file.is_some() || self.database.is_some() || !self.networks.is_empty()
    }
}

/// When and how many relays are wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scaling {
    /// A region is left when its demand is below this part of its threshold.
    pub leave_ratio: f64,
    /// For how long demand must stay low before relays are drained.
    #[serde(with = "humantime_serde")]
    pub hold: Duration,
    /// For how long after a relay was wanted none of its region is drained.
    #[serde(with = "humantime_serde")]
    pub cooldown: Duration,
    /// Viewers that a launched relay is told to take.
    pub relay_capacity: u32,
    /// How full relays are planned to be.
    pub target_utilisation: f64,
    /// Over what time a new relay's room grows to its capacity.
    #[serde(with = "humantime_serde")]
    pub ramp: Duration,
    /// Relays of the whole fleet at most.
    pub fleet_budget: u32,
    /// Regions followed at once; viewers of further ones count for `default`.
    pub max_regions: usize,
}

impl Default for Scaling {
    fn default() -> Self {
        let policy = Settings::default();
        Self {
            leave_ratio: policy.leave_ratio,
            hold: policy.hold,
            cooldown: policy.cooldown,
            relay_capacity: policy.relay_capacity,
            target_utilisation: policy.target_utilisation,
            ramp: policy.ramp,
            fleet_budget: policy.fleet_budget,
            max_regions: policy.max_regions,
        }
    }
}

/// How a relay is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Launching {
    /// How long a launched relay may take until it attaches.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Between tries after failures.
    pub backoff: BackoffConfig,
    /// Launches and ends that may wait for the provisioner.
    pub max_orders: usize,
}

impl Default for Launching {
    fn default() -> Self {
        let policy = Settings::default();
        let backoff = BackoffConfig { first: policy.launch_backoff, longest: policy.launch_backoff_cap };
        Self { timeout: policy.launch_timeout, backoff, max_orders: policy.max_slots }
    }
}

/// How a relay is emptied.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Draining {
    /// How long it may take; never under the longest steering TTL and three target durations.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// Viewers moved in a second, as a part of what the serving fleet can hold.
    pub pace: f64,
    /// How long a relay may take from being told to go until it is gone.
    #[serde(with = "humantime_serde")]
    pub exit_timeout: Duration,
}

impl Default for Draining {
    fn default() -> Self {
        let policy = Settings::default();
        Self { deadline: policy.drain_deadline, pace: policy.drain_pace, exit_timeout: policy.exit_timeout }
    }
}

/// When a server is given up, and when the manager relies on what it knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Liveness {
    /// For how long after the start nothing is launched or drained.
    #[serde(with = "humantime_serde")]
    pub first_start_window: Duration,
    /// How often servers report.
    #[serde(with = "humantime_serde")]
    pub report_interval: Duration,
    /// Reports missed until a server is suspected.
    pub missed_reports: u32,
    /// How long a suspected server may stay silent until it is lost.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// How long a relay whose stream ended may take to attach again before its viewers are told to leave and it is replaced.
    #[serde(with = "humantime_serde")]
    pub reattach: Duration,
    /// For how long the manager holds still when most of the fleet went silent at once.
    #[serde(with = "humantime_serde")]
    pub freeze: Duration,
    /// For how long no relay starts where one died.
    #[serde(with = "humantime_serde")]
    pub slot_rest: Duration,
}

impl Default for Liveness {
    fn default() -> Self {
        let policy = Settings::default();
        Self {
            first_start_window: policy.first_start_window,
            report_interval: policy.report_interval,
            missed_reports: policy.missed_reports,
            grace: policy.grace,
            reattach: policy.reattach,
            freeze: policy.freeze,
            slot_rest: policy.slot_rest,
        }
    }
}

/// How often players ask where to play.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Steering {
    /// Time to live of an answer while there are few viewers, a fifth more or less.
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    /// Time to live at most; a drain cannot be shorter.
    #[serde(with = "humantime_serde")]
    pub longest_ttl: Duration,
    /// Answers in a second at most: with more viewers they live longer.
    pub answers_per_second: u32,
}

impl Default for Steering {
    fn default() -> Self {
        let Pace { ttl, longest_ttl, answers_per_second } = Pace::default();
        Self { ttl, longest_ttl, answers_per_second }
    }
}

/// Sessions of viewers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionConfig {
    /// How long a token is good. A day: nobody watches longer without starting again.
    #[serde(with = "humantime_serde")]
    pub life: Duration,
    /// How long a refused viewer should wait.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
    /// `Viewers.Watch` streams at once. 10,000: the port's limit of connections comes soon after.
    pub max_watchers: usize,
}

impl Default for SessionConfig {
    fn default() -> Self {
        let retry_after = Settings::default().retry_after;
        Self { life: Duration::from_secs(24 * 3600), retry_after, max_watchers: 10_000 }
    }
}
