//! The rungs of one session: which it asks for, which it was given, and which its own line carries.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use policy::Time;

/// What is known of one session's rungs, each by its place in the ladder, the lowest first.
#[derive(Debug)]
pub(super) struct Rungs {
    /// The one that it asked for last; [`NONE`] before it asked for one.
    asked: AtomicU32,
    /// Since when it has asked for no other.
    asked_since: AtomicU64,
    /// Those whose playlists it was given, a bit each. Those above the 64th count as given.
    given: AtomicU64,
    /// It has asked for a lower one than before, and not only to look at it as it began (ffmpeg looks at all of them, in any order, at
    /// some twice): its player goes by the speed that it measures.
    adapts: AtomicBool,
    /// The highest that its own line carries; [`NONE`] before that was ever decided.
    carried: AtomicU32,
}

/// No rung of the ladder.
const NONE: u32 = u32::MAX;

impl Rungs {
    /// Those of a session that asks for `rung`, or for something that is none.
    pub(super) fn new(rung: Option<usize>, now: Time) -> Self {
        Self {
            asked: AtomicU32::new(rung.map_or(NONE, number)),
            asked_since: AtomicU64::new(now.as_millis()),
            given: AtomicU64::new(0),
            adapts: AtomicBool::new(false),
            carried: AtomicU32::new(NONE),
        }
    }

    /// Notes the rung that it asks for. Who `begins` may only look at it.
    pub(super) fn asks_for(&self, rung: usize, begins: bool, now: Time) {
        let (before, rung) = (self.asked.load(Relaxed), number(rung));
        if before != rung {
            self.asked_since.store(now.as_millis(), Relaxed);
            if rung < before && before != NONE && !begins {
                self.adapts.store(true, Relaxed);
            }
            self.asked.store(rung, Relaxed);
        }
    }

    /// Whether it was not given this rung's playlist here before; never for what is no rung.
    pub(super) fn is_first(&self, rung: Option<usize>) -> bool {
        rung.and_then(bit).is_some_and(|bit| self.given.load(Relaxed) & bit == 0)
    }

    /// Notes that it is given this rung's playlist. Whether that is the first time here.
    pub(super) fn note_given(&self, rung: usize) -> bool {
        bit(rung).is_some_and(|bit| self.given.fetch_or(bit, Relaxed) & bit == 0)
    }

    /// It may have been given all of them.
    pub(super) fn all_were_given(&self) {
        self.given.store(u64::MAX, Relaxed);
    }

    /// Decides up to which rung its own line carries.
    pub(super) fn carries(&self, rung: usize) {
        self.carried.store(number(rung), Relaxed);
    }

    /// The one that it is sent, for all that it asks for and its own line carries; none before it asked for one.
    pub(super) fn sent(&self) -> Option<usize> {
        let asked = place(self.asked.load(Relaxed))?;
        Some(place(self.carried.load(Relaxed)).map_or(asked, |carried| carried.min(asked)))
    }

    /// Since when it has asked for one rung above `cap`, and for no other; none if it does not, and where it ever went down one.
    pub(super) fn above_since(&self, cap: usize) -> Option<Time> {
        let above = place(self.asked.load(Relaxed)).is_some_and(|asked| asked > cap);
        (above && !self.adapts.load(Relaxed)).then(|| Time::from_millis(self.asked_since.load(Relaxed)))
    }
}

fn number(rung: usize) -> u32 {
    u32::try_from(rung).unwrap_or(NONE)
}

fn place(number: u32) -> Option<usize> {
    usize::try_from(number).ok().filter(|_| number != NONE)
}

/// A rung's bit; none for those above the 64th.
fn bit(rung: usize) -> Option<u64> {
    u32::try_from(rung).ok().and_then(|rung| 1_u64.checked_shl(rung))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    #[test]
    fn a_player_that_looks_at_every_rung_as_it_begins_does_not_adapt_by_that() {
        for given in [false, true] {
            let rungs = Rungs::new(Some(1), at(1_000));
            if given {
                rungs.all_were_given();
            }
            for (rung, ms) in [(1, 1_000), (2, 2_000), (0, 2_000), (1, 2_500), (2, 3_000)] {
                rungs.asks_for(rung, true, at(ms));
                rungs.note_given(rung);
            }
            assert_eq!(rungs.above_since(1), Some(at(3_000)));
        }
    }

    #[test]
    fn a_rung_is_given_for_the_first_time_once() {
        let rungs = Rungs::new(Some(1), at(0));
        assert_eq!([rungs.is_first(Some(1)), rungs.note_given(1), rungs.note_given(1)], [true, true, false]);
        assert_eq!([rungs.is_first(Some(1)), rungs.is_first(Some(0))], [false, true]);
        assert!(!rungs.is_first(None) && !rungs.note_given(64), "the 65th is taken to be known");
        rungs.all_were_given();
        assert!(!rungs.is_first(Some(0)) && !rungs.note_given(0));
    }

    #[test]
    fn who_asks_for_more_than_the_cap_whatever_he_measures_is_known_until_he_adapts() {
        let rungs = Rungs::new(Some(1), at(1_000));
        rungs.asks_for(1, false, at(20_000));
        assert_eq!(rungs.above_since(0), Some(at(1_000)));
        assert_eq!(rungs.above_since(1), None, "it is not above");
        rungs.asks_for(2, false, at(21_000));
        assert_eq!(rungs.above_since(1), Some(at(21_000)));
        rungs.asks_for(1, false, at(22_000));
        rungs.asks_for(2, false, at(23_000));
        assert_eq!(rungs.above_since(0), None, "it adapts");
    }

    #[test]
    fn it_is_sent_what_it_asks_for_as_far_as_its_line_carries() {
        let rungs = Rungs::new(None, at(0));
        rungs.carries(1);
        assert_eq!(rungs.sent(), None, "sound and subtitles are no rung");
        for (asked, sent) in [(2, 1), (1, 1), (0, 0)] {
            rungs.asks_for(asked, true, at(0));
            assert_eq!(rungs.sent(), Some(sent));
        }
    }
}
