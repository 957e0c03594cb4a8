//! The sweep: one task walks the table and says who counts. Nobody else does, so nothing needs a lock on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use policy::{Class, Region, SessionId, StreamName, Time};
use tokio_util::sync::CancellationToken;

use super::{Census, Count, Tally, rate::Rate, record::Record};
use crate::{clock::Clock, metrics};

/// What the sweep remembers from one time to the next.
#[derive(Debug, Default)]
pub(super) struct Sweeper {
    rates: BTreeMap<StreamName, Rate>,
}

type Tallies = BTreeMap<(StreamName, Region, Class), u32>;

impl Census {
    /// Sweeps until `stop`.
    pub async fn run(&self, clock: Clock, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.config.sweep_interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.sweep(clock.now()),
                () = stop.cancelled() => return,
            }
        }
    }

    /// Lets sessions begin and end, and counts.
    pub fn sweep(&self, now: Time) {
        // Before adding up: who leaves meanwhile is told by the next sweep.
        let has_left = self.has_left.swap(false, Relaxed);
        let departed_total = self.departed_total.load(Relaxed);
        let behind = self.sweep_lines(now);
        let (mut tallies, asking, arrived) = self.sweep_records(now);
        self.sweep_streams(&mut tallies, now);
        self.reloaders.pin().retain(|_, record| record.is_alive(now));
        self.forget_oldest_departed();
        self.forget_silent(now);
        self.publish(tallies, Count { asking, behind, departed_total, ..Count::default() });
        // After the count that has them: who is told of them drops them from his.
        if self.arrive(arrived) || has_left {
            self.moves.notify_one();
        }
    }

    /// Keeps sessions alive by their connections. Sessions that fall behind.
    fn sweep_lines(&self, now: Time) -> u32 {
        // A player's connections are one player's.
        let mut behind: BTreeSet<*const Record> = BTreeSet::new();
        for look in self.lines.pin().values().filter_map(|line| line.look(now)) {
            if look.keeps_alive {
                look.record.seen(now);
            }
            if look.sends && look.behind {
                behind.insert(Arc::as_ptr(&look.record));
            }
        }
        u32::try_from(behind.len()).unwrap_or(u32::MAX)
    }

    /// Adds to those who arrived since they were last told; whether there are any.
    fn arrive(&self, newest: Vec<SessionId>) -> bool {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody takes them while there is no manager; those who matter are the newest.
        if arrived.len() + newest.len() > self.config.max_departed {
            arrived.clear();
        }
        arrived.extend(newest.into_iter().take(self.config.max_departed));
        !arrived.is_empty()
    }

    /// Counts, also by the rung asked for, and says which sessions began to count that count elsewhere for all we know.
    fn sweep_records(&self, now: Time) -> (Tallies, BTreeMap<StreamName, Vec<u32>>, Vec<SessionId>) {
        let (mut tallies, mut asking, mut arrived) = (Tallies::new(), BTreeMap::new(), Vec::new());
        let records = self.records.pin();
        for (id, record) in &records {
            if !record.is_alive(now) {
                self.remember(record, now);
                // Asked again within the removal: it may just have reloaded.
                if let Ok(Some(_)) = records.remove_if(id, |_, record| !record.is_alive(now)) {
                    self.release();
                }
                continue;
            }
            if record.is_viewer(now) && record.begin_to_count() {
                self.opened_total.fetch_add(1, Relaxed);
                let has_returned = self.departed.pin().remove(id).is_some();
                if has_returned || record.session.server != self.place.server {
                    arrived.push(id.clone());
                }
            }
            if record.counts() {
                let session = &record.session;
                let key = (session.stream.clone(), session.region.clone(), session.class);
                *tallies.entry(key).or_default() += 1;
            }
            // Newcomers among them, before they count: they take the most of the uplink.
            if let Some(rung) = record.taken_rung() {
                let rungs: &mut Vec<u32> = asking.entry(record.session.stream.clone()).or_default();
                rungs.resize(rungs.len().max(rung + 1), 0);
                rungs[rung] += 1;
            }
        }
        (tallies, asking, arrived)
    }

    fn sweep_streams(&self, tallies: &mut Tallies, now: Time) {
        let mut sweeper = self.sweeper.lock().unwrap_or_else(PoisonError::into_inner);
        let mut anonymous = 0_u32;
        for (stream, reloads) in &self.streams.pin() {
            let window = Duration::from_millis(reloads.life_ms.load(Relaxed));
            let target = Duration::from_millis(reloads.target_ms.load(Relaxed));
            let rate = sweeper.rates.entry(stream.clone()).or_default();
            let viewers = rate.viewers(reloads.total.load(Relaxed), window, target, now);
            if viewers > 0 {
                let key = (stream.clone(), self.place.region.clone(), Class::Fixed);
                *tallies.entry(key).or_default() += viewers;
                anonymous = anonymous.saturating_add(viewers);
            }
        }
        self.anonymous.store(anonymous, Relaxed);
    }

    fn forget_oldest_departed(&self) {
        let departed = self.departed.pin();
        let excess = departed.len().saturating_sub(self.config.max_departed);
        if excess > 0 {
            let mut by_age: Vec<(Time, SessionId)> =
                departed.iter().map(|(id, at)| (*at, id.clone())).collect();
            by_age.sort();
            for (_, id) in by_age.into_iter().take(excess) {
                departed.remove(&id);
            }
        }
    }

    fn publish(&self, tallies: Tallies, count: Count) {
        metrics::census_sessions(self.present.load(Relaxed));
        let mut sessions: BTreeMap<&StreamName, u32> = BTreeMap::new();
        let before = self.count.load();
        // Streams that have lost their last viewer are told so once.
        sessions.extend(before.viewers.iter().map(|tally| (&tally.stream, 0)));
        for ((stream, ..), viewers) in &tallies {
            *sessions.entry(stream).or_default() += viewers;
        }
        for (stream, viewers) in sessions {
            metrics::sessions(stream, viewers);
        }
        let viewers = tallies
            .into_iter()
            .map(|((stream, region, class), viewers)| Tally { stream, region, class, viewers })
            .collect();
        let opened_total = self.opened_total.load(Relaxed);
        self.count.store(Arc::new(Count { viewers, opened_total, ..count }));
    }
}
