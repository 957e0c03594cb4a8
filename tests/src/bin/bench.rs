//! `tests/bench`: Spillway and nginx side by side in one run, and the ratios; `tests/bench uplink`: a line that is too narrow.
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use tests::bench::{
    redirects, relay,
    stage::Stage,
    steering,
    table::HEADING,
    uplink::{self, Order},
};

const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("uplink") => println!("{}", uplink::measure(&Order::parse(arguments)).await),
        rounds => side_by_side(rounds.map_or(ROUNDS, |text| text.parse().expect("ROUNDS is a number"))).await,
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
