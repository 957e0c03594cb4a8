//! The primary's own numbers for the segments of a stream: one offset to the upstream's, for all renditions.
//!
//! An upstream's numbers go back when its encoder starts again, and start at any value. Ours only grow, so that a URL never changes
//! what it names: the first is the Unix time in seconds, each next one is one more. As long as segments last a second or
//! more, numbers stay behind the clock, so after the primary's own restart they go on above all that it ever gave, with
//! nothing to remember.
//!
//! All renditions share an offset, because players take equal numbers of two renditions for the same moment. A rendition whose
//! upstream numbers have nothing to do with the others' gets an offset of its own.
//!
//! A VOD is the exception: its list is complete and the same at every start, so it keeps the numbers that it has.

/// How far apart the numbers of renditions may be and still be meant as the same count: a rendition that comes back after half
/// an hour of 2 s segments.
const ALIGNED: u64 = 1000;

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
    first: u64,
    current: Option<Offset>,
    newest: Position,
}

/// How one rendition's upstream numbers become ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// Counts the restarts of the upstream.
    generation: u64,
    upstream: Position,
    ours: Position,
}

impl Numbering {
    /// The numbers of a stream that begins at `now_unix_s`, seconds since the Unix epoch.
    #[must_use]
    pub fn starting_at(now_unix_s: u64) -> Self {
        let newest = Position { sequence: now_unix_s, discontinuity_sequence: now_unix_s };
        Self { first: now_unix_s, current: None, newest }
    }

    /// The offset of a rendition whose first list begins at `upstream`.
    pub fn join(&mut self, upstream: Position) -> Offset {
        let ours = Position { sequence: self.first, discontinuity_sequence: self.first };
        let current = *self.current.get_or_insert(Offset { generation: 0, upstream, ours });
        self.aligned(current, upstream).unwrap_or(Offset { upstream, ours: current.ours, ..current })
    }

    /// The offset of a rendition whose upstream began anew, at `upstream`. The first rendition to notice decides for all.
    pub fn restart(&mut self, before: Offset, upstream: Position) -> Offset {
        let anew = |generation, newest: Position| {
            let Position { sequence, discontinuity_sequence } = newest;
            let ours =
                Position { sequence: sequence + 1, discontinuity_sequence: discontinuity_sequence + 1 };
            Offset { generation, upstream, ours }
        };
        match self.current {
            Some(current) if current.generation > before.generation => {
                self.aligned(current, upstream).unwrap_or(anew(current.generation, self.newest))
            }
            _ => *self.current.insert(anew(before.generation + 1, self.newest)),
        }
    }

    /// Notes that a segment was listed as `ours`.
    pub fn gave(&mut self, ours: Position) {
        if ours.sequence > self.newest.sequence {
            self.newest = ours;
        }
    }

    fn aligned(&self, offset: Offset, upstream: Position) -> Option<Offset> {
        offset
            .number(upstream.sequence)
            .filter(|n| n.abs_diff(self.newest.sequence) <= ALIGNED)
            .map(|_| offset)
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

    const NOW: u64 = 1_763_640_000;

    fn at(sequence: u64) -> Position {
        Position { sequence, discontinuity_sequence: 0 }
    }

    #[test]
    fn the_first_number_is_the_time_and_renditions_share_the_offset() {
        let mut numbering = Numbering::starting_at(NOW);
        let one = numbering.join(at(40));
        assert_eq!(one.number(40), Some(NOW));
        assert_eq!(numbering.join(at(41)), one);
        assert_eq!(one.number(41), Some(NOW + 1));
    }

    #[test]
    fn renditions_with_other_counts_get_their_own_offset() {
        let mut numbering = Numbering::starting_at(NOW);
        let video = numbering.join(at(40));
        let audio = numbering.join(at(9_000_000_000));
        assert_eq!(audio.number(9_000_000_000), Some(NOW));
        assert_eq!(audio.number(5), None);
        let again = numbering.restart(audio, at(0));
        assert_eq!(again.number(0), Some(NOW + 1));
        assert_eq!(video.number(41), Some(NOW + 1));
    }

    #[test]
    fn a_rendition_that_comes_back_late_is_in_step_with_the_others() {
        let mut numbering = Numbering::starting_at(NOW);
        let one = numbering.join(at(0));
        numbering.gave(at(NOW + 5000));
        assert_eq!(numbering.join(at(4990)), one);
    }

    #[test]
    fn numbers_go_on_through_a_restart_that_the_renditions_notice_one_after_another() {
        let mut numbering = Numbering::starting_at(NOW);
        let before = numbering.join(at(700));
        numbering.gave(Position { sequence: NOW + 30, discontinuity_sequence: NOW + 2 });
        let one = numbering.restart(before, at(0));
        assert_eq!((one.number(0), one.discontinuity_sequence(0)), (Some(NOW + 31), NOW + 3));
        numbering.gave(at(NOW + 33));
        assert_eq!(numbering.restart(before, at(1)), one);
        let next = numbering.restart(one, at(0));
        assert_eq!(next.number(0), Some(NOW + 34));
    }

    #[test]
    fn first_lists_on_both_sides_of_a_discontinuity_agree_on_the_count() {
        let mut numbering = Numbering::starting_at(NOW);
        let one = numbering.join(Position { sequence: 10, discontinuity_sequence: 7 });
        assert_eq!(one.discontinuity_sequence(7), NOW);
        assert_eq!(one.discontinuity_sequence(8), NOW + 1);
        assert_eq!(one.discontinuity_sequence(6), NOW - 1);
        assert_eq!(one.discontinuity_sequence(70_000), NOW);
    }

    #[test]
    fn a_vod_keeps_its_numbers() {
        assert_eq!((Offset::NONE.number(0), Offset::NONE.number(17)), (Some(0), Some(17)));
    }
}
