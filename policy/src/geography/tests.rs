//! Records and the regions that they come to.

use proptest::prelude::*;

use super::*;

const FRANKFURT: (f64, f64) = (50.11, 8.68);
const NEW_YORK: (f64, f64) = (40.71, -74.01);

fn place((latitude, longitude): (f64, f64)) -> Place {
    Place::new(latitude, longitude).unwrap()
}

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn geography() -> Geography {
    let mut rules = Rules::default();
    for (level, name, to) in [
        (Level::City, "2643743", "london"),
        (Level::City, "FR/Le Havre", "harbour"),
        (Level::Subdivision, "US-CA", "us-west"),
        (Level::Subdivision, "GB-ENG", "england"),
        (Level::Subdivision, "GB-OXF", "oxford"),
        (Level::Country, "US", "us"),
        (Level::Country, "NA", "namibia"),
        (Level::Continent, "NA", "america"),
        (Level::Continent, "AS", "asia"),
    ] {
        rules.add(level, name, &region(to)).unwrap();
    }
    let locations = [(region("eu"), place(FRANKFURT)), (region("us-east"), place(NEW_YORK))];
    Geography { rules, locations: locations.into(), nearest_within_km: 1_000.0, max_accuracy_km: 200 }
}

fn city(geoname: u32, name: &str) -> Option<City<'_>> {
    Some(City { geoname: Some(geoname), name: Some(name) })
}

fn found(record: &Record<'_>) -> Option<(String, By)> {
    geography().find(record).map(|(region, by)| (region.to_string(), by))
}

#[test]
fn the_closest_look_wins() {
    let us = Record { continent: Some("NA"), country: Some("US"), ..Record::default() };
    let gb = Record { continent: Some("EU"), country: Some("GB"), ..Record::default() };
    let fr = Record { continent: Some("EU"), country: Some("FR"), ..Record::default() };
    for (what, record, expected) in [
        (
            "a city by number",
            Record { city: city(2_643_743, "?"), subdivisions: vec!["ENG"], ..gb.clone() },
            Some(("london", By::City)),
        ),
        (
            "a city by name, in other capitals",
            Record { city: city(1, "LE HAVRE"), ..fr.clone() },
            Some(("harbour", By::City)),
        ),
        ("a city of that name elsewhere", Record { city: city(1, "Le Havre"), ..gb.clone() }, None),
        (
            "the smallest subdivision",
            Record { subdivisions: vec!["ENG", "OXF"], ..gb.clone() },
            Some(("oxford", By::Subdivision)),
        ),
        (
            "a larger one",
            Record { subdivisions: vec!["ENG", "KEN"], ..gb.clone() },
            Some(("england", By::Subdivision)),
        ),
        (
            "a subdivision before its country",
            Record { subdivisions: vec!["CA"], ..us.clone() },
            Some(("us-west", By::Subdivision)),
        ),
        ("a country before its continent", us.clone(), Some(("us", By::Country))),
        (
            "a country with a continent's code",
            Record { continent: Some("AF"), country: Some("NA"), ..Record::default() },
            Some(("namibia", By::Country)),
        ),
        ("a continent", Record { continent: Some("AS"), ..Record::default() }, Some(("asia", By::Continent))),
        ("a country without a rule", fr, None),
        ("nothing", Record::default(), None),
    ] {
        assert_eq!(found(&record), expected.map(|(name, by)| (name.to_owned(), by)), "{what}");
    }
}

#[test]
fn only_a_citys_coordinates_lead_to_the_nearest_region() {
    let paris = Record {
        country: Some("FR"),
        city: city(2_988_507, "Paris"),
        place: Some(place((48.86, 2.35))),
        accuracy_km: Some(20),
        ..Record::default()
    };
    let nearest = Some(("eu".to_owned(), By::Nearest));
    for (what, record, expected) in [
        ("a city", paris.clone(), nearest.clone()),
        (
            "a city that does not say how exactly",
            Record { accuracy_km: None, ..paris.clone() },
            nearest.clone(),
        ),
        ("a city as vague as is allowed", Record { accuracy_km: Some(200), ..paris.clone() }, nearest),
        ("a city that is too vague", Record { accuracy_km: Some(201), ..paris.clone() }, None),
        ("a country's middle", Record { city: None, ..paris.clone() }, None),
        ("a city nobody knows where", Record { place: None, ..paris.clone() }, None),
        ("a city too far away", Record { place: Some(place((64.15, -21.94))), ..paris.clone() }, None),
        (
            "a city with a rule for its country",
            Record { country: Some("US"), ..paris },
            Some(("us".to_owned(), By::Country)),
        ),
    ] {
        assert_eq!(found(&record), expected, "{what}");
    }
}

#[test]
fn a_rule_that_cannot_be_meant_says_how_to_write_it() {
    for (level, name, says) in [
        (Level::Country, "us", "two capital letters"),
        (Level::Country, "USA", "two capital letters"),
        (Level::Country, "UK", "GB"),
        (Level::Subdivision, "CA", "such as US-CA"),
        (Level::Subdivision, "US-CALI", "such as US-CA"),
        (Level::Subdivision, "US-ca", "in capitals"),
        (Level::City, "London", "such as GB/London"),
        (Level::City, "GB/ ", "such as GB/London"),
        (Level::City, "-1", "2643743"),
        (Level::Continent, "Europe", "AF, AN, AS, EU"),
    ] {
        let error = Rules::default().add(level, name, &region("eu")).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(&format!("{name:?}")), "{name}: {error}");
    }
    let mut rules = Rules::default();
    rules.add(Level::City, "GB/London", &region("eu")).unwrap();
    rules.add(Level::City, "GB/LONDON", &region("eu")).unwrap();
    assert!(rules.add(Level::City, "GB/london", &region("uk")).unwrap_err().to_string().contains("twice"));
}

#[test]
fn distances_are_those_of_the_map() {
    let distance = place(FRANKFURT).distance_km(place(NEW_YORK));
    assert!((6_190.0..6_220.0).contains(&distance), "{distance}");
    let over_the_date_line = place((0.0, 179.5)).distance_km(place((0.0, -179.5)));
    assert!((110.0..112.0).contains(&over_the_date_line), "{over_the_date_line}");
    let pole = place((90.0, 0.0)).distance_km(place((90.0, 137.0)));
    assert!(pole < 0.001, "{pole}");
}

#[test]
fn what_is_nowhere_is_no_place() {
    for (latitude, longitude) in [(90.1, 0.0), (0.0, -180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
        let error = Place::new(latitude, longitude).unwrap_err().to_string();
        assert!(error.contains("from -90 to 90"), "{error}");
    }
}

fn anywhere() -> impl Strategy<Value = Place> {
    (-90.0..=90.0, -180.0..=180.0).prop_map(place)
}

proptest! {
    #[test]
    fn a_distance_is_the_same_both_ways_and_at_most_half_round_the_earth(a in anywhere(), b in anywhere()) {
        let distance = a.distance_km(b);
        prop_assert!((distance - b.distance_km(a)).abs() < 1e-6);
        prop_assert!((0.0..=20_016.0).contains(&distance));
        prop_assert!(a.distance_km(a) < 1e-6);
    }

    #[test]
    fn a_way_round_is_no_shorter(a in anywhere(), b in anywhere(), c in anywhere()) {
        prop_assert!(a.distance_km(c) <= a.distance_km(b) + b.distance_km(c) + 1e-3);
    }

    #[test]
    fn a_city_is_found_by_the_rule_of_its_name_whatever_the_capitals(
        names in prop::collection::vec("[abAB]{1,2}[ -]?[éÉßzZ]{0,2}", 0..30), asked in "[abAB]{1,2}[ -]?[éÉßzZ]{0,2}",
    ) {
        let key = |name: &str| name.trim().to_lowercase();
        let mut rules = Rules::default();
        let mut first = BTreeMap::new();
        for (n, name) in names.iter().enumerate() {
            let to = first.entry(key(name)).or_insert_with(|| region(&format!("r{n}")));
            rules.add(Level::City, &format!("GB/{name}"), to).unwrap();
            rules.add(Level::City, &format!("FR/{name}"), &region("elsewhere")).unwrap();
        }
        let record = Record { country: Some("GB"), city: city(1, &asked), ..Record::default() };
        let found = rules.find(&record).map(|(region, _)| region);
        prop_assert_eq!(found, first.get(&key(&asked)));
    }

    #[test]
    fn the_nearest_region_is_the_nearest_and_near_enough(
        here in anywhere(), there in prop::collection::vec(anywhere(), 0..8), within in 0.0..21_000.0,
    ) {
        let locations = (0..).zip(&there).map(|(n, place)| (region(&format!("r{n}")), *place)).collect();
        let geography = Geography { locations, nearest_within_km: within, max_accuracy_km: 200, ..Geography::default() };
        let record = Record { city: Some(City::default()), place: Some(here), ..Record::default() };
        let near_enough = there.iter().any(|place| here.distance_km(*place) <= within);
        match geography.find(&record) {
            Some((found, by)) => {
                let distance = here.distance_km(geography.locations[found]);
                prop_assert_eq!(by, By::Nearest);
                prop_assert!(near_enough && there.iter().all(|place| distance <= here.distance_km(*place)));
            }
            None => prop_assert!(!near_enough),
        }
        prop_assert_eq!(geography.find(&Record { city: None, ..record }), None);
    }
}
