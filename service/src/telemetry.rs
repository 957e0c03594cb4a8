//! Logs and metrics, set up once a program: tracing to standard error, metrics as Prometheus text.

use std::{io::IsTerminal as _, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// Bounds of every latency histogram, in seconds: from a cached answer on loopback to a stalled upstream.
const LATENCY_SECONDS: [f64; 12] =
    [0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0];

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
