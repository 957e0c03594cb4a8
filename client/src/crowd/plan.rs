//! Who comes when, from where, with what player, and when they leave: drawn from the seed before anything happens.

use std::{str::FromStr, time::Duration};

use policy::{Class, Region};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use super::{CrowdArgs, shares::allot};

/// Arrivals per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid =
            || format!("{text:?} is no rate: give viewers per second or minute, such as 20/s or 90/m");
        let (number, per) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match per {
            "s" => 1.0,
            "m" => 60.0,
            _ => return Err(invalid()),
        };
        let number: f64 = number.trim().parse().map_err(|_| invalid())?;
        if number.is_finite() && number > 0.0 { Ok(Self(number / seconds)) } else { Err(invalid()) }
    }
}

/// One viewer to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    /// From 0, in the order of arrival.
    pub(super) number: u32,
    /// After the crowd's start.
    pub(super) arrives: Duration,
    /// After the crowd's start.
    pub(super) leaves: Duration,
    /// None: the manager finds it.
    pub(super) region: Option<Region>,
    pub(super) class: Class,
}

/// The whole crowd, in the order of arrival.
pub(super) fn plan(args: &CrowdArgs) -> Vec<Member> {
    let viewers = args.viewers.get();
    let mut dice = StdRng::seed_from_u64(args.seed);
    let mut classes = allot(&args.mix, viewers);
    classes.shuffle(&mut dice);
    let mut regions: Vec<Option<Region>> = if args.region.is_empty() {
        vec![None; viewers as usize]
    } else {
        allot(&args.region, viewers).into_iter().map(Some).collect()
    };
    regions.shuffle(&mut dice);
    let mut order: Vec<u32> = (0..viewers).collect();
    order.shuffle(&mut dice);
    (0..viewers)
        .zip(regions.into_iter().zip(classes))
        .zip(order)
        .map(|((number, (region, class)), place)| Member {
            number,
            arrives: Duration::from_secs_f64(f64::from(number) / args.rate.0),
            leaves: args.duration + args.ramp_down.mul_f64(f64::from(place) / f64::from(viewers)),
            region,
            class,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CrowdArgs,
    }

    fn planned(line: &str) -> Vec<Member> {
        plan(&Line::parse_from(std::iter::once("crowd").chain(line.split_whitespace())).args)
    }

    #[test]
    fn regions_and_classes_come_in_their_shares_and_a_seed_draws_the_same_crowd() {
        let line = "--viewers 30 --region eu=20 --region us=10 --mix steers=2,watches=1 --seed 7";
        let crowd = planned(line);
        assert_eq!(crowd.iter().filter(|member| member.class == Class::Steers).count(), 20);
        let eu = crowd.iter().filter(|member| member.region.as_ref().is_some_and(|r| r.as_str() == "eu"));
        assert_eq!(eu.count(), 20);
        assert_eq!(crowd, planned(line));
        assert_ne!(crowd, planned(&line.replace("seed 7", "seed 8")));
    }

    #[test]
    fn they_arrive_at_the_rate_and_leave_over_the_ramp() {
        let crowd = planned("--viewers 10 --rate 5/s --duration 60s --ramp-down 20s");
        assert_eq!(crowd[5].arrives, Duration::from_secs(1));
        let mut leaves: Vec<Duration> = crowd.iter().map(|member| member.leaves).collect();
        leaves.sort();
        assert_eq!((leaves[0], leaves[9]), (Duration::from_secs(60), Duration::from_secs(78)));
    }

    #[test]
    fn a_rate_is_per_second_or_minute() {
        assert_eq!("90/m".parse(), Ok(Rate(1.5)));
        assert_eq!("2".parse(), Ok(Rate(2.0)));
        for bad in ["", "0", "-1/s", "1/h", "fast", "inf"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
