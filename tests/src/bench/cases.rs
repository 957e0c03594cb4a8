//! What is measured, and the row of the table that each measure gives.

use std::{fmt, time::Duration};

use super::{
    load::{ask, cpu_seconds, crowd, private_bytes},
    stage::{Cache, Stage},
};

/// How long a round of steady load lasts.
const ROUND: Duration = Duration::from_secs(2);

/// Connections of a round, as in the published baselines of nginx.
const CONNECTIONS: usize = 64;

/// Viewers that ask for one cold segment at the same moment.
const CROWD: usize = 200;

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    measure: &'static str,
    unit: &'static str,
    relay: f64,
    nginx: f64,
    /// Whether more is better.
    more: bool,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = if self.more { self.relay / self.nginx } else { self.nginx / self.relay };
        let Self { measure, unit, relay, nginx, .. } = self;
        write!(f, "| {measure} | {relay:.1} {unit} | {nginx:.1} {unit} | {ratio:.2} |")
    }
}

/// All cases, one after the other.
pub async fn all(stage: &Stage, rounds: usize) -> Vec<Row> {
    let segments = stage.segments().await;
    let idle = memory(stage);
    let cold = cold_segments(stage, &segments, rounds).await;
    let playlist = ["/live/2000k/live.m3u8".to_owned()];
    vec![
        idle,
        steady(stage, "playlist requests per CPU-second", "k", &playlist, rounds, |got, cpu| {
            got.0 / cpu / 1e3
        })
        .await,
        steady(stage, "1 MB segments per CPU-second", "GB", &segments, rounds, |got, cpu| got.1 / cpu / 1e9)
            .await,
        cold,
    ]
}

/// Private memory with nobody watching.
#[expect(clippy::cast_precision_loss, reason = "megabytes")]
fn memory(stage: &Stage) -> Row {
    let megabytes = |cache: Cache| private_bytes(cache.pid) as f64 / 1e6;
    Row {
        measure: "private memory, idle",
        unit: "MB",
        relay: megabytes(stage.relay()),
        nginx: megabytes(stage.nginx()),
        more: false,
    }
}

/// Steady load on both in turn; `figure` makes one of (requests, bytes) and CPU seconds.
async fn steady(
    stage: &Stage,
    measure: &'static str,
    unit: &'static str,
    paths: &[String],
    rounds: usize,
    figure: impl Fn((f64, f64), f64) -> f64,
) -> Row {
    let mut figures = [Vec::new(), Vec::new()];
    let caches = [stage.relay(), stage.nginx()];
    for cache in caches {
        ask(cache.address, paths, CONNECTIONS, ROUND).await;
    }
    for _ in 0..rounds {
        for (cache, figures) in caches.iter().zip(&mut figures) {
            let before = cpu_seconds(cache.pid);
            let got = ask(cache.address, paths, CONNECTIONS, ROUND).await;
            let cpu = cpu_seconds(cache.pid) - before;
            #[expect(clippy::cast_precision_loss, reason = "counts of two seconds")]
            figures.push(figure((got.requests as f64, got.bytes as f64), cpu));
        }
    }
    let [relay, nginx] = figures.map(median);
    Row { measure, unit, relay, nginx, more: true }
}

/// The median wait for the last byte of a segment that nobody has asked for before.
async fn cold_segments(stage: &Stage, segments: &[String], rounds: usize) -> Row {
    let mut waits = [Vec::new(), Vec::new()];
    for path in segments.iter().take(rounds) {
        // The primary has it, so that both caches are one hop from it.
        ask(stage.fleet.subnet.viewers(1), std::slice::from_ref(path), 1, Duration::from_millis(1)).await;
        for (cache, waits) in [stage.relay(), stage.nginx()].iter().zip(&mut waits) {
            let each = crowd(cache.address, path, CROWD).await;
            waits.push(median(each.iter().map(|wait| wait.as_secs_f64() * 1e3).collect()));
        }
    }
    let [relay, nginx] = waits.map(median);
    Row {
        measure: "200 viewers on a cold 1 MB segment, median to last byte",
        unit: "ms",
        relay,
        nginx,
        more: false,
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
