//! Who of the players that do not steer has gone where: sticky, exact and bounded.
//!
//! ```text
//! newcomer    to the primary while it has fewer than it keeps, else to the emptiest relay under its quota, else to the primary
//! at primary  stays, unless the primary has more than it keeps and a relay has room
//! at relay    stays, unless the relay left the quotas or has none, or has more than its quota and the slack
//! ```
//!
//! Every session is looked at when it reloads, and only then: nobody is moved who does not ask, and nobody moves back and
//! forth, because each move brings both counts nearer to their quotas. A session that does not reload for its lifetime is
//! forgotten. A book that is full sends further sessions nowhere: the primary serves them.

use std::{collections::BTreeMap, time::Duration};

use super::{RedirectQuota, RelayQuota};
use crate::{Region, ServerId, SessionId, StreamName, Time, routing::Slot, session::Session};

/// A relay may keep this many over its quota without losing any: viewers come and go, and a move is worth more than that.
const LEAST_SLACK: u32 = 3;
/// Or its quota over this.
const SLACK: u32 = 10;

/// What a book holds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sessions.
    pub sessions: usize,
}

/// Who has gone where.
#[derive(Debug)]
pub struct Book {
    limits: Limits,
    regions: BTreeMap<Region, Shares>,
    sessions: BTreeMap<SessionId, Entry>,
    /// When to look whether a session still reloads, by second. Every session stands in it once.
    wheel: BTreeMap<u64, Vec<SessionId>>,
    redirected: BTreeMap<(StreamName, Region), u32>,
}

#[derive(Debug)]
struct Entry {
    stream: StreamName,
    region: Region,
    /// The relay that it was sent to; none where it stays at the primary.
    relay: Option<ServerId>,
    expires: Time,
}

/// How a region's sessions are shared out, and how they should be.
#[derive(Debug, Default)]
struct Shares {
    quota: Option<RedirectQuota>,
    kept: u32,
    sent: BTreeMap<ServerId, u32>,
}

impl Book {
    /// An empty book.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            regions: BTreeMap::new(),
            sessions: BTreeMap::new(),
            wheel: BTreeMap::new(),
            redirected: BTreeMap::new(),
        }
    }

    /// Takes new quotas; sessions follow them as they reload. In a region without one everybody stays at the primary.
    pub fn set_quotas(&mut self, quotas: &[RedirectQuota]) {
        self.regions.values_mut().for_each(|shares| shares.quota = None);
        for quota in quotas {
            self.regions.entry(quota.region.clone()).or_default().quota = Some(quota.clone());
        }
        self.regions.retain(|_, shares| shares.quota.is_some() || !shares.is_empty());
    }

    /// A session reloads a playlist: the relay to send it to, or none if the primary serves it. It is remembered until
    /// `lifetime` has passed without a reload.
    pub fn reloaded(&mut self, session: &Session, lifetime: Duration, now: Time) -> Option<Slot> {
        self.forget(now);
        let known = self.sessions.get(&session.id).map(|entry| entry.relay.clone());
        if known.is_none() && self.sessions.len() >= self.limits.sessions {
            return None;
        }
        let expires = now + lifetime;
        let shares = self.regions.entry(session.region.clone()).or_default();
        let relay = match &known {
            None => shares.place(),
            Some(None) => shares.keep_or_send(),
            Some(Some(relay)) => shares.stay_or_move(relay),
        };
        if known.as_ref() != Some(&relay) {
            self.leave(&session.id);
            self.enter(session, relay.clone(), expires);
        } else if let Some(entry) = self.sessions.get_mut(&session.id) {
            entry.expires = expires;
        }
        if known.is_none() {
            self.wheel.entry(bucket(expires)).or_default().push(session.id.clone());
        }
        let relay = relay?;
        self.regions.get(&session.region)?.relay(&relay).map(|relay| relay.relay.clone())
    }

    /// Sessions that relays serve now, by stream and region.
    pub fn redirected(&mut self, now: Time) -> impl Iterator<Item = (&StreamName, &Region, u32)> {
        self.forget(now);
        self.redirected.iter().map(|((stream, region), sessions)| (stream, region, *sessions))
    }

    /// Sessions remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether no session is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    fn enter(&mut self, session: &Session, relay: Option<ServerId>, expires: Time) {
        let (stream, region) = (session.stream.clone(), session.region.clone());
        *self.regions.entry(region.clone()).or_default().count(relay.as_ref()) += 1;
        if relay.is_some() {
            *self.redirected.entry((stream.clone(), region.clone())).or_default() += 1;
        }
        self.sessions.insert(session.id.clone(), Entry { stream, region, relay, expires });
    }

    fn leave(&mut self, session: &SessionId) {
        let Some(entry) = self.sessions.remove(session) else { return };
        if let Some(shares) = self.regions.get_mut(&entry.region) {
            *shares.count(entry.relay.as_ref()) -= 1;
            shares.sent.retain(|_, sessions| *sessions > 0);
        }
        if entry.relay.is_some() {
            let sessions = self.redirected.entry((entry.stream, entry.region)).or_default();
            *sessions -= 1;
            self.redirected.retain(|_, sessions| *sessions > 0);
        }
    }

    /// Looks at the sessions whose time has come: those that reloaded since get a new one, the others are forgotten.
    fn forget(&mut self, now: Time) {
        while let Some(due) = self.wheel.first_entry().filter(|due| *due.key() < bucket(now)) {
            for session in due.remove() {
                match self.sessions.get(&session).map(|entry| entry.expires) {
                    Some(expires) if expires > now => {
                        self.wheel.entry(bucket(expires)).or_default().push(session);
                    }
                    _ => self.leave(&session),
                }
            }
        }
    }
}

impl Shares {
    fn is_empty(&self) -> bool {
        self.kept == 0 && self.sent.is_empty()
    }

    fn count(&mut self, relay: Option<&ServerId>) -> &mut u32 {
        match relay {
            None => &mut self.kept,
            Some(relay) => self.sent.entry(relay.clone()).or_default(),
        }
    }

    fn place(&self) -> Option<ServerId> {
        if self.kept < self.keep() { None } else { self.roomiest() }
    }

    fn keep_or_send(&self) -> Option<ServerId> {
        if self.kept > self.keep() { self.roomiest() } else { None }
    }

    fn stay_or_move(&self, relay: &ServerId) -> Option<ServerId> {
        let quota = self.relay(relay).map_or(0, |quota| quota.viewers);
        let must_go = quota == 0;
        let over = self.sent_to(relay) > quota + LEAST_SLACK.max(quota / SLACK);
        if !must_go && !over {
            return Some(relay.clone());
        }
        let elsewhere = self.roomiest();
        let to_primary = must_go || self.kept < self.keep();
        if elsewhere.is_none() && !to_primary { Some(relay.clone()) } else { elsewhere }
    }

    /// The relay that is emptiest for its quota, of those that are under it.
    fn roomiest(&self) -> Option<ServerId> {
        let fill = |relay: &RelayQuota| {
            (u64::from(self.sent_to(&relay.relay.id)) << 32) / u64::from(relay.viewers.max(1))
        };
        let relays = self.quota.iter().flat_map(|quota| &quota.relays);
        let under = relays.filter(|relay| self.sent_to(&relay.relay.id) < relay.viewers);
        under.min_by_key(|relay| fill(relay)).map(|relay| relay.relay.id.clone())
    }

    fn keep(&self) -> u32 {
        self.quota.as_ref().map_or(u32::MAX, |quota| quota.keep)
    }

    fn sent_to(&self, relay: &ServerId) -> u32 {
        self.sent.get(relay).copied().unwrap_or(0)
    }

    fn relay(&self, id: &ServerId) -> Option<&RelayQuota> {
        self.quota.iter().flat_map(|quota| &quota.relays).find(|relay| relay.relay.id == *id)
    }
}

/// The second in which a moment falls.
const fn bucket(time: Time) -> u64 {
    time.as_millis() / 1000
}

#[cfg(test)]
mod tests;
