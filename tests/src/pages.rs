//! Engines side by side in one headless Chromium, each in a page of its own that is opened and closed at its time: one browser
//! takes a fraction of what several do.

use std::{collections::BTreeMap, process::Command};

use serde::Deserialize;

use crate::{
    Fleet, Player, Program,
    player::{Summary, lines},
    repository::root,
};

/// One page: what plays in it, and from when until when, in seconds from the browser's start.
#[derive(Debug, Clone, Copy)]
pub struct Visit {
    /// One that plays in a browser.
    pub player: Player,
    /// When the page is opened.
    pub from: u64,
    /// When it is closed.
    pub to: u64,
}

/// What is run to make these visits.
#[must_use]
pub fn command(fleet: &Fleet, visits: &[Visit]) -> Command {
    let mut node = Command::new("node");
    node.arg(root().join("tests/players/pages.mjs"));
    for Visit { player, from, to } in visits {
        node.args([player.as_str(), &player.url(fleet), &from.to_string(), &to.to_string()]);
    }
    node
}

/// Pages that play, beyond the first seconds in which an engine may be started again.
#[must_use]
pub fn settled(browser: &Program) -> usize {
    #[derive(Deserialize)]
    struct Line {
        #[serde(rename = "settled")]
        _engine: String,
    }
    lines::<Line>(browser).len()
}

/// What the viewer of each engine saw, by its name; of the pages that have been closed.
#[must_use]
pub fn summaries(browser: &Program) -> BTreeMap<String, Summary> {
    #[derive(Deserialize)]
    struct Line {
        engine: String,
        summary: Summary,
    }
    lines::<Line>(browser).into_iter().map(|line| (line.engine, line.summary)).collect()
}
