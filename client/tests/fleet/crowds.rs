//! A crowd of all kinds of players, moved while it watches.

use std::collections::BTreeSet;

use crate::support::{
    manager::Manager,
    origin::{Origin, Stream},
    start, until,
};
use serde_json::Value;

#[test]
fn players_of_every_kind_are_moved_without_a_stall_and_the_log_tells_all() {
    let stream = Stream::begin();
    let relay = Origin::start("127.0.0.2", &stream);
    let primary = Origin::beside("127.0.0.1", &relay, &stream);
    let manager = Manager::start(&[&primary, &relay]);
    let folder = tempfile::tempdir().unwrap();
    let (log, report) = (folder.path().join("log.jsonl"), folder.path().join("report.json"));
    let client = start(
        &manager,
        &[
            "crowd",
            "--viewers",
            "12",
            "--rate",
            "100/s",
            "--region",
            "eu=8",
            "--region",
            "us=4",
            "--mix",
            "steers=2,redirects=1,watches=1",
            "--duration",
            "600s",
            "--log",
            log.to_str().unwrap(),
            "--json",
            report.to_str().unwrap(),
        ],
    );
    until("all watch", || primary.requests() > 12 * 5);
    manager.move_to(1);
    until("those who can have moved", || relay.requests() > 9 * 5);
    let ran = client.interrupt();
    assert_eq!(ran.code, Some(0), "{ran:?}");

    let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(
        (&report["stalls"], &report["errors"], &report["gaps"]),
        (&0.into(), &0.into(), &0.into()),
        "{report}"
    );
    assert_eq!(report["switches"], 9, "{report}");
    assert_eq!(report["viewers_by_class"]["steers"], 6, "{report}");
    let lines: Vec<Value> = std::fs::read_to_string(log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let viewers = |keep: &dyn Fn(&Value) -> bool| -> usize {
        lines
            .iter()
            .filter(|line| keep(line))
            .map(|line| line["viewer"].as_u64().unwrap())
            .collect::<BTreeSet<_>>()
            .len()
    };
    assert_eq!(viewers(&|line| line["event"] == "start" && line["region"] == "eu"), 8);
    assert_eq!(viewers(&|line| line["event"] == "stop"), 12);
    assert_eq!(viewers(&|line| line["server"] == relay.base_url()), 9);
}

#[test]
fn players_that_follow_redirects_play_where_they_are_sent() {
    let stream = Stream::begin();
    let relay = Origin::start("127.0.0.2", &stream);
    let primary = Origin::redirecting("127.0.0.1", &stream, &relay);
    let manager = Manager::start(&[&primary]);
    let ran = start(
        &manager,
        &[
            "crowd",
            "--viewers",
            "3",
            "--rate",
            "100/s",
            "--mix",
            "redirects",
            "--duration",
            "2s",
            "--json",
            "-",
        ],
    )
    .end();
    let report = ran.json();
    assert_eq!((ran.code, &report["switches"]), (Some(0), &0.into()), "{report}");
    let sample = report["servers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|sample| sample["servers"] != serde_json::json!({}));
    assert_eq!(sample.unwrap()["servers"][relay.base_url()], 3, "{report}");
}

#[test]
fn steering_players_leave_a_server_that_died() {
    let stream = Stream::begin();
    let primary = Origin::start("127.0.0.1", &stream);
    let relay = Origin::beside("127.0.0.2", &primary, &stream);
    let manager = Manager::start(&[&primary, &relay]);
    manager.move_to(1);
    let client = start(
        &manager,
        &[
            "crowd",
            "--viewers",
            "4",
            "--rate",
            "100/s",
            "--mix",
            "steers",
            "--duration",
            "600s",
            "--json",
            "-",
        ],
    );
    until("all play from the relay", || relay.requests() > 4 * 6);
    drop(relay);
    let before = primary.requests();
    until("all play from the primary", || primary.requests() > before + 4 * 5);
    let report = client.interrupt().json();
    assert!(report["longest_stall_ms"].as_u64().unwrap() <= 1000, "{report}");
    assert_eq!(report["gaps"], 0, "{report}");
}
