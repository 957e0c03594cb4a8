//! Which segment comes next: each exactly once and in order, whichever server lists it.
//!
//! Numbers are the primary's and the same on every server, so the place in the stream is one number, and a move between servers
//! does not touch it.

use super::listing::{Entry, Listing};

/// How many target durations before the end of a live playlist playing starts (RFC 8216bis 6.3.3).
const START_BEFORE_END: u32 = 3;

/// A place in a stream.
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    next: Option<u64>,
    first: Option<u64>,
    missed: u64,
}

impl Cursor {
    /// The segment to load next, if `listing` has it. At the first listing this chooses where to start; where the segments to
    /// load next have left the list already, it goes on with the oldest that is left.
    pub fn next<'a>(&mut self, listing: &'a Listing) -> Option<&'a Entry> {
        let wanted = *self.next.get_or_insert_with(|| start_of(listing));
        let entry = listing.segments.iter().find(|entry| entry.sequence >= wanted)?;
        Some(entry)
    }

    /// `sequence` has been loaded, or is known to be missing for good.
    pub fn done(&mut self, sequence: u64, missing: bool) {
        let hole = self.next.map_or(0, |next| sequence.saturating_sub(next));
        // Before the first segment nothing can be missed: that is where playing starts.
        if self.first.is_some() {
            self.missed += hole;
        }
        self.missed += u64::from(missing);
        if !missing {
            self.first.get_or_insert(sequence);
        }
        self.next = Some(sequence + 1);
    }

    /// The first segment that was loaded.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.first
    }

    /// The newest segment that was loaded.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.first.and(self.next).map(|next| next - 1)
    }

    /// How many segments could not be had.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

fn start_of(listing: &Listing) -> u64 {
    let oldest = listing.segments.first().map_or(0, |entry| entry.sequence);
    if listing.ended {
        return oldest;
    }
    let distance = listing.target * START_BEFORE_END;
    let mut behind = std::time::Duration::ZERO;
    for entry in listing.segments.iter().rev() {
        behind += entry.duration;
        if behind >= distance {
            return entry.sequence;
        }
    }
    oldest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::player::listing::tests::listing;

    #[test]
    fn a_live_stream_starts_three_target_durations_before_its_end_and_a_finished_one_at_its_beginning() {
        let live = listing(100..=109);
        assert_eq!(Cursor::default().next(&live).unwrap().sequence, 107);
        let ended = Listing { ended: true, ..live };
        assert_eq!(Cursor::default().next(&ended).unwrap().sequence, 100);
    }

    #[test]
    fn a_list_shorter_than_three_target_durations_is_played_from_its_beginning() {
        assert_eq!(Cursor::default().next(&listing(5..=6)).unwrap().sequence, 5);
    }

    #[test]
    fn what_has_left_the_list_is_missed_and_counted() {
        let mut cursor = Cursor::default();
        cursor.next(&listing(1..=3));
        cursor.done(1, false);
        assert_eq!(cursor.next(&listing(5..=8)).unwrap().sequence, 5);
        cursor.done(5, false);
        assert_eq!((cursor.missed(), cursor.first(), cursor.newest()), (3, Some(1), Some(5)));
    }

    proptest! {
        /// Servers are behind each other by some segments, and each serves the same window of numbers as time goes on.
        #[test]
        fn no_segment_is_skipped_or_loaded_twice_across_moves(
            steps in proptest::collection::vec((0_u64..3, 0_u64..3, any::<bool>()), 1..80)
        ) {
            let (mut cursor, mut live_edge, mut loaded) = (Cursor::default(), 50_u64, Vec::new());
            for (pass, lag, load_all) in steps {
                live_edge += pass;
                let newest = live_edge - lag;
                let listing = listing(newest - 19..=newest);
                while let Some(entry) = cursor.next(&listing).cloned() {
                    cursor.done(entry.sequence, false);
                    loaded.push(entry.sequence);
                    if !load_all && loaded.len() % 2 == 0 {
                        break;
                    }
                }
                // A player that loads one segment where two appear falls behind; this one is never 20 behind.
                if let Some(newest_loaded) = loaded.last() {
                    prop_assume!(live_edge - newest_loaded < 17);
                }
            }
            prop_assert!(loaded.windows(2).all(|pair| pair[1] == pair[0] + 1), "{loaded:?}");
            prop_assert_eq!(cursor.missed(), 0);
        }
    }

    #[test]
    fn segments_shorter_than_the_target_duration_are_counted_by_their_length() {
        let mut live = listing(1..=20);
        live.segments.iter_mut().for_each(|entry| entry.duration = Duration::from_secs(1));
        assert_eq!(Cursor::default().next(&live).unwrap().sequence, 15);
    }
}
