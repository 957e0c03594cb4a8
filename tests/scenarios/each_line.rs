//! Where the server picks for each session, everybody is sent the highest rung that their own line carries, though their players play
//! whatever they are given.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{process::Command, sync::Arc, time::Duration};

use serde::Deserialize;
use tests::{
    Fleet, Program, SlowLine, Subnet,
    ladder::{Container, Ladder},
    replay::Replay,
    repository::binary,
    slow_line::Shape,
};

/// What each viewer's line carries, in kbit/s, and the rung that fits: 0.3, 0.8 and 2 Mb/s, each on lines that carry half as much again,
/// or too little. Between, where a rung takes two thirds to 95% of a line, it may take longer than this test waits.
const LINES: [(u32, &str); 20] = [
    (500, "144p"),
    (550, "144p"),
    (600, "144p"),
    (650, "144p"),
    (700, "144p"),
    (750, "144p"),
    (1_250, "240p"),
    (1_400, "240p"),
    (1_550, "240p"),
    (1_600, "240p"),
    (1_800, "240p"),
    (2_000, "240p"),
    (3_200, "360p"),
    (3_600, "360p"),
    (4_000, "360p"),
    (5_000, "360p"),
    (6_000, "360p"),
    (7_000, "360p"),
    (8_000, "360p"),
    (10_000, "360p"),
];

/// Until everybody has settled.
const SETTLES: Duration = Duration::from_secs(20);

/// After that, so many reloads may be of another rung: a measurement that was off is set right by the next.
const EXCURSIONS: usize = 1;

/// For how long they play.
const PLAYS: Duration = Duration::from_secs(50);

/// Until everything has started on a busy machine.
const STARTS: Duration = Duration::from_secs(40);

/// A line of the crowd's log.
#[derive(Debug, Deserialize)]
struct Line {
    unix_ms: u64,
    event: Option<String>,
    sent: Option<String>,
}

/// One viewer behind a line.
struct Viewer {
    kbit_per_s: u32,
    fits: &'static str,
    program: Program,
    log: std::path::PathBuf,
    _line: SlowLine,
}

impl Viewer {
    fn enter(fleet: &Fleet, nth: u8) -> Self {
        let (kbit_per_s, fits) = LINES[usize::from(nth)];
        let line = SlowLine::nth(&fleet.subnet, nth, Shape { kbit_per_s, burst_kb: 8, latency_ms: 500 });
        let log = fleet.file(&format!("viewer-{nth}.jsonl"));
        let manager = fleet.subnet.manager();
        let mut command = Command::new(binary("client"));
        command.args([manager.ip().to_string(), manager.port().to_string()]);
        command.args(["crowd", "--viewers", "1", "--rung", "highest", "--mix", "fixed=1"]);
        command.args(["--duration", &format!("{}s", PLAYS.as_secs())]).arg("--log").arg(&log);
        let program = line.start(&format!("viewer-{nth}"), &command, &fleet.file(""));
        Self { kbit_per_s, fits, program, log, _line: line }
    }

    /// What is wrong with what it was sent, once it has settled.
    fn faults(&self) -> Option<String> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let began = lines.first()?.unix_ms;
        let settled = began + u64::try_from(SETTLES.as_millis()).unwrap();
        let after = || lines.iter().filter(|line| line.unix_ms >= settled);
        let others: Vec<(u64, &str)> = after()
            .filter_map(|line| Some(((line.unix_ms - began) / 1000, line.sent.as_deref()?)))
            .filter(|(_, sent)| *sent != self.fits)
            .collect();
        let stalls = after().filter(|line| line.event.as_deref() == Some("stall")).count();
        let seen = after().filter(|line| line.sent.is_some()).count();
        (others.len() > EXCURSIONS || stalls > 0 || seen < 10).then(|| {
            format!(
                "{} kbit/s, {} fits: sent (at second, what) {others:?}, {stalls} stalls, {seen} reloads",
                self.kbit_per_s, self.fits
            )
        })
    }
}

#[tokio::test]
async fn twenty_lines_get_each_the_highest_rung_that_fits_and_nobody_stalls() {
    let ladder = Arc::new(Ladder::encode(Container::Ts, Replay::length(PLAYS + STARTS)).await);
    let source = Replay::start(Subnet::unused().source(), ladder).await;
    let fleet = Fleet::builder()
        .threshold(1000)
        .source(&source.url)
        .primary_arguments(&["--adaptation", "server", "--per-session"])
        .start()
        .await;
    let mut viewers: Vec<Viewer> = (0..).take(LINES.len()).map(|nth| Viewer::enter(&fleet, nth)).collect();
    for viewer in &mut viewers {
        viewer.program.ends_within(PLAYS + STARTS).await;
    }
    let faults: Vec<String> = viewers.iter().filter_map(Viewer::faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
