//! How fast a connection is sent media, so that a few fast downloads do not take the uplink from everyone.
//!
//! Without a limit, whoever has the fastest line takes the uplink for as long as a segment lasts, and who is on a slow one waits. With
//! one, a server whose uplink carries the multiple for all its viewers gives each of them just that, whatever the others ask.
//!
//! **Signals**: what the rung takes to play (the larger of its BANDWIDTH and of what the object's own bytes come to over a target
//! duration: BANDWIDTH is the upstream's word, and sound alone has none), what the next rung takes, and how much media the session
//! has been sent.
//!
//! **Start**: a session's first seconds of media ([`Pacing::burst`]) come as fast as the line goes, so that a player starts, or goes on
//! after a move, as soon as without pacing. The burst is spent once and does not come back: a viewer who keeps up never needs it again,
//! and one who fell behind is sent the multiple.
//!
//! **After it**: the largest of
//!
//! 1. the floor, because no line worth playing on is slower, and sound and subtitles are small;
//! 2. the multiple of the rung's rate;
//! 3. [`CLIMB`] of the next rung's rate, or the multiple if that is less. Players take a rung up by the speed that they measure, and
//!    what they measure is the pace: a ladder with steps larger than the multiple would keep them at its foot.
//!
//! **Where it is known what the uplink carries** ([`Object::uplink`]), a burst comes as fast as what is left of the uplink allows, or within the
//! time in which the first segment of it plays ([`BEGINS_WITH`]): that much newcomers were promised. Where less is left than was promised,
//! it comes so much slower, though not below the least multiple of a tight uplink, or the floor.
//!
//! **While the uplink is tight**, a burst is what a player begins with, and the multiple falls to what the uplink has for each, though not
//! below [`CLIMB`]. Who does not go by the speed that he measures, because the server alone picks the rung or because he asks for one above
//! the cap whatever he measures ([`STAYS`]), is sent a multiple that falls as far as [`LEAST_HEADROOM`], and nothing to climb by. All
//! segments of a moment then arrive side by side and leave no queue, in which players with next to no buffer (ffmpeg fetches what
//! it plays next) would stand.
//!
//! Who is not paced at all (relays, caches and load balancers in front of a server) is the shell's to know.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;

/// How much of the next rung's rate players must measure to take it, and of their own to keep it. hls.js wants 1.43 times of the next
/// (`abrBandWidthUpFactor` 0.7), Shaka 1.18 (`bandwidthUpgradeTarget` 0.85), video.js 1.2 of both (`BANDWIDTH_VARIANCE`); what they
/// measure includes the wait for the first byte.
pub const CLIMB: f64 = 2.0;

/// How many times faster than they play media are sent to everybody, however tight the uplink is: who waited a moment must be able to
/// make up for it. 1.25: about what a full viewers' share leaves of an uplink, and a fifth of each segment's time for round trips.
pub const LEAST_HEADROOM: f64 = 1.25;

/// Who asks for one rung above the cap, and for no other, for so long since it fell does not go by speed, unless his player is one that
/// steers (hls.js, Shaka and their like adapt, but believe for minutes what they measured first) or ever went down a rung, but to look at
/// it as it began.
pub const STAYS: Duration = Duration::from_secs(20);

/// Whether somebody who has asked for a rung above the cap since `asked` does not go by speed, where the cap `fell` last then.
#[must_use]
pub fn stays(asked: Time, fell: Time, now: Time) -> bool {
    now.since(asked.max(fell)) >= STAYS
}

/// How many times what is `taken` of an uplink fits what is `free` of it, both in bits per second on the wire.
#[must_use]
pub fn headroom(free: f64, taken: f64) -> f64 {
    free.max(0.0) / taken.max(1.0)
}

/// How an uplink stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uplink {
    /// How many times what all viewers are expected to be sent fits it ([`headroom`]).
    pub headroom: f64,
    /// Bits per second of it that are left for each who begins, besides what it was promised: below zero where more was promised than is
    /// left.
    pub left: f64,
}

/// Target durations that players begin before the end (RFC 8216bis 6.3.3), and load at once.
pub const BEGINS_WITH: u32 = 3;

/// How many times faster than it plays media are sent: 0 for as fast as the line goes, else 1 or more.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Multiple(f64);

/// A multiple at which nobody could play.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is no multiple of a bitrate: give 0 to switch pacing off, or a number from 1 on")]
pub struct InvalidMultiple(f64);

impl TryFrom<f64> for Multiple {
    type Error = InvalidMultiple;

    fn try_from(number: f64) -> Result<Self, InvalidMultiple> {
        let fits = number == 0.0 || (number >= 1.0 && number.is_finite());
        if fits { Ok(Self(number)) } else { Err(InvalidMultiple(number)) }
    }
}

impl From<Multiple> for f64 {
    fn from(multiple: Multiple) -> Self {
        multiple.0
    }
}

/// The rule of one server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pacing {
    /// How many times faster than it plays media are sent.
    pub multiple: Multiple,
    /// Media that a session is sent at the speed of its line first.
    pub burst: Duration,
    /// Bits per second that everybody is sent at least.
    pub floor: u64,
}

/// How fast something is sent. A larger one is faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// At so many bits per second at most.
    Limited(u64),
    /// As fast as the line goes.
    Free,
}

/// A segment or an initialization section, as far as its pace depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Object {
    /// BANDWIDTH of its rung, in bits per second; none for renditions that are no rung.
    pub bandwidth: Option<u64>,
    /// That of the next rung up, if there is one. Also while it is not sent: players remember for a minute what they measured.
    pub next_bandwidth: Option<u64>,
    /// How many bytes it has, where that is known already.
    pub bytes: Option<u64>,
    /// How long a segment is at most.
    pub target_duration: Duration,
    /// How the uplink stands; none where that is not known, or is not to matter.
    pub uplink: Option<Uplink>,
    /// Its player does not go by the speed that it measures.
    pub steady: bool,
}

impl Pacing {
    /// Whether anybody is paced.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.multiple.0 > 0.0
    }

    /// How fast to send an object to a session that has been `sent` so much media before. One that the burst covers in part comes
    /// at the burst's pace: a player waits for its last byte.
    #[must_use]
    pub fn pace(&self, object: &Object, sent: Duration) -> Pace {
        let Some(rate) = object.rate().filter(|_| self.is_on()) else { return Pace::Free };
        let tight = object.uplink.filter(|uplink| uplink.headroom < self.multiple.0);
        let steady = object.steady && object.bandwidth.is_some();
        let (least, floor) = if steady { (LEAST_HEADROOM, 0) } else { (CLIMB, self.floor) };
        let at = |multiple: f64| times(rate, multiple.max(least).min(self.multiple.0)).max(floor);
        if sent < self.burst_of(object, tight.is_some()) {
            let burst = |uplink: Uplink| Pace::Limited(at(least).max(begins(rate, uplink.left)));
            return object.uplink.map_or(Pace::Free, burst);
        }
        let to_climb = times(object.next_bandwidth.unwrap_or_default(), self.multiple.0.min(CLIMB));
        Pace::Limited(match tight {
            Some(uplink) if steady => at(uplink.headroom),
            Some(uplink) => at(uplink.headroom).max(to_climb),
            None => at(self.multiple.0).max(self.floor).max(to_climb),
        })
    }

    /// How much media a session is sent first.
    fn burst_of(&self, object: &Object, is_tight: bool) -> Duration {
        let begins_with = object.target_duration * BEGINS_WITH;
        if is_tight && !begins_with.is_zero() { self.burst.min(begins_with) } else { self.burst }
    }
}

impl Object {
    /// Bits per second that it takes to play it, as far as anybody can tell.
    fn rate(&self) -> Option<u64> {
        let seconds = self.target_duration.as_secs_f64();
        let own = self.bytes.filter(|_| seconds > 0.0).map(|bytes| times(bytes, 8.0 / seconds));
        self.bandwidth.max(own).filter(|rate| *rate > 0)
    }

    /// How much media so many of its bytes are, at the rate that it takes to play it; where their number is not known yet, a target
    /// duration.
    #[must_use]
    pub fn time_of(&self, bytes: Option<u64>) -> Duration {
        let Some((rate, bytes)) = self.rate().zip(bytes) else { return self.target_duration };
        Duration::from_nanos(times(bytes, 8e9 / rate as f64))
    }
}

/// Bits per second of a burst, where so many are left of the uplink besides those that it was promised.
fn begins(rate: u64, left: f64) -> u64 {
    let promised = rate as f64 * f64::from(BEGINS_WITH);
    times(1, left.max(promised + left.min(0.0)).max(0.0))
}

/// A product, or as much as the type holds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "neither factor is negative, and a conversion from a float saturates"
)]
fn times(number: u64, factor: f64) -> u64 {
    (number as f64 * factor) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: Duration = Duration::from_secs(20);
    const TARGET: Duration = Duration::from_secs(4);

    fn pacing(multiple: f64) -> Pacing {
        Pacing { multiple: multiple.try_into().unwrap(), burst: BURST, floor: 1_000_000 }
    }

    fn rung(bandwidth: u64, next: Option<u64>) -> Object {
        Object {
            bandwidth: Some(bandwidth),
            next_bandwidth: next,
            target_duration: TARGET,
            ..Object::default()
        }
    }

    /// After the burst.
    fn limit(multiple: f64, object: &Object) -> u64 {
        match pacing(multiple).pace(object, BURST) {
            Pace::Limited(rate) => rate,
            Pace::Free => panic!("{object:?} is not paced"),
        }
    }

    #[test]
    fn after_its_burst_a_session_is_sent_the_multiple_and_before_as_fast_as_its_line_goes() {
        let object = rung(2_000_000, None);
        assert_eq!(pacing(4.0).pace(&object, BURST - Duration::from_millis(1)), Pace::Free);
        assert_eq!(pacing(4.0).pace(&object, BURST), Pace::Limited(8_000_000));
        assert_eq!(pacing(1.5).pace(&object, BURST * 9), Pace::Limited(3_000_000));
    }

    #[test]
    fn nobody_is_sent_less_than_the_floor_or_than_what_it_takes_to_climb() {
        for (what, multiple, object, rate) in [
            ("sound", 4.0, rung(64_000, None), 1_000_000),
            ("a step less than the multiple", 4.0, rung(1_000_000, Some(1_500_000)), 4_000_000),
            ("a step of more", 4.0, rung(1_000_000, Some(5_000_000)), 10_000_000),
            ("a step of more, with a small multiple", 1.5, rung(1_000_000, Some(5_000_000)), 7_500_000),
        ] {
            assert_eq!(limit(multiple, &object), rate, "{what}");
        }
    }

    #[test]
    fn the_bytes_of_an_object_count_where_they_are_more_than_its_rung_says() {
        let of = |bandwidth, bytes| Object { bandwidth, bytes: Some(bytes), ..rung(0, None) };
        assert_eq!(limit(4.0, &of(Some(2_000_000), 500_000)), 8_000_000, "half of its rung's rate");
        assert_eq!(limit(4.0, &of(Some(2_000_000), 2_000_000)), 16_000_000, "twice its rung's rate");
        assert_eq!(limit(4.0, &of(None, 500_000)), 4_000_000, "no rung");
    }

    fn uplink(headroom: f64, left: f64) -> Option<Uplink> {
        Some(Uplink { headroom, left })
    }

    fn tight(headroom: f64) -> Object {
        Object { uplink: uplink(headroom, 0.0), steady: true, ..rung(300_000, Some(800_000)) }
    }

    #[test]
    fn a_tight_uplink_is_shared_out() {
        for (headroom, rate) in [(0.5, 375_000), (1.25, 375_000), (2.0, 600_000), (3.9, 1_170_000)] {
            assert_eq!(limit(4.0, &tight(headroom)), rate, "{headroom}");
            let measures = Object { steady: false, ..tight(headroom) };
            assert_eq!(limit(4.0, &measures), 1_600_000, "{headroom}: or nobody would climb");
        }
        assert_eq!(limit(4.0, &tight(4.0)), 1_600_000, "there is room for all that pacing allows");
        assert_eq!(limit(1.1, &tight(1.0)), 330_000, "never more than the multiple");
    }

    #[test]
    fn who_measures_is_sent_what_keeps_his_rung() {
        let top = |headroom| Object { uplink: uplink(headroom, 0.0), ..rung(2_000_000, None) };
        for (headroom, rate) in [(0.5, 4_000_000), (2.0, 4_000_000), (3.0, 6_000_000), (9.0, 8_000_000)] {
            assert_eq!(limit(4.0, &top(headroom)), rate, "{headroom}");
        }
        assert_eq!(limit(1.5, &top(0.5)), 3_000_000, "never more than the multiple");
    }

    #[test]
    fn while_it_is_tight_a_burst_is_what_a_player_begins_with() {
        let begun = |object: &Object, sent| pacing(4.0).pace(object, sent);
        let last = TARGET * 3 - Duration::from_millis(1);
        for (headroom, after) in [(0.5, 375_000), (2.0, 600_000), (3.5, 1_050_000)] {
            let object = tight(headroom);
            let paces = [Duration::ZERO, last, TARGET * 3].map(|sent| begun(&object, sent));
            assert_eq!(paces, [900_000, 900_000, after].map(Pace::Limited), "{headroom}");
        }
        let measures = Object { steady: false, ..tight(0.5) };
        let paces = [Duration::ZERO, TARGET * 3].map(|sent| begun(&measures, sent));
        assert_eq!(paces, [1_000_000, 1_600_000].map(Pace::Limited), "the floor, then to climb");
        let unknown = Object { target_duration: Duration::ZERO, ..tight(1.0) };
        assert_eq!(begun(&unknown, TARGET), Pace::Limited(900_000), "who knows with what it begins");
        let sound = Object { bandwidth: None, next_bandwidth: None, bytes: Some(1_000), ..tight(1.0) };
        for sent in [Duration::ZERO, BURST] {
            assert_eq!(begun(&sound, sent), Pace::Limited(1_000_000), "no rung: the floor");
        }
    }

    #[test]
    fn a_burst_comes_as_fast_as_what_is_left_of_the_uplink_allows() {
        for (headroom, left, steady, pace) in [
            (9.0, 90e6, false, 90_000_000),
            (9.0, 1e6, false, 6_000_000),
            (1.0, 1e6, true, 6_000_000),
            (1.0, 7e6, true, 7_000_000),
            (1.0, -1e6, true, 5_000_000),
            (1.0, -3e6, true, 3_000_000),
            (1.0, -99e6, true, 2_500_000),
            (1.0, -99e6, false, 4_000_000),
            (9.0, -99e6, true, 2_500_000),
        ] {
            let object = Object { uplink: uplink(headroom, left), steady, ..rung(2_000_000, None) };
            let first = pacing(4.0).pace(&object, Duration::ZERO);
            assert_eq!(first, Pace::Limited(pace), "{headroom} {left} {steady}");
        }
        let roomy = Object { uplink: uplink(9.0, 90e6), ..rung(2_000_000, None) };
        let last = BURST - Duration::from_millis(1);
        assert_eq!(pacing(4.0).pace(&roomy, last), Pace::Limited(90_000_000), "not tight: the whole burst");
    }

    #[test]
    fn who_stays_above_the_cap_is_known_by_the_later_of_his_wish_and_its_fall() {
        let at = Time::from_millis;
        for (asked, fell, now, known) in
            [(0, 0, 20_000, true), (0, 0, 19_999, false), (0, 5_000, 24_999, false), (5_000, 0, 25_000, true)]
        {
            assert_eq!(stays(at(asked), at(fell), at(now)), known, "{asked} {fell} {now}");
        }
    }

    #[test]
    fn headroom_is_a_finite_number_whatever_is_free_or_taken() {
        for (free, taken, times) in [(8e6, 6.4e6, 1.25), (-1.0, 5.0, 0.0), (8e6, 0.0, 8e6)] {
            assert!((headroom(free, taken) - times).abs() < 1e-6, "{free} {taken}");
        }
    }

    #[test]
    fn what_nobody_knows_the_rate_of_is_not_paced() {
        for object in [
            Object { target_duration: TARGET, ..Object::default() },
            rung(0, None),
            Object { bytes: Some(9), ..Object::default() },
        ] {
            assert_eq!(pacing(4.0).pace(&object, BURST), Pace::Free, "{object:?}");
        }
    }

    #[test]
    fn with_a_multiple_of_zero_nobody_is_paced() {
        assert!(!pacing(0.0).is_on() && pacing(1.0).is_on());
        assert_eq!(pacing(0.0).pace(&rung(2_000_000, None), BURST), Pace::Free);
    }

    #[test]
    fn media_time_goes_by_the_rate_that_it_takes_to_play_them() {
        let object = Object { bytes: Some(1_000_000), ..rung(1_000_000, None) };
        assert_eq!(object.time_of(Some(1_000_000)), TARGET, "larger than its rung says: its own rate");
        assert_eq!(object.time_of(Some(250_000)), TARGET / 4, "a range");
        assert_eq!(object.time_of(None), TARGET, "still arriving");
        let header = Object { bytes: Some(1_250), ..rung(1_000_000, None) };
        assert_eq!(header.time_of(Some(1_250)), Duration::from_millis(10), "hardly any media");
        assert_eq!(object.time_of(Some(u64::MAX)), Duration::from_nanos(u64::MAX), "nonsense, and no panic");
    }

    #[test]
    fn a_multiple_at_which_nobody_could_play_is_refused() {
        for number in [-1.0, 0.5, f64::NAN, f64::INFINITY] {
            let said = Multiple::try_from(number).unwrap_err().to_string();
            assert!(said.contains("from 1 on"), "{said}");
        }
        assert_eq!(Multiple::try_from(4.0).map(f64::from), Ok(4.0));
    }

    #[test]
    fn numbers_beyond_any_line_saturate() {
        assert_eq!(limit(4.0, &rung(u64::MAX, Some(u64::MAX))), u64::MAX);
    }
}
