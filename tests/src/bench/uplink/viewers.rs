//! The twenty: hls.js for the whole time, Shaka in the same browser, ffmpeg twice, and two crowds, of which one adapts as careful
//! players do and one plays the highest rung whatever comes, as players without adaptation of their own do.

use std::{process::Command, time::Duration};

use tokio::time::Instant;

use super::{
    fare::Fare,
    timeline::{LEAVE_EVERY, NEWCOMERS, Timeline},
};
use crate::{
    fleet::Fleet,
    pages::{self, Visit},
    player::{Player, Playing},
    program::Program,
    repository::binary,
    slow_line::SlowLine,
};

/// Which newcomer Shaka is.
const SHAKA: u32 = 0;

/// Which newcomers are ffmpeg.
const FFMPEG: [u32; 2] = [1, 2];

/// Newcomers before the crowds, whose viewers come in turn.
const BEFORE_CROWDS: u32 = 3;

/// Viewers of each crowd.
const CROWD: u32 = (NEWCOMERS - BEFORE_CROWDS) / 2;

/// What a player may take to end on a busy machine.
const ENDS: Duration = Duration::from_secs(60);

/// A crowd of one kind.
struct Crowd {
    name: &'static str,
    rung: &'static str,
    class: &'static str,
    /// Which newcomer its first viewer is; every second one from there on is its own.
    first: u32,
}

const CROWDS: [Crowd; 2] = [
    Crowd { name: "crowd, adapts", rung: "auto", class: "steers", first: BEFORE_CROWDS },
    Crowd { name: "crowd, highest rung", rung: "highest", class: "fixed", first: BEFORE_CROWDS + 1 },
];

/// Everybody comes, plays and leaves.
pub(super) async fn come_and_go(
    fleet: &Fleet,
    line: &SlowLine,
    began: Instant,
    timeline: Timeline,
) -> Vec<Fare> {
    let scene = Scene { fleet, line, began, timeline };
    let [adapts, highest] = CROWDS;
    let (pages, ffmpeg, more_ffmpeg, adapts, highest) = tokio::join!(
        scene.pages(),
        scene.ffmpeg(FFMPEG[0]),
        scene.ffmpeg(FFMPEG[1]),
        scene.crowd(&adapts),
        scene.crowd(&highest),
    );
    let ffmpeg = ffmpeg.and(more_ffmpeg);
    pages.into_iter().chain([ffmpeg, adapts, highest]).collect()
}

#[derive(Clone, Copy)]
struct Scene<'a> {
    fleet: &'a Fleet,
    line: &'a SlowLine,
    began: Instant,
    timeline: Timeline,
}

impl Scene<'_> {
    async fn pages(self) -> Vec<Fare> {
        let visit =
            |player, from: Duration, to: Duration| Visit { player, from: from.as_secs(), to: to.as_secs() };
        let visits = [
            visit(Player::HlsJs, Duration::ZERO, self.timeline.end()),
            visit(Player::Shaka, self.timeline.arrives(SHAKA), self.timeline.leaves(SHAKA)),
        ];
        let mut browser = self.start("browser", &pages::command(self.fleet, &visits));
        browser.ends_within(self.timeline.end() + ENDS).await;
        let summaries = pages::summaries(&browser);
        visits
            .iter()
            .map(|visit| Fare::of_player(visit.player.as_str(), &summaries[visit.player.as_str()]))
            .collect()
    }

    async fn ffmpeg(self, newcomer: u32) -> Fare {
        self.until(self.timeline.arrives(newcomer)).await;
        let command = Player::Ffmpeg.command(self.fleet, self.timeline.end());
        let ffmpeg = self.start(&format!("ffmpeg-{newcomer}"), &command);
        self.until(self.timeline.leaves(newcomer)).await;
        Fare::of_player("ffmpeg", &Playing::from(ffmpeg).stop().await)
    }

    async fn crowd(self, crowd: &Crowd) -> Fare {
        let (arrives, leaves) = (self.timeline.arrives(crowd.first), self.timeline.leaves(crowd.first));
        let ramp = LEAVE_EVERY * 2 * (CROWD - 1);
        let stays = leaves - ramp - arrives;
        self.until(arrives).await;
        let log = self.fleet.file(&format!("{}.jsonl", crowd.rung));
        let mut command = Command::new(binary("client"));
        let manager = self.fleet.subnet.manager();
        command.args([manager.ip().to_string(), manager.port().to_string()]);
        command.args(["crowd", "--viewers", &CROWD.to_string(), "--rung", crowd.rung]);
        command.args(["--mix", &format!("{}=1", crowd.class)]);
        command.args(["--rate", &format!("{}/s", 0.5 / self.timeline.every.as_secs_f64())]);
        command.args(["--duration", &format!("{}s", stays.as_secs())]);
        command.args(["--ramp-down", &format!("{}s", ramp.as_secs())]);
        command.arg("--log").arg(&log);
        // A crowd that stalled says so by its exit code: that is what is measured.
        self.start(crowd.rung, &command).ends_within(self.timeline.end() + ENDS).await;
        Fare::of_crowd(crowd.name, &log)
    }

    fn start(self, name: &str, command: &Command) -> Program {
        self.line.start(name, command, &self.fleet.file(""))
    }

    async fn until(self, moment: Duration) {
        tokio::time::sleep_until(self.began + moment).await;
    }
}
