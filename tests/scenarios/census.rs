//! The count, checked at every second against the log of the crowd that was counted: arrivals, overflow in two regions,
//! moves, departures. And a viewer on a line that cannot carry the stream: it stalls, and it stays counted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{process::Command, time::Duration};

use proto::v1::Phase;
use serde_json::Value;
use tests::{
    Fleet, Program, SlowLine,
    census::Truth,
    eventually,
    fleet::{at_primary, brief, relays_in},
    holds_for,
    repository::binary,
    wait::unix_ms,
};

const SETTLES: Duration = Duration::from_secs(60);

const REGIONS: [(&str, u32, u32); 2] = [("eu", 120, 50), ("us", 180, 100)];

/// How long the crowd stays, from its first arrival to its last departure.
const STAY: &str = "60s";

/// From the last viewer gone to the last relay gone: census, hold and drain of the test's config, and a busy machine.
const RELAYS_GONE: Duration = Duration::from_secs(45);

/// A third of the test card's highest rung, which has 300 kb/s: a segment of 2 s takes 6 s, longer than a session lives without
/// a reload.
const KBIT_PER_S: u32 = 100;

/// Three segments on that line.
const LONG_ENOUGH: Duration = Duration::from_secs(18);

fn crowd(fleet: &Fleet) -> Program {
    let regions = REGIONS.map(|(name, viewers, _)| format!("{name}={viewers}"));
    let (log, report) = (fleet.file("crowd.log"), fleet.file("crowd.json"));
    #[rustfmt::skip]
    let arguments = [
        "crowd", "--viewers", "300", "--rate", "20/s", "--duration", STAY, "--ramp-down", "10s", "--rung", "lowest",
        "--region", &regions[0], "--region", &regions[1],
        "--log", log.to_str().unwrap(), "--json", report.to_str().unwrap(),
    ];
    fleet.start_client("crowd", &arguments)
}

#[tokio::test]
async fn three_hundred_viewers_over_two_regions_are_counted_right_and_none_stalls() {
    let thresholds: String =
        REGIONS.iter().map(|(name, _, n)| format!("[regions.{name}]\nthreshold = {n}\n")).collect();
    let fleet = Fleet::builder().threshold(50).manager_config(&thresholds).start().await;
    let mut crowd = crowd(&fleet);

    let mut counts: Vec<(u64, &str, u32)> = Vec::new();
    let carried: u32 = REGIONS.iter().map(|(.., threshold)| threshold).sum();
    let mut overflowed = false;
    let mut second = tokio::time::interval(Duration::from_secs(1));
    while crowd.ended().is_none() {
        second.tick().await;
        let status = fleet.status().await.unwrap();
        let at = unix_ms();
        for (name, ..) in REGIONS {
            let said =
                status.regions.iter().find(|region| region.name == name).map_or(0, |region| region.viewers);
            counts.push((at, name, said));
        }
        println!("{}", brief(&status));
        overflowed |= (carried..=carried + carried / 50).contains(&at_primary(&status))
            && status.viewers == 300
            && relays_in(&status, Phase::Serving).len() == REGIONS.len();
    }
    assert!(crowd.end().await.success(), "the crowd saw a stall or an error: {}", crowd.log());
    assert!(overflowed, "never had the primary what it carries, within 2%, and relays the rest");

    let truth = Truth::read(&fleet.file("crowd.log"));
    let wrong: Vec<String> = counts
        .iter()
        .filter_map(|(at, region, said)| {
            let (least, most) = truth.bounds(region, *at);
            let right = (least..=most).contains(said);
            (!right).then(|| format!("{region} at {at}: said {said}, truth {least} to {most}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} counts are off:\n{}", wrong.len(), counts.len(), wrong.join("\n"));

    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(fleet.file("crowd.json")).unwrap()).unwrap();
    assert_eq!((report["stalls"].as_u64(), report["errors"].as_u64()), (Some(0), Some(0)), "{report}");
    eventually("the relays are gone after the crowd", RELAYS_GONE, async || {
        let pids = fleet.relay_pids();
        if pids.is_empty() { Ok(()) } else { Err(format!("{pids:?} still run")) }
    })
    .await;
}

#[tokio::test]
async fn a_viewer_on_a_line_as_slow_as_a_third_of_the_bitrate_stays_counted() {
    let fleet = Fleet::builder().start().await;
    let line = SlowLine::to(&fleet.subnet, KBIT_PER_S);
    let mut play = Command::new(binary("client"));
    let manager = fleet.subnet.manager();
    play.args([manager.ip().to_string(), manager.port().to_string()]);
    play.args(["play", "--rung", "highest", "--duration", "600s", "--json"]);
    let mut viewer = line.start("viewer", &play, &fleet.file(""));
    fleet.until("the viewer is counted", SETTLES, |status| status.viewers == 1).await;
    holds_for("it stays counted", LONG_ENOUGH, LONG_ENOUGH * 3, async || {
        let status = fleet.status().await.unwrap();
        assert_eq!((status.viewers, at_primary(&status)), (1, 1), "{}", brief(&status));
        Ok::<(), String>(())
    })
    .await;
    let sent = fleet.metric(fleet.subnet.admin(1), "spillway_egress_bytes_total").await.unwrap();
    eventually("it still takes bytes", SETTLES, async || {
        let now = fleet.metric(fleet.subnet.admin(1), "spillway_egress_bytes_total").await.unwrap_or(0.0);
        if now > sent { Ok::<(), String>(()) } else { Err(format!("{now} bytes")) }
    })
    .await;
    viewer.stop().await;
    let summary = viewer.summary();
    assert!(summary["stalls"].as_u64().unwrap() > 0, "the line is not slow: {summary}");
    fleet.until("it is gone once it has left", SETTLES, |status| status.viewers == 0).await;
}
