//! What one session alone is sent: of a stream whose server picks for each, by what its own connections have carried; of any, where it
//! came while others are still listed what they were listed before the cap fell, or begins lower for what is left of the uplink.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hls::cap::Swaps;
use policy::{
    SessionId, StreamName, Time,
    adaptation::{
        Settings,
        session::{Measurement, SessionCap},
    },
};

use super::{
    Census,
    meter::{Carried, Together},
    record::{Record, SEEMS_FRESH},
};

/// For how long what was listed to somebody may still be held against what is listed now: longer than most windows of a live stream.
const LISTED: Duration = Duration::from_secs(120);

/// Lists that are remembered of one session: a player has one, or for a moment one of each rung, if it looks at all of them.
const MOST_LISTS: usize = 16;

/// One session's own cap and lists.
#[derive(Debug, Default)]
pub(super) struct Personal {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    cap: SessionCap,
    together: Together,
    lists: BTreeMap<String, Swaps>,
}

impl Personal {
    /// Notes what one of its connections has carried.
    pub(super) fn carried(&self, carried: Carried) {
        self.state().together.add(carried);
    }

    /// Makes of all that was carried the highest rung that it is sent, of a ladder of these rates, lowest first.
    pub(super) fn decide(&self, said: Option<u64>, rates: &[u64], settings: &Settings, now: Time) -> usize {
        let mut state = self.state();
        let Carried { bytes, busy, waited } = state.together.look(now).unwrap_or_default();
        let measured = Measurement { bytes, busy, waited, said };
        state.cap.observe(measured, rates, settings, now);
        state.cap.rung()
    }

    /// The highest rung that it is sent.
    pub(super) fn rung(&self) -> usize {
        self.state().cap.rung()
    }

    /// Does something with what was listed to it of a rendition; none if nothing was, unless that `begins` now.
    pub(super) fn with_list<T>(
        &self,
        rendition: &str,
        begins: Option<Option<Swaps>>,
        act: impl FnOnce(&mut Swaps) -> T,
    ) -> Option<T> {
        let mut state = self.state();
        if let Some(list) = state.lists.get_mut(rendition) {
            return Some(act(list));
        }
        let seed = begins?.unwrap_or_default();
        if state.lists.len() >= MOST_LISTS {
            state.lists.clear();
        }
        Some(act(state.lists.entry(rendition.to_owned()).or_insert(seed)))
    }

    /// Whether anything is listed to it alone.
    fn has_lists(&self) -> bool {
        !self.state().lists.is_empty()
    }

    /// Forgets what was listed to it alone.
    pub(super) fn drop_list(&self, rendition: &str) {
        self.state().lists.remove(rendition);
    }

    /// Only its own requests and the step a moment come here: nobody waits.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Census {
    /// The highest rung that a session's own line carries, as it was decided last; none if it is not here.
    #[must_use]
    pub fn own_rung(&self, session: &SessionId) -> Option<usize> {
        self.records.pin().get(session).map(|record| record.personal().rung())
    }

    /// Does something with what was listed to a session alone of a rendition; none if nothing was, unless that `begins` now,
    /// perhaps with what was listed to it together with all others.
    pub fn with_list<T>(
        &self,
        session: &SessionId,
        rendition: &str,
        begins: Option<Option<Swaps>>,
        act: impl FnOnce(&mut Swaps) -> T,
    ) -> Option<T> {
        let records = self.records.pin();
        let record = records.get(session).filter(|record| begins.is_some() || record.is_personal())?;
        record.personal().with_list(rendition, begins, act)
    }

    /// What is listed to all is listed to this session, too, from here on.
    pub fn drop_list(&self, session: &SessionId, rendition: &str) {
        if let Some(record) = self.records.pin().get(session) {
            record.personal().drop_list(rendition);
        }
    }

    /// Decides for each session of a stream up to which rung its own line carries, of a ladder of these rates, lowest first.
    pub fn decide_for_each(&self, stream: &StreamName, rates: &[u64], settings: &Settings, now: Time) {
        for line in self.lines.pin().values() {
            line.measure(stream);
        }
        for record in self.records.pin().values().filter(|record| record.session.stream == *stream) {
            record.decide(rates, settings, now);
        }
    }

    /// Remembers what was listed to a session alone that goes, or that something was listed to it though its token says that it is fresh.
    /// Before it goes: it may ask again at that moment; and if it does not go then, nothing wrong is remembered.
    pub(super) fn remember(&self, record: &Record, now: Time) {
        let silent = self.silent.pin();
        if silent.len() >= self.config.max_departed {
            return;
        }
        if record.may_seem_fresh(now) || record.made_personal().is_some_and(|personal| personal.has_lists()) {
            let personal = record.made_personal().unwrap_or_default();
            silent.insert(record.session.id.clone(), (now, personal));
        }
    }

    /// Forgets what cannot matter any more.
    pub(super) fn forget_silent(&self, now: Time) {
        let matters = |personal: &Personal| if personal.has_lists() { LISTED } else { SEEMS_FRESH };
        self.silent.pin().retain(|_, (since, personal)| now.since(*since) <= matters(personal));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u64; 3] = [300_000, 800_000, 2_000_000];

    fn carried(bytes: u64, busy_ms: u64, waited_ms: u64) -> Carried {
        let [busy, waited] = [busy_ms, waited_ms].map(Duration::from_millis);
        Carried { bytes, busy, waited }
    }

    /// A session of the middle rung, which has played for twenty seconds on a line of 1.2 Mb/s, looked at every half second.
    fn plays() -> Personal {
        let personal = Personal::default();
        for look in 0..40 {
            personal.carried(carried(50_000, 333, 0));
            decide(&personal, look);
        }
        personal
    }

    fn decide(personal: &Personal, look: u64) -> usize {
        personal.decide(None, &RATES, &Settings::default(), Time::from_millis(look * 500))
    }

    #[test]
    fn a_wait_for_the_last_packet_is_no_bad_line_and_a_line_that_leaves_much_unsent_is_one() {
        for (busy_ms, waited_ms, rung) in [(0, 1_000, 1), (1_000, 0, 0)] {
            let personal = plays();
            personal.carried(carried(1_448, busy_ms, waited_ms));
            decide(&personal, 42);
            personal.carried(carried(60_000, 400, 0));
            assert_eq!(decide(&personal, 43), rung, "{busy_ms} ms busy");
        }
    }

    #[test]
    fn who_has_nothing_to_carry_is_not_judged() {
        let personal = plays();
        for look in 40..400 {
            assert_eq!(decide(&personal, look), 1);
        }
    }
}
