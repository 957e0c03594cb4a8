//! A server whose host has nothing left to give: nobody who plays is lost, and it is back as soon as it can be.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tests::{Fleet, eventually};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

const SETTLES: Duration = Duration::from_secs(60);

/// How soon a server is back that had run out of something.
const BACK: Duration = Duration::from_secs(10);

/// Connections that want descriptors which there are not.
const TOO_MANY: usize = 40;

/// Leaves a process this many descriptors more than it has.
fn leave_descriptors(pid: u32, more: u64) {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let limit = Some(u64::try_from(open).unwrap() + more);
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    prlimit(pid, Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
}

#[tokio::test]
async fn out_of_descriptors_a_primary_keeps_who_plays_and_is_back_when_there_are_some() {
    let mut fleet = Fleet::builder().threshold(10).start().await;
    let mut viewer = fleet.start_client("viewer", &["play", "--duration", "600s", "--json"]);
    fleet.until("the viewer is counted", SETTLES, |status| status.viewers == 1).await;
    leave_descriptors(fleet.primary.pid(), 4);
    let mut crowd = Vec::new();
    for _ in 0..TOO_MANY {
        let mut one = TcpStream::connect(fleet.subnet.viewers(1)).await.unwrap();
        one.write_all(b"GET /live/index.m3u8 HTTP/1.1\r\nHost: primary\r\n\r\n").await.unwrap();
        crowd.push(one);
    }
    eventually("it says what has run out", SETTLES, async || {
        let log = fleet.primary.log();
        if log.contains("no connection can be taken") { Ok(()) } else { Err(log) }
    })
    .await;
    drop(crowd);
    let url = format!("http://{}/live/index.m3u8", fleet.subnet.viewers(1));
    eventually("it takes connections again", BACK, async || match fleet.get(&url).await {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert!(fleet.primary.ended().is_none());
    viewer.stop().await;
    let summary = viewer.summary();
    assert_eq!((summary["stalls"].as_u64(), summary["gaps"].as_u64()), (Some(0), Some(0)), "{summary}");
}

#[tokio::test]
async fn a_server_takes_as_many_open_files_as_it_may_have() {
    let fleet = Fleet::builder().start().await;
    for program in [&fleet.primary, &fleet.manager] {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.pid())).unwrap();
        let open = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let [soft, hard] = open.split_whitespace().skip(3).take(2).collect::<Vec<_>>()[..] else {
            panic!("{open}")
        };
        assert_eq!(soft, hard, "{open}");
    }
}
