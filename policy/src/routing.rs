//! What placement reads: an immutable picture of the fleet with a generation, made by the fleet's owner at every step.
//!
//! Requests are answered from it without waiting for the owner. What must be counted between two steps (placements not yet
//! seen, moves not yet made) stands in each route's [`Counters`], which outlive the picture.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{Phase, Region, ServerId, StreamName, counters::Counters, fleet::address::host_of};

/// Whether a server is the origin or a relay of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Takes the stream in; serves the full ladder.
    Primary,
    /// Pulls from its upstream once; re-streams to its viewers.
    Relay,
}

/// The fleet as placement sees it.
#[derive(Debug, Clone, Default)]
pub struct Routing {
    /// Grows with every picture that differs from the one before.
    pub generation: u64,
    /// False until the first-start window has passed.
    pub settled: bool,
    /// Every attached server that may have viewers, and every one that is suspected but not taken for dead; the primary first,
    /// then by id.
    pub servers: Vec<Route>,
    /// The primary, also while it is away: every clone is based on its pathway.
    pub primary: Option<Slot>,
    /// Where relays may come, and where they run.
    pub pathways: Vec<Pathway>,
    /// Regions, with what each demands and may have from the primary.
    pub regions: BTreeMap<Region, RegionRoute>,
}

impl Routing {
    /// The server called `id`.
    #[must_use]
    pub fn server(&self, id: &ServerId) -> Option<&Route> {
        self.servers.iter().find(|route| route.id == *id)
    }

    /// Slots that viewers of `region` may be sent to.
    pub fn slots_of<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = &'a Slot> {
        let reaching = self.pathways.iter().filter(|pathway| pathway.reaches(region));
        reaching.map(|pathway| &pathway.slot)
    }

    /// Viewers seen, of all regions.
    #[must_use]
    pub fn viewers(&self) -> u32 {
        self.regions.values().map(|region| region.demand).fold(0, u32::saturating_add)
    }

    /// The region that viewers of `region` count for, and what is known of it: one that is not followed counts as the
    /// fallback.
    #[must_use]
    pub fn region<'a>(&'a self, region: &'a Region) -> (&'a Region, Option<&'a RegionRoute>) {
        let followed = self.regions.get_key_value(region);
        let followed = followed.or_else(|| self.regions.get_key_value(Region::FALLBACK));
        followed.map_or((region, None), |(region, route)| (region, Some(route)))
    }
}

/// A host known before a relay runs there; its id is the pathway id of whichever relay does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Pathway id.
    pub id: ServerId,
    /// Scheme, host and port, without a path or a trailing slash.
    pub base_url: Arc<str>,
}

impl Slot {
    /// Its host as it stands in a URL; none where it has none.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        host_of(&self.base_url)
    }
}

/// A slot, and whose viewers may be sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pathway {
    /// The slot.
    pub slot: Slot,
    /// Regions whose viewers may be sent there: its own and those that it is a neighbour of. Empty: it is near everybody.
    pub regions: Vec<Region>,
}

impl Pathway {
    /// Whether viewers of `region` may be sent there.
    #[must_use]
    pub fn reaches(&self, region: &Region) -> bool {
        self.regions.is_empty() || self.regions.contains(region)
    }
}

/// One server as placement sees it.
#[derive(Debug, Clone)]
pub struct Route {
    /// Pathway id.
    pub id: ServerId,
    /// Origin or relay.
    pub kind: Kind,
    /// Where it stands.
    pub region: Region,
    /// Scheme, host and port, without a path or a trailing slash.
    pub base_url: Arc<str>,
    /// Where it stands in its life.
    pub phase: Phase,
    /// Streams that it holds ready.
    pub streams: Vec<StreamName>,
    /// Viewers that it takes at most.
    pub capacity: u32,
    /// Viewers seen, by region, from its last fresh report.
    pub seen: BTreeMap<Region, u32>,
    /// Viewers that it should have, by region. For a new relay this ramps up.
    pub target: BTreeMap<Region, u32>,
    /// What is counted between two steps.
    pub counters: Arc<Counters>,
}

impl Route {
    /// Whether newcomers may be placed here at all.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// Whether who plays from here may go on: while it serves, drains, or is not heard but may well serve all the same.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        matches!(self.phase, Phase::Serving | Phase::Draining | Phase::Suspect)
    }

    /// Viewers seen, of all regions.
    #[must_use]
    pub fn seen_total(&self) -> u32 {
        self.seen.values().sum()
    }
}

/// One region as placement sees it.
#[derive(Debug, Clone, Default)]
pub struct RegionRoute {
    /// Viewers that servers have seen.
    pub demand: u32,
    /// What the primary carries of it.
    pub threshold: u32,
    /// Other regions whose relays may help, nearest first.
    pub neighbours: Vec<Region>,
    /// How long a refused viewer should wait before it asks again.
    pub retry_after: Duration,
}
