//! The page where people watch, in Chromium: it plays, says from where, notes the move, and says what is wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{process::Command, time::Duration};

use serde::Deserialize;
use tests::{Fleet, Program, eventually, repository::root};

const SETTLES: Duration = Duration::from_secs(60);

/// What the page shows, as `watch_page.mjs` prints it.
#[derive(Debug, Deserialize)]
struct Shown {
    server: String,
    moves: Vec<String>,
    word: Option<String>,
}

fn open(fleet: &Fleet, path: &str) -> Program {
    let mut node = Command::new("node");
    node.arg(root().join("tests/players/watch_page.mjs"));
    node.args([fleet.at_manager(path), "300".to_owned()]);
    Program::start("watch_page", node, &fleet.file(""))
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
    let script = root().join("tests/players/node_modules/hls.js/dist/hls.min.js");
    let config = format!("[http]\nhls_js = {script:?}");
    let fleet = Fleet::builder().threshold(0).manager_config(&config).start().await;

    let mut page = open(&fleet, "/watch/live");
    let relay = fleet.subnet.host(2).to_string();
    shows(&page, "it plays from the relay that came for it, and says so", |shown| {
        shown.word.is_none()
            && shown.server == format!("relay {relay}")
            && shown.moves.len() == 1
            && shown.moves[0].contains("primary →")
    })
    .await;
    page.stop().await;

    let page = open(&fleet, "/watch/other");
    shows(&page, "an unknown stream is said to be", |shown| {
        shown
            .word
            .as_ref()
            .is_some_and(|word| word.contains("no such stream") && word.contains("there is live"))
    })
    .await;
}
