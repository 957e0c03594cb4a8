//! Who dies, and who goes on: each program and each viewer killed with -9 while people watch.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use proto::v1::{Phase, ServerKind, ServerStatus, StatusResponse};
use serde_json::Value;
use tests::{
    Fleet, Program,
    census::Truth,
    eventually,
    fleet::{at_primary, brief, relays_in},
    program::kill,
    stays,
    wait::unix_ms,
};

const SETTLES: Duration = Duration::from_secs(60);

/// The test card's target duration.
const TARGET_DURATION: Duration = Duration::from_secs(2);

/// When a session without reloads has ended: 2.5 target durations, at least 5 s (DESIGN, Census), then one report.
const DEPARTURE: Duration = Duration::from_secs(5 + 1);

/// What looking from outside adds on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

/// Whether all these viewers are at relays, and how many at each.
fn at_relays(status: &StatusResponse, viewers: u32) -> Option<Vec<(String, u32)>> {
    let relays = relays_in(status, Phase::Serving);
    let carried: u32 = relays.iter().map(|relay| relay.viewers).sum();
    let all = status.viewers == viewers && carried == viewers && at_primary(status) == 0;
    all.then(|| relays.iter().map(|relay| (relay.id.clone(), relay.viewers)).collect())
}

#[tokio::test]
async fn when_a_relay_dies_its_viewers_play_elsewhere_and_a_new_relay_comes() {
    let fleet = Fleet::builder().threshold(2).manager_config("[scaling]\nrelay_capacity = 8").start().await;
    let (report, log) = (fleet.file("crowd.json"), fleet.file("crowd.log"));
    let mix = "steers=1,watches=1";
    let mut crowd = fleet.start_client(
        "crowd",
        &[
            "crowd",
            "--viewers",
            "12",
            "--rate",
            "10/s",
            "--duration",
            "600s",
            "--mix",
            mix,
            "--json",
            report.to_str().unwrap(),
            "--log",
            log.to_str().unwrap(),
        ],
    );
    let status = fleet
        .until("two relays share the viewers", SETTLES, |status| {
            at_primary(status) == 2 && status.viewers == 12 && relays_in(status, Phase::Serving).len() == 2
        })
        .await;
    let victim = relays_in(&status, Phase::Serving)[0].clone();
    let killed_at = unix_ms();
    kill(fleet.relay_pid(&victim).unwrap());

    fleet
        .until("all play elsewhere, and a new relay has come", SETTLES, |status| {
            let serving = relays_in(status, Phase::Serving);
            // Those who are adrift are counted for their region, but by no server.
            let seen: u32 = status.servers.iter().map(|server| server.viewers).sum();
            seen == 12
                && at_primary(status) == 2
                && serving.len() == 2
                && serving.iter().all(|relay| relay.id != victim.id)
        })
        .await;
    crowd.stop().await;
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    let longest = report["longest_stall_ms"].as_f64().unwrap();
    assert!(longest <= TARGET_DURATION.as_secs_f64() * 1000.0, "somebody stalled for {longest} ms: {report}");
    let leaves = Truth::read(&log).leaves(&victim.base_url, killed_at);
    let within = u64::try_from((TARGET_DURATION + SLACK).as_millis()).unwrap();
    assert!(
        !leaves.is_empty() && leaves.iter().all(|left| left.is_some_and(|after| after <= within)),
        "viewers of the dead relay play elsewhere within a target duration, but took {leaves:?} ms"
    );
}

#[tokio::test]
async fn a_killed_viewer_is_gone_from_the_count_in_time() {
    let fleet = Fleet::builder().threshold(10).start().await;
    let mut viewers: Vec<Program> =
        (0..3).map(|n| fleet.start_client(&format!("viewer-{n}"), &["play", "--duration", "600s"])).collect();
    fleet.until("three viewers are counted", SETTLES, |status| status.viewers == 3).await;
    viewers[0].kill();
    fleet.until("the dead one is counted no more", DEPARTURE + SLACK, |status| status.viewers == 2).await;
    stays("the others stay counted", Duration::from_secs(5), async || {
        let status = fleet.status().await?;
        if status.viewers == 2 { Ok(()) } else { Err(brief(&status)) }
    })
    .await;
}

#[tokio::test]
async fn while_the_manager_is_dead_nobody_notices_and_after_it_nothing_is_launched_or_drained() {
    let mut fleet = Fleet::builder().threshold(10).start().await;
    let mut crowd = fleet.start_client(
        "crowd",
        &[
            "crowd",
            "--viewers",
            "50",
            "--rate",
            "25/s",
            "--duration",
            "600s",
            "--mix",
            "steers=3,redirects=1,watches=1",
        ],
    );
    fleet
        .until("fifty watch, ten of them from the primary", SETTLES, |status| {
            status.viewers == 50 && at_primary(status) == 10
        })
        .await;
    let relays = fleet.relay_pids();
    let steering = steering_url(&fleet).await;
    fleet.manager.kill();
    let egress = fleet.metric(fleet.subnet.admin(1), "spillway_egress_bytes_total").await.unwrap();
    eventually("the primary goes on sending", SETTLES, async || {
        let now = fleet.metric(fleet.subnet.admin(1), "spillway_egress_bytes_total").await.unwrap_or(0.0);
        if now > egress + 1_000_000.0 { Ok(()) } else { Err(format!("{now}")) }
    })
    .await;

    fleet.restart_manager();
    fleet
        .until("the restarted manager counts right", Duration::from_secs(5) + SLACK, |status| {
            status.viewers == 50 && at_primary(status) == 10
        })
        .await;
    // A stranger's answer names no slot.
    let (_, manifest) = fleet.get(&steering).await.unwrap();
    assert!(manifest.contains("PATHWAY-CLONES"), "a token from before is not known: {manifest}");
    stays("the fleet stays as it was", Duration::from_secs(8), async || {
        let now = fleet.relay_pids();
        if now == relays { Ok(()) } else { Err(format!("relays were {relays:?} and are {now:?}")) }
    })
    .await;
    assert!(crowd.stop().await.success(), "somebody noticed: {}", crowd.log());
}

#[tokio::test]
async fn after_a_restart_of_the_primary_numbers_go_on_and_the_client_resumes() {
    let mut fleet = Fleet::builder().threshold(10).start().await;
    let mut viewer = fleet.start_client("viewer", &["play", "--duration", "40s", "--json"]);
    fleet.until("the viewer is counted", SETTLES, |status| status.viewers == 1).await;
    let playlist = format!("http://{}/live/240p/live.m3u8", fleet.subnet.viewers(1));
    let before = newest(&fleet, &playlist).await.unwrap();
    fleet.primary.kill();
    fleet.restart_primary();
    let after =
        eventually("the primary lists again", SETTLES, async || newest(&fleet, &playlist).await).await;
    assert!(after > before, "numbers must only grow: {before}, then {after}");
    assert!(
        viewer.ends_within(SETTLES).await.code().is_some_and(|code| code == 0 || code == 6),
        "{}",
        viewer.log()
    );
    let last = viewer.summary()["newest_sequence"].as_u64().unwrap();
    assert!(
        last >= after,
        "the viewer has not resumed: it ended at {last}, the primary began again at {after}"
    );
}

/// Where a new session's player would ask.
async fn steering_url(fleet: &Fleet) -> String {
    let (_, playlist) = fleet.get(&format!("{}?player=steers", fleet.watch_url())).await.unwrap();
    playlist.split_once("SERVER-URI=\"").unwrap().1.split_once('"').unwrap().0.to_owned()
}

async fn newest(fleet: &Fleet, playlist: &str) -> Result<u64, String> {
    let (code, text) = fleet.get(playlist).await.map_err(|error| error.to_string())?;
    if code != 200 {
        return Err(format!("{code}: {text}"));
    }
    let last = text.lines().rfind(|line| !line.starts_with('#'));
    last.and_then(|name| name.split('.').next()?.parse().ok()).ok_or_else(|| format!("no segment in {text}"))
}

#[tokio::test]
async fn media_written_across_moves_is_the_primarys_byte_for_byte() {
    let fleet = Fleet::builder().threshold(0).start().await;
    let media = fleet.file("viewer.mp4");
    let arguments =
        ["play", "--duration", "30s", "--rung", "lowest", "--json", "-o", media.to_str().unwrap()];
    let mut moves = fleet.start_client("moves", &arguments);
    let at_relay = |server: &ServerStatus| server.kind() == ServerKind::Relay && server.viewers == 1;
    fleet.until("it is moved", SETTLES, |status| status.servers.iter().any(at_relay)).await;
    assert!(moves.ends_within(SETTLES).await.success(), "{}", moves.log());
    let summary = moves.summary();
    assert!(summary["switches"].as_u64().unwrap() >= 1, "{summary}");
    let (first, last) =
        (summary["first_sequence"].as_u64().unwrap(), summary["newest_sequence"].as_u64().unwrap());
    let written = std::fs::read(&media).unwrap();
    let at_primary = format!("http://{}/live/240p", fleet.subnet.viewers(1));
    let (_, playlist) = fleet.get(&format!("{at_primary}/live.m3u8")).await.unwrap();
    let init = playlist.split_once("#EXT-X-MAP:URI=\"").unwrap().1.split_once('"').unwrap().0;
    let mut primary = tests::http::get(&format!("{at_primary}/{init}")).await.unwrap().1.to_vec();
    // The test card makes any segment since its start again.
    for number in first..=last {
        let (code, segment) = tests::http::get(&format!("{at_primary}/{number}.m4s")).await.unwrap();
        assert_eq!(code, 200, "{number}");
        primary.extend(segment);
    }
    assert!(written == primary, "the client's media is not the primary's, from {first} to {last}");
    assert_eq!(summary["gaps"].as_u64(), Some(0), "{summary}");
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
    let mut viewers: Vec<Program> = (0..4)
        .map(|n| fleet.start_client(&format!("viewer-{n}"), &["play", "--duration", "600s", "--json"]))
        .collect();
    let status = fleet
        .until("all are at relays", SETTLES, |status| {
            at_relays(status, 4).is_some_and(|relays| relays.len() == 2)
        })
        .await;
    let (victim, _) = at_relays(&status, 4).unwrap().into_iter().max_by_key(|(_, viewers)| *viewers).unwrap();
    let server = status.servers.iter().find(|server| server.id == victim).unwrap();
    kill(fleet.relay_pid(server).unwrap());
    fleet
        .until("all are at the other relay", SETTLES, |status| {
            at_relays(status, 4).is_some_and(|relays| relays.iter().all(|(id, _)| *id != victim))
        })
        .await;
    for viewer in &mut viewers {
        viewer.stop().await;
        let summary = viewer.summary();
        let stalled = Duration::from_millis(summary["longest_stall_ms"].as_u64().unwrap());
        assert!(stalled <= TARGET_DURATION, "{summary}");
        assert_eq!(summary["gaps"].as_u64(), Some(0), "{summary}");
        assert_ne!(summary["server"].as_str(), Some(victim.as_str()), "{summary}");
        // One to the other relay at the most: a stop at the primary would be another.
        assert!(summary["switches"].as_u64().unwrap() <= 1, "{summary}");
    }
}
