//! Relays as processes: an address that is taken, a manager that died with its crowd, a relay that is told to stop.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::TcpListener, time::Duration};

use proto::v1::{Phase, StatusResponse};
use tests::{
    Fleet, Program, Subnet, client, eventually,
    fleet::{at_primary, relays_in},
};

const SETTLES: Duration = Duration::from_secs(60);

fn crowd(fleet: &Fleet, viewers: &str, mix: &str) -> Program {
    let arguments = ["crowd", "--viewers", viewers, "--rate", "10/s", "--duration", "600s", "--mix", mix];
    fleet.start_client("crowd", &arguments)
}

/// One relay that serves all but one of so many viewers.
fn carries_all_but_one(status: &StatusResponse, viewers: u32) -> Option<String> {
    let carries = |relay: &&proto::v1::ServerStatus| relay.viewers + 1 == viewers && at_primary(status) == 1;
    relays_in(status, Phase::Serving).into_iter().find(carries).map(|relay| relay.id.clone())
}

#[tokio::test]
async fn an_address_that_another_program_holds_is_named_and_the_next_one_is_used() {
    let subnet = Subnet::unused();
    let taken = TcpListener::bind(subnet.viewers(2)).unwrap();
    let slots = format!("[provisioner]\naddresses = [\"{}\", \"{}\"]", subnet.host(2), subnet.host(3));
    let fleet = Fleet::builder().on(subnet).threshold(1).manager_config(&slots).start().await;
    let mut crowd = crowd(&fleet, "4", "watches=1");
    let status =
        fleet.until("a relay carries them", SETTLES, |status| carries_all_but_one(status, 4).is_some()).await;
    let relay = relays_in(&status, Phase::Serving)[0];
    assert_eq!(relay.base_url, format!("http://{}", subnet.viewers(3)));
    let decisions = client(subnet.manager(), &["decisions"]).await.success();
    let named =
        |line: &str| line.contains(&taken.local_addr().unwrap().to_string()) && line.contains("in use");
    assert!(decisions.lines().any(named), "{decisions}");
    assert!(crowd.stop().await.success(), "{}", crowd.log());
}

#[tokio::test]
async fn relays_whose_manager_and_crowd_are_gone_are_found_and_ended_by_the_next_manager() {
    let mut fleet = Fleet::builder().threshold(1).start().await;
    let mut crowd = crowd(&fleet, "4", "watches=1");
    fleet.until("a relay carries them", SETTLES, |status| carries_all_but_one(status, 4).is_some()).await;
    let relays = fleet.relay_pids();
    fleet.manager.kill();
    crowd.kill();
    fleet.restart_manager();
    let status = fleet.settled().await;
    assert_eq!(
        fleet.relay_pids(),
        relays,
        "none is launched or ended before the counts are fresh: {status:?}"
    );
    eventually("the relays have exited", SETTLES, async || {
        let pids = fleet.relay_pids();
        if pids.is_empty() { Ok(()) } else { Err(format!("{pids:?} still run")) }
    })
    .await;
}

#[tokio::test]
async fn a_relay_that_is_told_to_stop_lets_its_viewers_go_without_a_stall_and_exits_0() {
    let mut fleet = Fleet::builder()
        .threshold(1)
        .standby(2, &[])
        .standby(3, &[])
        .manager_config("[provisioner]\nkind = \"standby\"")
        .start()
        .await;
    let mut crowd = crowd(&fleet, "7", "steers=2,redirects=2,watches=2");
    let status =
        fleet.until("a relay carries them", SETTLES, |status| carries_all_but_one(status, 7).is_some()).await;
    let first = carries_all_but_one(&status, 7).unwrap();
    let stopped = fleet
        .relays
        .iter_mut()
        .find(|relay| {
            status.servers.iter().any(|server| server.id == first && relay.log().contains(&server.base_url))
        })
        .unwrap();
    assert!(stopped.stop().await.success(), "{}", stopped.log());
    fleet
        .until("the other relay carries them", SETTLES, |status| {
            carries_all_but_one(status, 7).is_some_and(|relay| relay != first)
        })
        .await;
    assert!(crowd.stop().await.success(), "somebody stalled or saw an error: {}", crowd.log());
}
