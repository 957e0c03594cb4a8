//! A viewer on a line that cannot carry the stream: it stalls, and it stays counted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{process::Command, time::Duration};

use serde_json::Value;
use tests::{
    Fleet, SlowLine, eventually,
    fleet::{at_primary, brief},
    holds_for,
    repository::binary,
};

const SETTLES: Duration = Duration::from_secs(60);

/// A third of the test card's highest rung, which has 300 kb/s: a segment of 2 s takes 6 s, longer than a session lives without
/// a reload.
const KBIT_PER_S: u32 = 100;

/// Three segments on that line.
const LONG_ENOUGH: Duration = Duration::from_secs(18);

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
    let log = viewer.log();
    let summary: Value = serde_json::from_str(&log[log.find('{').expect("a summary")..]).unwrap();
    assert!(summary["stalls"].as_u64().unwrap() > 0, "the line is not slow: {log}");
    fleet.until("it is gone once it has left", SETTLES, |status| status.viewers == 0).await;
}
