//! The cap on a server that is told of its viewers once a second: rules one by one, what holds for all loads, and the loop with a learnt uplink.

use proptest::prelude::*;

use super::*;

const RATES: [u64; 3] = [300_000, 800_000, 2_000_000];
const MBPS: u64 = 1_000_000;

fn at(seconds: u64) -> Time {
    Time::from_millis(seconds * 1000)
}

fn ladder(viewers: [u32; 3]) -> Vec<Rung> {
    RATES.iter().zip(viewers).map(|(rate, viewers)| Rung { rate: *rate, viewers, yields: true }).collect()
}

/// A server that sends what was expected of it.
struct Server {
    adaptation: Adaptation,
    settings: Settings,
    now: u64,
}

impl Server {
    fn new() -> Self {
        let mut server = Self { adaptation: Adaptation::default(), settings: Settings::default(), now: 0 };
        server.stands([0; 3], 8 * MBPS);
        server
    }

    /// One second with these viewers by rung, and this share.
    fn stands(&mut self, viewers: [u32; 3], share: u64) -> Option<Change> {
        let ladder = ladder(viewers);
        let load = Load { ladder: &ladder, guessed: 0, egress: 0, share: Some(share) };
        let egress = whole(load.expected(self.adaptation.cap()) / PACKET_OVERHEAD);
        self.now += 1;
        self.adaptation.observe(&Load { egress, ..load }, &self.settings, at(self.now))
    }

    fn stands_for(&mut self, seconds: u64, viewers: [u32; 3], share: u64) -> usize {
        for _ in 0..seconds {
            self.stands(viewers, share);
        }
        self.adaptation.cap()
    }
}

#[test]
fn a_server_begins_at_the_top_and_stays_there_while_all_fits() {
    let mut server = Server::new();
    assert_eq!(server.stands_for(60, [0, 0, 3], 8 * MBPS), 2);
    assert!(!server.adaptation.is_capped());
}

#[test]
fn more_viewers_than_fit_bring_it_down_at_once_as_far_as_is_needed() {
    let mut server = Server::new();
    let change = server.stands([0, 0, 5], 8 * MBPS).unwrap();
    assert_eq!(change, Change { from: 2, to: 1, reason: Reason::Demand });
    let change = server.stands([0, 0, 20], 8 * MBPS).unwrap();
    assert_eq!(change, Change { from: 1, to: 0, reason: Reason::Demand });
    assert_eq!(server.stands([0, 0, 40], 8 * MBPS), None, "below the lowest there is nothing");
}

#[test]
fn it_climbs_rung_by_rung_each_after_a_hold() {
    let mut server = Server::new();
    server.stands_for(5, [0, 0, 20], 8 * MBPS);
    assert_eq!(server.stands_for(10, [0, 0, 1], 8 * MBPS), 0);
    assert_eq!(server.stands_for(1, [0, 0, 1], 8 * MBPS), 1);
    assert_eq!(server.stands_for(10, [0, 0, 1], 8 * MBPS), 1);
    assert_eq!(server.stands_for(1, [0, 0, 1], 8 * MBPS), 2);
}

#[test]
fn a_crowd_that_is_coming_is_expected_to_go_on_until_nobody_comes() {
    let mut server = Server::new();
    let coming = |server: &mut Server| (1..=3).filter_map(|n| server.stands([0, 0, n], 9 * MBPS)).next();
    server.stands_for(5, [0; 3], 9 * MBPS);
    assert_eq!(
        coming(&mut server),
        Some(Change { from: 2, to: 1, reason: Reason::Demand }),
        "6.3 of 9 by now"
    );
    let mut server = Server::new();
    server.stands_for(5, [0; 3], 9 * MBPS);
    server.stands([0, 0, 2], 9 * MBPS);
    assert_eq!(server.stands_for(60, [0, 0, 3], 9 * MBPS), 2, "three within two seconds, and no others");
}

#[test]
fn viewers_who_are_guessed_from_what_is_sent_are_no_crowd_that_is_coming() {
    let changes = |guessed| {
        let mut adaptation = Adaptation::default();
        let mut stands = |(second, viewers)| {
            let load = Load { ladder: &ladder([0, 0, viewers]), guessed, egress: 0, share: Some(9 * MBPS) };
            adaptation.observe(&load, &Settings::default(), at(second)).is_some()
        };
        (0..).zip([0, 0, 0, 0, 0, 1, 2, 3, 3]).filter(|step| stands(*step)).count()
    };
    assert_eq!([changes(0), changes(3)], [1, 0]);
}

#[test]
fn a_rung_that_would_only_just_fit_is_not_taken() {
    let mut server = Server::new();
    server.stands_for(5, [0, 0, 4], 8 * MBPS);
    assert_eq!(server.stands_for(100, [0, 0, 3], 7 * MBPS), 1, "6.3 of 7 is within the margin");
    assert_eq!(server.stands_for(12, [0, 0, 3], 8 * MBPS), 2);
}

#[test]
fn viewers_who_ask_for_less_than_the_cap_are_in_nobodys_way() {
    let mut server = Server::new();
    assert_eq!(server.stands_for(30, [20, 0, 0], 8 * MBPS), 2);
    assert_eq!(server.stands_for(1, [20, 0, 1], 8 * MBPS), 1, "but one who asks for more is");
}

#[test]
fn players_that_keep_below_the_cap_of_themselves_are_expected_to_climb_with_it() {
    let mut server = Server::new();
    server.stands_for(5, [0, 0, 20], 8 * MBPS);
    assert_eq!(server.stands_for(100, [20, 0, 0], 8 * MBPS), 0);
    assert_eq!(server.stands_for(22, [2, 0, 0], 8 * MBPS), 2);
}

#[test]
fn a_rung_for_which_no_other_may_stand_is_sent_whatever_the_cap() {
    let mut ladder = ladder([0, 0, 4]);
    ladder[2].yields = false;
    let load = Load { ladder: &ladder, guessed: 0, egress: 0, share: Some(5 * MBPS) };
    assert!(load.expected(0) >= load.expected(2));
    let mut adaptation = Adaptation::default();
    adaptation.observe(&load, &Settings::default(), at(0));
    adaptation.observe(&load, &Settings::default(), at(1));
    assert_eq!(adaptation.cap(), 0, "newcomers are to begin as low as can be");
}

#[test]
fn rungs_that_take_more_than_they_say_are_reckoned_with_once_it_shows() {
    let ladder = ladder([0, 0, 3]);
    let mut adaptation = Adaptation::default();
    let load = Load { ladder: &ladder, guessed: 0, egress: 9 * MBPS, share: Some(8 * MBPS) };
    let mut observe = |seconds| adaptation.observe(&load, &Settings::default(), at(seconds));
    for seconds in 0..9 {
        assert_eq!(observe(seconds), None, "newcomers begin with a burst");
    }
    let change = observe(9).unwrap();
    assert_eq!((change.to, change.reason), (1, Reason::Egress));
    assert_eq!(observe(10), None, "the change has to show first");
}

#[test]
fn an_uplink_of_which_nobody_knows_caps_nothing() {
    let ladder = ladder([0, 0, 1000]);
    let mut adaptation = Adaptation::default();
    for second in 0..3 {
        let load = Load { ladder: &ladder, guessed: 0, egress: 1_000 * MBPS, share: None };
        assert_eq!(adaptation.observe(&load, &Settings::default(), at(second)), None);
    }
    assert!(!adaptation.is_capped());
}

#[test]
fn an_operator_can_hold_the_cap_and_let_it_go() {
    let mut server = Server::new();
    server.adaptation.pin(Some(1));
    let change = server.stands([0, 0, 1], 8 * MBPS).unwrap();
    assert_eq!((change.to, change.reason), (1, Reason::Operator));
    server.adaptation.pin(Some(99));
    assert_eq!(server.stands_for(1, [0, 0, 99], 8 * MBPS), 2, "a rung that there is not is the top one");
    server.adaptation.pin(None);
    assert_eq!(server.stands_for(1, [0, 0, 99], 8 * MBPS), 0);
}

#[test]
fn what_viewers_may_have_leaves_room_for_relays_and_for_bursts() {
    let settings = Settings::default();
    assert_eq!(settings.viewers_share(10 * MBPS, 0), 8 * MBPS);
    assert_eq!(settings.viewers_share(10 * MBPS, 3 * MBPS), 6 * MBPS);
    assert_eq!(settings.viewers_share(10 * MBPS, 30 * MBPS), 0);
    assert_eq!(settings.room(8 * MBPS, 300_000), 25);
    assert_eq!(settings.room(8 * MBPS, 0), 8_000_000, "a rung of nothing divides by nothing");
}

proptest! {
    #[test]
    fn in_the_steady_state_what_is_sent_fits_or_the_cap_is_the_lowest(
        viewers in prop::array::uniform3(0..40u32),
        share in 1..60u64,
        before in prop::array::uniform3(0..40u32),
    ) {
        let mut server = Server::new();
        server.stands_for(20, before, share * MBPS);
        let cap = server.stands_for(60, viewers, share * MBPS);
        let ladder = ladder(viewers);
        let load = Load { ladder: &ladder, guessed: 0, egress: 0, share: None };
        prop_assert!(cap == 0 || load.expected(cap) <= (share * MBPS) as f64);
        prop_assert_eq!(server.stands_for(200, viewers, share * MBPS), cap, "and it stays");
    }

    #[test]
    fn more_load_never_gets_a_higher_cap(
        viewers in prop::array::uniform3(0..40u32),
        more in prop::array::uniform3(0..10u32),
        share in 1..60u64,
    ) {
        let (mut fewer, mut all) = (Server::new(), Server::new());
        let sum = [0, 1, 2].map(|rung| viewers[rung] + more[rung]);
        prop_assert!(all.stands_for(60, sum, share * MBPS) <= fewer.stands_for(60, viewers, share * MBPS));
    }

    #[test]
    fn between_two_rises_there_is_a_hold_and_after_a_fall_too(
        loads in prop::collection::vec((0..30u32, 1..20u64), 1..200),
    ) {
        let mut server = Server::new();
        let mut changed = None::<u64>;
        for (viewers, share) in loads {
            if let Some(change) = server.stands([0, 0, viewers], share * MBPS) {
                if change.to > change.from {
                    prop_assert!(changed.is_none_or(|before| server.now - before >= 10));
                }
                changed = Some(server.now);
            }
        }
    }

    #[test]
    fn when_the_load_goes_the_top_is_reached_again(viewers in prop::array::uniform3(0..99u32)) {
        let mut server = Server::new();
        server.stands_for(30, viewers, 8 * MBPS);
        prop_assert_eq!(server.stands_for(22, [0, 0, 1], 8 * MBPS), 2);
    }
}

#[test]
fn a_belief_is_not_forgotten_for_the_cap_that_it_caused() {
    let (settings, ladder) = (Settings::default(), ladder([0, 0, 10]));
    let (mut uplink, mut adaptation) = (uplink::Uplink::new(None), Adaptation::default());
    let mut changes = 0;
    for second in 0..300 {
        let wanted = Load { ladder: &ladder, guessed: 0, egress: 0, share: None }.expected(2);
        let sent = Load { ladder: &ladder, guessed: 0, egress: 0, share: None }.expected(adaptation.cap());
        let egress = whole(sent.min(8e6) / PACKET_OVERHEAD);
        let behind = if sent > 8e6 { 10 } else { 0 };
        let sight = uplink::Sight { egress, wanted: whole(wanted), viewers: 10, behind };
        uplink.observe(sight, settings.hold, at(second));
        let share = uplink.bits_per_second().map(|bits| settings.viewers_share(bits, 0));
        let load = Load { ladder: &ladder, guessed: 0, egress, share };
        changes += u32::from(adaptation.observe(&load, &settings, at(second)).is_some());
    }
    assert!(changes <= 300 / 20, "{changes} changes in five minutes");
}
