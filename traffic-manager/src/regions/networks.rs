//! The operator's own word: the networks of the config and those of a file.

use std::{collections::BTreeSet, fmt::Write as _, fs, net::IpAddr};

use arc_swap::ArcSwap;
use policy::{Region, region_map::RegionMap};
use service::Usage;

use super::watched::Watched;
use crate::{config::RegionMapConfig, metrics};

/// Which networks are in which region.
#[derive(Debug)]
pub(super) struct Networks {
    file: Option<Watched>,
    /// Those of the config, as lines of a file.
    fixed: String,
    /// Regions that there are.
    known: BTreeSet<Region>,
    map: ArcSwap<RegionMap>,
}

impl Networks {
    pub(super) fn load(config: &RegionMapConfig, known: BTreeSet<Region>) -> Result<Self, Usage> {
        let mut fixed = String::new();
        for (network, region) in &config.networks {
            let _ = writeln!(fixed, "{network} {region}");
        }
        let file = config.file.as_deref().map(Watched::new);
        let networks = Self { file, fixed, known, map: ArcSwap::default() };
        let map = networks.read().map_err(Usage)?;
        networks.hang(map);
        Ok(networks)
    }

    pub(super) fn of(&self, address: IpAddr) -> Option<Region> {
        self.map.load().find(address).cloned()
    }

    /// The file, as it was when it was read first.
    pub(super) fn watched(&self) -> Option<Watched> {
        self.file.clone()
    }

    pub(super) fn read_again(&self) {
        match self.read() {
            Ok(map) => {
                tracing::info!(networks = map.len(), "the region map has changed");
                self.hang(map);
                metrics::region_map_read("ok");
            }
            Err(error) => {
                tracing::error!(
                    error,
                    "the region map has changed and cannot be used; the last good one stays"
                );
                metrics::region_map_read("invalid");
            }
        }
    }

    fn hang(&self, map: RegionMap) {
        metrics::region_map_networks(map.len());
        self.map.store(map.into());
    }

    /// The text of what is wrong names the file and the line.
    fn read(&self) -> Result<RegionMap, String> {
        let mut map = RegionMap::default();
        // The config's first: where the file says otherwise, it is the file that has a line to name.
        map.read(&self.fixed, &self.known)
            .map_err(|error| format!("region_map.networks: {}", error.problem))?;
        if let Some(file) = &self.file {
            let shown = file.path().display();
            let text = fs::read_to_string(file.path())
                .map_err(|error| format!("cannot read the region map {shown}: {error}"))?;
            map.read(&text, &self.known).map_err(|error| format!("{shown}: {error}"))?;
        }
        Ok(map)
    }
}
