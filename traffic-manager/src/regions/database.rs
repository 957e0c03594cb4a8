//! What a MaxMind database says of an address. The file is read into memory, because mapping it would need `unsafe`, and looked
//! through once, so that no viewer is the one who finds that it is broken. A start can bear that: 4,000,000 networks in 188 MB are read
//! in 0.1 s and looked through in 0.9 s (release build, one core).

use std::{net::IpAddr, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use maxminddb::{MaxMindDbError, Reader, WithinOptions, geoip2};
use policy::{
    Region,
    geography::{By, City, Geography, Level, Place, Record},
};
use service::Usage;

use super::{bounded::Limit, watched::Watched};
use crate::{config::RegionMapConfig, metrics};

/// Editions whose records say cities; `Country` says countries alone.
const WITH_CITIES: [&str; 2] = ["city", "enterprise"];

/// Records that are looked at for a country. The form of all is that of the first.
const SAMPLE: usize = 1_000;

type Atlas = Reader<Vec<u8>>;

/// A database in use.
#[derive(Debug)]
pub(super) struct Database {
    file: Watched,
    /// There are rules that only cities or subdivisions fulfil.
    cities: bool,
    geography: Geography,
    atlas: ArcSwap<Atlas>,
}

/// A database that cannot be used.
#[derive(Debug, thiserror::Error)]
enum InvalidDatabase {
    #[error(
        "it is no MaxMind database, or not a whole one: {0}; fetch it again, and unpack it if it is a .gz or .tar.gz"
    )]
    Broken(#[from] MaxMindDbError),
    #[error("it is a database of type {0:?}: get a City or a Country edition")]
    Type(String),
    #[error("its records name no country: get a City or a Country edition with MaxMind's fields")]
    Fields,
    #[error(
        "it is a Country edition ({0:?}), which knows no cities: get the City edition, or remove [region_map.cities] and \
         [region_map.subdivisions]"
    )]
    NoCities(String),
}

impl Database {
    pub(super) fn load(file: &Path, map: &RegionMapConfig, geography: Geography) -> Result<Self, Usage> {
        let cities = geography.rules.has(Level::City) || geography.rules.has(Level::Subdivision);
        let limit = Limit { key: "max_database_bytes", max_bytes: map.max_database_bytes };
        let (file, atlas) = Watched::open(file, limit, |bytes| atlas(bytes, cities))
            .map_err(|error| Usage(format!("region database {}: {error}", file.display())))?;
        said(&atlas, "the region database is read");
        Ok(Self { file, cities, geography, atlas: ArcSwap::from_pointee(atlas) })
    }

    /// The region of an address, and what it follows from.
    pub(super) fn of(&self, address: IpAddr) -> Option<(Region, By)> {
        let atlas = self.atlas.load();
        // Only an IPv6 address in a database of IPv4 fails: the whole file was looked through.
        let said: geoip2::City<'_> = atlas.lookup(address.to_canonical()).ok()?.decode().ok()??;
        self.geography.find(&record(&said)).map(|(region, by)| (region.clone(), by))
    }

    /// The file, as it was when it was read first.
    pub(super) fn watched(&self) -> Watched {
        self.file.clone()
    }

    /// Takes over what the file says, if it has changed.
    pub(super) async fn look(&self, file: &mut Watched) {
        let cities = self.cities;
        let judge = move |bytes| atlas(bytes, cities);
        if let Some(atlas) = file.take_over("region database", judge, metrics::region_database_read).await {
            said(&atlas, "the region database has changed");
            self.atlas.store(Arc::new(atlas));
        }
    }
}

fn said(atlas: &Atlas, what: &str) {
    let facts = atlas.metadata();
    tracing::info!(kind = facts.database_type, built_unix_s = facts.build_epoch, "{what}");
    metrics::region_database_built(facts.build_epoch);
}

/// A file's database, if it is whole and fulfils what rules need.
fn atlas(file: Vec<u8>, cities: bool) -> Result<Atlas, InvalidDatabase> {
    let atlas = Reader::from_source(file)?;
    let kind = &atlas.metadata().database_type;
    let is = |edition: &str| kind.to_ascii_lowercase().contains(edition);
    let has_cities = WITH_CITIES.into_iter().any(is);
    if !has_cities && !is("country") {
        return Err(InvalidDatabase::Type(kind.clone()));
    }
    if !has_cities && cities {
        return Err(InvalidDatabase::NoCities(kind.clone()));
    }
    atlas.verify()?;
    if names_places(&atlas)? { Ok(atlas) } else { Err(InvalidDatabase::Fields) }
}

/// Whether records have the fields that rules are about.
fn names_places(atlas: &Atlas) -> Result<bool, MaxMindDbError> {
    for network in atlas.networks(WithinOptions::default())?.take(SAMPLE) {
        // A vendor's own form does not decode: text where there should be a map.
        let Ok(Some(said)) = network?.decode::<geoip2::City<'_>>() else { continue };
        if said.country.iso_code.is_some() || said.continent.code.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn record<'a>(said: &geoip2::City<'a>) -> Record<'a> {
    let (geoname, name) = (said.city.geoname_id, said.city.names.english);
    let coordinates = said.location.latitude.zip(said.location.longitude);
    Record {
        continent: said.continent.code,
        country: said.country.iso_code,
        subdivisions: said.subdivisions.iter().filter_map(|subdivision| subdivision.iso_code).collect(),
        city: (geoname.is_some() || name.is_some()).then_some(City { geoname, name }),
        place: coordinates.and_then(|(latitude, longitude)| Place::new(latitude, longitude).ok()),
        accuracy_km: said.location.accuracy_radius,
    }
}
