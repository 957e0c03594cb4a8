//! A player that people use, playing without a screen: an engine in headless Chromium, or a program of its own.
//!
//! They are played by `tests/players/browser.mjs` and `tests/players/process.mjs`, which measure what a viewer sees; this starts
//! them and reads what they say.

use std::{collections::BTreeMap, fmt, ops::Range, process::Command, time::Duration};

use serde::Deserialize;

use crate::{Fleet, Program, repository::root};

/// What plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Player {
    /// hls.js in Chromium.
    HlsJs,
    /// Shaka Player's release build in Chromium.
    Shaka,
    /// video.js with its own HLS in Chromium.
    VideoJs,
    /// Chromium's own HLS.
    Native,
    /// `GStreamer`'s playbin3 with hlsdemux2.
    GStreamer,
    /// streamlink with ffmpeg as its player.
    Streamlink,
    /// ffmpeg, reading at the speed of a viewer.
    Ffmpeg,
    /// mpv.
    Mpv,
    /// VLC's library, as an unprivileged user.
    Vlc,
}

impl Player {
    /// Every player.
    pub const ALL: [Self; 9] = [
        Self::HlsJs,
        Self::Shaka,
        Self::VideoJs,
        Self::Native,
        Self::GStreamer,
        Self::Streamlink,
        Self::Ffmpeg,
        Self::Mpv,
        Self::Vlc,
    ];

    /// What the scripts call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HlsJs => "hls.js",
            Self::Shaka => "shaka",
            Self::VideoJs => "video.js",
            Self::Native => "native",
            Self::GStreamer => "gstreamer",
            Self::Streamlink => "streamlink",
            Self::Ffmpeg => "ffmpeg",
            Self::Mpv => "mpv",
            Self::Vlc => "vlc",
        }
    }

    /// Whether it can be moved at all. VLC asks the host of the first playlist for segments after a redirect, so it stays.
    #[must_use]
    pub const fn moves(self) -> bool {
        !matches!(self, Self::Vlc)
    }

    /// Whether it goes on when its relay dies unannounced. ffmpeg and mpv end at a playlist that cannot be had.
    #[must_use]
    pub const fn outlives_its_relay(self) -> bool {
        !matches!(self, Self::Ffmpeg | Self::Mpv)
    }

    /// The URL that it is given.
    #[must_use]
    pub fn url(self, fleet: &Fleet) -> String {
        match self {
            // Its release build cannot match clones, and says so by nothing in its requests.
            Self::Shaka => format!("{}?player=shaka", fleet.watch_url()),
            _ => fleet.watch_url(),
        }
    }

    /// Plays the fleet's stream for so long, or until it is stopped.
    #[must_use]
    pub fn start(self, fleet: &Fleet, time: Duration) -> Playing {
        Playing(Program::start(self.as_str(), self.command(fleet, time), &fleet.file("")))
    }

    /// What is run to play the fleet's stream for so long.
    #[must_use]
    pub fn command(self, fleet: &Fleet, time: Duration) -> Command {
        let script = match self {
            Self::HlsJs | Self::Shaka | Self::VideoJs | Self::Native => "tests/players/browser.mjs",
            _ => "tests/players/process.mjs",
        };
        let mut node = Command::new("node");
        node.arg(root().join(script));
        node.args([self.as_str(), &self.url(fleet), &time.as_secs().to_string()]);
        node
    }

    /// Starts it in a browser so many times, one after the other.
    #[must_use]
    pub fn start_again_and_again(self, fleet: &Fleet, times: usize) -> Starts {
        let mut node = Command::new("node");
        node.arg(root().join("tests/players/starts.mjs"));
        node.args([self.as_str(), &self.url(fleet), &times.to_string()]);
        Starts(Program::start(self.as_str(), node, &fleet.file("")))
    }
}

impl fmt::Display for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A player that plays.
#[derive(Debug)]
pub struct Playing(Program);

impl From<Program> for Playing {
    /// One that was started elsewhere, by its [`Player::command`].
    fn from(program: Program) -> Self {
        Self(program)
    }
}

/// A player that is started again and again.
#[derive(Debug)]
pub struct Starts(Program);

/// What a viewer would have seen.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// What the player called an error and went on after; of a program, all that it said on standard error.
    pub errors: Vec<String>,
    /// What ended it.
    pub fatal: Vec<String>,
    /// When the picture stood still for more than a quarter of a second.
    pub stalls: Vec<Stall>,
    /// Milliseconds from the wish to the first moving picture.
    pub started_at: Option<u64>,
    /// Frames that were decoded and not shown; `None` where the player does not say.
    pub dropped: Option<u64>,
    /// How far the picture got ahead of the clock, in milliseconds: media that the viewer has missed.
    pub skipped: u64,
    /// How much was played since the first moving picture, by the player's position, in milliseconds.
    #[serde(default)]
    pub played: u64,
    /// Frames that were decoded since then; `None` where the player does not say.
    #[serde(default)]
    pub frames: Option<u64>,
    /// How often it was started until it played on; 0 where it was started once in any case.
    #[serde(default)]
    pub starts: u64,
    /// When no new frame was shown for more than a quarter of a second, where that is seen apart from the position.
    #[serde(default)]
    pub frozen: Vec<Stall>,
    /// How high the picture was from when on, where the player says.
    #[serde(default)]
    pub pictures: Vec<Picture>,
}

/// One time that the picture stood still.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Stall {
    /// When it began: milliseconds since the Unix epoch.
    pub at: u64,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// A change of the picture's height.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Picture {
    /// When it was first seen: milliseconds since the Unix epoch.
    pub at: u64,
    /// In pixels.
    pub height: u32,
}

impl Summary {
    /// The longest time that the picture stood still, of the stalls that began between two moments, in milliseconds.
    #[must_use]
    pub fn longest_stall(&self, moments: &Range<u64>) -> u64 {
        let within = self.stalls.iter().filter(|stall| moments.contains(&stall.at));
        within.map(|stall| stall.ms).max().unwrap_or(0)
    }
}

impl Playing {
    /// The program that it is.
    pub fn program(&mut self) -> &mut Program {
        &mut self.0
    }

    /// Ends it, if it has not ended by itself, and tells what its viewer saw.
    pub async fn stop(mut self) -> Summary {
        self.0.stop().await;
        self.summary()
    }

    /// What its viewer saw, when it has ended.
    ///
    /// # Panics
    /// When it said nothing.
    #[must_use]
    pub fn summary(&self) -> Summary {
        #[derive(Deserialize)]
        struct Line {
            summary: Summary,
        }
        let last = lines::<Line>(&self.0).pop();
        last.unwrap_or_else(|| panic!("no summary: {}", self.0.log())).summary
    }

    /// Segments that a browser has loaded, by host and port; when it has ended.
    #[must_use]
    pub fn hosts(&self) -> BTreeMap<String, u64> {
        #[derive(Deserialize)]
        struct Line {
            summary: Hosts,
        }
        #[derive(Deserialize)]
        struct Hosts {
            hosts: BTreeMap<String, u64>,
        }
        lines::<Line>(&self.0).pop().map(|line| line.summary.hosts).unwrap_or_default()
    }
}

impl Starts {
    /// The program that it is.
    pub fn program(&mut self) -> &mut Program {
        &mut self.0
    }

    /// What each start was like, so far.
    #[must_use]
    pub fn starts(&self) -> Vec<Summary> {
        #[derive(Deserialize)]
        struct Line {
            start: Summary,
        }
        lines::<Line>(&self.0).into_iter().map(|line| line.start).collect()
    }
}

/// JSON lines of a form, out of all that a program has written.
pub(crate) fn lines<L: for<'a> Deserialize<'a>>(program: &Program) -> Vec<L> {
    program.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
