//! Two renditions, compared segment by segment.

use super::{COMPARED_AGAIN, FIRST_COMPARED, Reason, reason::Seconds};
use crate::{
    switching::{Look, Packing, Start},
    url::Rendition,
};

/// Times in a transport stream have 33 bits and begin at 0 again.
const TS_TIMES: u64 = 1 << 33;

/// By how much times in a transport stream may differ: encoders round to a tick, each its own way.
const TS_ROUNDING: u64 = 1;

/// How two renditions go together.
#[derive(Debug, Clone, Default)]
pub(super) struct Pair {
    /// Segments without a difference since the last one with one.
    alike: u32,
    /// What was last the matter, said of the lower and of the higher rung.
    apart: Option<(Reason, Reason)>,
}

impl Pair {
    pub(super) fn is_aligned(&self) -> bool {
        self.apart.is_none() && self.alike >= FIRST_COMPARED
    }

    /// Whether it is too early to say.
    pub(super) fn is_open(&self) -> bool {
        self.apart.is_none() && self.alike < FIRST_COMPARED
    }

    /// What is the matter, said of the lower or of the higher rung.
    pub(super) fn reason(&self, lower: bool) -> Option<&Reason> {
        self.apart.as_ref().map(|(low, high)| if lower { low } else { high })
    }

    /// They are not aligned.
    pub(super) fn part(&mut self, lower: Reason, higher: Reason) {
        self.alike = 0;
        self.apart = Some((lower, higher));
    }

    /// Compares their segments of one number.
    pub(super) fn compare(
        &mut self,
        (lower, low): (&Rendition, &Look),
        (higher, high): (&Rendition, &Look),
        sequence: u64,
    ) {
        if let Some(matter) = difference(low, high) {
            let ours = matter.said_of(sequence, higher, false);
            return self.part(ours, matter.said_of(sequence, lower, true));
        }
        self.alike = self.alike.saturating_add(1);
        if self.alike >= COMPARED_AGAIN {
            self.apart = None;
        }
    }
}

/// What differs: first what the lower rung has, then the higher.
enum Difference {
    Traits(String, String),
    Time(u32, Seconds, Seconds),
}

impl Difference {
    /// As the matter of the rung that is `higher` or not, compared with `other`.
    fn said_of(&self, sequence: u64, other: &Rendition, higher: bool) -> Reason {
        let other = other.clone();
        match self {
            Self::Traits(low, high) => {
                let (ours, theirs) = if higher { (high, low) } else { (low, high) };
                Reason::Unlike { sequence, ours: ours.clone(), other, theirs: theirs.clone() }
            }
            Self::Time(track, low, high) => {
                let (ours, theirs) = if higher { (*high, *low) } else { (*low, *high) };
                Reason::Shifted { sequence, track: *track, ours, other, theirs }
            }
        }
    }
}

fn difference(low: &Look, high: &Look) -> Option<Difference> {
    if let Some((low, high)) = low.traits.difference(&high.traits) {
        return Some(Difference::Traits(low, high));
    }
    let tracks = |look: &Look| look.starts.iter().map(|start| start.track).collect::<Vec<_>>();
    let (in_low, in_high) = (tracks(low), tracks(high));
    if in_low != in_high {
        let said = |tracks| format!("samples of tracks {tracks:?}");
        return Some(Difference::Traits(said(in_low), said(in_high)));
    }
    low.starts.iter().zip(&high.starts).find_map(|(one, other)| shift(low, *one, *other))
}

fn shift(look: &Look, low: Start, high: Start) -> Option<Difference> {
    let ts = matches!(look.traits.packing, Packing::Ts { .. });
    let same = |one: u64, other: u64| {
        let apart = one.abs_diff(other);
        apart == 0 || ts && apart.min(TS_TIMES.saturating_sub(apart)) <= TS_ROUNDING
    };
    let times = [(low.presented, high.presented), (low.decoded, high.decoded)];
    let (one, other) = times.into_iter().find(|(one, other)| !same(*one, *other))?;
    let track = look.traits.tracks.iter().find(|track| track.id == low.track);
    let seconds = |units| Seconds { units, timescale: track.map_or(1, |track| track.timescale) };
    Some(Difference::Time(low.track, seconds(one), seconds(other)))
}
