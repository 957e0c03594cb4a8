//! One rung's playlist as viewers get it: the feed's, under the cap.
//!
//! It is made once for each version of the feed's, whoever asks first; all others are given the same. So is what some sessions alone are
//! given, for those who began at the same moment.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use arc_swap::ArcSwapOption;
use hls::{
    Rendition,
    cap::{List, Swaps},
};

use crate::{document::Document, feed::Playlist};

/// The playlist of a rung that stands in for a higher one's.
#[derive(Debug, Clone)]
pub(crate) struct StandIn {
    /// Which rung.
    pub(crate) rendition: Rendition,
    /// Its playlist.
    pub(crate) body: Document,
}

/// A playlist as it is given out.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// The playlist.
    pub(crate) playlist: Playlist,
    /// The rung that its newest segment is taken from, where that is another.
    pub(crate) sent: Option<Rendition>,
}

/// Different lists of sessions alone that are remembered: as many as there are moments in which some began that can still be told apart.
const MOST_ALONE: usize = 64;

/// What one rung's viewers are given.
#[derive(Debug)]
pub(crate) struct Rail {
    swaps: Mutex<Swaps>,
    made: ArcSwapOption<Made>,
    /// What some sessions alone are given, of the newest version that one of them was given.
    alone: Mutex<Vec<Alone>>,
    known: AtomicBool,
    yields: AtomicBool,
    complained: AtomicBool,
}

/// A playlist and what it was made of.
#[derive(Debug)]
struct Made {
    own: Document,
    /// The newest segment of `own`; what is given may not list it yet.
    newest: Option<u64>,
    other: Option<Document>,
    given: Given,
}

/// What sessions alone are given to which the same was listed before.
#[derive(Debug)]
struct Alone {
    before: Swaps,
    after: Swaps,
    made: Made,
}

impl Rail {
    /// Nothing was given out yet.
    pub(super) fn new() -> Self {
        Self {
            swaps: Mutex::default(),
            made: ArcSwapOption::empty(),
            alone: Mutex::default(),
            known: AtomicBool::new(false),
            yields: AtomicBool::new(true),
            complained: AtomicBool::new(false),
        }
    }

    /// Whether anybody has looked yet.
    pub(super) fn is_known(&self) -> bool {
        self.known.load(Relaxed)
    }

    /// Whether other rungs' segments may stand for its own, for all that was seen.
    pub(crate) fn yields(&self) -> bool {
        self.yields.load(Relaxed)
    }

    /// Notes whether they may. True if that has to be said: they may not, and it was not said before.
    pub(crate) fn note_yields(&self, yields: bool) -> bool {
        self.known.store(true, Relaxed);
        self.yields.store(yields, Relaxed);
        let complained = self.complained.swap(!yields, Relaxed);
        !yields && !complained
    }

    /// `own`, whose newest segments are taken from `other` where one is given.
    pub(crate) fn give(&self, own: Playlist, other: Option<StandIn>) -> Given {
        let made = self.made.load();
        if let Some(made) = made.as_ref().filter(|made| made.is_of(&own, other.as_ref())) {
            return made.given.clone();
        }
        // Who asked before the newest was there is given the newest all the same: what the older one lists may be forgotten already.
        if let Some(made) = made.as_ref().filter(|made| made.newest > own.newest) {
            return made.given.clone();
        }
        let given = self.make(own.clone(), other.as_ref());
        let other = other.map(|other| other.body);
        let made = Made { own: own.body, newest: own.newest, other, given: given.clone() };
        self.made.store(Some(std::sync::Arc::new(made)));
        given
    }

    /// `own` as a session alone is given it to which `swaps` was listed before.
    pub(crate) fn give_alone(&self, swaps: &mut Swaps, own: &Playlist, other: Option<&StandIn>) -> Given {
        let before = swaps.clone();
        let same = |alone: &&Alone| alone.made.is_of(own, other) && alone.before == before;
        let alone = || self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Alone { after, made, .. }) = alone().iter().find(same) {
            swaps.clone_from(after);
            return made.given.clone();
        }
        let given = capped(swaps, own.clone(), other);
        let made = Made {
            own: own.body.clone(),
            newest: own.newest,
            other: other.map(|other| other.body.clone()),
            given: given.clone(),
        };
        let mut alone = alone();
        // Who asked before the newest was there does not take it from others.
        if alone.first().is_none_or(|alone| alone.made.newest <= own.newest) {
            alone.retain(|alone| alone.made.own.is_same(&own.body));
            if alone.len() < MOST_ALONE && !alone.iter().any(|alone| same(&alone)) {
                alone.push(Alone { before: before.clone(), after: swaps.clone(), made });
            }
        }
        given
    }

    /// What was decided on by now.
    pub(crate) fn swaps(&self) -> Swaps {
        self.swaps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn make(&self, own: Playlist, other: Option<&StandIn>) -> Given {
        let mut swaps = self.swaps.lock().unwrap_or_else(PoisonError::into_inner);
        capped(&mut swaps, own, other)
    }
}

impl Made {
    /// Whether the same playlists would give the same.
    fn is_of(&self, own: &Playlist, other: Option<&StandIn>) -> bool {
        self.own.is_same(&own.body)
            && match (&self.other, other) {
                (None, None) => true,
                (Some(one), Some(other)) => one.is_same(&other.body),
                _ => false,
            }
    }
}

/// `own` as `swaps` has it, after its newest segments were decided on. One that cannot be read is given out as it is.
fn capped(swaps: &mut Swaps, own: Playlist, other: Option<&StandIn>) -> Given {
    let text = |document: &Document| std::str::from_utf8(document).map(str::to_owned).unwrap_or_default();
    let own_text = text(&own.body);
    let Some(list) = List::read(&own_text) else { return Given { playlist: own, sent: None } };
    let other_text = other.map(|other| (&other.rendition, text(&other.body)));
    let other = other_text.as_ref().and_then(|(rung, text)| Some((*rung, List::read(text)?)));
    swaps.extend(&list, other.as_ref().map(|(rung, list)| (*rung, list)));
    if swaps.leaves_alone(&list) {
        return Given { playlist: own, sent: None };
    }
    let (body, newest) = (Document::new(swaps.render(&list)), swaps.newest());
    let sent = newest.and_then(|newest| swaps.rung_of(newest)).cloned();
    Given { playlist: Playlist { body, newest, ..own }, sent }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn playlist(newest: u64) -> Playlist {
        let mut text =
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n".to_owned();
        (1..=newest).for_each(|sequence| text += &format!("#EXTINF:2.000000,\n{sequence}.ts\n"));
        Playlist {
            body: Document::new(text),
            given_at: None,
            target_duration: Duration::from_secs(2),
            newest: Some(newest),
            ended: false,
            switching_set: None,
        }
    }

    fn low(newest: u64) -> StandIn {
        StandIn { rendition: "240p".parse().unwrap(), body: playlist(newest).body }
    }

    fn swapped(body: &Document) -> usize {
        std::str::from_utf8(body).unwrap().matches("../240p/").count()
    }

    #[test]
    fn a_playlist_is_made_once_for_each_version_of_what_it_is_made_of() {
        let (rail, own, other) = (Rail::new(), playlist(3), low(3));
        let first = rail.give(own.clone(), Some(other.clone()));
        assert!(first.playlist.body.ends_with(b"../240p/3.ts\n"));
        assert_eq!(first.sent.as_ref().map(Rendition::as_str), Some("240p"));
        let again = rail.give(own.clone(), Some(other));
        assert!(again.playlist.body.is_same(&first.playlist.body), "the very same");
        assert!(rail.give(own, None).playlist.body.ends_with(b"../240p/3.ts\n"), "what was listed stays");
        let after = rail.give(playlist(4), None);
        assert!(after.playlist.body.ends_with(b"\n4.ts\n"));
        assert_eq!(after.sent, None);
    }

    #[test]
    fn who_began_at_the_same_moment_is_given_the_very_same_and_others_what_was_listed_to_them() {
        let (rail, own, other) = (Rail::new(), playlist(3), low(3));
        let [mut one, mut two, mut three] = [Swaps::default(), Swaps::default(), Swaps::default()];
        let given =
            [&mut one, &mut two].map(|swaps| rail.give_alone(swaps, &own, Some(&other)).playlist.body);
        assert!(given[0].is_same(&given[1]) && one == two);
        assert_eq!(swapped(&given[0]), 3);
        let third = rail.give_alone(&mut three, &own, None).playlist.body;
        assert!(third.is_same(&own.body), "it began with the rung's own");
        let (own, other) = (playlist(4), low(4));
        let [first, third] = [&mut one, &mut three].map(|swaps| rail.give_alone(swaps, &own, Some(&other)));
        assert_eq!([first, third].map(|given| swapped(&given.playlist.body)), [4, 1]);
        let kept = |rail: &Rail| rail.alone.lock().unwrap().len();
        rail.give_alone(&mut Swaps::default(), &playlist(3), None);
        assert_eq!(kept(&rail), 2, "an old list takes nothing from others");
        for from in 0..2 * MOST_ALONE as u64 {
            let mut swaps = Swaps::default();
            rail.give_alone(&mut swaps, &playlist(from), None);
            rail.give_alone(&mut swaps, &own, Some(&other));
        }
        assert!(kept(&rail) <= MOST_ALONE);
    }

    #[test]
    fn without_a_cap_the_feeds_own_playlist_is_given_out() {
        let (rail, own) = (Rail::new(), playlist(3));
        assert!(rail.give(own.clone(), None).playlist.body.is_same(&own.body));
    }

    #[test]
    fn what_cannot_stand_in_is_said_once() {
        let rail = Rail::new();
        assert!(rail.yields() && rail.note_yields(false) && !rail.note_yields(false) && !rail.yields());
        assert!(!rail.note_yields(true) && rail.yields());
    }
}
