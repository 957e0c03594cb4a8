//! A place on the earth, and how far it is from another.

/// The earth's mean radius (IUGG), in kilometres. That it is no sphere is 0.5% at most: nothing beside how well addresses are known.
const EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// A place on the earth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    latitude: f64,
    longitude: f64,
}

/// Coordinates that are nowhere.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "latitude {latitude}, longitude {longitude} is nowhere: give degrees from -90 to 90 (north is positive) and from -180 to 180 \
     (east is positive)"
)]
pub struct InvalidPlace {
    latitude: f64,
    longitude: f64,
}

impl Place {
    /// The place at these coordinates, in degrees (WGS 84), north and east positive.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, InvalidPlace> {
        if (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude) {
            Ok(Self { latitude, longitude })
        } else {
            Err(InvalidPlace { latitude, longitude })
        }
    }

    /// The distance to another along the earth, in kilometres (haversine formula).
    #[must_use]
    pub fn distance_km(self, other: Self) -> f64 {
        let half_sine_squared = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let (here, there) = (self.latitude.to_radians(), other.latitude.to_radians());
        let chord = half_sine_squared(self.latitude, other.latitude)
            + here.cos() * there.cos() * half_sine_squared(self.longitude, other.longitude);
        // Rounding may lift it over 1 for places that lie opposite each other.
        2.0 * EARTH_RADIUS_KM * chord.clamp(0.0, 1.0).sqrt().asin()
    }
}
