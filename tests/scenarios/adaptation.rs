//! The server picks the bitrate: with an uplink that gets tight, quality goes down for everybody at once, a relay comes before anybody
//! is turned away for long, and the top is reached again when the crowd has gone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use proto::v1::{Adaptation, Phase, ServerKind, StatusResponse};
use tests::{
    Fleet, eventually,
    fleet::{brief, relays_in},
};

/// From a crowd's start to what comes of it, on a busy machine.
const SETTLES: Duration = Duration::from_secs(60);

/// Times short enough for a test: two target durations of the test card for what is sent to show.
const QUICK: &str = "[rung_cap]\nhold = \"3s\"\nsettle = \"4s\"";

/// A fleet whose primary has a line of its own, and a threshold far above what that carries.
async fn on_an_uplink_of(bit_rate: &str) -> Fleet {
    let primary = ["--uplink", bit_rate];
    Fleet::builder().threshold(100).primary_arguments(&primary).server_config(QUICK).start().await
}

/// What a crowd of so many who ask for one rung is started with.
fn crowd_of<'a>(viewers: &'a str, rate: &'a str, rung: &'a str) -> [&'a str; 9] {
    ["crowd", "--viewers", viewers, "--rate", rate, "--duration", "600s", "--rung", rung]
}

/// The rung up to which the primary sends, by its name; none while that is the highest.
fn cap(status: &StatusResponse) -> Option<&str> {
    let primary = status.servers.iter().find(|server| server.kind() == ServerKind::Primary)?;
    primary.rung_caps.first().map(|cap| cap.rendition.as_str())
}

/// The playlist of the highest rung, of a viewer whose player does not steer.
async fn highest(fleet: &Fleet) -> String {
    let (_, text) = fleet.get(&format!("{}?player=ffmpeg", fleet.watch_url())).await.unwrap();
    text.lines().find(|line| line.contains("/720p/")).expect("the highest rung").to_owned()
}

/// The name of the newest segment that a playlist lists.
async fn newest(fleet: &Fleet, playlist: &str) -> Result<String, String> {
    let (code, text) = fleet.get(playlist).await.map_err(|error| error.to_string())?;
    if code != 200 {
        return Err(format!("{code}: {text}"));
    }
    text.lines().last().map(str::to_owned).ok_or_else(|| "an empty list".to_owned())
}

#[tokio::test]
async fn a_crowd_on_a_tight_uplink_is_sent_less_and_the_top_comes_back_when_it_has_gone() {
    // 1.6 Mb/s for viewers: five at the test card's highest rung, ten at its middle one. Six come at once, and whoever comes after
    // them may be taken for the first of more.
    let fleet = on_an_uplink_of("2Mbps").await;
    let mut crowd = fleet.start_client("crowd", &crowd_of("6", "20/s", "highest"));
    let status = fleet.until("quality goes down", SETTLES, |status| cap(status) == Some("360p")).await;
    assert_eq!(status.streams[0].adaptation(), Adaptation::Capped);
    let playlist = highest(&fleet).await;
    eventually("what is listed is of the lower rung", SETTLES, async || {
        let newest = newest(&fleet, &playlist).await?;
        if newest.starts_with("../360p/") { Ok(()) } else { Err(newest) }
    })
    .await;
    let admin = fleet.subnet.admin(1);
    assert_eq!(fleet.metric(admin, "spillway_rung_cap").await, Some(1.0));
    assert_eq!(fleet.metric(admin, "spillway_uplink_bytes_per_second").await, Some(250_000.0));
    assert!(crowd.stop().await.success(), "the crowd saw a stall or an error: {}", crowd.log());
    fleet.until("the top is reached again", SETTLES, |status| cap(status).is_none()).await;
    let changes = "spillway_adaptation_changes_total{direction=\"up\",reason=\"room\"} ";
    let (_, metrics) = fleet.get(&format!("http://{admin}/metrics")).await.unwrap();
    let rises = metrics.lines().find_map(|line| line.strip_prefix(changes)).unwrap();
    assert!(["1", "2"].contains(&rises), "it rose {rises} times, and there are two rungs to rise");
}

#[tokio::test]
async fn newcomers_begin_with_what_is_left_of_the_uplink_and_nobody_stalls() {
    // The first segments of the highest rung take half of what may be filled.
    let fleet = on_an_uplink_of("2Mbps").await;
    let mut first = fleet.start_client("first", &crowd_of("2", "20/s", "highest"));
    fleet.until("the first are there", SETTLES, |status| status.viewers == 2).await;
    let mut more = fleet.start_client("more", &crowd_of("4", "1/s", "highest"));
    fleet.until("all are there", SETTLES, |status| status.viewers == 6).await;
    let lowered = fleet.metric(fleet.subnet.admin(1), "spillway_newcomers_lowered_total").await;
    assert!(lowered.is_some_and(|lowered| lowered >= 1.0), "{lowered:?}");
    fleet.until("quality goes down", SETTLES, |status| cap(status).is_some()).await;
    for crowd in [&mut first, &mut more] {
        assert!(crowd.stop().await.success(), "the crowd saw a stall or an error: {}", crowd.log());
    }
}

#[tokio::test]
async fn where_not_even_the_lowest_rung_fits_a_relay_comes_and_nobody_who_plays_is_sent_away() {
    // Room for twelve at the lowest rung.
    let fleet = on_an_uplink_of("1500kbps").await;
    let mut crowd = fleet.start_client("crowd", &crowd_of("10", "5/s", "lowest"));
    fleet.until("a relay serves", SETTLES, |status| !relays_in(status, Phase::Serving).is_empty()).await;
    let mut more = fleet.start_client("more", &crowd_of("6", "5/s", "lowest"));
    let status = fleet.until("all are there", SETTLES, |status| status.viewers == 16).await;
    let primary = status.servers.iter().find(|server| server.kind() == ServerKind::Primary).unwrap();
    // What relays fetch is not for viewers, so there may be less room by now.
    assert!(primary.room <= 12 && primary.capacity == 2_000, "{}", brief(&status));
    assert!(primary.viewers <= 12, "{}", brief(&status));
    for crowd in [&mut crowd, &mut more] {
        assert!(crowd.stop().await.success(), "the crowd saw a stall or an error: {}", crowd.log());
    }
}

#[tokio::test]
async fn where_the_server_picks_viewers_get_one_variant_from_the_manager_and_from_relays_too() {
    let fleet = Fleet::builder()
        .threshold(0)
        .primary_arguments(&["--adaptation", "server", "--per-session"])
        .standby(2, &[])
        .manager_config("[provisioner]\nkind = \"standby\"")
        .start()
        .await;
    fleet.until("the relay is there", SETTLES, |status| !relays_in(status, Phase::Standby).is_empty()).await;
    let mut viewer = fleet.start_client("viewer", &["play", "--duration", "600s"]);
    fleet.until("the relay serves", SETTLES, |status| !relays_in(status, Phase::Serving).is_empty()).await;
    let variants = async |url: String| {
        let (_, text) = fleet.get(&url).await.unwrap();
        text.matches("#EXT-X-STREAM-INF").count()
    };
    assert_eq!(variants(fleet.at_manager("/watch/live.m3u8?player=ffmpeg")).await, 1);
    for host in [1, 2] {
        let server = fleet.subnet.viewers(host);
        assert_eq!(variants(format!("http://{server}/live/index.m3u8?player=ffmpeg")).await, 1, "{server}");
    }
    let status = fleet.status().await.unwrap();
    assert_eq!(status.streams[0].adaptation(), Adaptation::ServerPerSession);
    assert!(viewer.stop().await.success(), "{}", viewer.log());
}
