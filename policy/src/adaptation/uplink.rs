//! What an uplink carries: what the operator says, or less where most viewers fall behind real time together.
//!
//! One viewer who falls behind has a bad line. Where most do at the same moment, it is the line that they share: ours. What was sent
//! then is what it carries, and is believed until it has proved to carry more: every hold in which not most fall behind raises the
//! belief a little, so that a line that was narrow for a while is used again. It is believed to carry still less after another hold
//! at the soonest: what is sent falls when the cap does, and that is no news of the line.

use std::time::Duration;

use crate::Time;

/// Viewers that fall behind say something of our uplink from this many on: fewer may well share a house.
const LEAST_VIEWERS: u32 = 3;

/// The part of all viewers that fall behind together.
const MOST_OF_THEM: f64 = 0.5;

/// By how much the belief grows with each hold. 1.1: at the margin of the cap, so that trying costs one step at most.
const GROWTH: f64 = 1.1;

/// A belief this many times what viewers would take without any cap is of no use any more.
const FORGOTTEN: f64 = 1.5;

/// What is seen of an uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Bits per second sent, over some seconds.
    pub egress: u64,
    /// Bits per second that viewers would be sent without any cap.
    pub wanted: u64,
    /// Viewers.
    pub viewers: u32,
    /// Of these, those whose connection has had something left to send for longer than its media plays.
    pub behind: u32,
}

/// What is believed of an uplink.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Uplink {
    configured: Option<u64>,
    learnt: Option<Learnt>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Learnt {
    bits_per_second: f64,
    since: Time,
}

impl Uplink {
    /// An uplink of which an operator says so much, or nothing.
    #[must_use]
    pub fn new(configured: Option<u64>) -> Self {
        Self { configured: configured.filter(|bits| *bits > 0), learnt: None }
    }

    /// Bits per second; none where nobody knows.
    #[must_use]
    pub fn bits_per_second(&self) -> Option<u64> {
        let learnt = self.learnt.map(|learnt| super::whole(learnt.bits_per_second));
        self.configured.into_iter().chain(learnt).min()
    }

    /// Takes in what is seen; true where a narrower uplink was just learnt.
    pub fn observe(&mut self, sight: Sight, hold: Duration, now: Time) -> bool {
        let full = sight.behind >= LEAST_VIEWERS
            && f64::from(sight.behind) >= f64::from(sight.viewers) * MOST_OF_THEM
            && sight.egress > 0;
        if full && self.learnt.is_some_and(|learnt| now.since(learnt.since) < hold) {
            return false;
        }
        if full {
            let carried = sight.egress as f64 * super::PACKET_OVERHEAD;
            let known = self.bits_per_second().map_or(f64::INFINITY, |bits| bits as f64);
            self.learnt = Some(Learnt { bits_per_second: carried.min(known), since: now });
            return carried < known;
        }
        if let Some(learnt) = &mut self.learnt
            && now.since(learnt.since) >= hold
        {
            (learnt.bits_per_second, learnt.since) = (learnt.bits_per_second * GROWTH, now);
        }
        self.forget(sight.wanted);
        false
    }

    /// Lets go of what says nothing any more: more than the operator says, or far more than anybody wants.
    fn forget(&mut self, wanted: u64) {
        let Some(learnt) = self.learnt else { return };
        let above = self.configured.is_some_and(|configured| learnt.bits_per_second >= configured as f64);
        if above || learnt.bits_per_second > wanted as f64 * FORGOTTEN {
            self.learnt = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(10);
    const MBPS: u64 = 1_000_000;

    fn seen(uplink: &mut Uplink, egress: u64, behind: u32, seconds: u64) -> bool {
        let sight = Sight { egress, wanted: 6 * MBPS, viewers: 10, behind };
        uplink.observe(sight, HOLD, Time::from_millis(seconds * 1000))
    }

    #[test]
    fn one_viewer_who_falls_behind_says_nothing_of_the_uplink() {
        let mut uplink = Uplink::new(None);
        for behind in [0, 1, 2, 4] {
            assert!(!seen(&mut uplink, 5 * MBPS, behind, 1));
            assert_eq!(uplink.bits_per_second(), None);
        }
    }

    #[test]
    fn where_most_fall_behind_the_uplink_carries_what_was_sent() {
        let mut uplink = Uplink::new(Some(100 * MBPS));
        assert!(seen(&mut uplink, 8 * MBPS, 6, 1));
        assert_eq!(uplink.bits_per_second(), Some(8_432_000));
        assert!(!seen(&mut uplink, 9 * MBPS, 6, 2), "it is known already that it carries less");
    }

    #[test]
    fn what_is_sent_after_the_cap_has_fallen_is_no_news_of_the_line() {
        let mut uplink = Uplink::new(None);
        assert!(seen(&mut uplink, 8 * MBPS, 6, 0));
        for second in 1..10 {
            assert!(
                !seen(&mut uplink, 3 * MBPS, 6, second),
                "who is behind is still being sent what was listed"
            );
        }
        assert_eq!(uplink.bits_per_second(), Some(8_432_000));
        assert!(seen(&mut uplink, 3 * MBPS, 6, 10));
    }

    #[test]
    fn a_belief_grows_while_not_most_fall_behind_and_is_forgotten_when_all_that_is_wanted_fits_by_far() {
        let mut uplink = Uplink::new(Some(20 * MBPS));
        seen(&mut uplink, 8 * MBPS, 6, 0);
        seen(&mut uplink, 4 * MBPS, 0, 9);
        assert_eq!(uplink.bits_per_second(), Some(8_432_000));
        seen(&mut uplink, 4 * MBPS, 1, 10);
        assert_eq!(uplink.bits_per_second(), Some(20 * MBPS), "9.3 Mb/s are more than half again of 6");
    }

    #[test]
    fn an_uplink_of_nothing_is_one_of_which_nobody_knows() {
        assert_eq!(Uplink::new(Some(0)).bits_per_second(), None);
    }
}
