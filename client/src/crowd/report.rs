//! How a crowd fared, all viewers together.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{member::Outcome, presence::Sample};
use crate::{exit::Failure, summary::Summary, table::table};

/// The report of a crowd.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    seed: u64,
    /// Viewers who had a place.
    viewers: usize,
    /// Viewers for whom there was no room.
    refused: u32,
    /// From pressing play to the first picture.
    start_up_ms: Spread,
    stalls: u64,
    stalled_viewers: u32,
    stalled_ms: u64,
    longest_stall_ms: u64,
    switches: u64,
    /// Requests that failed, and viewers who had no place or gave up.
    errors: u64,
    errors_by_kind: BTreeMap<&'static str, u64>,
    gaps: u64,
    segments: u64,
    bytes: u64,
    viewers_by_class: BTreeMap<&'static str, u32>,
    /// Viewers per server over time.
    servers: Vec<Sample>,
}

/// How a measurement is spread over the viewers who have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Spread {
    median: u64,
    p95: u64,
    max: u64,
}

impl Spread {
    fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        // Nearest rank: the least value that this share of the viewers does not exceed.
        let rank = |percent: usize| {
            let index = (values.len() * percent).div_ceil(100).saturating_sub(1);
            values.get(index).copied().unwrap_or_default()
        };
        Self { median: rank(50), p95: rank(95), max: rank(100) }
    }
}

impl Report {
    pub(super) fn new(seed: u64, outcomes: &[Outcome], servers: Vec<Sample>) -> Self {
        let mut report = Self { seed, servers, ..Self::default() };
        let mut start_ups = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok((summary, failure)) => {
                    report.add(summary);
                    start_ups.extend(summary.start_up_ms);
                    if failure.is_some() {
                        report.err("gave up");
                    }
                }
                Err(failure) if matches!(failure.deciding(), Failure::Refused { .. }) => report.refused += 1,
                Err(failure) => {
                    tracing::warn!(%failure, "a viewer had no place");
                    report.err("no place");
                }
            }
        }
        report.start_up_ms = Spread::of(start_ups);
        report
    }

    fn add(&mut self, summary: &Summary) {
        self.viewers += 1;
        *self.viewers_by_class.entry(summary.class.as_str()).or_default() += 1;
        self.stalls += u64::from(summary.stalls);
        self.stalled_viewers += u32::from(summary.stalls > 0);
        self.stalled_ms += summary.stalled_ms;
        self.longest_stall_ms = self.longest_stall_ms.max(summary.longest_stall_ms);
        self.switches += u64::from(summary.switches);
        self.errors += u64::from(summary.errors);
        for (kind, count) in &summary.errors_by_kind {
            *self.errors_by_kind.entry(kind).or_default() += u64::from(*count);
        }
        self.gaps += summary.gaps;
        self.segments += summary.segments;
        self.bytes += summary.bytes;
    }

    fn err(&mut self, kind: &'static str) {
        self.errors += 1;
        *self.errors_by_kind.entry(kind).or_default() += 1;
    }

    /// The report for people.
    pub(super) fn table(&self) -> String {
        let mut summary = table(["CROWD", ""]);
        let Spread { median, p95, max } = self.start_up_ms;
        let kinds: Vec<String> =
            self.errors_by_kind.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        for (name, value) in [
            ("viewers", format!("{} ({} refused)", self.viewers, self.refused)),
            ("start-up", format!("median {median} ms, p95 {p95} ms, longest {max} ms")),
            (
                "stalls",
                format!(
                    "{} ({} viewers, {} ms, longest {} ms)",
                    self.stalls, self.stalled_viewers, self.stalled_ms, self.longest_stall_ms
                ),
            ),
            ("switches", self.switches.to_string()),
            ("errors", format!("{} {}", self.errors, kinds.join(", ")).trim_end().to_owned()),
            (
                "media",
                format!(
                    "{} segments, {}.{} MB, {} gaps",
                    self.segments,
                    self.bytes / 1_000_000,
                    self.bytes % 1_000_000 / 100_000,
                    self.gaps
                ),
            ),
        ] {
            summary.add_row([name.to_owned(), value]);
        }
        let mut servers = table(["SERVER", "MOST VIEWERS", "AVERAGE"]);
        for (server, (most, average)) in self.by_server() {
            servers.add_row([server.to_owned(), most.to_string(), format!("{average:.1}")]);
        }
        format!("{summary}\n\n{servers}")
    }

    /// What the exit code says of it.
    pub(super) fn judge(&self) -> Result<(), Failure> {
        if self.stalls > 0 {
            let (viewers, stalls) = (self.stalled_viewers, self.stalls);
            return Err(Failure::Stalled(format!("{viewers} viewers stalled, {stalls} times in all")));
        }
        if self.refused > 0 {
            let text = format!("there was no room for {} viewers", self.refused);
            return Err(Failure::Refused { text, retry_after: None });
        }
        if self.errors > 0 {
            return Err(Failure::Failed(format!("there were {} errors", self.errors)));
        }
        if self.viewers == 0 {
            return Err(Failure::Failed("nobody came to watch: give a longer --duration".into()));
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    fn by_server(&self) -> BTreeMap<&str, (u32, f64)> {
        let mut servers: BTreeMap<&str, (u32, f64)> = BTreeMap::new();
        for sample in &self.servers {
            for (server, viewers) in &sample.servers {
                let (most, average) = servers.entry(server).or_default();
                *most = (*most).max(*viewers);
                *average += f64::from(*viewers) / self.servers.len() as f64;
            }
        }
        servers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_by_nearest_rank() {
        let spread = Spread::of((1..=100).rev().collect());
        assert_eq!(spread, Spread { median: 50, p95: 95, max: 100 });
        assert_eq!(Spread::of(vec![7]), Spread { median: 7, p95: 7, max: 7 });
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }

    #[test]
    fn a_stall_weighs_more_than_a_refusal_and_that_more_than_an_error() {
        let code = |report: Report| report.judge().map_err(|failure| crate::exit::code(&failure.into()));
        let watched = Report { viewers: 1, ..Report::default() };
        assert_eq!(code(Report { errors: 1, ..watched }), Err(Some(1)));
        let refused = Report { viewers: 1, refused: 1, errors: 1, ..Report::default() };
        assert_eq!(code(refused), Err(Some(5)));
        let stalled = Report { viewers: 1, refused: 1, stalls: 1, ..Report::default() };
        assert_eq!(code(stalled), Err(Some(6)));
        assert_eq!(code(Report { viewers: 1, ..Report::default() }), Ok(()));
    }
}
