//! Regions by address: the networks of the config and those of a file, which is read again whenever it changes.
//!
//! A file that turns wrong is said to be, with the line, and the last good one stays: a slip in an editor must not send a whole
//! region's viewers elsewhere. At the start a wrong file is refused. What a network is, and which wins, is `policy`'s.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use policy::{Region, region_map::RegionMap};
use service::Usage;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, RegionMapConfig},
    metrics,
};

/// Which addresses are in which region.
#[derive(Debug)]
pub(crate) struct Regions {
    file: Option<PathBuf>,
    /// Those of the config, as lines of a file.
    fixed: String,
    /// Regions that there are.
    known: BTreeSet<Region>,
    look_every: Duration,
    map: ArcSwap<RegionMap>,
}

/// How one version of a file is told from another without reading it.
type Version = Option<(SystemTime, u64)>;

impl Regions {
    /// Reads what the config names.
    pub(crate) fn load(config: &Config) -> Result<Self, Usage> {
        let RegionMapConfig { file, networks, look_every } = &config.region_map;
        if look_every.is_zero() {
            return Err(Usage("region_map.look_every is 0: give a time, such as 5s".to_owned()));
        }
        let mut fixed = String::new();
        for (network, region) in networks {
            let _ = writeln!(fixed, "{network} {region}");
        }
        let known = config.regions.keys().cloned().chain([Region::fallback()]).collect();
        let regions =
            Self { file: file.clone(), fixed, known, look_every: *look_every, map: ArcSwap::default() };
        let map = regions.read().map_err(Usage)?;
        regions.hang(map);
        Ok(regions)
    }

    /// The region of an address; `default` where nothing says another.
    pub(crate) fn of(&self, address: IpAddr) -> Region {
        self.map.load().find(address).cloned().unwrap_or_else(Region::fallback)
    }

    /// Reads the file again whenever it has changed, until told to stop.
    pub(crate) async fn follow(&self, stop: CancellationToken) {
        let Some(file) = &self.file else { return stop.cancelled().await };
        let mut seen = version(file);
        let mut looks = tokio::time::interval(self.look_every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            let now = version(file);
            if now != seen {
                seen = now;
                self.read_again();
            }
        }
    }

    fn read_again(&self) {
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
        let mut text = String::new();
        if let Some(file) = &self.file {
            let shown = file.display();
            text = fs::read_to_string(file)
                .map_err(|error| format!("cannot read the region map {shown}: {error}"))?;
            text.parse::<RegionMap>().map_err(|error| format!("{shown}: {error}"))?;
        }
        let map: RegionMap =
            format!("{text}\n{}", self.fixed).parse().map_err(|error| format!("region_map: {error}"))?;
        if let Some(region) = map.regions().find(|region| !self.known.contains(*region)) {
            return Err(format!("region_map names region {region}: add [regions.{region}] to the config"));
        }
        Ok(map)
    }
}

fn version(file: &Path) -> Version {
    let data = fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RegionConfig;

    const EU: &str = "203.0.113.7";

    fn config(file: &Path) -> Config {
        let mut config = Config::default();
        config.regions.insert("eu".parse().unwrap(), RegionConfig::default());
        config.region_map.file = Some(file.to_owned());
        config.region_map.look_every = Duration::from_millis(5);
        config
    }

    fn region(regions: &Regions, address: &str) -> String {
        regions.of(address.parse().unwrap()).to_string()
    }

    async fn becomes(regions: &Regions, wanted: &str) {
        let become_so = async {
            while region(regions, EU) != wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), become_so).await.expect("the file is read again");
    }

    #[tokio::test]
    async fn a_file_that_changes_is_read_again_and_one_that_turns_wrong_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("regions");
        fs::write(&file, "# nobody yet\n").unwrap();
        let regions = Regions::load(&config(&file)).unwrap();
        assert_eq!(region(&regions, EU), "default");
        let stop = CancellationToken::new();
        let change = async {
            fs::write(&file, "203.0.113.0/24 eu\n").unwrap();
            becomes(&regions, "eu").await;
            fs::write(&file, "203.0.113.0/24 nowhere\n").unwrap();
            regions.read_again();
            assert_eq!(region(&regions, EU), "eu", "the last good one stays");
            fs::write(&file, "").unwrap();
            becomes(&regions, "default").await;
            stop.cancel();
        };
        tokio::join!(regions.follow(stop.clone()), change);
    }

    #[test]
    fn what_is_wrong_at_the_start_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("regions");
        let refused = || Regions::load(&config(&file)).unwrap_err().to_string();
        assert!(refused().contains("cannot read the region map"), "{}", refused());
        let mut never = config(&file);
        never.region_map.look_every = Duration::ZERO;
        assert!(Regions::load(&never).unwrap_err().to_string().contains("look_every"));
        for (text, words) in [
            ("203.0.113.0/24 eu\n203.0.113.1/24 eu\n", "line 2"),
            ("203.0.113.0/24 mars\n", "add [regions.mars]"),
        ] {
            fs::write(&file, text).unwrap();
            assert!(refused().contains(words), "{}", refused());
        }
    }
}
