//! The region of a viewer by its address: networks in CIDR notation, IPv4 and IPv6, the longest prefix wins.
//!
//! ```text
//! # comment
//! 203.0.113.0/24   eu
//! 2001:db8::/32    asia
//! 198.51.100.7     eu
//! ```
//!
//! Reading the file, and keeping the last good map when a new one is wrong, is left to the programs.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use prefix_trie::joint::JointPrefixMap;

use crate::{InvalidName, Region};

/// Networks read at most: a routing table of the whole internet has about a million, a map of regions far fewer.
pub const MAX_NETWORKS: usize = 1_000_000;

/// Which network is in which region.
#[derive(Debug, Clone, Default)]
pub struct RegionMap {
    networks: JointPrefixMap<IpNet, Region>,
}

/// A map that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the region map: {problem}")]
pub struct InvalidRegionMap {
    /// The first line that is wrong, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: InvalidLine,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLine {
    /// Not two words.
    #[error("write `NETWORK REGION`, such as `203.0.113.0/24 eu`")]
    Form,
    /// The first word is no network.
    #[error("{0:?} is no network: write an address, or an address and the length of its prefix")]
    Network(String),
    /// The network's address has bits beyond its prefix.
    #[error("{given} has bits beyond its prefix: did you mean {meant}?")]
    Bits {
        /// As it was written.
        given: IpNet,
        /// Without those bits.
        meant: IpNet,
    },
    /// The second word is no region.
    #[error(transparent)]
    Region(#[from] InvalidName),
    /// The config has no such region.
    #[error("{network} is to be in region {region}: add [regions.{region}] to the config")]
    UnknownRegion {
        /// The network.
        network: IpNet,
        /// The region.
        region: Region,
    },
    /// What was read before has the network in another region.
    #[error("{network} stands in {earlier} already")]
    Twice {
        /// The network.
        network: IpNet,
        /// Where it was first.
        earlier: Region,
    },
    /// There are too many lines.
    #[error("there are more than {MAX_NETWORKS} networks: summarise them")]
    TooMany,
}

impl RegionMap {
    /// The region of the longest network that holds `address`. An IPv4 address written as IPv6 is taken as IPv4.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<&Region> {
        self.networks.get_lpm(&IpNet::from(address.to_canonical())).map(|(_, region)| region)
    }

    /// Networks in the map.
    #[must_use]
    pub fn len(&self) -> usize {
        self.networks.len()
    }

    /// Whether there is no network in the map.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Adds the networks of a text, whose regions must be `known`.
    ///
    /// # Errors
    /// When a line is wrong: the map then has those before it.
    pub fn read(&mut self, text: &str, known: &BTreeSet<Region>) -> Result<(), InvalidRegionMap> {
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                self.add(line, known).map_err(|problem| InvalidRegionMap { line: number, problem })?;
            }
        }
        Ok(())
    }

    fn add(&mut self, line: &str, known: &BTreeSet<Region>) -> Result<(), InvalidLine> {
        let mut words = line.split_whitespace();
        let (Some(network), Some(region), None) = (words.next(), words.next(), words.next()) else {
            return Err(InvalidLine::Form);
        };
        let (network, region) = (network_of(network)?, region.parse::<Region>()?);
        if !known.contains(&region) {
            return Err(InvalidLine::UnknownRegion { network, region });
        }
        if self.networks.len() >= MAX_NETWORKS {
            return Err(InvalidLine::TooMany);
        }
        match self.networks.insert(network, region.clone()) {
            Some(earlier) if earlier != region => Err(InvalidLine::Twice { network, earlier }),
            _ => Ok(()),
        }
    }
}

fn network_of(text: &str) -> Result<IpNet, InvalidLine> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let given: IpNet = network.map_err(|_| InvalidLine::Network(text.chars().take(64).collect()))?;
    if given.trunc() == given { Ok(given) } else { Err(InvalidLine::Bits { given, meant: given.trunc() }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAP: &str = "
# whole continents
0.0.0.0/0        world
203.0.113.0/24   eu     # one office
203.0.113.128/25 asia
203.0.113.130    eu
2001:db8::/32    eu
2001:db8:1::/48  asia
";

    /// A map that knows all regions that are written as the second word of a line, but for Mars.
    fn read(text: &str) -> Result<RegionMap, InvalidRegionMap> {
        let regions = text.lines().filter_map(|line| line.split_whitespace().nth(1)?.parse().ok());
        let known = regions.filter(|region: &Region| region.as_str() != "mars").collect();
        let mut map = RegionMap::default();
        map.read(text, &known).map(|()| map)
    }

    fn found(map: &str, address: &str) -> Option<String> {
        let map = read(map).unwrap();
        map.find(address.parse().unwrap()).map(ToString::to_string)
    }

    #[test]
    fn the_longest_prefix_wins() {
        for (address, region) in [
            ("198.51.100.1", Some("world")),
            ("203.0.113.1", Some("eu")),
            ("203.0.113.129", Some("asia")),
            ("203.0.113.130", Some("eu")),
            ("::ffff:203.0.113.129", Some("asia")),
            ("2001:db8:ffff::1", Some("eu")),
            ("2001:db8:1::1", Some("asia")),
            ("2001:db9::1", None),
        ] {
            assert_eq!(found(MAP, address).as_deref(), region, "{address}");
        }
    }

    #[test]
    fn a_wrong_line_is_named_with_what_is_wrong() {
        for (map, line, says) in [
            ("10.0.0.0/8 eu\n10.0.0.0/8", 2, "NETWORK REGION"),
            ("10.0.0.0/8 eu asia", 1, "NETWORK REGION"),
            ("\n\n10.0.0.0/33 eu", 3, "no network"),
            ("ten eu", 1, "no network"),
            ("10.0.0.1/8 eu", 1, "did you mean 10.0.0.0/8?"),
            ("10.0.0.0/8 e/u", 1, "region \"e/u\" is not a name"),
            ("10.0.0.0/8 eu\n10.0.0.0/8 asia", 2, "stands in eu"),
            ("10.0.0.0/8 eu\n11.0.0.0/8 mars", 2, "add [regions.mars]"),
        ] {
            let error = read(map).unwrap_err();
            assert_eq!(error.line, line, "{map}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn the_same_line_twice_does_no_harm() {
        assert_eq!(read("10.0.0.0/8 eu\n10.0.0.0/8 eu").unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn an_address_is_found_where_looking_at_every_network_finds_it(
            networks in prop::collection::btree_map(any::<u32>(), 0..=32u8, 0..50), address: u32,
        ) {
            let networks: Vec<IpNet> = networks.into_iter()
                .map(|(bits, len)| IpNet::new(IpAddr::V4(bits.into()), len).unwrap().trunc()).collect();
            let region = |network: &IpNet| format!("r{}", network.to_string().replace(['.', '/'], "-"));
            let map: String = networks.iter().map(|network| format!("{network} {}\n", region(network))).collect();
            let address = IpAddr::V4(address.into());
            let expected = networks.iter().filter(|network| network.contains(&address)).max_by_key(|network| network.prefix_len());
            prop_assert_eq!(found(&map, &address.to_string()), expected.map(region));
        }
    }
}
