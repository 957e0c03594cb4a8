//! A relay and nginx as caches of one primary: playlists, segments, a cold segment, memory.

use std::time::Duration;

use super::{
    load::{ask, cpu_seconds, crowd, private_bytes},
    stage::{Server, Stage},
    table::{Row, median},
};

/// How long a round of steady load lasts.
const ROUND: Duration = Duration::from_secs(2);

/// Connections of a round, as in the published baselines of nginx.
const CONNECTIONS: usize = 64;

/// Viewers that ask for one cold segment at the same moment.
const CROWD: usize = 200;

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
    let megabytes = |cache: Server| private_bytes(cache.pid) as f64 / 1e6;
    Row::less("private memory, idle", "MB", megabytes(stage.relay()), megabytes(stage.nginx()))
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
    Row::more(measure, unit, relay, nginx)
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
    Row::less("200 viewers on a cold 1 MB segment, median to last byte", "ms", relay, nginx)
}
