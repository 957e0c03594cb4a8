//! A count of things that are forgotten by themselves after ten seconds, without a lock: a ring of one-second buckets, each
//! one atomic word that holds the second it counts and its count.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Time;

/// Seconds that a bucket lives. A player opens its first playlist within a few; what did not happen in ten will not.
pub const LIFETIME_S: u32 = 10;

/// What was counted in the last [`LIFETIME_S`] seconds.
#[derive(Debug, Default)]
pub(super) struct Buckets([AtomicU64; LIFETIME_S as usize]);

impl Buckets {
    pub(super) fn add(&self, count: u32, now: Time) {
        let second = second(now);
        let add = |word| Some(word_of(second, count_of(word, second).saturating_add(count)));
        // The closure never declines, so there is nothing to learn from the result.
        let _ = self.bucket(second).fetch_update(Relaxed, Relaxed, add);
    }

    /// Takes up to `count` of those counted `age` seconds ago, and says how many it took.
    pub(super) fn take(&self, count: u32, age: u32, now: Time) -> u32 {
        let second = second(now).wrapping_sub(age);
        let less = |word| match count_of(word, second) {
            0 => None,
            held => Some(word_of(second, held.saturating_sub(count))),
        };
        let before = self.bucket(second).fetch_update(Relaxed, Relaxed, less);
        before.map_or(0, |word| count_of(word, second).min(count))
    }

    /// All that is still counted.
    pub(super) fn sum(&self, now: Time) -> u32 {
        let living = (0..LIFETIME_S).map(|age| second(now).wrapping_sub(age));
        living.map(|second| count_of(self.bucket(second).load(Relaxed), second)).fold(0, u32::saturating_add)
    }

    fn bucket(&self, second: u32) -> &AtomicU64 {
        &self.0[(second % LIFETIME_S) as usize]
    }
}

/// The second of `now`; it wraps, and only differences mean anything.
fn second(now: Time) -> u32 {
    u32::try_from(now.as_millis() / 1000 % (1 << 32)).expect("a remainder of 2^32 fits into 32 bits")
}

const fn word_of(second: u32, count: u32) -> u64 {
    ((second as u64) << 32) | count as u64
}

/// The count of `second` in `word`: none, if the word is of an older round.
fn count_of(word: u64, second: u32) -> u32 {
    let [a, b, c, d, count @ ..] = word.to_be_bytes();
    if u32::from_be_bytes([a, b, c, d]) == second { u32::from_be_bytes(count) } else { 0 }
}
