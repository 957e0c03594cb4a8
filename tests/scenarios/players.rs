//! Real players on a live stream that ffmpeg makes, through the manager's one URL: before, during and after an overflow.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{process::Command, time::Duration};

use proto::v1::Phase;
use tests::{
    Fleet, Player, Program,
    fleet::{at_primary, relays_in},
    source::LiveSource,
};

const SETTLES: Duration = Duration::from_secs(60);

/// How long each player plays: time for the crowd to come, the relay to serve, the crowd to leave and the relay to be gone.
const PLAYS_SECONDS: u32 = 75;

/// From the start of the last player to its end on a busy machine: what it plays, its start, and its buffer.
const ENDS: Duration = Duration::from_secs(120);

fn start(fleet: &Fleet, name: &str, program: &str, arguments: &[&str]) -> Program {
    let mut command = Command::new(program);
    command.args(arguments).env("SDL_AUDIODRIVER", "dummy");
    Program::start(name, command, &fleet.file(""))
}

/// What ffmpeg and ffplay say at `-v error`, but for what they say whenever a redirect takes them to another host: they
/// then open a new connection, which is all right.
fn complaints(player: &Program) -> Vec<String> {
    let log = player.log();
    let harmless = |line: &&str| {
        line.contains("Cannot reuse HTTP connection for different host") || line.contains("message repeated")
    };
    log.lines().filter(|line| !harmless(line) && !line.trim().is_empty()).map(str::to_owned).collect()
}

#[tokio::test]
async fn players_play_on_before_during_and_after_the_overflow() {
    let subnet_source = tests::Subnet::unused().source();
    let source = LiveSource::start(subnet_source).await;
    let fleet = Fleet::builder().threshold(8).source(&source.url).start().await;
    let url = fleet.watch_url();
    let seconds = PLAYS_SECONDS.to_string();

    let mut probe =
        start(&fleet, "ffprobe", "ffprobe", &["-v", "error", "-show_entries", "stream=codec_name", &url]);
    // Seen and gone, so that only those that play on are counted.
    fleet.until("the probe is counted", SETTLES, |status| status.viewers == 1).await;
    assert!(probe.ends_within(ENDS).await.success(), "{}", probe.log());
    fleet.until("the probe is forgotten", SETTLES, |status| status.viewers == 0).await;

    // ffplay goes on until it is ended: -t only stops it from showing what comes later.
    let mut ffplay = start(&fleet, "ffplay", "ffplay", &["-nodisp", "-v", "error", &url]);
    let mut play = fleet.start_client("play", &["play", "--duration", &format!("{seconds}s"), "--json"]);
    let ffmpeg = ["-nostdin", "-v", "error", "-i", &url, "-t", &seconds, "-c", "copy", "-f", "null", "-"];
    let mut ffmpeg = start(&fleet, "ffmpeg", "ffmpeg", &ffmpeg);
    let mpv = [
        "--no-config",
        "--vo=null",
        "--ao=null",
        "--msg-level=all=error",
        &format!("--length={seconds}"),
        &url,
    ];
    let mut mpv = start(&fleet, "mpv", "mpv", &mpv);
    let mut hlsjs = Player::HlsJs.start(&fleet, Duration::from_secs(PLAYS_SECONDS.into()));
    fleet.until("all players are counted", SETTLES, |status| status.viewers >= 5).await;

    let crowd = ["crowd", "--viewers", "10", "--rate", "10/s", "--duration", "15s", "--mix", "fixed=1"];
    let mut crowd = fleet.start_client("crowd", &crowd);
    fleet
        .until(
            "all five play from the relay: the crowd, which cannot be moved, has the primary",
            SETTLES,
            |status| relays_in(status, Phase::Serving).first().is_some_and(|relay| relay.viewers == 5),
        )
        .await;
    assert!(crowd.ends_within(ENDS).await.success(), "the crowd saw a stall or an error: {}", crowd.log());
    fleet
        .until("they play from the primary again, and the relay is gone", SETTLES, |status| {
            at_primary(status) == 5 && status.servers.len() == 1
        })
        .await;

    for (name, player) in
        [("client play", &mut play), ("ffmpeg", &mut ffmpeg), ("mpv", &mut mpv), ("hls.js", hlsjs.program())]
    {
        let status = player.ends_within(ENDS).await;
        assert!(status.success(), "{name} ended with {status}: {}", player.log());
    }
    assert!(ffplay.ended().is_none(), "ffplay ended by itself: {}", ffplay.log());

    let probed = probe.log();
    assert!(probed.contains("h264") && probed.contains("aac"), "{probed}");
    assert_eq!(complaints(&ffmpeg), Vec::<String>::new());
    assert_eq!(complaints(&ffplay), Vec::<String>::new());
    assert_eq!(complaints(&mpv), Vec::<String>::new());
    assert!(play.log().contains("\"stalls\": 0"), "{}", play.log());
    let seen = hlsjs.summary();
    assert!(seen.fatal.is_empty() && seen.stalls.iter().all(|stall| stall.ms <= 500), "{seen:?}");
    let primary = fleet.subnet.viewers(1).to_string();
    assert!(hlsjs.hosts().keys().any(|host| *host != primary), "hls.js was never moved: {seen:?}");
}
