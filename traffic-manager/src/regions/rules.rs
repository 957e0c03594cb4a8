//! The config's rules by place, as policy takes them.

use std::collections::{BTreeMap, BTreeSet};

use policy::{
    Region,
    geography::{Geography, Level, Place, Rules},
};
use service::Usage;

use crate::config::{Config, RegionMapConfig};

/// What the config says of places, if it can be meant.
pub(super) fn geography(config: &Config, known: &BTreeSet<Region>) -> Result<Geography, Usage> {
    let map = &config.region_map;
    let rules = rules(map, known)?;
    let within = map.nearest_within_km;
    if !(within.is_finite() && within >= 0.0) {
        return Err(Usage(format!(
            "region_map.nearest_within_km is {within}: give kilometres, such as 2000.0, or 0.0 for no nearest region"
        )));
    }
    let locations = locations(config)?;
    Ok(Geography { rules, locations, nearest_within_km: within, max_accuracy_km: map.max_accuracy_km })
}

fn rules(map: &RegionMapConfig, known: &BTreeSet<Region>) -> Result<Rules, Usage> {
    let tables = [
        ("cities", Level::City, &map.cities),
        ("subdivisions", Level::Subdivision, &map.subdivisions),
        ("countries", Level::Country, &map.countries),
        ("continents", Level::Continent, &map.continents),
    ];
    let mut rules = Rules::default();
    for (table, level, places) in tables {
        if map.database.is_none() && !places.is_empty() {
            return Err(Usage(format!(
                "there are rules in [region_map.{table}] and no database that tells places: name a .mmdb file with database in \
                 [region_map], or remove the rules"
            )));
        }
        for (place, region) in places {
            if !known.contains(region) {
                return Err(Usage(format!(
                    "region_map.{table} names region {region}: add [regions.{region}] to the config"
                )));
            }
            let added = rules.add(level, place, region);
            added.map_err(|error| Usage(format!("region_map.{table}: {error}")))?;
        }
    }
    Ok(rules)
}

fn locations(config: &Config) -> Result<BTreeMap<Region, Place>, Usage> {
    let located = config.regions.iter().filter_map(|(name, region)| Some((name, region.location?)));
    located
        .map(|(name, at)| match Place::new(at.latitude, at.longitude) {
            Ok(place) => Ok((name.clone(), place)),
            Err(error) => Err(Usage(format!("regions.{name}.location: {error}"))),
        })
        .collect()
}
