//! `tests/bench`: Spillway and nginx side by side in one run, and the ratios; `tests/bench uplink`: a line that is too narrow.
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use clap::{Parser, Subcommand};
use tests::bench::{
    redirects, relay,
    stage::Stage,
    steering,
    table::HEADING,
    uplink::{self, Order},
};

/// Measures on this machine, bounded in time, over loopback.
#[derive(Debug, Parser)]
#[command(name = "tests/bench", bin_name = "tests/bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Rounds of each case beside nginx, alternating; medians are printed.
    #[arg(default_value_t = 5)]
    rounds: usize,
    #[command(subcommand)]
    measure: Option<Measure>,
}

#[derive(Debug, Subcommand)]
enum Measure {
    /// Twenty viewers on a line for four, without adaptation and with.
    Uplink(Order),
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    match arguments.measure {
        Some(Measure::Uplink(order)) => println!("{}", uplink::measure(&order).await),
        None => side_by_side(arguments.rounds).await,
    }
}

async fn side_by_side(rounds: usize) {
    let stage = Stage::set().await;
    println!("{HEADING}");
    for rows in [
        relay::all(&stage, rounds).await,
        steering::all(&stage, rounds).await,
        redirects::all(&stage, rounds).await,
    ] {
        rows.iter().for_each(|row| println!("{row}"));
    }
}
