//! The book's rules, one test each, and what holds whatever happens.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::Class;

const LIFE: Duration = Duration::from_secs(5);

fn session(number: u32) -> Session {
    Session {
        id: SessionId::drawn(number.into()),
        stream: "live".parse().unwrap(),
        region: Region::fallback(),
        class: Class::Redirects,
        server: ServerId::primary(),
        expires_unix: u64::MAX,
    }
}

fn quota(keep: u32, relays: &[(&str, u32)]) -> Vec<RedirectQuota> {
    let slot =
        |host: &str| Slot { id: host.parse().unwrap(), base_url: format!("http://{host}:8080").into() };
    let relays =
        relays.iter().map(|(host, viewers)| RelayQuota { relay: slot(host), viewers: *viewers }).collect();
    vec![RedirectQuota { region: Region::fallback(), keep, relays }]
}

/// A book and its viewers, who all reload once a second.
struct Crowd {
    book: Book,
    now: Time,
    viewers: BTreeSet<u32>,
    at: BTreeMap<u32, Option<String>>,
    moves: usize,
}

impl Crowd {
    fn of(viewers: u32, quotas: &[RedirectQuota]) -> Self {
        let mut book = Book::new(Limits { sessions: 1_000 });
        book.set_quotas(quotas);
        let (now, viewers) = (Time::from_millis(1_000_000), (0..viewers).collect());
        let mut crowd = Self { book, now, viewers, at: BTreeMap::new(), moves: 0 };
        crowd.reload();
        crowd
    }

    fn reload(&mut self) {
        for viewer in &self.viewers {
            let slot = self.book.reloaded(&session(*viewer), LIFE, self.now);
            let at = slot.map(|slot| slot.id.as_str().to_owned());
            let before = self.at.insert(*viewer, at.clone());
            self.moves += usize::from(before.is_some_and(|before| before != at));
        }
        self.now = self.now + Duration::from_secs(1);
    }

    fn wait(&mut self) {
        (0..8).for_each(|_| self.reload());
        self.book.forget(self.now);
    }

    fn quotas(&mut self, quotas: &[RedirectQuota]) {
        self.book.set_quotas(quotas);
        self.moves = 0;
        self.reload();
    }

    fn count(&self, relay: Option<&str>) -> usize {
        self.viewers.iter().filter(|viewer| self.at[viewer].as_deref() == relay).count()
    }
}

#[test]
fn exactly_as_many_stay_as_the_primary_keeps() {
    let crowd = Crowd::of(10, &quota(3, &[("a", 7)]));
    assert_eq!((crowd.count(None), crowd.count(Some("a"))), (3, 7));
}

#[test]
fn without_a_quota_everybody_stays() {
    assert_eq!(Crowd::of(10, &[]).count(None), 10);
}

#[test]
fn a_new_relay_gets_its_quota_and_nobody_else_moves() {
    let mut crowd = Crowd::of(10, &quota(10, &[]));
    crowd.quotas(&quota(3, &[("a", 7)]));
    assert_eq!((crowd.count(None), crowd.count(Some("a")), crowd.moves), (3, 7, 7));
    crowd.wait();
    assert_eq!(crowd.moves, 7);
}

#[test]
fn a_relay_that_leaves_loses_its_sessions_at_their_next_reload() {
    let mut crowd = Crowd::of(10, &quota(2, &[("a", 4), ("b", 4)]));
    crowd.quotas(&quota(2, &[("b", 8)]));
    assert_eq!((crowd.count(None), crowd.count(Some("b")), crowd.moves), (2, 8, 4));
}

#[test]
fn a_relay_whose_quota_falls_to_nothing_loses_everybody_even_if_only_the_primary_is_left() {
    let mut crowd = Crowd::of(10, &quota(2, &[("a", 8)]));
    crowd.quotas(&quota(2, &[("a", 0)]));
    assert_eq!((crowd.count(None), crowd.moves), (10, 8));
}

#[test]
fn a_relay_whose_quota_shrinks_loses_only_what_is_too_much() {
    let mut crowd = Crowd::of(60, &quota(0, &[("a", 50), ("b", 10)]));
    crowd.quotas(&quota(0, &[("a", 20), ("b", 40)]));
    assert_eq!((crowd.count(Some("a")), crowd.count(Some("b"))), (23, 37));
}

#[test]
fn viewers_that_leave_make_nobody_else_move() {
    let mut crowd = Crowd::of(10, &quota(3, &[("a", 7)]));
    crowd.viewers.retain(|viewer| *viewer > 1);
    crowd.wait();
    crowd.quotas(&quota(3, &[("a", 5)]));
    assert_eq!((crowd.count(None), crowd.count(Some("a")), crowd.moves), (1, 7, 0));
}

#[test]
fn who_does_not_reload_is_forgotten() {
    let mut crowd = Crowd::of(10, &quota(3, &[("a", 7)]));
    assert_eq!(crowd.book.redirected(crowd.now).map(|(_, _, count)| count).sum::<u32>(), 7);
    crowd.viewers.clear();
    crowd.now = crowd.now + LIFE + Duration::from_secs(1);
    assert_eq!(crowd.book.redirected(crowd.now).count(), 0);
    assert!(crowd.book.is_empty() && crowd.book.wheel.is_empty());
}

#[test]
fn a_full_book_sends_nobody_further() {
    let mut book = Book::new(Limits { sessions: 2 });
    book.set_quotas(&quota(0, &[("a", 9)]));
    let sent: Vec<_> = (0..3).map(|n| book.reloaded(&session(n), LIFE, Time::default()).is_some()).collect();
    assert_eq!(sent, [true, true, false]);
    assert_eq!(book.len(), 2);
}

fn quotas() -> impl Strategy<Value = Vec<RedirectQuota>> {
    (0..20u32, prop::option::of(0..20u32), prop::option::of(0..20u32)).prop_map(|(keep, a, b)| {
        let relays: Vec<_> =
            [("a", a), ("b", b)].into_iter().filter_map(|(id, quota)| Some((id, quota?))).collect();
        quota(keep, &relays)
    })
}

proptest! {
    #[test]
    fn counts_are_the_sessions_and_quotas_are_met_with_rest(
        steps in prop::collection::vec((quotas(), prop::collection::btree_set(0..40u32, 0..40)), 1..12),
    ) {
        let mut crowd = Crowd::of(0, &[]);
        for (quotas, viewers) in steps {
            crowd.viewers = viewers;
            crowd.book.set_quotas(&quotas);
            crowd.wait();
            crowd.moves = 0;
            crowd.wait();
            prop_assert_eq!(crowd.moves, 0, "nobody moves while nothing changes");
            let shares = &crowd.book.regions[&Region::fallback()];
            prop_assert_eq!(shares.kept as usize, crowd.count(None));
            prop_assert_eq!(crowd.book.len(), crowd.viewers.len());
            for relay in ["a", "b"] {
                let id: ServerId = relay.parse().unwrap();
                prop_assert_eq!(shares.sent_to(&id) as usize, crowd.count(Some(relay)));
                let quota = shares.relay(&id).map_or(0, |relay| relay.viewers);
                prop_assert!(quota > 0 || crowd.count(Some(relay)) == 0, "nobody is left where nobody may be");
            }
            prop_assert!(shares.kept <= shares.keep() || shares.roomiest().is_none(), "too many stay although a relay has room");
        }
    }
}
