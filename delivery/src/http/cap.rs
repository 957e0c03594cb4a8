//! What a viewer is given of a rung under the cap: the rung's own playlist, or one whose newest segments are those of a lower rung.
//!
//! Relays are given everything as it is: what they send is theirs to cap.

use std::{collections::BTreeMap, sync::Arc};

use policy::{StreamName, adaptation::Mode};

use super::Site;
use crate::{
    adaptation::{Given, Ladder, StandIn},
    census::Count,
    feed::{Feed, Playlist},
};

/// A playlist to give out, and which rung was asked for.
pub(super) struct Capped {
    pub(super) given: Given,
    /// Its place in the ladder; none for sound and subtitles.
    pub(super) rung: Option<usize>,
    /// Bits per second of the highest rung that is sent, and whether that is the lowest: said to players.
    pub(super) highest: Option<(u64, bool)>,
}

impl<F: Feed> Site<F> {
    /// `found`, the playlist of a rendition, as viewers get it now.
    pub(super) async fn capped(&self, stream: &StreamName, rendition: &str, found: Playlist) -> Capped {
        let ladder = match self.adaptation.ladder(stream.as_str()) {
            Some(ladder) => Some(ladder),
            // From the first list given out on it is remembered what was listed.
            None => match self.feed.multivariant(stream.as_str()).await {
                Ok(template) => Some(self.adaptation.ladder_of(stream, &template)),
                Err(_) => None,
            },
        };
        let known = ladder.and_then(|ladder| Some((ladder.rung(rendition)?, ladder)));
        let Some(((rung, rail), ladder)) = known else {
            return Capped { given: Given { playlist: found, sent: None }, rung: None, highest: None };
        };
        let cap = ladder.cap();
        let stand_in = if rung > cap { self.stand_in(stream, &ladder, cap, &found).await } else { None };
        let yields = found.switching_set.is_some() && (rung <= cap || stand_in.is_some());
        if rail.note_yields(yields) && rung > cap {
            tracing::warn!(
                %stream,
                rendition,
                "its segments cannot be replaced by those of a lower rung, as the encodings are not aligned: who plays it goes on, newcomers are not told of it while the uplink is tight"
            );
        }
        self.feed.spare(stream.as_str(), rendition, stand_in.is_some());
        let highest = (self.mode(stream) != Mode::Client).then(|| ladder.highest_sent());
        Capped { given: rail.give(found, stand_in), rung: Some(rung), highest }
    }

    /// The playlist of the highest rung up to `cap` whose segments may stand for those of `found`.
    async fn stand_in(
        &self,
        stream: &StreamName,
        ladder: &Ladder,
        cap: usize,
        found: &Playlist,
    ) -> Option<StandIn> {
        let set = found.switching_set?;
        for rendition in ladder.up_to(cap) {
            // A rung that cannot be had is not worth an answer's failure: the next lower one may be.
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
                self.adaptation.ladder_of(&stream.name, template);
                modes.insert(stream.name.clone(), self.mode(&stream.name));
            }
        }
        let count: Arc<Count> = self.census.count();
        let room = self.adaptation.step(&modes, &count, self.egress.sent(), self.clock.now());
        self.census.set_room(room);
        for (stream, mode) in &modes {
            self.look_at_unsure(stream, *mode).await;
        }
    }

    /// Looks at the rungs of which newcomers are not to be told if they cannot be lowered, though nobody asks for them.
    async fn look_at_unsure(&self, stream: &StreamName, mode: Mode) {
        let Some(ladder) = self.adaptation.ladder(stream.as_str()) else { return };
        for rendition in ladder.unsure(mode) {
            if let Ok(found) = self.feed.media_playlist(stream.as_str(), rendition.as_str(), None).await {
                self.capped(stream, rendition.as_str(), found).await;
            }
        }
    }
}
