//! Rules from places to regions, as an operator writes them. They are looked up for every viewer, so a lookup makes no text: keys are
//! compared where they stand.

use std::{collections::BTreeMap, mem};

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
    /// By country, then by name.
    city_names: BTreeMap<String, Cities>,
    /// By country, then by code within it.
    subdivisions: BTreeMap<String, BTreeMap<String, Region>>,
    countries: BTreeMap<String, Region>,
    continents: BTreeMap<String, Region>,
}

/// Cities of one country in the order of their names. Databases and operators need not agree in capitals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cities(Vec<(String, Region)>);

impl Rules {
    /// Adds the rule that a place is in a region.
    ///
    /// # Errors
    /// When the place's name has not the form of its level, or is in another region already.
    pub fn add(&mut self, level: Level, name: &str, region: &Region) -> Result<(), InvalidRule> {
        let wrong = || name.chars().take(64).collect::<String>();
        let insert = |rules: &mut BTreeMap<String, Region>| rules.insert(name.to_owned(), region.clone());
        let earlier = match level {
            Level::City => match (name.parse(), city(name)) {
                (Ok(number), _) => self.city_numbers.insert(number, region.clone()),
                (Err(_), Some((country, name))) => {
                    self.city_names.entry(country.to_owned()).or_default().insert(name, region.clone())
                }
                (Err(_), None) => return Err(InvalidRule::City(wrong())),
            },
            Level::Subdivision => {
                let (country, code) = subdivision(name).ok_or_else(|| InvalidRule::Subdivision(wrong()))?;
                let codes = self.subdivisions.entry(country.to_owned()).or_default();
                codes.insert(code.to_owned(), region.clone())
            }
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
        by_number.or_else(|| self.city_names.get(record.country?)?.find(city.name?))
    }

    /// The smallest that has a rule.
    fn subdivision(&self, record: &Record<'_>) -> Option<&Region> {
        let codes = self.subdivisions.get(record.country?)?;
        record.subdivisions.iter().rev().find_map(|code| codes.get(*code))
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

impl Cities {
    fn insert(&mut self, name: &str, region: Region) -> Option<Region> {
        match self.place_of(name) {
            Ok(at) => Some(mem::replace(&mut self.0[at].1, region)),
            Err(at) => {
                self.0.insert(at, (letters(name).collect(), region));
                None
            }
        }
    }

    fn find(&self, name: &str) -> Option<&Region> {
        self.place_of(name).ok().map(|at| &self.0[at].1)
    }

    /// Where it is, or where it would have to be.
    fn place_of(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.chars().cmp(letters(name)))
    }
}

/// What names are compared by.
fn letters(name: &str) -> impl Iterator<Item = char> {
    name.trim().chars().flat_map(char::to_lowercase)
}

fn is_country(code: &str) -> bool {
    // Reserved for the United Kingdom, and in no database: a rule for it would never apply.
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) && code != "UK"
}

/// The country and the code of a subdivision written as `US-CA`.
fn subdivision(written: &str) -> Option<(&str, &str)> {
    let is_part = |part: &str| {
        (1..=3).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    written.split_once('-').filter(|(country, part)| is_country(country) && is_part(part))
}

/// The country and the name of a city written as `GB/London`.
fn city(written: &str) -> Option<(&str, &str)> {
    written.split_once('/').filter(|(country, name)| is_country(country) && !name.trim().is_empty())
}
