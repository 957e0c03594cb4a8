//! Every metric of the traffic manager, described. Labels are regions, phases and words of policy, never ids of viewers.

use std::fmt;

use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, gauge};
use policy::{Decision, Fleet, Phase, geography::By, placement::Reason, routing::Kind};

const REGION_VIEWERS: &str = "spillway_region_viewers";
const REGION_THRESHOLD: &str = "spillway_region_threshold";
const RELAYS: &str = "spillway_relays";
const PLACEMENTS: &str = "spillway_placements_total";
const DECISIONS: &str = "spillway_decisions_total";
const QUEUE: &str = "spillway_controller_queue_messages";
const FORWARDS_DROPPED: &str = "spillway_forwards_dropped_total";
const CONNECTIONS: &str = "spillway_connections";
const CONNECTIONS_REFUSED: &str = "spillway_connections_refused_total";
const CONNECTIONS_UNOPENED: &str = "spillway_connections_unopened_total";
const WATCHERS: &str = "spillway_watchers";
const FOLLOWERS: &str = "spillway_followers";
const INVITATIONS: &str = "spillway_invitations_total";
const REGION_MAP_NETWORKS: &str = "spillway_region_map_networks";
const REGION_MAP_READS: &str = "spillway_region_map_reads_total";
const REGION_DATABASE_READS: &str = "spillway_region_database_reads_total";
const REGION_DATABASE_BUILT: &str = "spillway_region_database_built_timestamp_seconds";
const REGION_LOOKUPS: &str = "spillway_region_lookups_total";

/// Says what each metric means; once, before any is set.
pub(crate) fn describe() {
    describe_gauge!(REGION_VIEWERS, "Viewers that servers count, by region.");
    describe_gauge!(REGION_THRESHOLD, "Viewers of a region that the primary carries itself.");
    describe_gauge!(RELAYS, "Relays, by region and phase.");
    describe_counter!(PLACEMENTS, "Viewers placed, moved, kept or refused, by reason.");
    describe_counter!(DECISIONS, "Decisions about the fleet, by kind and reason.");
    describe_gauge!(QUEUE, "Messages that the controller has not read yet.");
    describe_counter!(
        FORWARDS_DROPPED,
        "Lists of moved sessions not forwarded because a server did not read."
    );
    describe_gauge!(CONNECTIONS, "Open connections of viewers, servers and operators.");
    describe_counter!(CONNECTIONS_REFUSED, "Connections closed at once because there were too many.");
    describe_counter!(
        CONNECTIONS_UNOPENED,
        "Connections closed before they had an answer: silent, or without the PROXY protocol header that they needed."
    );
    describe_gauge!(WATCHERS, "Open Viewers.Watch streams.");
    describe_gauge!(FOLLOWERS, "Open Operator.Decisions streams that follow.");
    describe_counter!(INVITATIONS, "Calls on the primary, by result.");
    describe_gauge!(REGION_MAP_NETWORKS, "Networks in the region map that is in use.");
    describe_counter!(REGION_MAP_READS, "Times the region map was read again after a change, by result.");
    describe_counter!(
        REGION_DATABASE_READS,
        "Times the region database was read again after a change, by result."
    );
    describe_gauge!(
        REGION_DATABASE_BUILT,
        Unit::Seconds,
        "Unix time at which the region database in use was built."
    );
    describe_counter!(REGION_LOOKUPS, "Viewers whose region was found, by what it followed from.");
    counter!(FORWARDS_DROPPED).absolute(0);
    counter!(CONNECTIONS_REFUSED).absolute(0);
    gauge!(WATCHERS).set(0);
    gauge!(FOLLOWERS).set(0);
}

/// How the fleet stands.
pub(crate) fn fleet(fleet: &Fleet) {
    for (region, state) in fleet.regions() {
        let region = region.to_string();
        gauge!(REGION_VIEWERS, "region" => region.clone()).set(state.demand.high);
        gauge!(REGION_THRESHOLD, "region" => region.clone()).set(state.threshold);
        for phase in Phase::ALL {
            let here = |server: &&policy::fleet::Server| {
                server.kind == Kind::Relay && server.phase == phase && server.region.as_str() == region
            };
            let relays = u32::try_from(fleet.servers().filter(here).count()).unwrap_or(u32::MAX);
            gauge!(RELAYS, "region" => region.clone(), "phase" => phase.as_str()).set(relays);
        }
    }
}

/// Viewers placed, by why: looked up once, for it is counted in every answer.
pub(crate) struct Placements([Counter; Reason::ALL.len()]);

impl Placements {
    /// Every reason that there may be, at none.
    pub(crate) fn new() -> Self {
        Self(Reason::ALL.map(|reason| counter!(PLACEMENTS, "reason" => reason.as_str())))
    }

    /// A viewer got a place.
    pub(crate) fn placed(&self, reason: Reason) {
        self.0[reason as usize].increment(1);
    }
}

impl fmt::Debug for Placements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placements").finish_non_exhaustive()
    }
}

/// A viewer was turned away.
pub(crate) fn unplaced(reason: &'static str) {
    counter!(PLACEMENTS, "reason" => reason).increment(1);
}

/// Something was decided.
pub(crate) fn decided(decision: &Decision) {
    counter!(DECISIONS, "kind" => decision.action.as_str(), "reason" => decision.reason.as_str())
        .increment(1);
}

/// Messages that wait for the controller.
pub(crate) fn controller_queue(messages: usize) {
    gauge!(QUEUE).set(u32::try_from(messages).unwrap_or(u32::MAX));
}

/// A server did not read what was forwarded to it.
pub(crate) fn forward_dropped() {
    counter!(FORWARDS_DROPPED).increment(1);
}

/// A connection was closed because there were too many.
pub(crate) fn connection_refused() {
    counter!(CONNECTIONS_REFUSED).increment(1);
}

/// A connection was closed because it did not begin as it must.
pub(crate) fn connection_unopened(reason: &'static str) {
    counter!(CONNECTIONS_UNOPENED, "reason" => reason).increment(1);
}

/// The primary was called on.
pub(crate) fn invited(result: &'static str) {
    counter!(INVITATIONS, "result" => result).increment(1);
}

/// A region map is in use.
pub(crate) fn region_map_networks(networks: usize) {
    gauge!(REGION_MAP_NETWORKS).set(u32::try_from(networks).unwrap_or(u32::MAX));
}

/// The region map has changed and was read.
pub(crate) fn region_map_read(result: &'static str) {
    counter!(REGION_MAP_READS, "result" => result).increment(1);
}

/// A region database is in use.
pub(crate) fn region_database_built(unix_s: u64) {
    #[expect(clippy::cast_precision_loss, reason = "exact for a hundred million years")]
    gauge!(REGION_DATABASE_BUILT).set(unix_s as f64);
}

/// The region database has changed and was read.
pub(crate) fn region_database_read(result: &'static str) {
    counter!(REGION_DATABASE_READS, "result" => result).increment(1);
}

/// A viewer's region was found.
pub(crate) fn region_found(by: By) {
    counter!(REGION_LOOKUPS, "by" => by.as_str()).increment(1);
}

/// Counts something for as long as it is open.
#[derive(Debug)]
pub(crate) struct Open(&'static str);

impl Open {
    /// An open connection.
    pub(crate) fn connection() -> Self {
        Self::of(CONNECTIONS)
    }

    /// An open watch.
    pub(crate) fn watcher() -> Self {
        Self::of(WATCHERS)
    }

    /// An operator that follows decisions.
    pub(crate) fn follower() -> Self {
        Self::of(FOLLOWERS)
    }

    fn of(name: &'static str) -> Self {
        gauge!(name).increment(1);
        Self(name)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1);
    }
}
