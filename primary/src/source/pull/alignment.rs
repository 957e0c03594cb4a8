//! Which rungs of a live source are aligned: every new segment is looked at once it is here, and `hls::switching` judges.
//!
//! The verdict goes out with the next list of each rendition whose standing it changes. Looking costs no fetch: of a live source every
//! segment is fetched as it is listed.

use std::collections::BTreeMap;

use delivery::object::{FetchError, Key, Store};
use hls::{
    Container, Rendition, SwitchingSet,
    switching::{Judge, Look, Reason, Standing, Turn, Unfit},
    window::Segment,
};

use super::super::Origin;
use crate::metrics;

/// What is known of the ladder's alignment.
#[derive(Debug)]
pub(crate) struct Alignment {
    judge: Judge,
    /// The newest segment of each rung that was looked at or is about to be.
    newest: BTreeMap<Rendition, u64>,
}

/// A segment that is to be looked at, or is known to be no good.
#[derive(Debug)]
pub(crate) struct Inspection {
    rendition: Rendition,
    sequence: u64,
    subject: Result<Subject, Unfit>,
}

/// Where a segment's bytes are.
#[derive(Debug)]
struct Subject {
    container: Container,
    init: Option<Key>,
    media: Key,
}

/// A segment that was looked at.
#[derive(Debug)]
pub(crate) struct Inspected {
    rendition: Rendition,
    sequence: u64,
    look: Result<Look, Unfit>,
}

impl Alignment {
    /// Of a ladder, lowest bitrate first; none where there is nothing to compare.
    pub(crate) fn of(ladder: Vec<Rendition>) -> Option<Self> {
        if ladder.len() < 2 {
            return None;
        }
        for rendition in &ladder {
            metrics::rendition_aligned(rendition, false);
        }
        let newest = ladder.iter().map(|rendition| (rendition.clone(), 0)).collect();
        Some(Self { judge: Judge::new(ladder), newest })
    }

    /// Whether a rendition is a rung of the ladder.
    pub(crate) fn has(&self, rendition: &Rendition) -> bool {
        self.newest.contains_key(rendition)
    }

    /// The set that a rendition is in.
    pub(crate) fn set_of(&self, rendition: &Rendition) -> Option<SwitchingSet> {
        self.judge.set_of(rendition)
    }

    /// What of a rendition's list has not been looked at. `key` says how a number's segment or section is called.
    pub(crate) fn inspections<'a>(
        &mut self,
        rendition: &Rendition,
        segments: impl Iterator<Item = &'a Segment>,
        key: impl Fn(&Segment) -> (Option<Key>, Key),
    ) -> Vec<Inspection> {
        let Some(newest) = self.newest.get_mut(rendition) else { return Vec::new() };
        let before = *newest;
        segments
            .filter(|segment| segment.sequence > before)
            .map(|segment| {
                *newest = segment.sequence;
                let subject = subject(segment, &key);
                Inspection { rendition: rendition.clone(), sequence: segment.sequence, subject }
            })
            .collect()
    }

    /// Takes in what a segment is like; gives the renditions whose standing it changes.
    pub(crate) fn take(&mut self, inspected: Inspected) -> Vec<Rendition> {
        let Inspected { rendition, sequence, look } = inspected;
        self.judge.observe(&rendition, sequence, look).into_iter().map(tell).collect()
    }

    /// A rendition's encoder began anew; gives the renditions whose standing that changes.
    pub(crate) fn restarted(&mut self, rendition: &Rendition) -> Vec<Rendition> {
        self.judge.restarted(rendition).into_iter().map(tell).collect()
    }
}

fn subject(segment: &Segment, key: impl Fn(&Segment) -> (Option<Key>, Key)) -> Result<Subject, Unfit> {
    if segment.gap {
        return Err(Unfit::Missing);
    }
    if !segment.is_clear() {
        return Err(Unfit::Encrypted);
    }
    let (init, media) = key(segment);
    Ok(Subject { container: segment.container, init, media })
}

impl Inspection {
    /// Waits for the segment and looks at it.
    pub(crate) async fn carry_out(self, store: &Store<Origin>) -> Inspected {
        let Self { rendition, sequence, subject } = self;
        let look = match subject {
            Ok(subject) => subject.look(store).await,
            Err(unfit) => Err(unfit),
        };
        Inspected { rendition, sequence, look }
    }
}

impl Subject {
    async fn look(&self, store: &Store<Origin>) -> Result<Look, Unfit> {
        let read = async |key: &Key| store.open(key).await?.read().await;
        let missing = |error: FetchError| {
            tracing::debug!(segment = %self.media, %error, "cannot be looked at");
            Unfit::Missing
        };
        let media = read(&self.media).await.map_err(missing)?;
        let init = match &self.init {
            Some(init) => Some(read(init).await.map_err(missing)?),
            None => None,
        };
        Look::at(self.container, init.as_deref(), &media)
    }
}

/// Says how a rendition stands now, at a level by whether anybody can mend it.
fn tell(Turn { rendition, standing }: Turn) -> Rendition {
    metrics::rendition_aligned(&rendition, matches!(standing, Standing::Member(_)));
    match standing {
        Standing::Member(set) => tracing::info!(%rendition, %set, "the rendition is aligned with others"),
        Standing::Unknown | Standing::Apart(Reason::Alone) => {
            tracing::debug!(%rendition, "the rendition is aligned with no other");
        }
        Standing::Apart(reason @ (Reason::Restarted | Reason::Unfit { unfit: Unfit::Encrypted, .. })) => {
            tracing::info!(%rendition, %reason, "the rendition is not aligned with others");
        }
        Standing::Apart(reason) => {
            tracing::warn!("rendition {rendition} {reason}: it is not aligned with others");
        }
    }
    rendition
}
