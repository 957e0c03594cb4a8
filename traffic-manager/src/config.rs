//! The traffic manager's command line and configuration. What they come to is `setup`'s affair.

mod flags;
mod machinery;
mod sections;

use std::{collections::BTreeMap, path::PathBuf};

use policy::{Region, balancing::Balancing};
use serde::{Deserialize, Serialize};
use service::Secret;
use url::Url;

pub use self::{
    flags::{Flags, SettingFlags},
    machinery::{Http, Invite, Limits, ProvisionerKind, Provisioning},
    sections::{
        Draining, Launching, Liveness, Location, RegionConfig, RegionMapConfig, Scaling, SessionConfig,
        Steering,
    },
};

/// All keys, as the file, the environment and the command line fill them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// URL of a stream at the primary, which is called on; without one, `primary --manager` attaches by itself.
    pub primary: Option<Url>,
    /// Viewers of a region that the primary carries itself, where the region says nothing else.
    pub threshold: u32,
    /// Where viewers and servers reach the manager: `ip[:port]`. Without one, port 7000 of loopback when the primary is
    /// there, else of all addresses.
    pub listen: Option<String>,
    /// The URL that viewers and servers use, where it differs from `http://LISTEN`.
    pub advertise: Option<Url>,
    /// Where `/metrics`, `/live` and `/ready` are: `ip[:port]`; without one, port 9100 of `listen`.
    pub admin: Option<String>,
    /// What servers must show to attach, and the manager to call on the primary. Needed off loopback.
    pub join_secret: Option<Secret>,
    /// What session keys derive from; without one, a file in the state folder. The same on every manager of a fleet.
    pub secret: Option<Secret>,
    /// Where secrets, pid files and logs of relays are; without one, spillway in the user's state folder.
    pub state_dir: Option<PathBuf>,
    /// How one of several relays is picked.
    pub balancing: Balancing,
    /// Whether viewers return to the primary while it has room. Off: a move costs a viewer more than it saves.
    pub backfill: bool,
    /// Regions that differ from the rest, by name. `unknown`, which is there where regions are told by address, is as `default` where it
    /// is not named here, but that no relay is kept for it and that its viewers may also go to relays that serve `default`.
    pub regions: BTreeMap<Region, RegionConfig>,
    /// Regions by address.
    pub region_map: RegionMapConfig,
    /// When and how many relays are wanted.
    pub scaling: Scaling,
    /// How a relay is started.
    pub launching: Launching,
    /// How a relay is emptied.
    pub draining: Draining,
    /// When a server is given up.
    pub liveness: Liveness,
    /// How often players ask where to play.
    pub steering: Steering,
    /// Sessions of viewers.
    pub session: SessionConfig,
    /// How relays are started and stopped.
    pub provisioner: Provisioning,
    /// How the primary is called on.
    pub invite: Invite,
    /// Limits of the port.
    pub http: Http,
    /// Limits of what is kept about the fleet.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            primary: None,
            threshold: policy::Settings::default().threshold,
            listen: None,
            advertise: None,
            admin: None,
            join_secret: None,
            secret: None,
            state_dir: None,
            balancing: Balancing::default(),
            backfill: false,
            regions: BTreeMap::new(),
            region_map: RegionMapConfig::default(),
            scaling: Scaling::default(),
            launching: Launching::default(),
            draining: Draining::default(),
            liveness: Liveness::default(),
            steering: Steering::default(),
            session: SessionConfig::default(),
            provisioner: Provisioning::default(),
            invite: Invite::default(),
            http: Http::default(),
            limits: Limits::default(),
        }
    }
}
