//! The page where people watch, in Chromium: it plays, says from where, notes the move, and says what is wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{process::Command, time::Duration};

use serde::Deserialize;
use tests::{Fleet, Program, eventually, network::Subnet, repository::root, source::Recording};

const SETTLES: Duration = Duration::from_secs(60);

/// What the page shows, as `watch_page.mjs` prints it.
#[derive(Debug, Deserialize)]
struct Shown {
    server: String,
    rung: String,
    moves: Vec<String>,
    word: Option<String>,
}

impl Shown {
    fn says(&self, words: &[&str]) -> bool {
        self.word.as_ref().is_some_and(|said| words.iter().all(|word| said.contains(word)))
    }
}

/// Both servers show what the player holds, and the primary that it started up there.
async fn operators_see_how_it_plays(fleet: &Fleet) {
    let (primary, relay) = (fleet.subnet.admin(1), fleet.subnet.admin(2));
    for (admin, name) in [
        (primary, "spillway_viewer_startups_total"),
        (relay, "spillway_viewer_buffer_seconds_count"),
        (relay, "spillway_viewer_throughput_bytes_per_second_count"),
    ] {
        eventually(name, SETTLES, async || match fleet.metric(admin, name).await {
            Some(told) if told > 0.0 => Ok(()),
            told => Err(format!("{admin} shows {told:?}")),
        })
        .await;
    }
}

/// The manager's config with hls.js.
fn with_hls_js() -> String {
    let script = root().join("tests/players/node_modules/hls.js/dist/hls.min.js");
    format!("[http]\nhls_js = {script:?}")
}

fn open(fleet: &Fleet, name: &str, path: &str) -> Program {
    let mut node = Command::new("node");
    node.arg(root().join("tests/players/watch_page.mjs"));
    node.args([fleet.at_manager(path), "300".to_owned()]);
    Program::start(name, node, &fleet.file(""))
}

async fn shows(page: &Program, what: &str, wanted: impl Fn(&Shown) -> bool) {
    eventually(what, SETTLES, async || {
        let log = page.log();
        let shown = log.lines().rev().find_map(|line| serde_json::from_str::<Shown>(line).ok());
        match shown {
            Some(shown) if wanted(&shown) => Ok(()),
            shown => Err(format!("it shows {shown:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn the_watch_page_plays_and_shows_each_move_and_says_what_is_wrong() {
    let fleet = Fleet::builder().threshold(0).manager_config(&with_hls_js()).start().await;

    let mut page = open(&fleet, "page", "/watch/live");
    let relay = fleet.subnet.host(2).to_string();
    shows(&page, "it plays from the relay that came for it, and says so", |shown| {
        shown.word.is_none()
            && shown.server == format!("relay {relay}")
            && shown.rung.contains("Mb/s")
            && shown.moves.len() == 1
            && shown.moves[0].contains("primary → relay-")
    })
    .await;
    assert!(!page.log().contains("Content Security Policy"), "{}", page.log());
    operators_see_how_it_plays(&fleet).await;
    page.stop().await;

    let page = open(&fleet, "unknown", "/watch/other");
    shows(&page, "an unknown stream is said to be", |shown| shown.says(&["no such stream", "there is live"]))
        .await;
}

#[tokio::test]
async fn the_watch_page_of_a_full_stream_says_so_and_plays_by_itself_once_there_is_room() {
    let config = format!("[provisioner]\nkind = \"standby\"\n{}", with_hls_js());
    let builder = Fleet::builder().primary_arguments(&["--capacity", "1"]).manager_config(&config);
    let fleet = builder.start().await;
    let mut viewer = fleet.start_client("viewer", &["play", "--duration", "600s"]);
    fleet.until("the only place is taken", SETTLES, |status| status.viewers == 1).await;

    let page = open(&fleet, "page", "/watch/live");
    shows(&page, "it says that there is no room, and when it tries again", |shown| {
        shown.says(&["The stream is full", "server in reach has room", "Trying again in"])
    })
    .await;
    viewer.stop().await;
    shows(&page, "it plays", |shown| shown.word.is_none() && shown.server.starts_with("primary (")).await;
}

#[tokio::test]
async fn the_watch_page_says_when_a_stream_is_over() {
    let source = Recording::start(Subnet::unused().source()).await;
    let fleet = Fleet::builder().source(&source.url).manager_config(&with_hls_js()).start().await;
    let page = open(&fleet, "page", "/watch/live");
    shows(&page, "it says that the stream is over", |shown| shown.says(&["The stream is over"])).await;
}

#[tokio::test]
async fn without_hls_js_the_watch_page_plays_with_the_browsers_own_player() {
    let fleet = Fleet::builder().start().await;
    let page = open(&fleet, "page", "/watch/live");
    shows(&page, "it plays, and does not claim to know from where", |shown| {
        shown.word.is_none() && shown.moves[0].contains("does not say which server")
    })
    .await;
}
