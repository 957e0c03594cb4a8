//! What the primary says of itself every second, and what the line has carried.

use std::time::Duration;

use tokio::time::Instant;

use crate::{fleet::Fleet, slow_line::SlowLine, wait::unix_ms};

const EVERY: Duration = Duration::from_secs(1);

/// One second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) unix_ms: u64,
    /// Viewers that the primary counts.
    pub(super) viewers: f64,
    /// What the primary has sent since the sample before, in bits per second.
    pub(super) egress: f64,
    /// What the line has carried since then, in bits per second.
    pub(super) carried: f64,
    /// What the primary takes its line for, in bits per second; `None` where it does not say.
    pub(super) uplink: Option<f64>,
    /// The highest rung that it allows; `None` where it does not say.
    pub(super) cap: Option<f64>,
}

/// Samples the primary until `end` has passed since `began`.
pub(super) async fn every_second(
    fleet: &Fleet,
    line: &SlowLine,
    began: Instant,
    end: Duration,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut before: Option<(Instant, f64, f64)> = None;
    let mut second = tokio::time::interval_at(began, EVERY);
    while began.elapsed() < end {
        second.tick().await;
        let scrape = fleet.scrape(fleet.subnet.admin(1)).await.expect("the primary says how it is");
        let sum = |name: &str| scrape.sum(name);
        #[expect(clippy::cast_precision_loss, reason = "megabytes")]
        let carried = line.carried_bytes() as f64;
        let (at, sent) = (Instant::now(), sum("spillway_egress_bytes_total").unwrap_or(0.0));
        if let Some((last, sent_before, carried_before)) = before {
            let passed = at.duration_since(last).as_secs_f64();
            samples.push(Sample {
                unix_ms: unix_ms(),
                viewers: sum("spillway_sessions").unwrap_or(0.0),
                egress: (sent - sent_before) * 8.0 / passed,
                carried: (carried - carried_before) * 8.0 / passed,
                uplink: sum("spillway_uplink_bytes_per_second").map(|bytes| bytes * 8.0),
                cap: sum("spillway_rung_cap"),
            });
        }
        before = Some((at, sent, carried));
    }
    samples
}
