//! The primary's own numbers for the segments of a stream: one offset to the upstream's, for all renditions.
//!
//! An upstream's numbers go back when its encoder starts again, and start at any value. Ours only grow, so that a URL never changes
//! what it names: the first is the time in quarters of a second, each next one is one more. As long as segments last longer
//! than that, numbers stay behind the clock, so after the primary's own restart they go on above all that it ever gave, with
//! nothing to remember. Whole seconds were too coarse: a stream begins with several segments at once, and some have segments
//! of a second, so that one that was started again at once would repeat numbers. The time counts from 2026, because some
//! players keep a number in 31 bits: these last until 2043.
//!
//! All renditions share an offset, because players take equal numbers of two renditions for the same moment. A rendition whose
//! upstream numbers have nothing to do with the others' gets an offset of its own.
//!
//! A VOD is the exception: its list is complete and the same at every start, so it keeps the numbers that it has.

use std::collections::{BTreeMap, VecDeque};

/// How far apart the numbers of renditions may be and still be meant as the same count: a rendition that comes back after half
/// an hour of 2 s segments.
pub(crate) const ALIGNED: u64 = 1000;

/// Offsets that are remembered: one for each unlike count among the renditions, and their last restarts.
const MAX_OFFSETS: usize = 16;

/// How many segments a rendition may have listed while another already noticed the restart.
const OVERLAP: u64 = 3;

/// Discontinuities that are remembered: more than there are in the time that renditions can be apart.
const MAX_DISCONTINUITIES: usize = 64;

/// From when numbers count: 2026-01-01T00:00:00Z, as Unix time in milliseconds.
const EPOCH_UNIX_MS: u64 = 1_767_225_600_000;

/// What one segment is given of the clock: a quarter of a second. What a stream begins with, three segments, is three quarters
/// of a second ahead of it, and no program is started again sooner.
const SEGMENT_PACE_MS: u64 = 250;

/// What one discontinuity is given of the clock: ten minutes. Sources with more of them than that on average outrun the clock,
/// and a stream that starts again within it repeats a count; both do no harm, because segment numbers go on.
const DISCONTINUITY_PACE_MS: u64 = 600_000;

/// The media sequence number that a stream begins with at `now_unix_ms` (RFC 8216bis 4.4.3.2).
#[must_use]
pub fn first_sequence(now_unix_ms: u64) -> u64 {
    now_unix_ms.saturating_sub(EPOCH_UNIX_MS) / SEGMENT_PACE_MS
}

/// The discontinuity sequence number that a stream begins with at `now_unix_ms`, so that it grows over our restart with nothing
/// to remember (RFC 8216bis 4.4.3.3). It must stay small: hls.js 1.7.4 keeps an array by it and walks that from 0 at every
/// reload, which for the Unix time itself takes it a minute.
#[must_use]
pub fn first_discontinuity_sequence(now_unix_ms: u64) -> u64 {
    now_unix_ms.saturating_sub(EPOCH_UNIX_MS) / DISCONTINUITY_PACE_MS
}

/// What players know a segment by, within its rendition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Media sequence number.
    pub sequence: u64,
    /// Discontinuity sequence number: how many discontinuities came before it, one right before it included.
    pub discontinuity_sequence: u64,
}

/// The numbers of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering {
    first: Position,
    newest: Position,
    /// Oldest first.
    offsets: VecDeque<Offset>,
    /// By the numbers at which they begin, the counts from there on.
    discontinuities: BTreeMap<u64, u64>,
}

/// How a rendition's upstream numbers become ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// Counts the offsets of the stream.
    generation: u64,
    upstream: Position,
    ours: Position,
}

impl Numbering {
    /// The numbers of a stream that begins at `now_unix_ms`, milliseconds since the Unix epoch.
    #[must_use]
    pub fn starting_at(now_unix_ms: u64) -> Self {
        let first = Position {
            sequence: first_sequence(now_unix_ms),
            discontinuity_sequence: first_discontinuity_sequence(now_unix_ms),
        };
        Self { first, newest: first, offsets: VecDeque::new(), discontinuities: BTreeMap::new() }
    }

    /// The offset of a rendition whose first list begins at `upstream`.
    pub fn join(&mut self, upstream: Position) -> Offset {
        let fits = |offset: &&Offset| self.number(**offset, upstream).is_some();
        let known = self.offsets.iter().rev().find(fits).copied();
        known.unwrap_or_else(|| self.add(upstream, self.first))
    }

    /// The offset of a rendition, listed as far as `last`, whose upstream began anew at `upstream`. The first rendition to notice
    /// decides for all; those that come after it may find that their first few numbers are given already.
    pub fn restart(&mut self, before: Offset, last: u64, upstream: Position) -> Offset {
        let fits = |offset: &&Offset| {
            offset.generation > before.generation
                && self.number(**offset, upstream).is_some_and(|number| number + OVERLAP > last)
        };
        let known = self.offsets.iter().rev().find(fits).copied();
        known.unwrap_or_else(|| {
            let Position { sequence, discontinuity_sequence } = self.newest;
            let ours =
                Position { sequence: sequence + 1, discontinuity_sequence: discontinuity_sequence + 1 };
            self.add(upstream, ours)
        })
    }

    fn add(&mut self, upstream: Position, ours: Position) -> Offset {
        let generation = self.offsets.back().map_or(0, |offset| offset.generation + 1);
        let offset = Offset { generation, upstream, ours };
        self.offsets.push_back(offset);
        if self.offsets.len() > MAX_OFFSETS {
            self.offsets.pop_front();
        }
        offset
    }

    /// The number by `offset`, if it is of the same count.
    fn number(&self, offset: Offset, upstream: Position) -> Option<u64> {
        offset.number(upstream.sequence).filter(|n| n.abs_diff(self.newest.sequence) <= ALIGNED)
    }

    /// Notes that a segment was listed as `ours`.
    pub fn gave(&mut self, ours: Position) {
        if ours.sequence > self.newest.sequence {
            if ours.discontinuity_sequence > self.newest.discontinuity_sequence {
                self.discontinuities.insert(ours.sequence, ours.discontinuity_sequence);
            }
            if self.discontinuities.len() > MAX_DISCONTINUITIES {
                self.discontinuities.pop_first();
            }
            self.newest = ours;
        }
    }

    /// Whether a rendition that was at `count`, and has been away until `number`, missed a discontinuity. If no other rendition
    /// has been there before, it may have.
    #[must_use]
    pub fn missed_discontinuity(&self, count: u64, number: u64) -> bool {
        let there = self.discontinuities.range(..=number).next_back().map(|(_, count)| *count);
        number > self.newest.sequence + 1 || there.is_some_and(|there| there > count)
    }
}

impl Offset {
    /// Numbers as they are, for a VOD.
    pub const NONE: Self = {
        let start = Position { sequence: 0, discontinuity_sequence: 0 };
        Self { generation: 0, upstream: start, ours: start }
    };

    /// Our number of the upstream's segment `sequence`; none where there is no such number.
    #[must_use]
    pub fn number(&self, sequence: u64) -> Option<u64> {
        shifted(self.upstream.sequence, self.ours.sequence, sequence)
    }

    /// The discontinuity sequence number of a rendition's first segment, which has `count` at the upstream: renditions whose
    /// first lists begin on different sides of a discontinuity agree all the same.
    #[must_use]
    pub fn discontinuity_sequence(&self, count: u64) -> u64 {
        let (upstream, ours) = (self.upstream.discontinuity_sequence, self.ours.discontinuity_sequence);
        let near = count.abs_diff(upstream) <= ALIGNED;
        shifted(upstream, ours, count).filter(|_| near).unwrap_or(ours)
    }
}

fn shifted(from: u64, to: u64, value: u64) -> Option<u64> {
    if value >= from { to.checked_add(value - from) } else { to.checked_sub(from - value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_795_176_000_000;
    /// What begins at that time.
    const NOW: u64 = 111_801_600;
    const COUNT: u64 = 46_584;

    fn at(sequence: u64) -> Position {
        Position { sequence, discontinuity_sequence: 0 }
    }

    #[test]
    fn the_first_number_is_the_time_and_renditions_share_the_offset() {
        let mut numbering = Numbering::starting_at(NOW_MS);
        let one = numbering.join(at(40));
        assert_eq!(one.number(40), Some(NOW));
        assert_eq!(numbering.join(at(41)), one);
        assert_eq!(one.number(41), Some(NOW + 1));
    }

    #[test]
    fn renditions_with_other_counts_get_their_own_offset() {
        let mut numbering = Numbering::starting_at(NOW_MS);
        let video = numbering.join(at(40));
        let audio = numbering.join(at(9_000_000_000));
        assert_eq!(audio.number(9_000_000_000), Some(NOW));
        assert_eq!(audio.number(5), None);
        let again = numbering.restart(audio, NOW, at(0));
        assert_eq!(again.number(0), Some(NOW + 1));
        assert_eq!(video.number(41), Some(NOW + 1));
    }

    #[test]
    fn a_rendition_that_comes_back_late_is_in_step_with_the_others() {
        let mut numbering = Numbering::starting_at(NOW_MS);
        let one = numbering.join(at(0));
        numbering.gave(at(NOW + 5000));
        assert_eq!(numbering.join(at(4990)), one);
    }

    #[test]
    fn numbers_go_on_through_a_restart_that_the_renditions_notice_one_after_another() {
        let mut numbering = Numbering::starting_at(NOW_MS);
        let before = numbering.join(at(700));
        numbering.gave(Position { sequence: NOW + 30, discontinuity_sequence: COUNT + 2 });
        let one = numbering.restart(before, NOW + 30, at(0));
        assert_eq!((one.number(0), one.discontinuity_sequence(0)), (Some(NOW + 31), COUNT + 3));
        numbering.gave(at(NOW + 33));
        assert_eq!(numbering.restart(before, NOW + 31, at(1)), one);
        let next = numbering.restart(one, NOW + 33, at(0));
        assert_eq!(next.number(0), Some(NOW + 34));
    }

    #[test]
    fn numbers_stay_behind_the_clock_and_within_31_bits() {
        assert_eq!((first_sequence(NOW_MS), first_sequence(NOW_MS + 250)), (NOW, NOW + 1));
        let in_ten_years = NOW_MS + 10 * 365 * 24 * 3_600_000;
        assert!(first_sequence(in_ten_years) < 1 << 31);
    }

    #[test]
    fn counts_of_discontinuities_grow_with_the_clock_and_stay_small() {
        assert_eq!(first_discontinuity_sequence(NOW_MS), COUNT);
        assert!(first_discontinuity_sequence(NOW_MS + 600_000) > COUNT);
        let in_ten_years = NOW_MS + 10 * 365 * 24 * 3_600_000;
        assert!(first_discontinuity_sequence(in_ten_years) < 1_000_000);
    }

    #[test]
    fn first_lists_on_both_sides_of_a_discontinuity_agree_on_the_count() {
        let mut numbering = Numbering::starting_at(NOW_MS);
        let one = numbering.join(Position { sequence: 10, discontinuity_sequence: 7 });
        assert_eq!(one.discontinuity_sequence(7), COUNT);
        assert_eq!(one.discontinuity_sequence(8), COUNT + 1);
        assert_eq!(one.discontinuity_sequence(6), COUNT - 1);
        assert_eq!(one.discontinuity_sequence(70_000), COUNT);
    }

    #[test]
    fn a_vod_keeps_its_numbers() {
        assert_eq!((Offset::NONE.number(0), Offset::NONE.number(17)), (Some(0), Some(17)));
    }
}
