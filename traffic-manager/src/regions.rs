//! The region of a viewer by its address: the operator's networks first, then what a database says of the address.
//!
//! Files are read again whenever they change. One that turns wrong is said to be, and the last good one stays: a slip in an editor
//! must not send a whole region's viewers elsewhere. At the start a wrong file is refused. What a network or a place is, and which
//! rule wins, is `policy`'s.

mod bounded;
mod database;
mod networks;
mod rules;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod watched;

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use policy::{Region, geography::By};
use service::Usage;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::{database::Database, networks::Networks};
use crate::config::Config;

/// Which addresses are in which region.
#[derive(Debug)]
pub(crate) struct Regions {
    networks: Networks,
    database: Option<Database>,
    look_every: Duration,
    /// The region of an address of which nothing is known, and what to call that.
    otherwise: (Region, By),
}

impl Regions {
    /// Reads what the config names.
    pub(crate) fn load(config: &Config) -> Result<Self, Usage> {
        let map = &config.region_map;
        if map.look_every.is_zero() {
            return Err(Usage("region_map.look_every is 0: give a time, such as 5s".to_owned()));
        }
        let known = known(config);
        let otherwise = if map.tells_regions() {
            (Region::unknown(), By::Unknown)
        } else {
            (Region::fallback(), By::Default)
        };
        let geography = rules::geography(config, &known)?;
        let networks = Networks::load(map, known)?;
        let database = map.database.as_ref().map(|file| Database::load(file, map, geography)).transpose()?;
        Ok(Self { networks, database, look_every: map.look_every, otherwise })
    }

    /// The region of an address, and what it follows from.
    pub(crate) fn of(&self, address: IpAddr) -> (Region, By) {
        let by_network = self.networks.of(address).map(|region| (region, By::Network));
        by_network.or_else(|| self.database.as_ref()?.of(address)).unwrap_or_else(|| self.otherwise.clone())
    }

    /// Reads files again whenever they have changed, until told to stop.
    pub(crate) async fn follow(&self, stop: CancellationToken) {
        let mut map = self.networks.watched();
        let mut database = self.database.as_ref().map(|database| (database, database.watched()));
        if map.is_none() && database.is_none() {
            return stop.cancelled().await;
        }
        let mut looks = tokio::time::interval(self.look_every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let look = async {
                looks.tick().await;
                if let Some(file) = &mut map {
                    self.networks.look(file).await;
                }
                if let Some((database, file)) = &mut database {
                    database.look(file).await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = look => {}
            }
        }
    }
}

/// Regions that there are.
fn known(config: &Config) -> BTreeSet<Region> {
    config.regions.keys().cloned().chain([Region::fallback(), Region::unknown()]).collect()
}
