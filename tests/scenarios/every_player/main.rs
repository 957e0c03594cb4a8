//! Real players through everything that can happen to a relay, one story for each, told by the real programs, and a table of what
//! their viewers saw. It takes minutes, so it runs with `tests/run --players` alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod row;
mod story;

use std::time::Duration;

use proto::v1::{Phase, ServerStatus, StatusResponse};
use tests::{Fleet, Player, fleet::relays_in};

use self::{row::Row, story::Story};

/// What may take a busy machine long: a player that starts, a relay that comes.
const SETTLES: Duration = Duration::from_secs(60);

/// Starts of each player while relays come and go.
const STARTS: usize = 50;

/// From the start of a player to its picture, while relays come and go.
const PLAYS_WITHIN_MS: u64 = 3_000;

/// What names an error of a source buffer in hls.js (`bufferAppendError`, `bufferAppendingError`, `bufferAddCodecError`,
/// `bufferIncompatibleCodecsError`) and in the log of video.js (a video append that failed).
const OF_BUFFERS: [&str; 4] = ["append", "addcodec", "incompatible", "sourcebuffer"];

/// How long each relay serves meanwhile: every page sees one or two come and go, at any moment of its start.
const SERVES_FOR_MS: u64 = 1_500;

#[tokio::test]
#[ignore = "takes minutes and all of the machine: tests/run --players"]
async fn every_player_follows_what_happens_to_relays_as_far_as_it_can() {
    let wanted = std::env::var("PLAYERS").unwrap_or_default();
    let is_wanted =
        |player: &Player| wanted.is_empty() || wanted.split(',').any(|name| name == player.as_str());
    let mut rows = Vec::new();
    for player in Player::ALL.into_iter().filter(is_wanted) {
        let at_the_start = story::starts_as_a_relay_becomes_ready(player).await;
        rows.push(Story::begin(player, at_the_start).await.tell().await);
        println!("{:?}", rows.last());
    }
    println!("{}", row::table(&rows));
    let faults: Vec<String> = rows.iter().flat_map(Row::faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
#[ignore = "takes minutes and all of the machine: tests/run --players"]
async fn a_page_can_be_opened_at_any_time_while_relays_come_and_go() {
    for player in [Player::HlsJs, Player::VideoJs] {
        let fleet =
            Fleet::builder().threshold(0).manager_config("[regions.default]\nmin_relays = 1").start().await;
        let mut starts = player.start_again_and_again(&fleet, STARTS);
        let mut gone = 0;
        while starts.program().ended().is_none() {
            let relay = story::relay(&fleet, None).await;
            let has_served = |status: &StatusResponse| {
                let now = relays_in(status, Phase::Serving).into_iter().find(|server| server.id == relay.id);
                now.is_none_or(|server| server.phase_ms >= SERVES_FOR_MS)
            };
            fleet.until("the relay has served for a while", SETTLES, has_served).await;
            assert!(fleet.start_client("drain", &["drain", &relay.id]).end().await.success());
            let serves = |server: &ServerStatus| server.id == relay.id;
            fleet
                .until("the relay leaves", SETTLES, |status| {
                    !relays_in(status, Phase::Serving).into_iter().any(serves)
                })
                .await;
            gone += 1;
        }
        let starts = starts.starts();
        let slowest = starts.iter().map(|start| start.started_at.unwrap_or(u64::MAX)).max();
        println!(
            "{player}: {} starts while {gone} relays came and went, the slowest after {slowest:?} ms",
            starts.len()
        );
        assert_eq!(starts.len(), STARTS);
        assert!(gone >= STARTS / 2, "only {gone} relays came and went");
        for start in &starts {
            let of_buffers = |error: &&String| {
                let error = error.to_lowercase();
                OF_BUFFERS.iter().any(|words| error.contains(words))
            };
            assert_eq!(start.errors.iter().find(of_buffers), None, "{player}: {start:?}");
            assert!(start.fatal.is_empty(), "{player}: {start:?}");
            assert!(start.started_at.is_some_and(|ms| ms <= PLAYS_WITHIN_MS), "{player}: {start:?}");
        }
    }
}
