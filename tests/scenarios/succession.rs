//! Who takes a dead relay's viewers over: another relay before the primary, without a gap and within one target duration.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use proto::v1::{Phase, StatusResponse};
use serde_json::Value;
use tests::{
    Fleet, Program,
    fleet::{at_primary, relays_in},
    program::kill,
};

const SETTLES: Duration = Duration::from_secs(60);

/// The test card's target duration.
const TARGET_DURATION_MS: u64 = 2_000;

const VIEWERS: u32 = 4;

fn summary(program: &Program) -> Value {
    let log = program.log();
    let start = log.find('{').unwrap_or_else(|| panic!("no summary in {log}"));
    serde_json::from_str(&log[start..]).unwrap()
}

/// Whether all viewers are at relays, and how many at each.
fn at_relays(status: &StatusResponse) -> Option<Vec<(String, u32)>> {
    let relays = relays_in(status, Phase::Serving);
    let carried: u32 = relays.iter().map(|relay| relay.viewers).sum();
    let all = status.viewers == VIEWERS && carried == VIEWERS && at_primary(status) == 0;
    all.then(|| relays.iter().map(|relay| (relay.id.clone(), relay.viewers)).collect())
}

#[tokio::test]
async fn when_a_relay_is_killed_its_viewers_play_from_the_other_relay_within_one_target_duration() {
    let fleet = Fleet::builder()
        .threshold(0)
        .standby(2, &[])
        .standby(3, &[])
        .manager_config("[provisioner]\nkind = \"standby\"\n[regions.default]\nmin_relays = 2")
        .start()
        .await;
    fleet.until("both relays serve", SETTLES, |status| relays_in(status, Phase::Serving).len() == 2).await;
    let mut viewers: Vec<Program> = (0..VIEWERS)
        .map(|n| fleet.start_client(&format!("viewer-{n}"), &["play", "--duration", "600s", "--json"]))
        .collect();
    let status = fleet
        .until("all are at relays", SETTLES, |status| {
            at_relays(status).is_some_and(|relays| relays.len() == 2)
        })
        .await;
    let (victim, _) = at_relays(&status).unwrap().into_iter().max_by_key(|(_, viewers)| *viewers).unwrap();
    let server = status.servers.iter().find(|server| server.id == victim).unwrap();
    kill(fleet.relay_pid(server).unwrap());
    fleet
        .until("all are at the other relay", SETTLES, |status| {
            at_relays(status).is_some_and(|relays| relays.iter().all(|(id, _)| *id != victim))
        })
        .await;
    for viewer in &mut viewers {
        viewer.stop().await;
        let summary = summary(viewer);
        assert!(summary["longest_stall_ms"].as_u64().unwrap() <= TARGET_DURATION_MS, "{summary}");
        assert_eq!(summary["gaps"].as_u64(), Some(0), "{summary}");
        assert_ne!(summary["server"].as_str(), Some(victim.as_str()), "{summary}");
        // One to the other relay at the most: a stop at the primary would be another.
        assert!(summary["switches"].as_u64().unwrap() <= 1, "{summary}");
    }
}
