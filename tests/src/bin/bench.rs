//! `tests/bench`: our relay and nginx side by side in one run, as caches of the same primary, and the ratios.
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use tests::bench::{cases, stage::Stage};

const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let rounds = std::env::args().nth(1).map_or(ROUNDS, |text| text.parse().expect("ROUNDS is a number"));
    let stage = Stage::set().await;
    println!("| measure | relay | nginx | ratio, above 1 the relay is better |\n|---|---|---|---|");
    for row in cases::all(&stage, rounds).await {
        println!("{row}");
    }
}
