//! The runs as a table for people and as rows for programs.

use std::{fmt::Write as _, time::Duration};

use super::{fare::Fare, run::Run, sample::Sample};
use crate::ladder::HEIGHTS;

/// The highest rung.
pub(super) const TOP: usize = HEIGHTS.len() - 1;

impl Run {
    /// Seconds from the first viewer to a moment.
    #[expect(clippy::cast_precision_loss, reason = "minutes")]
    pub(super) fn second(&self, unix_ms: u64) -> f64 {
        (unix_ms as f64 - self.began_ms as f64) / 1000.0
    }

    /// The first viewer, who stays.
    pub(super) fn first(&self) -> &Fare {
        &self.fares[0]
    }

    /// How many times pictures stood still in the second up to a moment.
    pub(super) fn standing_still(&self, unix_ms: u64) -> usize {
        self.fares.iter().map(|fare| fare.standing_still(unix_ms)).sum()
    }

    /// Seconds at each rung, lowest first.
    fn seconds_at(&self, rung: impl Fn(&Sample) -> Option<usize>) -> String {
        let rungs: Vec<usize> = self.samples.iter().filter_map(rung).collect();
        if rungs.is_empty() {
            return "does not say".to_owned();
        }
        let seconds = (0..=TOP).map(|rung| rungs.iter().filter(|at| **at == rung).count().to_string());
        seconds.collect::<Vec<_>>().join(" / ")
    }

    /// Seconds from when the load had left until the highest rung.
    fn recovery(&self, rung: impl Fn(&Sample) -> Option<usize>) -> String {
        let left = self.timeline.left().as_secs_f64();
        let after = self.samples.iter().filter(|sample| self.second(sample.unix_ms) >= left);
        let (mut said, mut top) = (false, None);
        for sample in after {
            let rung = rung(sample);
            said |= rung.is_some();
            if rung == Some(TOP) {
                top = Some(self.second(sample.unix_ms) - left);
                break;
            }
        }
        match top {
            Some(seconds) => format!("{seconds:.0} s"),
            None if said => "never".to_owned(),
            None => "does not say".to_owned(),
        }
    }

    fn peak(&self, rate: impl Fn(&Sample) -> f64) -> String {
        let peak = self.samples.iter().map(rate).fold(0.0, f64::max);
        format!("{:.1} Mb/s", peak / 1e6)
    }
}

/// The cap as a rung.
pub(super) fn cap(sample: &Sample) -> Option<usize> {
    let cap = sample.cap.filter(|cap| (0.0..100.0).contains(cap))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let rung = cap as usize;
    Some(rung.min(TOP))
}

fn stalls(fare: &Fare) -> String {
    match fare.stalls.len() {
        0 => "none".to_owned(),
        count => format!("{count}, {:.1} s", fare.stalled_s()),
    }
}

/// A column a run.
pub(super) fn table(runs: &[Run]) -> String {
    let row = |name: &str, cell: &dyn Fn(&Run) -> String| {
        let cells: Vec<String> = runs.iter().map(cell).collect();
        format!("| {name} | {} |\n", cells.join(" | "))
    };
    let mut text = row("", &|run| run.mode.to_string());
    let _ = writeln!(text, "|---|{}", "---|".repeat(runs.len()));
    let fares = runs.first().map_or(0, |run| run.fares.len());
    for at in 0..fares {
        let Fare { name, viewers, .. } = &runs[0].fares[at];
        text += &row(&format!("stalls: {name} ({viewers})"), &|run| stalls(&run.fares[at]));
    }
    let ended = |run: &Run| run.fares.iter().map(|fare| fare.fatal.len()).sum::<usize>().to_string();
    let shown = |run: &Run, sample: &Sample| run.first().rung(sample.unix_ms);
    text += &row("players that ended before their time", &ended);
    text += &row("cap at the lowest, middle, highest rung, seconds", &|run| run.seconds_at(cap));
    text += &row("hls.js showed these, seconds", &|run| run.seconds_at(|sample| shown(run, sample)));
    text += &row("load gone to highest cap", &|run| run.recovery(cap));
    text += &row("load gone to highest picture of hls.js", &|run| run.recovery(|sample| shown(run, sample)));
    text += &row("most sent in a second", &|run| run.peak(|sample| sample.egress));
    text += &row("most on the line in a second", &|run| run.peak(|sample| sample.carried));
    for run in runs {
        for fare in &run.fares {
            for why in &fare.fatal {
                let _ = writeln!(text, "\n{}: {} ended: {why}", run.mode, fare.name);
            }
        }
    }
    text
}

/// A row a second and run.
pub(super) fn csv(runs: &[Run]) -> String {
    let mut text = String::from(
        "mode,second,viewers,sent_mbit_per_s,carried_mbit_per_s,uplink_mbit_per_s,rung_cap,hlsjs_rung,standing_still\n",
    );
    let mega = |bits: f64| format!("{:.3}", bits / 1e6);
    for run in runs {
        for sample in &run.samples {
            let number = |rung: Option<usize>| rung.map(|rung| rung.to_string()).unwrap_or_default();
            let _ = writeln!(
                text,
                "{},{:.1},{},{},{},{},{},{},{}",
                run.mode,
                run.second(sample.unix_ms),
                sample.viewers,
                mega(sample.egress),
                mega(sample.carried),
                sample.uplink.map(mega).unwrap_or_default(),
                number(cap(sample)),
                number(run.first().rung(sample.unix_ms)),
                run.standing_still(sample.unix_ms),
            );
        }
    }
    text
}

/// A row a stall.
pub(super) fn stalls_csv(runs: &[Run]) -> String {
    let mut text = String::from("mode,player,second,ms\n");
    for run in runs {
        for fare in &run.fares {
            for stall in &fare.stalls {
                let _ =
                    writeln!(text, "{},\"{}\",{:.1},{}", run.mode, fare.name, run.second(stall.at), stall.ms);
            }
        }
    }
    text
}

/// How long all of the runs' figures are.
pub(super) fn length(runs: &[Run]) -> Duration {
    runs.iter().map(|run| run.timeline.end()).max().unwrap_or_default()
}
