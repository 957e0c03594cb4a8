//! What servers take in: a live upstream that goes and comes back, a primary that its relays lose and find again, a recording
//! that is played to its end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use proto::v1::{Phase, StatusResponse};
use tests::{
    Fleet, Subnet, eventually,
    fleet::{at_primary, relays_in},
    source::{LiveSource, Recording},
};

const SETTLES: Duration = Duration::from_secs(60);

/// The newest segments, which a relay takes before anybody asks.
const HELD: usize = 3;

/// The numbers that the media playlist of a host's server lists.
async fn listed(fleet: &Fleet, host: u8, rendition: &str) -> Result<Vec<u64>, String> {
    let url = format!("http://{}/live/{rendition}/live.m3u8", fleet.subnet.viewers(host));
    let (code, text) = fleet.get(&url).await.map_err(|error| error.to_string())?;
    let numbers: Vec<u64> = text
        .lines()
        .filter_map(|line| line.split_once(".ts").or(line.split_once(".m4s"))?.0.parse().ok())
        .collect();
    if code == 200 && !numbers.is_empty() { Ok(numbers) } else { Err(format!("{code}: {text}")) }
}

/// The first rendition of a stream, by the URL of its playlist.
async fn first_rendition(fleet: &Fleet) -> String {
    let url = format!("http://{}/live/index.m3u8", fleet.subnet.viewers(1));
    let (_, text) = fleet.get(&url).await.unwrap();
    let uri = text.lines().find(|line| !line.starts_with('#') && !line.is_empty()).unwrap();
    let path = uri.split('?').next().unwrap();
    path.rsplit('/').nth(1).unwrap().to_owned()
}

async fn failures(fleet: &Fleet) -> f64 {
    let url = format!("http://{}/metrics", fleet.subnet.admin(1));
    let (_, text) = fleet.get(&url).await.unwrap();
    let failed = text
        .lines()
        .filter(|line| line.starts_with("spillway_upstream_fetches_total{") && line.contains("\"failed\""));
    failed.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test]
async fn while_the_upstream_is_down_the_last_window_is_served_and_then_it_goes_on() {
    let source = LiveSource::start(Subnet::unused().source()).await;
    let fleet = Fleet::builder().source(&source.url).threshold(10).start().await;
    let rendition = first_rendition(&fleet).await;
    let mut viewer = fleet.start_client("viewer", &["play", "--duration", "600s", "--json"]);
    fleet.until("the viewer is counted", SETTLES, |status| status.viewers == 1).await;

    let before = failures(&fleet).await;
    source.set_down(true);
    eventually("failures are counted", SETTLES, async || {
        let more = failures(&fleet).await - before;
        if more >= 3.0 { Ok(()) } else { Err(format!("{more}")) }
    })
    .await;
    let window = listed(&fleet, 1, &rendition).await.unwrap();
    for number in &window {
        let url = format!("http://{}/live/{rendition}/{number}.ts", fleet.subnet.viewers(1));
        assert_eq!(tests::http::get(&url).await.unwrap().0, 200, "{number} is listed in {window:?}");
    }

    source.set_down(false);
    let newest = *window.last().unwrap();
    let after = eventually("the stream goes on", SETTLES, async || {
        let now = *listed(&fleet, 1, &rendition).await?.last().unwrap();
        if now > newest + 1 { Ok(now) } else { Err(format!("{now} after {newest}")) }
    })
    .await;
    fleet.until("the viewer is still there", SETTLES, |status| status.viewers == 1).await;
    viewer.stop().await;
    let summary = viewer.summary();
    assert!(summary["newest_sequence"].as_u64().unwrap() + 1 >= after, "it has not gone on: {summary}");
}

#[tokio::test]
async fn while_the_primary_is_dead_a_relay_serves_what_it_holds_and_then_it_goes_on() {
    let mut fleet = Fleet::builder()
        .threshold(0)
        .standby(2, &[])
        .manager_config("[provisioner]\nkind = \"standby\"")
        .start()
        .await;
    let mut viewer =
        fleet.start_client("viewer", &["play", "--duration", "600s", "--rung", "lowest", "--json"]);
    let at_relay = |status: &StatusResponse| {
        relays_in(status, Phase::Serving).iter().any(|relay| relay.viewers == 1) && at_primary(status) == 0
    };
    fleet.until("the viewer plays from the relay", SETTLES, at_relay).await;
    fleet.primary.kill();
    let window = listed(&fleet, 2, "240p").await.unwrap();
    for number in window.iter().rev().take(HELD) {
        let url = format!("http://{}/live/240p/{number}.m4s", fleet.subnet.viewers(2));
        assert_eq!(tests::http::get(&url).await.unwrap().0, 200, "{number} is listed in {window:?}");
    }
    fleet.restart_primary();
    let newest = *window.last().unwrap();
    eventually("the relay goes on, for some segments", SETTLES, async || {
        let now = listed(&fleet, 2, "240p").await?;
        let new = now.iter().filter(|number| **number > newest).count();
        if new >= HELD + 2 { Ok(()) } else { Err(format!("{now:?} after {newest}")) }
    })
    .await;
    fleet.until("the viewer plays from the relay", SETTLES, at_relay).await;
    viewer.stop().await;
    let summary = viewer.summary();
    assert!(summary["newest_sequence"].as_u64().unwrap() > newest, "it has not gone on: {summary}");
}

#[tokio::test]
async fn a_recording_plays_to_its_end_and_is_the_sources_byte_for_byte() {
    let source = Recording::start(Subnet::unused().source()).await;
    let fleet = Fleet::builder().source(&source.url).start().await;
    let media = fleet.file("recording.ts");
    let mut viewer = fleet.start_client("viewer", &["play", "--json", "-o", media.to_str().unwrap()]);
    assert!(viewer.ends_within(SETTLES).await.success(), "{}", viewer.log());
    let summary = viewer.summary();
    assert_eq!((summary["gaps"].as_u64(), summary["stalls"].as_u64()), (Some(0), Some(0)), "{summary}");
    assert!(
        std::fs::read(&media).unwrap() == source.segments(),
        "what was written is not the source's: {summary}"
    );
}
