//! Emptying a relay: who, since when, until when, and when it is over.
//!
//! Steering moves its viewers at the fleet's pace and its part of the redirects falls to nothing; it serves whatever is
//! still asked. It is over when nobody is left and nothing was asked for 2.5 target durations (the relay says `quiet`), or
//! at the deadline, which is never under what a player may take to hear of it. It can be called back at any moment before.

use crate::Time;

/// A relay being emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// When it began.
    pub since: Time,
    /// When it ends at the latest.
    pub deadline: Time,
    /// Whether it can be called back: not where the relay could not serve.
    pub can_return: bool,
}

/// Why a drain is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Nobody is left.
    Empty,
    /// The deadline came.
    Deadline,
}

impl Drain {
    /// Whether it is over for a relay that counts `viewers`, and is `quiet` in a report that knows of the drain.
    #[must_use]
    pub fn over(&self, viewers: u32, quiet: bool, now: Time) -> Option<Drained> {
        if viewers == 0 && quiet {
            Some(Drained::Empty)
        } else if now >= self.deadline {
            Some(Drained::Deadline)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_is_over_when_nobody_is_left_and_nothing_is_asked_or_at_its_deadline() {
        let drain = Drain { since: Time::from_millis(0), deadline: Time::from_millis(100), can_return: true };
        let at = Time::from_millis;
        assert_eq!(drain.over(1, true, at(50)), None);
        assert_eq!(drain.over(0, false, at(50)), None);
        assert_eq!(drain.over(0, true, at(50)), Some(Drained::Empty));
        assert_eq!(drain.over(1, false, at(100)), Some(Drained::Deadline));
    }
}
