//! What a viewer is given of a rung under the cap: the rung's own playlist, or one whose newest segments are those of a lower rung.
//!
//! Relays are given everything as it is: what they send is theirs to cap.

use std::{collections::BTreeMap, sync::Arc};

use hls::{Rendition, cap::Swaps};
use policy::{SessionId, StreamName, adaptation::Mode};

use super::Site;
use crate::{
    adaptation::{Given, Ladder, Rail, StandIn},
    census::Count,
    feed::{Feed, Playlist},
    metrics,
};

/// A rung that is asked for.
pub(super) struct Asked<'a> {
    rendition: &'a str,
    ladder: Arc<Ladder>,
    /// Its place in the ladder, counted from the lowest.
    pub(super) place: usize,
    rail: Arc<Rail>,
}

/// Who asks for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Viewer<'a> {
    /// The session.
    pub(super) id: &'a SessionId,
    /// It was given this rung's playlist neither here nor anywhere, for all that is known.
    pub(super) fresh: bool,
}

/// A playlist to give out.
pub(super) struct Capped {
    pub(super) given: Given,
    /// Bits per second of the highest rung that is sent, and whether that is the lowest: said to players.
    pub(super) highest: Option<(u64, bool)>,
}

impl<F: Feed> Site<F> {
    /// The rung that a rendition is; none for sound and subtitles.
    pub(super) async fn rung_of<'a>(&self, stream: &StreamName, rendition: &'a str) -> Option<Asked<'a>> {
        let ladder = match self.adaptation.ladder(stream.as_str()) {
            Some(ladder) => ladder,
            // From the first list given out on it is remembered what was listed.
            None => self.adaptation.ladder_of(stream, &self.feed.multivariant(stream.as_str()).await.ok()?),
        };
        let (place, rail) = ladder.rung(rendition)?;
        Some(Asked { rendition, ladder, place, rail })
    }

    /// `found`, the playlist of a rung, as viewers get it now; as this one alone does, who may be asking for the first time.
    pub(super) async fn capped(
        &self,
        stream: &StreamName,
        rung: &Asked<'_>,
        found: Playlist,
        viewer: Option<Viewer<'_>>,
    ) -> Capped {
        let (mode, cap) = (self.mode(stream), rung.ladder.cap());
        let each = viewer.filter(|_| mode == Mode::Server { per_session: true });
        let own = each.and_then(|viewer| self.census.own_rung(viewer.id));
        let highest_sent = own.map_or(cap, |own| own.min(cap));
        let lowered = rung.place > highest_sent;
        let stand_in = match lowered {
            true => self.stand_in(stream, rung.ladder.up_to(highest_sent), &found).await,
            false => None,
        };
        let yields = found.switching_set.is_some() && (!lowered || stand_in.is_some());
        if rung.rail.note_yields(yields) && lowered && !found.ended {
            tracing::warn!(
                %stream,
                rendition = rung.rendition,
                "the segments of a rung cannot be replaced by those of a lower one, as the encodings are not aligned: who plays it goes on, newcomers are not told of it while the uplink is tight"
            );
        }
        self.feed.spare(stream.as_str(), rung.rendition, rung.place > cap && stand_in.is_some());
        let given = match viewer {
            Some(viewer) if own.is_some() => {
                let seed = (!self.census.note_given(viewer.id, rung.place)).then(|| rung.rail.swaps());
                let alone = self.alone(viewer.id, rung, Some(seed), &found, stand_in.as_ref());
                alone.unwrap_or_else(|| rung.rail.give(found, stand_in))
            }
            Some(viewer) => {
                let begins = match viewer.fresh && !found.ended {
                    true => self.begins_with(stream, mode, rung, &found, stand_in.as_ref()).await,
                    false => None,
                };
                // Two of its requests may have been waiting: the second is given what the first was.
                let first = self.census.note_given(viewer.id, rung.place);
                self.together(viewer, rung, found, stand_in, begins.as_ref().filter(|_| first))
            }
            None => rung.rail.give(found, stand_in),
        };
        // Where the server picks, there is one variant, and nothing for a player to heed.
        let highest = (mode == Mode::Capped).then(|| rung.ladder.highest_sent());
        Capped { given, highest }
    }

    /// What stands for a rung's segments in the first list of a newcomer: nothing was listed to it yet, so that it need not have what
    /// was listed before the cap fell; and what it loads at once may be more than is left of the uplink at the rung that it asks for.
    async fn begins_with(
        &self,
        stream: &StreamName,
        mode: Mode,
        rung: &Asked<'_>,
        found: &Playlist,
        stand_in: Option<&StandIn>,
    ) -> Option<StandIn> {
        let (ladder, now) = (&rung.ladder, self.clock.now());
        let highest = rung.place.min(ladder.cap());
        let promise = match mode {
            Mode::Client => None,
            _ => self.adaptation.begin(ladder, highest, now),
        };
        let Some(promise) = promise else { return stand_in.cloned() };
        let mut begins = stand_in.cloned();
        if promise.rung < highest {
            let look = self.stand_in(stream, ladder.to_begin_with(promise.rung, highest), found);
            // Nobody is kept waiting for a rung that cannot be had at once.
            let lower = tokio::time::timeout(self.adaptation.config().interval, look).await;
            begins = lower.ok().flatten().or(begins);
        }
        let rendition = |stand_in: &StandIn| stand_in.rendition.clone();
        let given = begins.as_ref().map(rendition);
        let other = given.as_ref().and_then(|given| ladder.place(given.as_str()));
        let place = other.unwrap_or(rung.place);
        if place != promise.rung {
            self.adaptation.amend(ladder, &promise, place, now);
        }
        if given != stand_in.map(rendition) {
            metrics::newcomer_lowered(stream);
        }
        begins
    }

    /// What all are given, but for who begins with something else. It is given what all are as soon as that is the same.
    fn together(
        &self,
        viewer: Viewer<'_>,
        rung: &Asked<'_>,
        found: Playlist,
        stand_in: Option<StandIn>,
        begins: Option<&StandIn>,
    ) -> Given {
        let newly = begins.is_some().then_some(None);
        let other = begins.or(stand_in.as_ref());
        let alone = self.alone(viewer.id, rung, newly, &found, other);
        let all = rung.rail.give(found, stand_in);
        match alone {
            Some(alone) if alone.playlist.body[..] != all.playlist.body[..] => alone,
            Some(_) => {
                self.census.drop_list(viewer.id, rung.rendition);
                all
            }
            None => all,
        }
    }

    /// What one session alone is given, if it is; it may begin now, with what it was given together with all others before.
    fn alone(
        &self,
        id: &SessionId,
        rung: &Asked<'_>,
        begins: Option<Option<Swaps>>,
        found: &Playlist,
        stand_in: Option<&StandIn>,
    ) -> Option<Given> {
        let give = |swaps: &mut Swaps| rung.rail.give_alone(swaps, found, stand_in);
        self.census.with_list(id, rung.rendition, begins, give)
    }

    /// The playlist of the first of these rungs whose segments may stand for those of `found`.
    async fn stand_in(
        &self,
        stream: &StreamName,
        rungs: Vec<Rendition>,
        found: &Playlist,
    ) -> Option<StandIn> {
        let set = found.switching_set?;
        for rendition in rungs {
            // A rung that cannot be had is not worth an answer's failure: the next one may be.
            if let Ok(lower) = self.feed.media_playlist(stream.as_str(), rendition.as_str(), None).await
                && lower.switching_set == Some(set)
            {
                return Some(StandIn { rendition, body: lower.body });
            }
        }
        None
    }

    /// Who picks the bitrate of a stream.
    pub(super) fn mode(&self, stream: &StreamName) -> Mode {
        let told = || self.board.now().modes.get(stream).copied();
        self.own_mode.or_else(told).unwrap_or_default()
    }

    /// Looks whether all that is sent fits, and sets what is sent at most.
    pub(super) async fn adapt(&self) {
        let mut modes: BTreeMap<StreamName, Mode> = BTreeMap::new();
        for stream in self.feed.streams() {
            if let Some(template) = &stream.template {
                self.adaptation.ladder_of(&stream.name, template).set_target_duration(stream.target_duration);
                modes.insert(stream.name.clone(), self.mode(&stream.name));
            }
        }
        let count: Arc<Count> = self.census.count();
        let room = self.adaptation.step(&modes, &count, self.egress.sent(), self.clock.now());
        self.census.set_room(room);
        for (stream, mode) in &modes {
            // An upstream that does not answer is no reason to let a cap stand.
            let look = self.look_at_unsure(stream, *mode);
            let _asked_again = tokio::time::timeout(self.adaptation.config().interval, look).await;
            if let (Mode::Server { per_session: true }, Some(ladder)) =
                (mode, self.adaptation.ladder(stream.as_str()))
            {
                let (rates, settings) = (ladder.rates(), self.adaptation.settings());
                self.census.decide_for_each(stream, &rates, settings, self.clock.now());
            }
        }
    }

    /// Looks at the rungs of which newcomers are not to be told if they cannot be lowered, though nobody asks for them.
    async fn look_at_unsure(&self, stream: &StreamName, mode: Mode) {
        let Some(ladder) = self.adaptation.ladder(stream.as_str()) else { return };
        for rendition in ladder.unsure(mode) {
            let found = self.feed.media_playlist(stream.as_str(), rendition.as_str(), None).await;
            if let (Ok(found), Some(rung)) = (found, self.rung_of(stream, rendition.as_str()).await) {
                self.capped(stream, &rung, found, None).await;
                // Nobody may have asked for it.
                self.feed.spare(stream.as_str(), rendition.as_str(), true);
            }
        }
    }
}
