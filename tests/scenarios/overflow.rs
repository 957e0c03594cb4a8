//! The main job: a region passes its threshold, a relay comes, exactly the threshold's number of viewers stay at the primary,
//! the crowd leaves, the relay is drained and gone; and all of it a second time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use proto::v1::{Phase, StatusResponse};
use tests::{
    Fleet, Program, eventually,
    fleet::{at_primary, brief, relays_in},
    holds_for,
};

/// From the threshold passed to everybody placed: launch, warm-up, one steering TTL, one report, and a busy machine.
const SETTLES: Duration = Duration::from_secs(60);

/// From the last viewer gone to the relay gone: the census, the hold, the drain, and a busy machine.
const GONE: Duration = Duration::from_secs(60);

fn crowd(fleet: &Fleet, name: &str, viewers: u32, arguments: &[&str]) -> Program {
    let viewers = viewers.to_string();
    let common = ["crowd", "--viewers", &viewers, "--rate", "10/s", "--duration", "600s"];
    fleet.start_client(name, &[&common, arguments].concat())
}

fn exactly(threshold: u32, viewers: u32) -> impl Fn(&StatusResponse) -> bool {
    move |status| {
        status.viewers == viewers
            && at_primary(status) == threshold
            && !relays_in(status, Phase::Serving).is_empty()
    }
}

async fn crowd_comes_and_goes(fleet: &Fleet, name: &str, threshold: u32, viewers: u32) {
    let mut crowd = crowd(fleet, name, viewers, &[]);
    fleet.until("the threshold's number stays at the primary", SETTLES, exactly(threshold, viewers)).await;
    holds_for("nobody is moved without need", Duration::from_secs(6), SETTLES, async || {
        let status = fleet.status().await?;
        if exactly(threshold, viewers)(&status) { Ok(()) } else { Err(brief(&status)) }
    })
    .await;
    let ended = crowd.stop().await;
    assert!(ended.success(), "the crowd saw a stall or an error: {}", crowd.log());
    fleet.until("the viewers are gone from the count", GONE, |status| status.viewers == 0).await;
}

async fn no_relay_is_left(fleet: &Fleet) {
    eventually("the launched relays have exited", GONE, async || {
        let pids = fleet.relay_pids();
        if pids.is_empty() { Ok(()) } else { Err(format!("{pids:?} still run")) }
    })
    .await;
}

async fn launched_relays_carry_all_beyond(threshold: u32) {
    let fleet = Fleet::builder().threshold(threshold).start().await;
    for name in ["first-crowd", "second-crowd"] {
        crowd_comes_and_goes(&fleet, name, threshold, threshold + 3).await;
        no_relay_is_left(&fleet).await;
    }
}

#[tokio::test]
async fn with_a_threshold_of_three_exactly_three_stay_twice_over() {
    launched_relays_carry_all_beyond(3).await;
}

#[tokio::test]
async fn with_a_threshold_of_one_exactly_one_stays_twice_over() {
    launched_relays_carry_all_beyond(1).await;
}

#[tokio::test]
async fn who_is_over_the_threshold_plays_from_the_primary_at_once_and_moves_when_the_relay_is_ready() {
    let fleet = Fleet::builder().threshold(0).start().await;
    let mut viewer = fleet.start_client("viewer", &["play", "--duration", "600s", "--json"]);
    fleet
        .until("it plays from a relay", SETTLES, |status| {
            relays_in(status, Phase::Serving).iter().any(|relay| relay.viewers == 1)
                && at_primary(status) == 0
        })
        .await;
    viewer.stop().await;
    let summary = viewer.summary();
    let said = |key: &str| summary[key].as_u64().unwrap();
    // Two segments of two seconds are what a player takes before it plays; they are there already.
    assert!(said("start_up_ms") < 2_000, "{summary}");
    assert_eq!((said("switches"), said("stalls"), said("gaps")), (1, 0, 0), "{summary}");
    assert!(summary["server"].as_str().unwrap().starts_with("relay-"), "{summary}");
}

#[tokio::test]
async fn with_a_threshold_of_zero_the_primary_is_left_with_nobody() {
    launched_relays_carry_all_beyond(0).await;
}

#[tokio::test]
async fn a_standby_relay_is_used_drained_and_used_again() {
    let fleet = Fleet::builder()
        .threshold(2)
        .standby(2, &[])
        .manager_config("[provisioner]\nkind = \"standby\"")
        .start()
        .await;
    let standby = |status: &StatusResponse| relays_in(status, Phase::Standby).len() == 1;
    for name in ["first-crowd", "second-crowd"] {
        fleet.until("the relay stands by", SETTLES, standby).await;
        crowd_comes_and_goes(&fleet, name, 2, 6).await;
    }
    fleet.until("the relay stands by again", GONE, standby).await;
    assert_eq!(fleet.relay_pids(), [fleet.relays[0].pid()]);
}

#[tokio::test]
async fn viewers_of_every_class_are_moved_and_exactly_the_threshold_stays() {
    let fleet = Fleet::builder().threshold(4).start().await;
    let mut crowd = crowd(&fleet, "mixed", 12, &["--mix", "steers=4,redirects=4,watches=4"]);
    fleet.until("the threshold's number stays at the primary", SETTLES, exactly(4, 12)).await;
    assert!(crowd.stop().await.success(), "{}", crowd.log());
}
