//! `tests/bench`: Spillway and nginx side by side in one run, and the ratios.
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use tests::bench::{redirects, relay, stage::Stage, steering, table::HEADING};

const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let rounds = std::env::args().nth(1).map_or(ROUNDS, |text| text.parse().expect("ROUNDS is a number"));
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
