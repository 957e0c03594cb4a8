//! Rules from places to regions, as an operator writes them.

use std::collections::BTreeMap;

use super::{By, Record};
use crate::Region;

/// Codes of continents, as databases have them.
const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];

/// How much of the world a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `2643743`, its number in GeoNames, or `GB/London`.
    City,
    /// `US-CA` (ISO 3166-2).
    Subdivision,
    /// `US` (ISO 3166-1).
    Country,
    /// `EU`.
    Continent,
}

/// A rule that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// The name is no city's.
    #[error(
        "{0:?} is no city: write its number in GeoNames, such as 2643743, or country and English name, such as GB/London"
    )]
    City(String),
    /// The name is no subdivision's.
    #[error("{0:?} is no subdivision of a country: write its ISO 3166-2 code in capitals, such as US-CA")]
    Subdivision(String),
    /// The name is no country's.
    #[error(
        "{0:?} is no country: write its ISO 3166-1 code, two capital letters, such as US (the United Kingdom's is GB)"
    )]
    Country(String),
    /// The name is no continent's.
    #[error("{name:?} is no continent: there is {}", CONTINENTS.join(", "))]
    Continent {
        /// As it was written.
        name: String,
    },
    /// There is a rule for it already.
    #[error("{0:?} stands there twice, for different regions")]
    Twice(String),
}

/// Rules from places to regions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    city_numbers: BTreeMap<u32, Region>,
    /// By `GB/london`.
    city_names: BTreeMap<String, Region>,
    /// By `US-CA`.
    subdivisions: BTreeMap<String, Region>,
    countries: BTreeMap<String, Region>,
    continents: BTreeMap<String, Region>,
}

impl Rules {
    /// Adds the rule that a place is in a region.
    ///
    /// # Errors
    /// When the place's name has not the form of its level, or is in another region already.
    pub fn add(&mut self, level: Level, name: &str, region: &Region) -> Result<(), InvalidRule> {
        let wrong = || name.chars().take(64).collect::<String>();
        let insert = |rules: &mut BTreeMap<String, Region>| rules.insert(name.to_owned(), region.clone());
        let earlier = match level {
            Level::City => match (name.parse(), city_key(name)) {
                (Ok(number), _) => self.city_numbers.insert(number, region.clone()),
                (Err(_), Some(key)) => self.city_names.insert(key, region.clone()),
                (Err(_), None) => return Err(InvalidRule::City(wrong())),
            },
            Level::Subdivision if is_subdivision(name) => insert(&mut self.subdivisions),
            Level::Subdivision => return Err(InvalidRule::Subdivision(wrong())),
            Level::Country if is_country(name) => insert(&mut self.countries),
            Level::Country => return Err(InvalidRule::Country(wrong())),
            Level::Continent if CONTINENTS.contains(&name) => insert(&mut self.continents),
            Level::Continent => return Err(InvalidRule::Continent { name: wrong() }),
        };
        match earlier {
            Some(earlier) if earlier != *region => Err(InvalidRule::Twice(wrong())),
            _ => Ok(()),
        }
    }

    /// The region of the rule that looks closest.
    pub(super) fn find(&self, record: &Record<'_>) -> Option<(&Region, By)> {
        let city = self.city(record).map(|region| (region, By::City));
        city.or_else(|| Some((self.subdivision(record)?, By::Subdivision)))
            .or_else(|| Some((self.countries.get(record.country?)?, By::Country)))
            .or_else(|| Some((self.continents.get(record.continent?)?, By::Continent)))
    }

    fn city(&self, record: &Record<'_>) -> Option<&Region> {
        let city = record.city?;
        let by_number = city.geoname.and_then(|number| self.city_numbers.get(&number));
        by_number.or_else(|| self.city_names.get(&key_of(record.country?, city.name?)))
    }

    /// The smallest that has a rule.
    fn subdivision(&self, record: &Record<'_>) -> Option<&Region> {
        let country = record.country?;
        record.subdivisions.iter().rev().find_map(|code| self.subdivisions.get(&format!("{country}-{code}")))
    }

    /// Whether there is a rule of this level.
    #[must_use]
    pub fn has(&self, level: Level) -> bool {
        match level {
            Level::City => !(self.city_numbers.is_empty() && self.city_names.is_empty()),
            Level::Subdivision => !self.subdivisions.is_empty(),
            Level::Country => !self.countries.is_empty(),
            Level::Continent => !self.continents.is_empty(),
        }
    }
}

fn is_country(code: &str) -> bool {
    // Reserved for the United Kingdom, and in no database: a rule for it would never apply.
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) && code != "UK"
}

fn is_subdivision(code: &str) -> bool {
    let is_part = |part: &str| {
        (1..=3).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    code.split_once('-').is_some_and(|(country, part)| is_country(country) && is_part(part))
}

/// The key of a city written as `GB/London`.
fn city_key(written: &str) -> Option<String> {
    let (country, name) = written.split_once('/')?;
    (is_country(country) && !name.trim().is_empty()).then(|| key_of(country, name))
}

/// Databases and operators need not agree in capitals.
fn key_of(country: &str, city: &str) -> String {
    format!("{country}/{}", city.trim().to_lowercase())
}
