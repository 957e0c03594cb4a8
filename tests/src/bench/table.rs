//! The rows that the benchmarks print, in the form that BENCHMARKS.md has.

use std::fmt;

/// What is measured and printed.
pub const HEADING: &str =
    "| measure | Spillway | nginx | ratio, above 1 Spillway is better |\n|---|---|---|---|";

/// One measure, side by side.
#[derive(Debug)]
pub struct Row {
    measure: String,
    unit: &'static str,
    ours: f64,
    nginx: Option<f64>,
    /// Whether more is better.
    more: bool,
}

impl Row {
    /// One of which more is better.
    #[must_use]
    pub fn more(measure: impl Into<String>, unit: &'static str, ours: f64, nginx: f64) -> Self {
        Self { measure: measure.into(), unit, ours, nginx: Some(nginx), more: true }
    }

    /// One of which less is better.
    #[must_use]
    pub fn less(measure: impl Into<String>, unit: &'static str, ours: f64, nginx: f64) -> Self {
        Self { measure: measure.into(), unit, ours, nginx: Some(nginx), more: false }
    }

    /// One that nginx has nothing to compare with.
    #[must_use]
    pub fn alone(measure: impl Into<String>, unit: &'static str, ours: f64) -> Self {
        Self { measure: measure.into(), unit, ours, nginx: None, more: false }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { measure, unit, ours, .. } = self;
        let ours_said = figure(*ours);
        let Some(nginx) = self.nginx else { return write!(f, "| {measure} | {ours_said} {unit} | | |") };
        let ratio = if self.more { ours / nginx } else { nginx / ours };
        write!(f, "| {measure} | {ours_said} {unit} | {} {unit} | {ratio:.2} |", figure(nginx))
    }
}

/// Three digits or so.
fn figure(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") }
}

/// The one in the middle.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
