//! Logs and metrics, set up once a program: tracing to standard error, metrics as Prometheus text.

use std::{io::IsTerminal as _, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// Bounds of every latency histogram, in seconds: from a cached answer on loopback to a stalled upstream.
const LATENCY_SECONDS: [f64; 12] =
    [0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0];

/// Bounds of what players hold, in seconds: from one that stalls to one that is as far behind as it gets, with most live players
/// between 2 and 30.
const VIEWER_BUFFER_SECONDS: [f64; 12] = [0.0, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 60.0];

/// Bounds of what players measure, in bytes a second: from the 0.25 Mb/s below any rung to the 1 Gb/s of a viewer beside the server.
const BYTES_PER_SECOND: [f64; 12] =
    [31_250.0, 62_500.0, 125e3, 250e3, 375e3, 625e3, 1e6, 1.5e6, 2.5e6, 6.25e6, 12.5e6, 125e6];

/// How often histograms are drained so that their memory stays bounded when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Logs and metrics that could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `--log` is no filter.
    #[error("{filter:?} is no log filter: {reason}; try info, or info,delivery=debug")]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        reason: tracing_subscriber::filter::ParseError,
    },
    /// A recorder or subscriber is set already.
    #[error("telemetry is set up twice: {0}")]
    Twice(String),
}

/// Sends logs to standard error. `filter` defaults to `info`.
///
/// # Errors
/// When the filter is none, or logging was set up before.
pub fn logs(filter: Option<&str>, format: LogFormat) -> Result<(), TelemetryError> {
    let filter = filter.unwrap_or("info");
    let parsed = EnvFilter::try_new(filter)
        .map_err(|reason| TelemetryError::Filter { filter: filter.to_owned(), reason })?;
    let base = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => base.try_init(),
        LogFormat::Json => base.json().flatten_event(true).try_init(),
    }
    .map_err(|error| TelemetryError::Twice(error.to_string()))
}

/// Installs the metrics recorder of the process and keeps it tidy; the handle renders what `/metrics` shows.
///
/// # Errors
/// When a recorder was installed before.
pub fn metrics() -> Result<PrometheusHandle, TelemetryError> {
    let twice = |error: metrics_exporter_prometheus::BuildError| TelemetryError::Twice(error.to_string());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_SECONDS)
        .and_then(|builder| {
            let buffer = Matcher::Full("spillway_viewer_buffer_seconds".to_owned());
            builder.set_buckets_for_metric(buffer, &VIEWER_BUFFER_SECONDS)
        })
        .and_then(|builder| {
            let throughput = Matcher::Suffix("_bytes_per_second".to_owned());
            builder.set_buckets_for_metric(throughput, &BYTES_PER_SECOND)
        })
        .map_err(twice)?
        .install_recorder()
        .map_err(twice)?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut every = tokio::time::interval(UPKEEP);
        loop {
            every.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}
