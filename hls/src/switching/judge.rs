//! Which renditions of a ladder form a switching set, judged by their segments as they come.
//!
//! Every two renditions are a pair, compared wherever both have a segment of one number: aligned where all that players rely on is
//! the same and every track begins at the same time. A set is made of renditions of which each is aligned with all others.
//!
//! | a pair | is aligned |
//! |---|---|
//! | of which nothing is known | after `FIRST_COMPARED` segments without a difference |
//! | that is aligned | until the first difference, or a segment that cannot stand for another |
//! | that is apart | after `COMPARED_AGAIN` segments without a difference |
//!
//! Segments may come in any order, and a rendition that has none for a while changes nothing: nobody can list what is not there.

mod pair;
mod reason;

use std::collections::BTreeMap;

use self::pair::Pair;
pub use self::reason::Reason;
use super::{Look, SwitchingSet, Unfit};
use crate::url::Rendition;

/// One could be chance: encoders that were started apart may once begin a segment at the same time.
const FIRST_COMPARED: u32 = 2;

/// As many as a live list has at the least (RFC 8216bis 6.2.2), so that a rendition that comes and goes stays out.
const COMPARED_AGAIN: u32 = 3;

/// Segments of each rendition that wait for those of the others: more than live lists are apart.
const KEPT: usize = 16;

/// What is known of a ladder.
#[derive(Debug, Clone)]
pub struct Judge {
    /// Lowest bitrate first.
    rungs: Vec<Rung>,
    /// By the places of the lower and the higher rung.
    pairs: BTreeMap<(usize, usize), Pair>,
}

#[derive(Debug, Clone)]
struct Rung {
    rendition: Rendition,
    looks: BTreeMap<u64, Look>,
    standing: Standing,
}

/// How a rendition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Too little has been compared.
    Unknown,
    /// It is in a set with others.
    Member(SwitchingSet),
    /// It is in none.
    Apart(Reason),
}

/// A rendition that stands otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The rendition.
    pub rendition: Rendition,
    /// How it stands now.
    pub standing: Standing,
}

impl Judge {
    /// Of a ladder, lowest bitrate first, nothing is known.
    #[must_use]
    pub fn new(ladder: impl IntoIterator<Item = Rendition>) -> Self {
        let rung = |rendition| Rung { rendition, looks: BTreeMap::new(), standing: Standing::Unknown };
        let rungs: Vec<Rung> = ladder.into_iter().map(rung).collect();
        let all = 0..rungs.len();
        let pairs = all.flat_map(|higher| (0..higher).map(move |lower| ((lower, higher), Pair::default())));
        Self { pairs: pairs.collect(), rungs }
    }

    /// The set that a rendition is in.
    #[must_use]
    pub fn set_of(&self, rendition: &Rendition) -> Option<SwitchingSet> {
        match self.rungs[self.place(rendition)?].standing {
            Standing::Member(set) => Some(set),
            Standing::Unknown | Standing::Apart(_) => None,
        }
    }

    /// Takes in what a rendition's segment is like; gives those that stand otherwise now.
    pub fn observe(&mut self, rendition: &Rendition, sequence: u64, look: Result<Look, Unfit>) -> Vec<Turn> {
        let Some(place) = self.place(rendition) else { return Vec::new() };
        match look {
            Ok(look) => self.compare(place, sequence, look),
            Err(unfit) => self.part(place, &Reason::Unfit { sequence, unfit }),
        }
        self.stand()
    }

    /// A rendition's encoder began anew: nothing of what it was like holds.
    pub fn restarted(&mut self, rendition: &Rendition) -> Vec<Turn> {
        let Some(place) = self.place(rendition) else { return Vec::new() };
        self.rungs[place].looks.clear();
        self.part(place, &Reason::Restarted);
        self.stand()
    }

    fn place(&self, rendition: &Rendition) -> Option<usize> {
        self.rungs.iter().position(|rung| rung.rendition == *rendition)
    }

    fn compare(&mut self, place: usize, sequence: u64, look: Look) {
        for ((lower, higher), pair) in &mut self.pairs {
            let (one, other) = (&self.rungs[*lower], &self.rungs[*higher]);
            let theirs = if place == *lower { other } else { one };
            if let Some(theirs) = theirs.looks.get(&sequence).filter(|_| place == *lower || place == *higher)
            {
                let (low, high) = if place == *lower { (&look, theirs) } else { (theirs, &look) };
                pair.compare((&one.rendition, low), (&other.rendition, high), sequence);
            }
        }
        let looks = &mut self.rungs[place].looks;
        looks.insert(sequence, look);
        if looks.len() > KEPT {
            looks.pop_first();
        }
    }

    /// A rendition is aligned with none, for a reason of its own.
    fn part(&mut self, place: usize, reason: &Reason) {
        for ((lower, higher), pair) in &mut self.pairs {
            if place == *lower {
                pair.part(reason.clone(), Reason::Alone);
            } else if place == *higher {
                pair.part(Reason::Alone, reason.clone());
            }
        }
    }

    /// Forms the sets anew, each beginning with the lowest rung that is in none yet.
    fn stand(&mut self) -> Vec<Turn> {
        let mut sets: Vec<Vec<usize>> = Vec::new();
        for place in 0..self.rungs.len() {
            let fits = |set: &&mut Vec<usize>| set.iter().all(|other| self.pair(*other, place).is_aligned());
            match sets.iter_mut().find(fits) {
                Some(set) => set.push(place),
                None => sets.push(vec![place]),
            }
        }
        sets.retain(|set| set.len() > 1);
        let standings: Vec<Standing> = (0..self.rungs.len()).map(|p| self.standing(p, &sets)).collect();
        let changed = self.rungs.iter_mut().zip(standings).filter_map(|(rung, standing)| {
            let turned = match (&rung.standing, &standing) {
                (Standing::Apart(_), Standing::Apart(_)) => false,
                (before, after) => before != after,
            };
            rung.standing = standing.clone();
            turned.then(|| Turn { rendition: rung.rendition.clone(), standing })
        });
        changed.collect()
    }

    fn standing(&self, place: usize, sets: &[Vec<usize>]) -> Standing {
        if let Some(set) = sets.iter().find(|set| set.contains(&place)) {
            return Standing::Member(self.name(set[0]));
        }
        let others = (0..self.rungs.len()).filter(|other| *other != place);
        let (in_sets, rest): (Vec<usize>, Vec<usize>) =
            others.partition(|other| sets.iter().any(|set| set.contains(other)));
        if rest.iter().chain(&in_sets).any(|other| self.pair(place, *other).is_open()) {
            return Standing::Unknown;
        }
        // What is said of it is what parts it from a set, or else from the rungs below it.
        let below = rest.into_iter().filter(|other| *other < place);
        let said = in_sets.into_iter().chain(below).find_map(|other| self.reason(place, other));
        let own = || (0..self.rungs.len()).find_map(|other| self.reason(place, other));
        Standing::Apart(said.or_else(|| own().filter(Reason::is_own)).unwrap_or(Reason::Alone))
    }

    fn reason(&self, place: usize, other: usize) -> Option<Reason> {
        (place != other).then(|| self.pair(place, other).reason(place < other).cloned())?
    }

    fn pair(&self, one: usize, other: usize) -> &Pair {
        &self.pairs[&(one.min(other), one.max(other))]
    }

    /// A set's name: what its members share, and its lowest rung, so that two sets that are alike and begin at other times differ.
    fn name(&self, lowest: usize) -> SwitchingSet {
        let rung = &self.rungs[lowest];
        let traits = rung.looks.values().next_back().map(|look| look.traits.digest());
        let digest = traits.unwrap_or(crate::fnv::Digest::EMPTY).and(rung.rendition.as_str().as_bytes());
        SwitchingSet::of_digest(digest.value())
    }
}

#[cfg(test)]
mod tests;
