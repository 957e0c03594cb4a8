//! The operator's own word: the networks of the config and those of a file.

use std::{collections::BTreeSet, fmt::Write as _, net::IpAddr, str::Utf8Error, sync::Arc};

use arc_swap::ArcSwap;
use policy::{
    Region,
    region_map::{InvalidRegionMap, RegionMap},
};
use service::Usage;

use super::{bounded::Limit, watched::Watched};
use crate::{config::RegionMapConfig, metrics};

/// Which networks are in which region.
#[derive(Debug)]
pub(super) struct Networks {
    file: Option<Watched>,
    terms: Arc<Terms>,
    map: ArcSwap<RegionMap>,
}

/// What a map is made with.
#[derive(Debug)]
struct Terms {
    /// The networks of the config.
    fixed: RegionMap,
    /// Regions that there are.
    known: BTreeSet<Region>,
}

/// A file of networks that cannot be used.
#[derive(Debug, thiserror::Error)]
enum InvalidMap {
    #[error("it is no text ({0}): write a network and a region a line, in UTF-8")]
    Text(#[from] Utf8Error),
    #[error(transparent)]
    Line(#[from] InvalidRegionMap),
}

impl Networks {
    pub(super) fn load(config: &RegionMapConfig, known: BTreeSet<Region>) -> Result<Self, Usage> {
        let terms = Arc::new(Terms { fixed: fixed(config, &known)?, known });
        let limit = Limit { key: "max_map_bytes", max_bytes: config.max_map_bytes };
        let (file, map) = match &config.file {
            Some(path) => {
                let opened = Watched::open(path, limit, |bytes| terms.map(&bytes));
                let (file, map) =
                    opened.map_err(|error| Usage(format!("region map {}: {error}", path.display())))?;
                (Some(file), map)
            }
            None => (None, terms.fixed.clone()),
        };
        let networks = Self { file, terms, map: ArcSwap::default() };
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

    /// Takes over what the file says, if it has changed.
    pub(super) async fn look(&self, file: &mut Watched) {
        let terms = Arc::clone(&self.terms);
        let judge = move |bytes: Vec<u8>| terms.map(&bytes);
        if let Some(map) = file.take_over("region map", judge, metrics::region_map_read).await {
            tracing::info!(networks = map.len(), "the region map has changed");
            self.hang(map);
        }
    }

    fn hang(&self, map: RegionMap) {
        metrics::region_map_networks(map.len());
        self.map.store(map.into());
    }
}

impl Terms {
    /// The networks of the config and of the file.
    fn map(&self, file: &[u8]) -> Result<RegionMap, InvalidMap> {
        // The config's are there first: where the file says otherwise, it is the file that has a line to name.
        let mut map = self.fixed.clone();
        map.read(str::from_utf8(file)?, &self.known)?;
        Ok(map)
    }
}

fn fixed(config: &RegionMapConfig, known: &BTreeSet<Region>) -> Result<RegionMap, Usage> {
    let mut lines = String::new();
    for (network, region) in &config.networks {
        let _ = writeln!(lines, "{network} {region}");
    }
    let mut map = RegionMap::default();
    let read = map.read(&lines, known);
    read.map_err(|error| Usage(format!("region_map.networks: {}", error.problem)))?;
    Ok(map)
}
