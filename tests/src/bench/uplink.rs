//! A tight uplink: viewers come until they want five times what the primary's line carries, and leave; once for each way to answer
//! that. Everybody plays the same media over the same line, which the kernel shapes.
//!
//! Without adaptation it has to show stalls, else it proves nothing of the runs with it.

mod fare;
mod figure;
mod report;
mod run;
mod sample;
mod timeline;
mod viewers;

use std::{path::PathBuf, sync::Arc};

use clap::Args;

use self::{run::Run, timeline::Timeline};
use crate::{
    ladder::{Container, Ladder},
    replay::Replay,
};
pub use run::Mode;

/// What is asked of the measure.
#[derive(Debug, Args)]
pub struct Order {
    /// The modes to run, one after the other.
    #[arg(long = "only", value_name = "MODE", value_delimiter = ',', default_values_t = Mode::ALL)]
    pub modes: Vec<Mode>,
    /// Half the time: good to see that it works, too short to print.
    #[arg(long)]
    pub quick: bool,
    /// Where `adaptation.csv`, `stalls.csv` and `adaptation.svg` go.
    #[arg(long, value_name = "FOLDER", default_value = "target/uplink")]
    pub into: PathBuf,
}

/// Runs it; gives the table, and writes the samples and the figure.
///
/// # Panics
/// When a program does not do its part: stalls are no reason.
pub async fn measure(order: &Order) -> String {
    let timeline = if order.quick { Timeline::QUICK } else { Timeline::FULL };
    let length = Replay::length(timeline.end() + run::START);
    let ladder = Arc::new(Ladder::encode(Container::Ts, length).await);
    let mut runs = Vec::new();
    for mode in &order.modes {
        runs.push(Run::make(*mode, timeline, &ladder).await);
    }
    std::fs::create_dir_all(&order.into).expect("a folder can be made");
    let write = |name: &str, text: String| {
        std::fs::write(order.into.join(name), text).expect("a file can be written");
    };
    write("adaptation.csv", report::csv(&runs));
    write("stalls.csv", report::stalls_csv(&runs));
    write("adaptation.svg", figure::figure(&runs).to_string());
    report::table(&runs)
}
