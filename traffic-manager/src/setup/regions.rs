//! The regions that policy is told of.

use std::collections::BTreeMap;

use policy::{Region, settings::RegionSettings};

use crate::config::{Config, RegionConfig};

/// Regions as the config has them; where regions are told by address, `unknown` is always one.
pub(super) fn settings(config: &Config) -> BTreeMap<Region, RegionSettings> {
    let mut regions: BTreeMap<_, _> =
        config.regions.iter().map(|(name, region)| (name.clone(), region_settings(region))).collect();
    if config.region_map.tells_regions() && !regions.contains_key(&Region::unknown()) {
        let default = regions.get(&Region::fallback()).cloned().unwrap_or_default();
        regions.insert(Region::unknown(), like(default));
    }
    regions
}

/// The region of addresses that nobody can place, where the config says nothing of it: it is as `default`, and its viewers may also go
/// to relays that serve there. None is kept for it: kept ones are meant for viewers that are known to come.
fn like(default: RegionSettings) -> RegionSettings {
    let others = default.neighbours.into_iter().filter(|region| *region != Region::unknown());
    let neighbours = std::iter::once(Region::fallback()).chain(others).collect();
    RegionSettings { min_relays: 0, neighbours, ..default }
}

fn region_settings(region: &RegionConfig) -> RegionSettings {
    let RegionConfig { threshold, min_relays, max_relays, neighbours, location: _ } = region.clone();
    RegionSettings { threshold, min_relays, max_relays, neighbours }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        name.parse().unwrap()
    }

    /// A config that tells regions by address, and has these.
    fn config<const N: usize>(regions: [(&str, RegionConfig); N]) -> Config {
        let mut config = Config::default();
        config.region_map.networks.insert("192.0.2.0/24".to_owned(), Region::fallback());
        config.regions = regions.map(|(name, settings)| (region(name), settings)).into();
        config
    }

    #[test]
    fn where_nothing_tells_regions_by_address_there_is_no_unknown_one() {
        assert!(settings(&Config::default()).is_empty());
    }

    #[test]
    fn unknown_is_as_default_but_nothing_is_kept_for_it_and_defaults_relays_help() {
        let helped = RegionSettings { neighbours: vec![Region::fallback()], ..RegionSettings::default() };
        assert_eq!(settings(&config([]))[&Region::unknown()], helped);
        let neighbours = vec![Region::unknown(), region("eu")];
        let default =
            RegionConfig { threshold: Some(7), min_relays: 2, max_relays: 9, neighbours, location: None };
        let neighbours = vec![Region::fallback(), region("eu")];
        let expected = RegionSettings { threshold: Some(7), min_relays: 0, max_relays: 9, neighbours };
        let settings = settings(&config([("default", default)]));
        assert_eq!(settings[&Region::unknown()], expected);
        assert_eq!(settings[&Region::fallback()].min_relays, 2);
    }

    #[test]
    fn unknown_has_a_policy_of_its_own_where_the_config_gives_it_one() {
        let own = RegionConfig { threshold: Some(1), min_relays: 1, ..RegionConfig::default() };
        let settings = settings(&config([("unknown", own)]));
        let expected = RegionSettings { threshold: Some(1), min_relays: 1, ..RegionSettings::default() };
        assert_eq!(settings[&Region::unknown()], expected);
    }
}
