//! Why something was decided: a word for metrics and a sentence for people.

use std::{fmt, sync::Arc, time::Duration};

/// Why something was decided, with the numbers that it was decided by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// More viewers than the primary carries of this region.
    OverThreshold {
        /// Viewers seen.
        demand: u32,
        /// What the primary carries.
        threshold: u32,
    },
    /// The crowd has left, for long enough.
    BelowThreshold {
        /// Viewers seen.
        demand: u32,
        /// What the primary carries.
        threshold: u32,
    },
    /// The region has more relays than its viewers need.
    FewerWanted {
        /// Relays wanted.
        wanted: u32,
        /// Relays there are.
        relays: u32,
    },
    /// The region shall have relays even without viewers.
    Minimum(u32),
    /// An operator said so.
    Operator,
    /// It attached.
    Attached,
    /// It attached while it was serving: the manager is younger than its viewers.
    FoundServing,
    /// It has everything that it needs to serve.
    Ready,
    /// It is empty and quiet.
    Empty,
    /// It was not empty in time.
    Deadline {
        /// Viewers that were left.
        viewers: u32,
    },
    /// It took its leave.
    Goodbye,
    /// Its stream ended without a word.
    StreamEnded,
    /// Its stream ended, and it did not attach again in time.
    NotBack(Duration),
    /// It attached before the primary, whose scheme or port are others.
    OtherPort,
    /// No report came.
    Silent(Duration),
    /// The provisioner saw it end.
    Exited,
    /// It did not attach in time.
    LaunchTimeout(Duration),
    /// It could not get its streams in time.
    NeverReady(Duration),
    /// The provisioner could not start it.
    LaunchFailed(String),
    /// It was started by an earlier manager and never attached.
    Orphan,
    /// It was told to go and did not.
    Overstayed,
    /// Nobody wants it any more.
    NotWanted,
    /// Most of the fleet went silent in the same moment.
    Blind {
        /// Silent servers.
        silent: u32,
        /// Attached servers.
        servers: u32,
    },
    /// Servers are heard again.
    HeardAgain,
    /// A freeze lasts only so long.
    FreezeOver,
    /// The first-start window has passed and the primary has reported.
    CountsFresh,
    /// No provisioner has a slot for this region and nobody stands by.
    NoProvisioner,
    /// Every slot of this region is taken.
    SlotsTaken,
    /// No slot has the primary's scheme and port: one of them.
    SlotsMisfit(Arc<str>),
    /// Slots where a relay died must rest.
    SlotsRest,
    /// Launches failed; the next try waits.
    Backoff,
    /// The region has all the relays that it may have.
    RegionFull(u32),
    /// The fleet has all the relays that it may have.
    BudgetSpent(u32),
}

impl Reason {
    /// The word in metrics, JSON and tables.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OverThreshold { .. } => "over-threshold",
            Self::BelowThreshold { .. } => "below-threshold",
            Self::FewerWanted { .. } => "fewer-wanted",
            Self::Minimum(_) => "minimum",
            Self::Operator => "operator",
            Self::Attached => "attached",
            Self::FoundServing => "found-serving",
            Self::Ready => "ready",
            Self::Empty => "empty",
            Self::Deadline { .. } => "deadline",
            Self::Goodbye => "goodbye",
            Self::StreamEnded => "stream-ended",
            Self::NotBack(_) => "not-back",
            Self::OtherPort => "other-port",
            Self::Silent(_) => "silent",
            Self::Exited => "exited",
            Self::LaunchTimeout(_) => "launch-timeout",
            Self::NeverReady(_) => "never-ready",
            Self::LaunchFailed(_) => "launch-failed",
            Self::Orphan => "orphan",
            Self::Overstayed => "overstayed",
            Self::NotWanted => "not-wanted",
            Self::Blind { .. } => "blind",
            Self::HeardAgain => "heard-again",
            Self::FreezeOver => "freeze-over",
            Self::CountsFresh => "counts-fresh",
            Self::NoProvisioner => "no-provisioner",
            Self::SlotsTaken => "slots-taken",
            Self::SlotsMisfit(_) => "slots-misfit",
            Self::SlotsRest => "slots-rest",
            Self::Backoff => "backoff",
            Self::RegionFull(_) => "region-full",
            Self::BudgetSpent(_) => "budget-spent",
        }
    }
}

impl fmt::Display for Reason {
    /// A sentence for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (viewers, relays) =
            (|count: &u32| Counted(*count, "viewer"), |count: &u32| Counted(*count, "relay"));
        match self {
            Self::OverThreshold { demand, threshold } => {
                write!(f, "{}, more than the {threshold} that the primary carries", viewers(demand))
            }
            Self::BelowThreshold { demand, threshold } => {
                let few = viewers(demand);
                write!(f, "{few}, well below the {threshold} that the primary carries, for long enough")
            }
            Self::FewerWanted { wanted, relays: held } => {
                write!(f, "there are {} and the region's viewers need {wanted}", relays(held))
            }
            Self::Minimum(least) => write!(f, "the region keeps {} even if nobody watches", relays(least)),
            Self::Deadline { viewers: left } => {
                write!(f, "the drain's deadline has come with {} left", viewers(left))
            }
            Self::NotBack(allowance) => {
                write!(f, "its stream ended and it did not attach again within {} ms", allowance.as_millis())
            }
            Self::Silent(silence) => write!(f, "no report came for {} ms", silence.as_millis()),
            Self::LaunchTimeout(limit) => {
                write!(f, "it did not attach within {} s of its launch", limit.as_secs())
            }
            Self::NeverReady(limit) => {
                write!(
                    f,
                    "it did not hold its streams ready within {} s: can it reach the primary?",
                    limit.as_secs()
                )
            }
            Self::LaunchFailed(error) => write!(f, "the provisioner could not start it: {error}"),
            Self::Blind { silent, servers } => {
                write!(
                    f,
                    "{silent} of {servers} servers went silent at once: the manager may be the one cut off"
                )
            }
            Self::SlotsMisfit(slot) => write!(
                f,
                "relays at {slot} would have another scheme or port than the primary: set port in [provisioner], or start relays at \
                 the primary's by hand"
            ),
            Self::RegionFull(most) => {
                write!(f, "the region may have {} and has no fewer: raise max_relays", relays(most))
            }
            Self::BudgetSpent(most) => {
                write!(
                    f,
                    "the fleet may have {} and has no fewer, those that drain or are not heard included: raise fleet_budget",
                    relays(most)
                )
            }
            _ => f.write_str(self.sentence()),
        }
    }
}

impl Reason {
    /// What is said where there are no numbers to say.
    const fn sentence(&self) -> &'static str {
        match self {
            Self::OtherPort => "its scheme or port are not the primary's: start it with the primary's",
            Self::Operator => "an operator said so",
            Self::Attached => "it attached",
            Self::FoundServing => "it was serving when it attached",
            Self::Ready => "it holds the streams ready",
            Self::Empty => "nobody is left on it and nothing was asked for a while",
            Self::Goodbye => "it took its leave",
            Self::StreamEnded => "its stream ended without a word",
            Self::Exited => "the provisioner saw it end",
            Self::Orphan => "an earlier manager started it and it never attached",
            Self::Overstayed => "it was told to go and did not",
            Self::NotWanted => "nobody wants it any more",
            Self::HeardAgain => "it is heard again",
            Self::FreezeOver => "the fleet holds still only so long",
            Self::CountsFresh => "the first-start window has passed and the primary has reported",
            Self::NoProvisioner => {
                "no provisioner reaches these viewers: start a local-server in their region"
            }
            Self::SlotsTaken => {
                "every slot that reaches these viewers is taken: give the provisioner more addresses"
            }
            Self::SlotsRest => "slots where a relay died rest until players have forgotten it",
            Self::Backoff => "launches failed: the next try waits",
            Self::OverThreshold { .. }
            | Self::BelowThreshold { .. }
            | Self::FewerWanted { .. }
            | Self::Minimum(_)
            | Self::Deadline { .. }
            | Self::NotBack(_)
            | Self::Silent(_)
            | Self::LaunchTimeout(_)
            | Self::NeverReady(_)
            | Self::LaunchFailed(_)
            | Self::Blind { .. }
            | Self::SlotsMisfit(_)
            | Self::RegionFull(_)
            | Self::BudgetSpent(_) => "",
        }
    }
}

/// A number of things, as people say it.
pub(crate) struct Counted(pub(crate) u32, pub(crate) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, thing) = self;
        write!(f, "{count} {thing}{}", if *count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_right_for_one_too() {
        let one = Reason::OverThreshold { demand: 1, threshold: 0 }.to_string();
        assert_eq!(one, "1 viewer, more than the 0 that the primary carries");
        let two = Reason::FewerWanted { wanted: 1, relays: 2 }.to_string();
        assert_eq!(two, "there are 2 relays and the region's viewers need 1");
    }

    #[test]
    fn every_reason_without_numbers_has_a_sentence() {
        for reason in [
            Reason::Operator,
            Reason::Orphan,
            Reason::OtherPort,
            Reason::NoProvisioner,
            Reason::Backoff,
            Reason::NotWanted,
        ] {
            assert!(!reason.to_string().is_empty(), "{reason:?}");
        }
    }
}
