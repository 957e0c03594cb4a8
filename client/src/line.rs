//! The live line of `client play`: on a terminal it is redrawn in place, elsewhere it is a plain line when something changes.

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;

use crate::{fetch::FetchError, output, viewer::Viewer};

/// How often the line is redrawn.
const REDRAW: Duration = Duration::from_millis(250);

/// How often a plain line comes when nothing changes.
const REPEAT: Duration = Duration::from_secs(10);

/// The line.
#[derive(Debug)]
pub struct Line {
    bar: Option<ProgressBar>,
    shown: Option<Instant>,
}

impl Line {
    /// On standard error, as suits it.
    #[must_use]
    pub fn on_standard_error() -> Self {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
        Self { bar, shown: None }
    }

    /// Shows how the viewer does, if it is time to.
    pub fn refresh(&mut self, viewer: &Viewer) {
        let pause = if self.bar.is_some() { REDRAW } else { REPEAT };
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= pause);
        if due && viewer.player().cursor().newest().is_some() {
            self.show(viewer);
        }
    }

    /// Shows how the viewer does.
    pub fn show(&mut self, viewer: &Viewer) {
        self.shown = Some(Instant::now());
        match &self.bar {
            Some(bar) => {
                bar.set_message(describe(viewer));
                bar.tick();
            }
            None => output::say(&describe(viewer)),
        }
    }

    /// Says that something could not be had.
    pub fn trouble(&self, error: &FetchError) {
        match &self.bar {
            Some(bar) => bar.println(format!("client: {error}")),
            None => output::say(&error.to_string()),
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "bitrates are far below 2^52")]
fn describe(viewer: &Viewer) -> String {
    let (rung, bandwidth) = viewer.rung();
    let player = viewer.player();
    let experience = player.buffer().experience();
    let stalling = if player.buffer().stalling().is_zero() { "" } else { " (now)" };
    let lowered = viewer.lowered_to().map(|sent| format!(", sent {sent}")).unwrap_or_default();
    format!(
        "{} | rung {rung} ({:.1} Mbit/s){lowered} | buffer {:.1} s | latency {:.1} s | stalls {}{stalling}",
        viewer.server(),
        bandwidth as f64 / 1e6,
        player.buffer().level().as_secs_f64(),
        player.latency().as_secs_f64(),
        experience.stalls,
    )
}
