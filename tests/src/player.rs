//! A player in headless Chromium: one of the engines that people embed in their pages, or the browser's own HLS.
//!
//! It is played by `tests/players/browser.mjs`, which measures what a viewer sees; this starts it and reads what it says.

use std::{collections::BTreeMap, fmt, net::IpAddr, process::Command, time::Duration};

use serde::Deserialize;

use crate::{Fleet, Program, repository::root};

/// What plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// hls.js.
    HlsJs,
    /// Shaka Player's release build.
    Shaka,
    /// video.js with its own HLS.
    VideoJs,
    /// Chromium's own HLS.
    Native,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Self; 4] = [Self::HlsJs, Self::Shaka, Self::VideoJs, Self::Native];

    /// What `browser.mjs` calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HlsJs => "hls.js",
            Self::Shaka => "shaka",
            Self::VideoJs => "video.js",
            Self::Native => "native",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A browser that plays.
#[derive(Debug)]
pub struct Browser(Program);

/// What a viewer would have seen.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// What the engine called an error and went on after.
    pub errors: Vec<String>,
    /// What ended it.
    pub fatal: Vec<String>,
    /// When the picture stood still for more than a quarter of a second.
    pub stalls: Vec<Stall>,
    /// Milliseconds from the wish to the first moving picture.
    pub started_at: Option<f64>,
    /// Frames that were decoded and not shown.
    pub dropped: u64,
    /// Segments loaded, by host and port.
    pub hosts: BTreeMap<String, u64>,
}

/// One time that the picture stood still.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Stall {
    /// When it began: milliseconds since the Unix epoch.
    pub at: u64,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// That media came from another host than before.
#[derive(Debug, Clone, Deserialize)]
pub struct Move {
    /// When: milliseconds since the Unix epoch.
    pub at: u64,
    /// Which host, with its port.
    pub host: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Move(Move),
    Summary { summary: Summary },
}

impl Browser {
    /// Plays `url` for so long, or until it is stopped.
    #[must_use]
    pub fn start(fleet: &Fleet, engine: Engine, url: &str, seconds: Duration) -> Self {
        let mut node = Command::new("node");
        node.arg(root().join("tests/players/browser.mjs"));
        node.args([engine.as_str(), url, &seconds.as_secs().to_string()]);
        Self(Program::start(engine.as_str(), node, &fleet.file("")))
    }

    /// The program that it is.
    pub fn program(&mut self) -> &mut Program {
        &mut self.0
    }

    /// From where media came, one after another.
    #[must_use]
    pub fn moves(&self) -> Vec<Move> {
        let line = |line| match line {
            Line::Move(moved) => Some(moved),
            Line::Summary { .. } => None,
        };
        self.lines().filter_map(line).collect()
    }

    /// The address from which media came last.
    #[must_use]
    pub fn host(&self) -> Option<IpAddr> {
        let host = self.moves().pop()?.host;
        host.rsplit_once(':')?.0.parse().ok()
    }

    /// What its viewer saw, when it has ended.
    ///
    /// # Panics
    /// When it said nothing.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let summary = |line| match line {
            Line::Summary { summary } => Some(summary),
            Line::Move(_) => None,
        };
        self.lines().find_map(summary).unwrap_or_else(|| panic!("no summary: {}", self.0.log()))
    }

    fn lines(&self) -> std::vec::IntoIter<Line> {
        let log = self.0.log();
        let lines: Vec<Line> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        lines.into_iter()
    }
}

impl Summary {
    /// The longest time that the picture stood still between two moments, in milliseconds.
    #[must_use]
    pub fn longest_stall(&self, moments: std::ops::Range<u64>) -> u64 {
        self.stalls
            .iter()
            .filter(|stall| moments.contains(&stall.at))
            .map(|stall| stall.ms)
            .max()
            .unwrap_or(0)
    }
}
