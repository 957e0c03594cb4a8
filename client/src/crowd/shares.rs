//! Shares of a whole: `eu=200`, `steers=8`. Weights and counts read the same.

use std::{num::NonZeroU32, str::FromStr};

/// One share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share<T> {
    /// Of what.
    pub of: T,
    /// In proportion to the others.
    pub weight: NonZeroU32,
}

impl<T: FromStr<Err: std::fmt::Display>> FromStr for Share<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, weight) = text.split_once('=').unwrap_or((text, "1"));
        let of = name.trim().parse().map_err(|error: T::Err| error.to_string())?;
        let weight = weight
            .trim()
            .parse()
            .map_err(|_| format!("{weight:?} is no weight: give a whole number above 0, such as {name}=2"))?;
        Ok(Self { of, weight })
    }
}

/// Whose share each of `count` is, as evenly as whole numbers allow, in the order of the shares.
pub(super) fn allot<T: Clone>(shares: &[Share<T>], count: u32) -> Vec<T> {
    let total: u64 = shares.iter().map(|share| u64::from(share.weight.get())).sum();
    let mut allotted = Vec::new();
    let mut weights = 0_u64;
    for share in shares {
        weights += u64::from(share.weight.get());
        // What all shares so far are due, rounded to the nearest; so nobody is lost or added.
        let due = (u64::from(count) * weights + total / 2) / total;
        while (allotted.len() as u64) < due {
            allotted.push(share.of.clone());
        }
    }
    allotted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(text: &[&str]) -> Vec<Share<String>> {
        text.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn counts_that_add_up_are_given_exactly() {
        let allotted = allot(&shares(&["eu=200", "us=100"]), 300);
        assert_eq!(allotted.iter().filter(|region| *region == "eu").count(), 200);
        assert_eq!(allotted.len(), 300);
    }

    #[test]
    fn a_name_alone_weighs_one() {
        assert_eq!(allot(&shares(&["eu", "us"]), 2), ["eu", "us"]);
    }

    proptest! {
        #[test]
        fn everybody_has_a_share_and_no_share_is_off_by_more_than_one(
            weights in proptest::collection::vec(1_u32..50, 1..6), count in 1_u32..500
        ) {
            let shares: Vec<Share<usize>> = weights
                .iter()
                .enumerate()
                .map(|(of, weight)| Share { of, weight: NonZeroU32::new(*weight).unwrap() })
                .collect();
            let allotted = allot(&shares, count);
            prop_assert_eq!(allotted.len(), count as usize);
            let total: u32 = weights.iter().sum();
            for share in &shares {
                let got = allotted.iter().filter(|of| **of == share.of).count() as f64;
                let due = f64::from(count) * f64::from(share.weight.get()) / f64::from(total);
                prop_assert!((got - due).abs() <= 1.0, "{got} for {due}");
            }
        }
    }
}
