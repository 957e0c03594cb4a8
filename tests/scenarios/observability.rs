//! What Prometheus sees: metrics that promtool has nothing against, and servers found that were born after it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use proto::v1::Phase;
use serde_json::Value;
use tests::{Fleet, Program, eventually, fleet::relays_in, repository::root};

const SETTLES: Duration = Duration::from_secs(60);

/// Two scrapes and two refreshes of the service discovery, as deploy/prometheus.yml has them, and a busy machine.
const SCRAPED: Duration = Duration::from_secs(45);

fn crowd(fleet: &Fleet, viewers: &str) -> Program {
    fleet.start_client("crowd", &["crowd", "--viewers", viewers, "--rate", "10/s", "--duration", "600s"])
}

fn promtool_check(metrics: &str) -> String {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed, as tests/run does");
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() && said.is_empty() {
        String::new()
    } else {
        String::from_utf8_lossy(&said).into_owned()
    }
}

/// deploy/prometheus.yml with the addresses of this fleet.
fn prometheus_config(fleet: &Fleet) -> String {
    let shipped = std::fs::read_to_string(root().join("deploy/prometheus.yml")).unwrap();
    for default in ["127.0.0.1:9100", "127.0.0.1:7000"] {
        assert!(shipped.contains(default), "deploy/prometheus.yml names {default}");
    }
    shipped
        .replace("127.0.0.1:9100", &fleet.subnet.admin(10).to_string())
        .replace("127.0.0.1:7000", &fleet.subnet.manager().to_string())
        .replace("5s", "1s")
}

fn prometheus(fleet: &Fleet, address: SocketAddr) -> Program {
    let config = fleet.file("prometheus.yml");
    std::fs::write(&config, prometheus_config(fleet)).unwrap();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", fleet.file("prometheus").display()))
        .arg(format!("--web.listen-address={address}"));
    Program::start("prometheus", command, &fleet.file(""))
}

#[tokio::test]
async fn all_programs_speak_clean_metrics_and_a_relay_launched_later_is_scraped() {
    let fleet = Fleet::builder().threshold(1).start().await;
    let address = fleet.subnet.source();
    let _prometheus = prometheus(&fleet, address);
    let _crowd = crowd(&fleet, "4");
    let status = fleet
        .until("a relay serves", SETTLES, |status| {
            relays_in(status, Phase::Serving).first().is_some_and(|relay| relay.viewers > 0)
        })
        .await;
    let relay = relays_in(&status, Phase::Serving)[0].metrics_address.clone();

    let scraped = [fleet.subnet.admin(10).to_string(), fleet.subnet.admin(1).to_string(), relay.clone()];
    for admin in &scraped {
        let (code, text) = fleet.get(&format!("http://{admin}/metrics")).await.unwrap();
        assert_eq!(code, 200);
        assert_eq!(promtool_check(&text), "", "{admin}:\n{text}");
    }
    eventually("Prometheus scrapes all of them", SCRAPED, async || {
        let url = format!("http://{address}/api/v1/query?query=up");
        let (_, text) = fleet.get(&url).await.map_err(|error| error.to_string())?;
        let found: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let results = found["data"]["result"].as_array().cloned().unwrap_or_default();
        let up: Vec<&str> = results
            .iter()
            .filter(|result| result["value"][1] == "1")
            .filter_map(|result| result["metric"]["instance"].as_str())
            .collect();
        if scraped.iter().all(|admin| up.contains(&admin.as_str())) { Ok(()) } else { Err(text) }
    })
    .await;
}

#[tokio::test]
async fn the_metrics_that_operators_were_promised_are_there() {
    let fleet = Fleet::builder().threshold(1).start().await;
    let _crowd = crowd(&fleet, "4");
    let status = fleet
        .until("a relay serves", SETTLES, |status| {
            relays_in(status, Phase::Serving).first().is_some_and(|relay| relay.viewers > 0)
        })
        .await;
    let relay: SocketAddr = relays_in(&status, Phase::Serving)[0].metrics_address.parse().unwrap();
    let manager = fleet.subnet.admin(10);
    for name in [
        "spillway_region_viewers",
        "spillway_region_threshold",
        "spillway_relays",
        "spillway_placements_total",
        "spillway_decisions_total",
    ] {
        assert!(fleet.metric(manager, name).await.is_some(), "the manager has no {name}");
    }
    for name in [
        "spillway_sessions",
        "spillway_egress_bytes_total",
        "spillway_upstream_fetches_total",
        "spillway_cache_bytes",
        "spillway_request_seconds_bucket",
    ] {
        assert!(fleet.metric(relay, name).await.is_some(), "the relay has no {name}");
    }
}
