//! The region of a viewer by what a database of places says of its address.
//!
//! ```text
//! city → subdivision → country → continent    rules that an operator wrote: the closest look wins
//! nearest                                     the region whose location is nearest, if it is near enough
//! ```
//!
//! Where a database knows the country alone, it gives the country's middle as coordinates, which may be a lake. So coordinates count
//! only where the record has a city, and only if they are not too vague. Reading a database is left to the programs.

mod place;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::{
    place::{InvalidPlace, Place},
    rules::{InvalidRule, Level, Rules},
};
use crate::Region;

/// What a database says of an address.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record<'a> {
    /// The continent's code, such as `EU`.
    pub continent: Option<&'a str>,
    /// The country's ISO 3166-1 code, such as `US`.
    pub country: Option<&'a str>,
    /// ISO 3166-2 codes within the country, such as `CA`, the largest first.
    pub subdivisions: Vec<&'a str>,
    /// The city, where it is known.
    pub city: Option<City<'a>>,
    /// Coordinates: of the city, or the middle of the smallest area that is known.
    pub place: Option<Place>,
    /// How far from there the address may well be, in kilometres.
    pub accuracy_km: Option<u16>,
}

/// A city, by number, by name, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct City<'a> {
    /// Its number in GeoNames.
    pub geoname: Option<u32>,
    /// Its English name.
    pub name: Option<&'a str>,
}

/// What a viewer's region follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The viewer named it.
    Parameter,
    /// The session that it goes on with was in it.
    Session,
    /// Its address is in one of the operator's networks.
    Network,
    /// A rule for its city.
    City,
    /// A rule for a subdivision of its country.
    Subdivision,
    /// A rule for its country.
    Country,
    /// A rule for its continent.
    Continent,
    /// The region's location is the nearest.
    Nearest,
    /// Nothing says where the address is.
    Unknown,
    /// Regions are not told by address at all.
    Default,
}

impl By {
    /// The word in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parameter => "parameter",
            Self::Session => "session",
            Self::Network => "network",
            Self::City => "city",
            Self::Subdivision => "subdivision",
            Self::Country => "country",
            Self::Continent => "continent",
            Self::Nearest => "nearest",
            Self::Unknown => "unknown",
            Self::Default => "default",
        }
    }
}

/// Which places are in which region.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Geography {
    /// What an operator wrote.
    pub rules: Rules,
    /// Where regions are.
    pub locations: BTreeMap<Region, Place>,
    /// How far the nearest region may be, in kilometres.
    pub nearest_within_km: f64,
    /// How vague coordinates may be, in kilometres. Those that do not say are taken to be good enough.
    pub max_accuracy_km: u16,
}

impl Geography {
    /// The region of a record, and what it follows from; none where nothing applies.
    #[must_use]
    pub fn find(&self, record: &Record<'_>) -> Option<(&Region, By)> {
        self.rules.find(record).or_else(|| self.nearest(record).map(|region| (region, By::Nearest)))
    }

    /// Of several that are equally near, the first by name.
    fn nearest(&self, record: &Record<'_>) -> Option<&Region> {
        let here = self.dependable(record)?;
        let distances = self.locations.iter().map(|(region, place)| (here.distance_km(*place), region));
        let (distance, region) = distances.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
        (distance <= self.nearest_within_km).then_some(region)
    }

    /// A record's coordinates, if they are those of a city and not too vague.
    fn dependable(&self, record: &Record<'_>) -> Option<Place> {
        record.city?;
        let vague = record.accuracy_km.is_some_and(|accuracy| accuracy > self.max_accuracy_km);
        record.place.filter(|_| !vague)
    }
}
