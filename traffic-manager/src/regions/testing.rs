//! A database of places for tests, made anew by each: networks for documentation (RFC 5737, RFC 3849), and who could be in them.

use mmdb_writer::{Value, Writer};

/// What a record says, and what is left out of it.
#[derive(Clone, Copy, Default)]
struct Spot {
    continent: Option<&'static str>,
    country: Option<&'static str>,
    subdivision: Option<&'static str>,
    city: Option<(u32, &'static str)>,
    at: Option<(f64, f64, u16)>,
}

const GB: Spot = Spot { continent: Some("EU"), country: Some("GB"), ..NOTHING };
const FR: Spot = Spot { continent: Some("EU"), country: Some("FR"), ..NOTHING };
const US: Spot = Spot { continent: Some("NA"), country: Some("US"), ..NOTHING };
const NOTHING: Spot = Spot { continent: None, country: None, subdivision: None, city: None, at: None };

/// The middle of the United States: a lake in Kansas, near which nobody lives.
const MIDDLE_OF_US: Option<(f64, f64, u16)> = Some((37.751, -97.822, 1_000));

const SPOTS: [(&str, Spot); 8] = [
    (
        "192.0.2.0/25",
        Spot {
            subdivision: Some("ENG"),
            city: Some((2_643_743, "London")),
            at: Some((51.51, -0.13, 20)),
            ..GB
        },
    ),
    ("192.0.2.128/25", Spot { city: Some((2_988_507, "Paris")), at: Some((48.86, 2.35, 20)), ..FR }),
    ("198.51.100.0/25", Spot { subdivision: Some("CA"), at: MIDDLE_OF_US, ..US }),
    ("198.51.100.128/25", Spot { at: MIDDLE_OF_US, ..US }),
    ("203.0.113.0/25", Spot { continent: Some("AS"), ..NOTHING }),
    ("203.0.113.128/25", Spot { at: Some((46.0, 2.0, 5)), ..FR }),
    ("2001:db8::/48", Spot { city: Some((2_988_507, "Paris")), at: Some((48.86, 2.35, 1_000)), ..FR }),
    ("2001:db8:1::/48", US),
];

impl Spot {
    fn record(self) -> Value {
        let coded = |key: &str, code: &str| Value::map([(key, Value::from(code))]);
        let mut fields = Vec::new();
        fields.extend(self.continent.map(|code| ("continent", coded("code", code))));
        fields.extend(self.country.map(|code| ("country", coded("iso_code", code))));
        fields.extend(self.subdivision.map(|code| ("subdivisions", Value::array([coded("iso_code", code)]))));
        fields.extend(self.city.map(|(number, name)| {
            let names = Value::map([("en", Value::from(name))]);
            ("city", Value::map([("geoname_id", Value::from(number)), ("names", names)]))
        }));
        fields.extend(self.at.map(|(latitude, longitude, accuracy)| {
            let location = [
                ("latitude", Value::from(latitude)),
                ("longitude", Value::from(longitude)),
                ("accuracy_radius", Value::from(accuracy)),
            ];
            ("location", Value::map(location))
        }));
        Value::map(fields)
    }
}

/// A database of type `kind` with every spot.
pub(crate) fn database(kind: &str) -> Vec<u8> {
    written(kind, SPOTS.map(|(network, spot)| (network, spot.record())))
}

/// A database of type `kind` with one network.
pub(super) fn database_of(kind: &str, network: &str, record: Value) -> Vec<u8> {
    written(kind, [(network, record)])
}

fn written<const N: usize>(kind: &str, records: [(&str, Value); N]) -> Vec<u8> {
    let mut writer = Writer::builder(kind).description(&[("en", "of the tests")]).build();
    for (network, record) in records {
        writer.insert_value(network.parse::<ipnet::IpNet>().unwrap(), record).unwrap();
    }
    writer.to_bytes().unwrap()
}
