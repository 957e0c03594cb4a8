//! Viewers that a server counts, by region and class: never more than it could hold.

use std::collections::BTreeMap;

use super::Count;
use crate::{Class, Region};

/// Viewers by region and class.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Viewers(BTreeMap<Region, [u32; Class::ALL.len()]>);

impl Viewers {
    /// Everybody in `counts`, scaled down to `capacity` where they are more than could be.
    pub(crate) fn clamped(counts: &[Count], capacity: u32) -> Self {
        let mut all = Self::default();
        for count in counts {
            let classes = all.0.entry(count.region.clone()).or_default();
            let viewers = &mut classes[count.class as usize];
            *viewers = viewers.saturating_add(count.viewers);
        }
        all.clamp(capacity);
        all
    }

    /// Scales everybody down where they are more than `capacity`.
    pub(crate) fn clamp(&mut self, capacity: u32) {
        let total: u64 = self.0.values().flatten().map(|viewers| u64::from(*viewers)).sum();
        if total <= u64::from(capacity) {
            return;
        }
        for viewers in self.0.values_mut().flatten() {
            let scaled = u64::from(*viewers) * u64::from(capacity) / total;
            *viewers = u32::try_from(scaled).unwrap_or(capacity);
        }
    }

    /// Viewers of one region.
    #[must_use]
    pub fn of(&self, region: &Region) -> u32 {
        self.0.get(region).map_or(0, |classes| classes.iter().sum())
    }

    /// Viewers of one region and class.
    #[must_use]
    pub fn of_class(&self, region: &Region, class: Class) -> u32 {
        self.0.get(region).map_or(0, |classes| classes[class as usize])
    }

    /// All viewers.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.values().flatten().sum()
    }

    /// Viewers by region.
    pub fn by_region(&self) -> impl Iterator<Item = (&Region, u32)> {
        self.0.iter().map(|(region, classes)| (region, classes.iter().sum()))
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(region: &str, class: Class, viewers: u32) -> Count {
        Count { region: region.parse().unwrap(), class, viewers }
    }

    #[test]
    fn viewers_are_added_up_by_region_and_class() {
        let counts =
            [count("eu", Class::Steers, 3), count("eu", Class::Steers, 2), count("us", Class::Fixed, 1)];
        let viewers = Viewers::clamped(&counts, 100);
        assert_eq!(viewers.of(&"eu".parse().unwrap()), 5);
        assert_eq!(viewers.of_class(&"us".parse().unwrap(), Class::Fixed), 1);
        assert_eq!(viewers.total(), 6);
    }

    #[test]
    fn more_viewers_than_a_server_can_hold_are_scaled_down() {
        let viewers = Viewers::clamped(
            &[count("eu", Class::Steers, u32::MAX), count("us", Class::Steers, u32::MAX)],
            10,
        );
        assert_eq!(viewers.of(&"eu".parse().unwrap()), 5);
        assert_eq!(viewers.total(), 10);
    }
}
