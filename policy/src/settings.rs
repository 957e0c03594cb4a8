//! What the fleet controller may be told: limits, times and thresholds, checked once, so that nonsense cannot reach the rules.
//!
//! Every number has its reason beside it. How settings are written in files and flags is left to the programs.

use std::{collections::BTreeMap, time::Duration};

use crate::Region;

/// Everything that the fleet controller can be told. Made with [`Settings::default`], changed field by field, checked by
/// [`Settings::validated`].
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Viewers of a region that the primary carries itself, where the region says nothing else.
    pub threshold: u32,
    /// Regions that differ from the rest, and regions that shall be known before anybody is seen in them.
    pub regions: BTreeMap<Region, RegionSettings>,
    /// Regions followed at once; viewers of further ones count for [`Region::fallback`]. 64: more than anybody has relays in.
    pub max_regions: usize,
    /// Relays of the whole fleet at most, from the wish for one until it is gone or taken for dead: those that drain or are not heard
    /// included, an operator's that only stand by not. One that was taken for dead and lives is over it until it is back. 100: a bill that somebody notices in time.
    pub fleet_budget: u32,
    /// A region is left when its demand is below this part of its threshold. 0.7: a third of a crowd has gone, which is more
    /// than a crowd wavers.
    pub leave_ratio: f64,
    /// For how long demand must stay low before relays are drained. 10 s: longer than a reload storm or an advertisement.
    pub hold: Duration,
    /// For how long after a relay was wanted none of its region is drained. 30 s: what starting one costs.
    pub cooldown: Duration,
    /// How long a drain may take. 120 s: players that never ask again are cut off then, and start again elsewhere.
    pub drain_deadline: Duration,
    /// The longest TTL of a steering answer: a drain cannot be shorter, for nobody could hear of it. 60 s: what [`crate::steering::Pace`] says.
    pub longest_steering_ttl: Duration,
    /// Viewers moved in a second, as a part of what the serving fleet can hold. 0.05: nobody herds onto a relay.
    pub drain_pace: f64,
    /// How long a launched relay may take until it attaches. 60 s: a machine starts in that.
    pub launch_timeout: Duration,
    /// First wait after a failed launch; it doubles with each further one. 1 s.
    pub launch_backoff: Duration,
    /// Longest wait after failed launches. 60 s: an operator who mended it need not wait longer.
    pub launch_backoff_cap: Duration,
    /// How long a relay may take from being told to retire until it is gone; then it is terminated. 10 s.
    pub exit_timeout: Duration,
    /// Viewers that a launched relay is told to take. 500: a 1 Gbit/s line at 2 Mbit/s each.
    pub relay_capacity: u32,
    /// How full relays are planned to be. 0.8: leaves room for those who come while the next one starts.
    pub target_utilisation: f64,
    /// Over what time a new relay's room grows to its capacity. 10 s: its cache fills before its crowd is there.
    pub ramp: Duration,
    /// For how long after the start nothing is launched or drained. 5 s: servers attach again within it.
    pub first_start_window: Duration,
    /// How often servers report. 1 s.
    pub report_interval: Duration,
    /// Reports missed until a server is suspected. 3: one lost and one late are nothing.
    pub missed_reports: u32,
    /// How long a suspected server may stay silent until it is lost. 5 s.
    pub grace: Duration,
    /// How long a relay whose stream ended may take to attach again before its viewers are told to leave and another takes its
    /// place. 1.5 s: a server tries again two or three times in it, so a connection that only broke is back, while players
    /// hear of a relay that died within 2 s.
    pub reattach: Duration,
    /// For how long the manager holds still when most of the fleet went silent at once. 30 s: longer than a network
    /// needs to find its way again, shorter than anybody waits for a relay.
    pub freeze: Duration,
    /// For how long no relay starts in a slot where one died. 300 s: hls.js shuns a failed pathway that long.
    pub slot_rest: Duration,
    /// Whether viewers return to the primary while it is under its target. Off: a move costs a viewer more than it saves.
    pub backfill: bool,
    /// How long a viewer for whom there is no room should wait before it asks again. 5 s: a relay that stands by serves then.
    pub retry_after: Duration,
    /// Decisions kept for the operator. 1000.
    pub decisions_kept: usize,
    /// Sessions forwarded of one report at most; who is not forwarded is counted twice for a moment. 1000.
    pub forwarded_per_report: usize,
    /// Launched relays and slots known at most. 1000.
    pub max_slots: usize,
    /// What a directive's generation starts from: greater than any of the manager's life before, so that servers take a
    /// restarted manager's word. The Unix time in milliseconds does.
    pub first_generation: u64,
    /// Absolute address that players poll for steering answers, without a query.
    pub steering_url: String,
}

/// How one region differs from the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionSettings {
    /// Viewers that the primary carries itself; the fleet's threshold where absent.
    pub threshold: Option<u32>,
    /// Relays kept even if nobody watches.
    pub min_relays: u32,
    /// Relays at most.
    pub max_relays: u32,
    /// Other regions whose relays may help, nearest first.
    pub neighbours: Vec<Region>,
}

impl Default for RegionSettings {
    fn default() -> Self {
        Self { threshold: None, min_relays: 0, max_relays: 100, neighbours: Vec::new() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threshold: 100,
            regions: BTreeMap::new(),
            max_regions: 64,
            fleet_budget: 100,
            leave_ratio: 0.7,
            hold: Duration::from_secs(10),
            cooldown: Duration::from_secs(30),
            drain_deadline: Duration::from_secs(120),
            longest_steering_ttl: Duration::from_secs(60),
            drain_pace: 0.05,
            launch_timeout: Duration::from_secs(60),
            launch_backoff: Duration::from_secs(1),
            launch_backoff_cap: Duration::from_secs(60),
            exit_timeout: Duration::from_secs(10),
            relay_capacity: 500,
            target_utilisation: 0.8,
            ramp: Duration::from_secs(10),
            first_start_window: Duration::from_secs(5),
            report_interval: Duration::from_secs(1),
            missed_reports: 3,
            grace: Duration::from_secs(5),
            reattach: Duration::from_millis(1500),
            freeze: Duration::from_secs(30),
            slot_rest: Duration::from_secs(300),
            backfill: false,
            retry_after: Duration::from_secs(5),
            decisions_kept: 1000,
            forwarded_per_report: 1000,
            max_slots: 1000,
            first_generation: 0,
            steering_url: String::new(),
        }
    }
}

/// A setting that cannot be meant.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidSettings {
    /// A part of a whole that is none.
    #[error("{name} is {value}: give a number above 0 and up to 1")]
    Ratio {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// Something that must not be zero.
    #[error("{name} is 0: give at least {least}")]
    Zero {
        /// The setting.
        name: &'static str,
        /// The least that makes sense.
        least: &'static str,
    },
    /// A region that must have more relays than it may have.
    #[error(
        "region {region} must have {min} relays and may have {max}: raise max_relays or lower min_relays"
    )]
    Bounds {
        /// The region.
        region: Region,
        /// Its `min_relays`.
        min: u32,
        /// Its `max_relays`.
        max: u32,
    },
    /// All `min_relays` together exceed the budget.
    #[error(
        "regions must have {min} relays in all and fleet_budget is {budget}: raise fleet_budget or lower min_relays"
    )]
    Budget {
        /// The sum of all `min_relays`.
        min: u32,
        /// The fleet's budget.
        budget: u32,
    },
    /// A region that is its own neighbour.
    #[error("region {0} is its own neighbour: name other regions, or none")]
    OwnNeighbour(Region),
    /// More regions than are followed.
    #[error("{given} regions are configured and max_regions is {max}: raise max_regions")]
    Regions {
        /// How many are configured.
        given: usize,
        /// How many are followed.
        max: usize,
    },
    /// A wait that would shrink.
    #[error("launch_backoff_cap is shorter than launch_backoff: raise the cap")]
    Backoff,
}

impl Settings {
    /// The same settings, if they can be meant.
    ///
    /// # Errors
    /// Names the setting and says what to give instead.
    pub fn validated(self) -> Result<Self, InvalidSettings> {
        self.check_ratios()?;
        self.check_durations()?;
        self.check_counts()?;
        self.check_regions()?;
        Ok(self)
    }

    /// What the primary carries of a region.
    #[must_use]
    pub fn threshold_of(&self, region: &Region) -> u32 {
        self.regions.get(region).and_then(|r| r.threshold).unwrap_or(self.threshold)
    }

    /// Relays kept in a region, and relays at most.
    #[must_use]
    pub fn bounds_of(&self, region: &Region) -> (u32, u32) {
        self.regions
            .get(region)
            .map_or((0, self.fleet_budget), |r| (r.min_relays, r.max_relays.min(self.fleet_budget)))
    }

    /// Other regions whose relays may help a region, nearest first.
    #[must_use]
    pub fn neighbours_of(&self, region: &Region) -> &[Region] {
        self.regions.get(region).map_or(&[], |r| &r.neighbours)
    }

    /// How long nothing may come from a server that is well: two reports and a half.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.report_interval * 5 / 2
    }

    /// How long a server may stay silent until it is suspected.
    #[must_use]
    pub fn suspect_after(&self) -> Duration {
        self.report_interval * self.missed_reports
    }

    /// How long a drain may take where segments are as long as `target_duration`.
    #[must_use]
    pub fn drain_deadline_for(&self, target_duration: Duration) -> Duration {
        // No answer is told to live for less than a second.
        let longest_ttl = self.longest_steering_ttl.max(Duration::from_secs(1));
        self.drain_deadline.max(longest_ttl + target_duration * 3)
    }

    fn check_ratios(&self) -> Result<(), InvalidSettings> {
        let ratios = [
            ("leave_ratio", self.leave_ratio),
            ("drain_pace", self.drain_pace),
            ("target_utilisation", self.target_utilisation),
        ];
        match ratios.into_iter().find(|(_, value)| !(*value > 0.0 && *value <= 1.0)) {
            Some((name, value)) => Err(InvalidSettings::Ratio { name, value }),
            None => Ok(()),
        }
    }

    fn check_durations(&self) -> Result<(), InvalidSettings> {
        let durations = [
            ("launch_timeout", self.launch_timeout),
            ("launch_backoff", self.launch_backoff),
            ("exit_timeout", self.exit_timeout),
            ("report_interval", self.report_interval),
            ("grace", self.grace),
            ("reattach", self.reattach),
            ("drain_deadline", self.drain_deadline),
        ];
        if let Some((name, _)) = durations.into_iter().find(|(_, value)| value.as_millis() == 0) {
            return Err(InvalidSettings::Zero { name, least: "1ms" });
        }
        if self.launch_backoff_cap < self.launch_backoff {
            return Err(InvalidSettings::Backoff);
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), InvalidSettings> {
        let counts = [
            ("relay_capacity", u64::from(self.relay_capacity)),
            ("missed_reports", u64::from(self.missed_reports)),
            ("max_regions", self.max_regions as u64),
            ("decisions_kept", self.decisions_kept as u64),
            ("max_slots", self.max_slots as u64),
        ];
        match counts.into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(InvalidSettings::Zero { name, least: "1" }),
            None => Ok(()),
        }
    }

    fn check_regions(&self) -> Result<(), InvalidSettings> {
        if self.regions.len() > self.max_regions {
            return Err(InvalidSettings::Regions { given: self.regions.len(), max: self.max_regions });
        }
        let mut kept = 0_u32;
        for (name, region) in &self.regions {
            if region.min_relays > region.max_relays {
                let (min, max) = (region.min_relays, region.max_relays);
                return Err(InvalidSettings::Bounds { region: name.clone(), min, max });
            }
            if region.neighbours.contains(name) {
                return Err(InvalidSettings::OwnNeighbour(name.clone()));
            }
            kept = kept.saturating_add(region.min_relays);
        }
        if kept > self.fleet_budget {
            return Err(InvalidSettings::Budget { min: kept, budget: self.fleet_budget });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_meant() {
        assert!(Settings::default().validated().is_ok());
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_to_give_instead() {
        let said = |settings: Settings| settings.validated().unwrap_err().to_string();
        assert_eq!(
            said(Settings { leave_ratio: 1.5, ..Settings::default() }),
            "leave_ratio is 1.5: give a number above 0 and up to 1"
        );
        assert!(said(Settings { drain_pace: f64::NAN, ..Settings::default() }).starts_with("drain_pace"));
        assert_eq!(
            said(Settings { relay_capacity: 0, ..Settings::default() }),
            "relay_capacity is 0: give at least 1"
        );
        assert_eq!(
            said(Settings { grace: Duration::ZERO, ..Settings::default() }),
            "grace is 0: give at least 1ms"
        );
        let eu: Region = "eu".parse().unwrap();
        let region = RegionSettings { min_relays: 3, max_relays: 2, ..RegionSettings::default() };
        assert!(
            said(Settings { regions: [(eu, region)].into(), ..Settings::default() })
                .contains("raise max_relays")
        );
    }

    #[test]
    fn a_drain_outlasts_every_steering_answer_handed_out() {
        let settings = Settings { drain_deadline: Duration::from_secs(5), ..Settings::default() };
        assert_eq!(settings.drain_deadline_for(Duration::from_secs(2)), Duration::from_secs(66));
    }
}
