//! What the renditions' playlists come to: windows under our numbers, objects made known and fetched ahead, playlists shown.
//!
//! The numbers and windows are `hls::ingest`'s; here they get their effects. The ladder is made known when every rendition has been
//! tried once, so that no viewer meets one that is still on its way.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{SystemTime, UNIX_EPOCH},
};

use delivery::object::{Key, Store};
use hls::{
    Date, MediaPlaylist, Rendition, Resource, Template,
    ingest::{Change, Ingest, Shared},
    url::{Kind, init_name, segment_name},
    window::{Map, Segment},
};
use policy::StreamName;
use service::Latch;

use super::{
    super::Origin,
    Catalogue,
    alignment::{Alignment, Inspected, Inspection},
    handling::Handling,
};
use crate::{metrics, publication::Publication, source::upstream::PullError};

/// Where what comes in goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) store: &'a Store<Origin>,
    pub(crate) publication: &'a Publication,
    pub(crate) latch: &'a Latch,
}

/// The state of all renditions.
pub(crate) struct Intake<'a> {
    ends: Ends<'a>,
    template: Template,
    shared: Shared,
    rails: BTreeMap<Rendition, Rail>,
    alignment: Option<Alignment>,
    /// Segments that have come since they were last asked for.
    inspections: Vec<Inspection>,
    untried: BTreeSet<Rendition>,
    unwell: BTreeSet<Rendition>,
}

/// One rendition.
struct Rail {
    ingest: Ingest,
    /// Objects that left the list and can still be fetched, oldest first.
    left: VecDeque<Key>,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(ends: Ends<'a>, template: Template, renditions: Vec<Rendition>) -> Self {
        let window = ends.catalogue.upstream().config().window;
        let rail = || Rail { ingest: Ingest::new(window), left: VecDeque::new() };
        let ladder = template.ladder().into_iter().map(|rung| rung.rendition).collect();
        Self {
            ends,
            template,
            alignment: Alignment::of(ladder),
            inspections: Vec::new(),
            shared: Shared::starting_at(unix_ms()),
            untried: renditions.iter().cloned().collect(),
            unwell: renditions.iter().cloned().collect(),
            rails: renditions.into_iter().map(|rendition| (rendition, rail())).collect(),
        }
    }

    /// Takes a rendition's list in: what is new can be fetched, then it is shown.
    pub(crate) fn take(&mut self, rendition: &Rendition, playlist: &MediaPlaylist) -> Change {
        let rail = self.rails.get_mut(rendition).expect("only those that were given are asked");
        let change = rail.ingest.take(playlist, &mut self.shared, now());
        if change.restarted {
            tracing::info!(%rendition, "the source's encoder began anew");
            metrics::source_restarted();
        }
        if change.missed > 0 {
            tracing::warn!(%rendition, segments = change.missed, "segments left the source before they could be fetched");
        }
        self.note(rendition, &change);
        if change.restarted {
            self.align(|alignment| alignment.restarted(rendition));
        }
        if change.changed {
            self.inspect(rendition, &change);
            self.show(rendition);
        }
        self.tried(rendition);
        change
    }

    /// A rendition could not be had.
    pub(crate) fn failed(&mut self, rendition: &Rendition, error: &PullError) {
        if !self.ends.publication.state().ready {
            self.ends.latch.hold(error.to_string());
        }
        self.tried(rendition);
    }

    /// Whether a rendition goes as it should.
    pub(crate) fn set_well(&mut self, rendition: &Rendition, well: bool) {
        if well {
            self.unwell.remove(rendition);
        } else {
            self.unwell.insert(rendition.clone());
        }
        self.ends.catalogue.set_healthy(self.unwell.is_empty());
    }

    /// What is to be looked at since the last time.
    pub(crate) fn inspections(&mut self) -> Vec<Inspection> {
        std::mem::take(&mut self.inspections)
    }

    /// A segment was looked at.
    pub(crate) fn inspected(&mut self, inspected: Inspected) {
        self.align(|alignment| alignment.take(inspected));
    }

    /// Shows what the rung stands for where that changes.
    fn align(&mut self, change: impl FnOnce(&mut Alignment) -> Vec<Rendition>) {
        let turned = self.alignment.as_mut().map(change).unwrap_or_default();
        turned.iter().for_each(|rendition| self.show(rendition));
    }

    /// New segments of a live source are to be looked at: they are on their way anyhow.
    fn inspect(&mut self, rendition: &Rendition, change: &Change) {
        let live = change.reload_after.is_some();
        let window = self.rails.get(rendition).and_then(|rail| rail.ingest.window()).filter(|_| live);
        if let (Some(alignment), Some(window)) = (&mut self.alignment, window) {
            let key = |name: String| key(self.ends.publication.stream(), rendition, &name);
            let keys = |segment: &Segment| {
                let init = segment.map.as_ref().map(|map| key(init_name(map.number)));
                (init, key(segment_name(segment.sequence, segment.container)))
            };
            self.inspections.extend(alignment.inspections(rendition, window.segments(), keys));
        }
    }

    /// Objects come and go. Of a live source the newest are fetched first: players begin with them.
    fn note(&mut self, rendition: &Rendition, change: &Change) {
        let key = |name: &String| key(self.ends.publication.stream(), rendition, name);
        let live = change.reload_after.is_some();
        for object in &change.objects {
            let key = key(&object.name);
            let handling = self.handling(rendition, &key, live);
            self.ends.catalogue.add(key, object.source.clone(), handling);
        }
        for object in change.objects.iter().rev().filter(|_| live) {
            if let Err(error) = self.ends.store.prefetch(&key(&object.name)) {
                tracing::debug!(object = %object.name, %error, "not fetched ahead");
            }
        }
        let rail = self.rails.get_mut(rendition).expect("as above");
        for left in change.left.iter().map(key) {
            self.ends.catalogue.leave(&left);
            rail.left.push_back(left);
        }
        // As many as are listed: players and relays may hold a list that is one window old.
        let listed = rail.ingest.window().map_or(0, |window| window.segments().count());
        while rail.left.len() > listed {
            if let Some(gone) = rail.left.pop_front() {
                self.ends.catalogue.remove(&gone);
            }
        }
    }

    /// What a new object needs so that it can stand for another rung's.
    fn handling(&self, rendition: &Rendition, key: &Key, live: bool) -> Handling {
        let rung = self.alignment.as_ref().is_some_and(|alignment| alignment.has(rendition));
        let window = self.rails.get(rendition).and_then(|rail| rail.ingest.window());
        let (true, Some(window)) = (live && rung, window) else { return Handling::AsTheyAre };
        match key.resource().kind {
            Kind::Init { .. } => Handling::of_init(),
            Kind::Segment { sequence, .. } => {
                let segment = window.segments().find(|segment| segment.sequence == sequence);
                let stream = self.ends.publication.stream();
                let init = |map: &Map| self::key(stream, rendition, &init_name(map.number));
                segment.map(|segment| Handling::of_segment(segment, init)).unwrap_or_default()
            }
            Kind::Multivariant | Kind::Playlist { .. } => Handling::AsTheyAre,
        }
    }

    fn show(&self, rendition: &Rendition) {
        let set = self.alignment.as_ref().and_then(|alignment| alignment.set_of(rendition));
        if let Some(window) = self.rails.get(rendition).and_then(|rail| rail.ingest.window())
            && self.ends.publication.show(rendition, window, set)
        {
            self.ends.latch.release();
        }
    }

    fn tried(&mut self, rendition: &Rendition) {
        if self.untried.remove(rendition) && self.untried.is_empty() {
            self.ends.publication.open(self.template.clone());
            self.rails.keys().for_each(|rendition| self.show(rendition));
        }
    }
}

fn key(stream: &StreamName, rendition: &Rendition, name: &str) -> Key {
    let path = format!("/{stream}/{rendition}/{name}");
    Key::of(&Resource::parse(&path).expect("names made by this program"))
}

fn now() -> Date {
    Date::from_unix_ms(unix_ms())
}

fn unix_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}
