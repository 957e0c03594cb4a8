//! The figure of a run without adaptation and one with the cap: what came, what was sent, which rung that left, who stood still.

use super::{
    report::{cap, length},
    run::{LINE, Mode, Run},
    sample::Sample,
};
use crate::{
    bench::plot::{Figure, Line, Panel, Tick},
    ladder::BITS_PER_SECOND,
};

/// Viewers, at most.
const VIEWERS: f64 = 20.0;

/// Mb/s up to which the second panel goes: what the primary hands to the kernel in one second can be more than the line carries.
const MEGABITS: f64 = 16.0;

/// The runs that are drawn, and how.
const DRAWN: [(Mode, &str, &str); 2] =
    [(Mode::Client, "off", "no adaptation"), (Mode::Capped, "capped", "capped by the server")];

pub(super) fn figure(runs: &[Run]) -> Figure {
    let drawn: Vec<(&Run, &'static str)> =
        runs.iter().filter_map(|run| Some((run, class(run.mode)?))).collect();
    let legend = DRAWN.iter().filter(|(mode, ..)| runs.iter().any(|run| run.mode == *mode));
    Figure {
        seconds: length(runs).as_secs_f64(),
        legend: legend.map(|(_, class, label)| (*class, *label)).collect(),
        panels: vec![
            Panel {
                label: "viewers",
                top: VIEWERS,
                ticks: ticks(&[0.0, 10.0, 20.0]),
                lines: lines(&drawn, |_, sample| Some(sample.viewers)),
            },
            rates(&drawn),
            rungs(&drawn),
            Panel {
                label: "viewers whose picture stands still",
                top: VIEWERS,
                ticks: ticks(&[0.0, 10.0, 20.0]),
                #[expect(clippy::cast_precision_loss, reason = "twenty")]
                lines: lines(&drawn, |run, sample| Some(run.standing_still(sample.unix_ms) as f64)),
            },
        ],
    }
}

/// What was sent, and the line that it had to go through.
fn rates(drawn: &[(&Run, &'static str)]) -> Panel {
    let carries = f64::from(LINE.kbit_per_s) / 1e3;
    let end = drawn.iter().map(|(run, _)| run.timeline.end().as_secs_f64()).fold(0.0, f64::max);
    let mut all = lines(drawn, |_, sample| Some((sample.egress / 1e6).min(MEGABITS)));
    all.push(Line { class: "limit", points: vec![(0.0, carries), (end, carries)] });
    Panel {
        label: "sent, Mb/s; dashed: what the line carries",
        top: MEGABITS,
        ticks: ticks(&[0.0, 8.0, 16.0]),
        lines: all,
    }
}

/// The rung that the first viewer saw, and the highest that the server allowed.
#[expect(clippy::cast_precision_loss, reason = "three rungs")]
fn rungs(drawn: &[(&Run, &'static str)]) -> Panel {
    let mut all = lines(drawn, |run, sample| run.first().rung(sample.unix_ms).map(|rung| rung as f64));
    let capped: Vec<_> = drawn.iter().filter(|(run, _)| run.mode == Mode::Capped).copied().collect();
    let allowed = lines(&capped, |_, sample| cap(sample).map(|rung| rung as f64));
    all.extend(allowed.into_iter().map(|line| Line { class: "allowed", ..line }));
    let tick =
        |(rung, bits): (usize, &u32)| Tick { at: rung as f64, label: format!("{}", f64::from(*bits) / 1e6) };
    Panel {
        label: "picture of hls.js, by its rung's Mb/s; dashed: the cap",
        top: 2.0,
        ticks: BITS_PER_SECOND.iter().enumerate().map(tick).collect(),
        lines: all,
    }
}

fn class(mode: Mode) -> Option<&'static str> {
    DRAWN.iter().find(|(drawn, ..)| *drawn == mode).map(|(_, class, _)| *class)
}

fn ticks(at: &[f64]) -> Vec<Tick> {
    at.iter().map(|at| Tick { at: *at, label: at.to_string() }).collect()
}

/// A line for each run.
fn lines(drawn: &[(&Run, &'static str)], value: impl Fn(&Run, &Sample) -> Option<f64>) -> Vec<Line> {
    let points = |run: &Run| {
        let point = |sample: &Sample| Some((run.second(sample.unix_ms), value(run, sample)?));
        run.samples.iter().filter_map(point).collect()
    };
    drawn.iter().map(|(run, class)| Line { class, points: points(run) }).collect()
}
