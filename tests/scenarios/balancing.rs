//! Where viewers go: each balancing method over several relays, viewers who come back to the primary where that is wanted, and
//! regions by address.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use proto::v1::{Phase, StatusResponse};
use tests::{
    Fleet, Program, Subnet, eventually,
    fleet::{at_primary, brief, relays_in},
    holds_for,
};

const SETTLES: Duration = Duration::from_secs(60);

fn crowd(fleet: &Fleet, name: &str, viewers: &str, mix: &str) -> Program {
    let arguments = ["crowd", "--viewers", viewers, "--rate", "10/s", "--duration", "600s", "--mix", mix];
    fleet.start_client(name, &arguments)
}

/// Eight viewers over a threshold of two need two relays of four places, planned to be three quarters full.
async fn carries_a_small_overflow(method: &str) {
    let config = format!(
        "balancing = \"{method}\"\n[scaling]\nrelay_capacity = 4\ntarget_utilisation = 0.75\n[regions.default]\nmax_relays = 2"
    );
    let fleet = Fleet::builder().threshold(2).manager_config(&config).start().await;
    let mut crowd = crowd(&fleet, "crowd", "8", "steers=1,watches=1");
    fleet
        .until("two relays carry what is beyond the threshold", SETTLES, |status| {
            let serving = relays_in(status, Phase::Serving);
            (status.viewers, at_primary(status), serving.len()) == (8, 2, 2)
                && serving.iter().all(|relay| (1..=4).contains(&relay.viewers))
        })
        .await;
    assert!(crowd.stop().await.success(), "{method}: {}", crowd.log());
}

#[tokio::test]
async fn two_choice_carries_a_small_overflow() {
    carries_a_small_overflow("two-choice").await;
}

#[tokio::test]
async fn least_loaded_carries_a_small_overflow() {
    carries_a_small_overflow("least-loaded").await;
}

#[tokio::test]
async fn weighted_round_robin_carries_a_small_overflow() {
    carries_a_small_overflow("weighted-round-robin").await;
}

#[tokio::test]
async fn round_robin_carries_a_small_overflow() {
    carries_a_small_overflow("round-robin").await;
}

#[tokio::test]
async fn random_carries_a_small_overflow() {
    carries_a_small_overflow("random").await;
}

#[tokio::test]
async fn consistent_hash_carries_a_small_overflow() {
    carries_a_small_overflow("consistent-hash").await;
}

/// Three viewers that redirect are kept by the primary, five that steer are moved off it; then the three leave.
async fn left_by_those_it_kept(backfill: bool) -> (Fleet, Program) {
    let config = format!("backfill = {backfill}");
    let fleet = Fleet::builder().threshold(3).manager_config(&config).start().await;
    let mut kept = crowd(&fleet, "kept", "3", "redirects=1");
    fleet.until("three are at the primary", SETTLES, |status| at_primary(status) == 3).await;
    let moved = crowd(&fleet, "moved", "5", "steers=1");
    fleet
        .until("five are at a relay", SETTLES, |status| {
            status.viewers == 8
                && relays_in(status, Phase::Serving).iter().map(|relay| relay.viewers).sum::<u32>() == 5
        })
        .await;
    assert!(kept.stop().await.success(), "{}", kept.log());
    (fleet, moved)
}

#[tokio::test]
async fn with_backfill_viewers_come_back_to_the_primary_when_it_has_room() {
    let (fleet, mut moved) = left_by_those_it_kept(true).await;
    fleet
        .until("the primary is full again", SETTLES, |status| (status.viewers, at_primary(status)) == (5, 3))
        .await;
    assert!(moved.stop().await.success(), "{}", moved.log());
}

#[tokio::test]
async fn without_backfill_viewers_stay_where_they_play() {
    let (fleet, mut moved) = left_by_those_it_kept(false).await;
    let stay = |status: &StatusResponse| (status.viewers, at_primary(status)) == (5, 0);
    holds_for("nobody comes back", Duration::from_secs(8), SETTLES, async || {
        let status = fleet.status().await?;
        if stay(&status) { Ok(()) } else { Err(brief(&status)) }
    })
    .await;
    assert!(moved.stop().await.success(), "{}", moved.log());
}

#[tokio::test]
async fn viewers_who_name_no_region_get_that_of_the_longest_network_they_come_from() {
    let subnet = Subnet::unused();
    let networks = format!("\"127.0.0.0/8\" = \"us\"\n\"{}/32\" = \"eu\"", subnet.host(9));
    let config = format!("[regions.us]\n[regions.eu]\n[region_map.networks]\n{networks}");
    let fleet = Fleet::builder().on(subnet).manager_config(&config).start().await;
    let _elsewhere = fleet.start_client("elsewhere", &["play", "--duration", "600s"]);
    let here =
        reqwest::Client::builder().local_address(std::net::IpAddr::from(subnet.host(9))).build().unwrap();
    let multivariant = here.get(fleet.watch_url()).send().await.unwrap().text().await.unwrap();
    let playlist = multivariant.lines().find(|line| line.starts_with("http")).unwrap().to_owned();
    eventually("one watches in each region", SETTLES, async || {
        here.get(&playlist)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(|e| e.to_string())?;
        let status = fleet.status().await?;
        let in_region = |name| status.regions.iter().find(|r| r.name == name).map_or(0, |r| r.viewers);
        let counts = ["eu", "us", "default"].map(in_region);
        if counts == [1, 1, 0] { Ok(()) } else { Err(format!("{counts:?}")) }
    })
    .await;
}
