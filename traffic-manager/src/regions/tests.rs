//! Maps and databases that are read, change, and turn wrong.

use std::{fs, io::Write as _, path::Path};

use mmdb_writer::Value;
use rustix::fs::{CWD, Mode, mkfifoat};

use super::{
    testing::{database, database_of},
    *,
};
use crate::config::{Location, RegionConfig, RegionMapConfig};

const EU: &str = "203.0.113.7";
const CITY: &str = "Spillway-City";

/// A config with these regions and whatever files there are in `folder`.
fn config(folder: &Path, regions: &[&str]) -> Config {
    let mut config = Config::default();
    for name in regions {
        config.regions.insert(name.parse().unwrap(), RegionConfig::default());
    }
    let present = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
    config.region_map = RegionMapConfig {
        file: present("regions"),
        database: present("city.mmdb"),
        look_every: Duration::from_millis(5),
        ..RegionMapConfig::default()
    };
    config
}

fn rules<const N: usize>(written: [(&str, &str); N]) -> std::collections::BTreeMap<String, Region> {
    written.map(|(place, region)| (place.to_owned(), region.parse().unwrap())).into()
}

fn region(regions: &Regions, address: &str) -> String {
    regions.of(address.parse().unwrap()).0.to_string()
}

fn refused(config: &Config) -> String {
    Regions::load(config).unwrap_err().to_string()
}

async fn becomes(regions: &Regions, address: &str, wanted: &str) {
    let become_so = async {
        while region(regions, address) != wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), become_so).await.expect("the file is read again");
}

#[tokio::test]
async fn a_map_that_changes_is_read_again_and_one_that_turns_wrong_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("regions");
    fs::write(&file, "# nobody yet\n").unwrap();
    let regions = Regions::load(&config(folder.path(), &["eu"])).unwrap();
    assert_eq!(region(&regions, EU), "unknown");
    let stop = CancellationToken::new();
    let change = async {
        fs::write(&file, "203.0.113.0/24 eu\n").unwrap();
        becomes(&regions, EU, "eu").await;
        fs::write(&file, "203.0.113.0/24 nowhere\n").unwrap();
        regions.networks.look(&mut regions.networks.watched().unwrap()).await;
        assert_eq!(region(&regions, EU), "eu", "the last good one stays");
        fs::write(&file, "").unwrap();
        becomes(&regions, EU, "unknown").await;
        stop.cancel();
    };
    tokio::join!(regions.follow(stop.clone()), change);
}

#[test]
fn a_map_that_is_wrong_at_the_start_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("regions");
    let mut config = config(folder.path(), &["eu"]);
    config.region_map.file = Some(file.clone());
    let words = refused(&config);
    assert!(words.contains("region map") && words.contains("cannot be read"), "{words}");
    for (text, words) in [
        ("203.0.113.0/24 eu\n203.0.113.1/24 eu\n", "line 2"),
        ("# Mars\n203.0.113.0/24 mars\n", "line 2"),
        ("203.0.113.0/24 mars\n", "add [regions.mars]"),
    ] {
        fs::write(&file, text).unwrap();
        assert!(refused(&config).contains(words), "{}", refused(&config));
    }
    fs::write(&file, b"203.0.113.0/24 \xff\n").unwrap();
    assert!(refused(&config).contains("in UTF-8"), "{}", refused(&config));
    config.region_map.networks = rules([("203.0.113.0/24", "mars")]);
    assert!(refused(&config).starts_with("region_map.networks: "), "{}", refused(&config));
    config.region_map.networks.clear();
    config.region_map.look_every = Duration::ZERO;
    assert!(refused(&config).contains("look_every"));
}

#[test]
fn a_map_may_have_as_many_bytes_as_the_config_allows_and_no_more() {
    const LINE: &str = "203.0.113.0/24 eu\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("regions"), LINE).unwrap();
    let mut config = config(folder.path(), &["eu"]);
    config.region_map.max_map_bytes = LINE.len() as u64;
    assert_eq!(region(&Regions::load(&config).unwrap(), EU), "eu");
    config.region_map.max_map_bytes -= 1;
    let words = refused(&config);
    assert!(words.contains("has more than 17 bytes: raise max_map_bytes in [region_map]"), "{words}");
}

#[tokio::test]
async fn a_map_that_is_slow_to_read_holds_up_nothing_else() {
    const LINE: &str = "203.0.113.0/24 eu\n";
    let folder = tempfile::tempdir().unwrap();
    let (file, pipe, next) =
        (folder.path().join("regions"), folder.path().join("pipe"), folder.path().join("next"));
    fs::write(&file, "# nobody yet\n").unwrap();
    fs::write(&next, LINE).unwrap();
    let regions = Regions::load(&config(folder.path(), &["eu"])).unwrap();
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    fs::rename(&pipe, &file).unwrap();
    let (read_began, reading) = tokio::sync::oneshot::channel();
    let (went_on, goes_on) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        // Opens once somebody reads, who then waits for what is written.
        let mut pipe = fs::OpenOptions::new().write(true).open(&file).unwrap();
        read_began.send(()).unwrap();
        let others_go_on = goes_on.recv_timeout(Duration::from_secs(20)).is_ok();
        // The next look finds no pipe, at which it would wait again.
        fs::rename(next, file).unwrap();
        pipe.write_all(LINE.as_bytes()).unwrap();
        others_go_on
    });
    let stop = CancellationToken::new();
    let others = async {
        reading.await.unwrap();
        went_on.send(()).unwrap();
        becomes(&regions, EU, "eu").await;
        stop.cancel();
    };
    tokio::join!(regions.follow(stop.clone()), others);
    assert!(writer.join().unwrap(), "the map is read where it holds up nobody");
}

#[test]
fn where_nothing_tells_regions_everybody_is_in_default() {
    let folder = tempfile::tempdir().unwrap();
    let regions = Regions::load(&config(folder.path(), &["eu"])).unwrap();
    assert_eq!(regions.of(EU.parse().unwrap()), (Region::fallback(), By::Default));
}

#[test]
fn an_address_is_placed_by_network_then_rule_then_nearness_and_else_unknown() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("city.mmdb"), database(CITY)).unwrap();
    let mut config =
        config(folder.path(), &["office", "london", "us-west", "us", "asia", "paris", "faraway"]);
    let locate = |config: &mut Config, name: &str, latitude, longitude| {
        let location = Some(Location { latitude, longitude });
        config.regions.insert(name.parse().unwrap(), RegionConfig { location, ..RegionConfig::default() });
    };
    locate(&mut config, "paris", 49.0, 2.0);
    locate(&mut config, "faraway", -33.9, 151.2);
    config.region_map.networks = rules([("192.0.2.7", "office"), ("10.0.0.0/8", "office")]);
    config.region_map.cities = rules([("GB/London", "london")]);
    config.region_map.subdivisions = rules([("US-CA", "us-west")]);
    config.region_map.countries = rules([("US", "us")]);
    config.region_map.continents = rules([("AS", "asia")]);
    let regions = Regions::load(&config).unwrap();
    for (what, address, name, by) in [
        ("the operator's own word", "192.0.2.7", "office", By::Network),
        ("a city", "192.0.2.8", "london", By::City),
        ("a city, written as IPv6", "::ffff:192.0.2.8", "london", By::City),
        ("a city without a rule", "192.0.2.200", "paris", By::Nearest),
        ("a subdivision", "198.51.100.1", "us-west", By::Subdivision),
        ("a country", "198.51.100.200", "us", By::Country),
        ("a country over IPv6", "2001:db8:1::1", "us", By::Country),
        ("a continent", "203.0.113.1", "asia", By::Continent),
        ("the middle of a country", "203.0.113.200", "unknown", By::Unknown),
        ("a city that is too vague", "2001:db8::1", "unknown", By::Unknown),
        ("an address that is in no database", "127.0.0.1", "unknown", By::Unknown),
        ("a private one", "192.168.1.1", "unknown", By::Unknown),
        ("a unique local one", "fd00::1", "unknown", By::Unknown),
        ("a private one that a network has", "10.1.2.3", "office", By::Network),
    ] {
        let (found, found_by) = regions.of(address.parse().unwrap());
        assert_eq!((found.as_str(), found_by), (name, by), "{what}: {address}");
    }
}

#[test]
fn a_country_edition_places_by_country_and_is_refused_where_cities_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("city.mmdb"), database("DBIP-Country-Lite")).unwrap();
    let mut config = config(folder.path(), &["us"]);
    config.region_map.countries = rules([("US", "us")]);
    assert_eq!(region(&Regions::load(&config).unwrap(), "198.51.100.200"), "us");
    config.region_map.cities = rules([("GB/London", "us")]);
    let words = refused(&config);
    assert!(words.contains("get the City edition") && words.contains("[region_map.cities]"), "{words}");
}

#[test]
fn a_database_that_cannot_be_used_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("city.mmdb");
    fs::write(&file, "").unwrap();
    let mut config = config(folder.path(), &["us"]);
    let whole = database(CITY);
    let mut twisted = whole.clone();
    twisted[..60].fill(0xff);
    let flat = Value::map([("country", Value::from("US"))]);
    for (what, bytes, says) in [
        ("nothing", Vec::new(), "fetch it again"),
        ("half of one", whole[..whole.len() / 2].to_vec(), "fetch it again"),
        ("one with a broken tree", twisted, "fetch it again"),
        ("a packed one", b"\x1f\x8b\x08\x00 and so on".to_vec(), "unpack it"),
        ("another type", database("GeoLite2-ASN"), "\"GeoLite2-ASN\": get a City or a Country edition"),
        ("other fields", database_of("x country_free", "192.0.2.0/24", flat), "MaxMind's fields"),
    ] {
        fs::write(&file, bytes).unwrap();
        let words = refused(&config);
        assert!(words.contains(says) && words.contains("city.mmdb"), "{what}: {words}");
    }
    fs::write(&file, &whole).unwrap();
    config.region_map.max_database_bytes = 100;
    assert!(refused(&config).contains("raise max_database_bytes"), "{}", refused(&config));
    fs::remove_file(&file).unwrap();
    assert!(refused(&config).contains("cannot be read"), "{}", refused(&config));
}

#[test]
fn rules_that_cannot_be_meant_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("city.mmdb"), database(CITY)).unwrap();
    let good = config(folder.path(), &["eu"]);
    let refused_with = |change: &dyn Fn(&mut Config)| {
        let mut config = good.clone();
        change(&mut config);
        refused(&config)
    };
    let words = refused_with(&|config| config.region_map.countries = rules([("US", "mars")]));
    assert!(words.contains("region_map.countries") && words.contains("add [regions.mars]"), "{words}");
    let words = refused_with(&|config| config.region_map.countries = rules([("USA", "eu")]));
    assert!(words.contains("region_map.countries") && words.contains("two capital letters"), "{words}");
    let words = refused_with(&|config| {
        config.region_map.continents = rules([("EU", "eu")]);
        config.region_map.database = None;
    });
    assert!(words.contains("[region_map.continents]") && words.contains("name a .mmdb file"), "{words}");
    let words = refused_with(&|config| config.region_map.nearest_within_km = f64::NAN);
    assert!(words.contains("nearest_within_km"), "{words}");
    let words = refused_with(&|config| {
        let location = Some(Location { latitude: 200.0, longitude: 0.0 });
        config.regions.insert("eu".parse().unwrap(), RegionConfig { location, ..RegionConfig::default() });
    });
    assert!(words.contains("regions.eu.location") && words.contains("from -90 to 90"), "{words}");
}

#[tokio::test]
async fn a_database_that_changes_is_read_again_and_one_that_turns_wrong_changes_nothing() {
    const LONDON: &str = "192.0.2.8";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("city.mmdb");
    let country = Value::map([("country", Value::map([("iso_code", Value::from("US"))]))]);
    let moved = database_of(CITY, "192.0.2.0/24", country);
    fs::write(&file, database(CITY)).unwrap();
    let mut config = config(folder.path(), &["gb", "us"]);
    config.region_map.countries = rules([("GB", "gb"), ("US", "us")]);
    let regions = Regions::load(&config).unwrap();
    assert_eq!(region(&regions, LONDON), "gb");
    let stop = CancellationToken::new();
    let change = async {
        let replace = |bytes: Vec<u8>| {
            let new = folder.path().join("new");
            fs::write(&new, bytes).unwrap();
            fs::rename(&new, &file).unwrap();
        };
        replace(moved.clone());
        becomes(&regions, LONDON, "us").await;
        replace(moved[..100].to_vec());
        let in_use = regions.database.as_ref().unwrap();
        in_use.look(&mut in_use.watched()).await;
        assert_eq!(region(&regions, LONDON), "us", "the last good one stays");
        replace(database(CITY));
        becomes(&regions, LONDON, "gb").await;
        stop.cancel();
    };
    tokio::join!(regions.follow(stop.clone()), change);
}
