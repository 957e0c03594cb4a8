//! The one command that shows the main job: it ends well and has shown every step.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use tests::alone::alone;

/// Building, then the show, on a busy machine.
const ENDS: Duration = Duration::from_secs(400);

#[tokio::test]
async fn the_demo_shows_every_step_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let alone = alone();
    let mut demo = alone.start("deploy/demo --exit", folder.path());
    let status = demo.ends_within(ENDS).await;
    let log = demo.log();
    assert!(status.success(), "{status}: {log}");
    for step in [
        "both run and know each other",
        "viewer 6 plays",
        "3 stay at the primary, 3 play from the relay",
        "quality has gone down for those at the primary",
        "no viewer has stalled",
        "the relay is drained and gone",
        "the highest rung is sent again",
        "http://127.0.0.1:7000/watch/live.m3u8",
        "http://127.0.0.1:9100/metrics",
    ] {
        assert!(log.contains(step), "{step:?} was not shown: {log}");
    }
}
