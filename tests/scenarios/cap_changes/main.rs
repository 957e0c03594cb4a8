//! Real players while the server changes which rungs it allows, a hundred times in ten minutes, and while they are moved between servers
//! that allow different ones: no error, no gap, no picture that stands still. It takes half an hour, so it runs with `tests/run --caps`
//! alone.
//!
//! With `STAND_IN` set, proxies cap in place of the servers: that shows what players do apart from what a server does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audience;
mod stage;
mod verdict;

use std::time::Duration;

use tests::{ladder::Container, wait::unix_ms};

use self::{audience::Audience, stage::Stage};

/// How often the cap changes: not less than every third segment.
const EVERY: Duration = Duration::from_secs(6);

/// Caps in turn: every step between any two rungs, up and down.
const CAPS: [usize; 6] = [0, 2, 1, 0, 1, 2];

/// Changes of a whole run; `CHANGES` may ask for fewer.
const CHANGES: usize = 100;

/// Moves between the two relays, one for each step between two rungs.
const MOVES: usize = CAPS.len();

/// How long everybody plays on after each.
const PLAYS_ON: Duration = Duration::from_secs(10);

fn changes() -> usize {
    std::env::var("CHANGES").map_or(CHANGES, |number| number.parse().unwrap())
}

/// How a source is packed in a run: a stand-in cannot put parameter sets in.
fn containers() -> [Container; 2] {
    let in_band = if tests::caps::by_stand_in() { Container::InBandMp4 } else { Container::FragmentedMp4 };
    [Container::Ts, in_band]
}

#[tokio::test]
#[ignore = "takes minutes and all of the machine: tests/run --caps"]
async fn a_hundred_changes_of_the_cap_are_seen_by_no_player() {
    let mut faults = Vec::new();
    for container in containers() {
        let changes = changes();
        let length = EVERY * u32::try_from(changes).unwrap() + EVERY;
        let stage = Stage::with_a_primary(container, length).await;
        let audience = Audience::enter(&stage).await;
        let began = unix_ms();
        let mut turn = tokio::time::interval(EVERY);
        for change in 0..changes {
            turn.tick().await;
            stage.primary_caps().set(CAPS[change % CAPS.len()]).await;
        }
        turn.tick().await;
        let listed = stage.listed();
        let verdict = audience.leave().await;
        println!(
            "{container:?}: {changes} changes in {} s, {} swaps listed",
            (unix_ms() - began) / 1000,
            listed.swaps()
        );
        println!("{}", verdict.table());
        let few =
            (listed.swaps() + 5 < changes).then(|| format!("only {} swaps were listed", listed.swaps()));
        let all = verdict.faults(listed.swaps()).into_iter().chain(listed.faults).chain(few);
        faults.extend(all.map(|fault| format!("{container:?}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
#[ignore = "takes minutes and all of the machine: tests/run --caps"]
async fn players_that_are_moved_between_servers_with_different_caps_play_on() {
    let mut faults = Vec::new();
    for container in containers() {
        let stage = Stage::with_two_relays(container).await;
        let audience = Audience::enter(&stage).await;
        let mut at = stage.serving().await;
        let mut turn = tokio::time::interval(PLAYS_ON);
        for (change, cap) in CAPS.into_iter().enumerate() {
            turn.tick().await;
            match stage.everybody_moves_from(at, cap).await {
                Ok(moved) => at = moved,
                Err(missing) => {
                    faults.push(format!("{container:?}: move {change}: {missing}"));
                    break;
                }
            }
            turn.reset();
        }
        turn.tick().await;
        let verdict = audience.leave().await;
        println!("{container:?}: {MOVES} moves\n{}", verdict.table());
        faults.extend(verdict.faults(MOVES).into_iter().map(|fault| format!("{container:?}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
