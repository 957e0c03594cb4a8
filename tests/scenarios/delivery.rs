//! What a relay asks of its primary: each thing once however many ask it, nothing when nobody watches; and whom it refuses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use proto::v1::Phase;
use tests::{
    Fleet, Proxy, Subnet, eventually, fleet::relays_in, holds_for, http::http, proxy::Answer, stays,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const SETTLES: Duration = Duration::from_secs(60);

/// What a crowd is here.
const VIEWERS: usize = 200;

/// A relay that serves and that nobody watches, and a proxy between it and its primary.
struct Stage {
    fleet: Fleet,
    proxy: Proxy,
    relay: SocketAddr,
}

impl Stage {
    async fn with_a_relay(arguments: &[&str]) -> Self {
        let subnet = Subnet::unused();
        let proxy = Proxy::start(subnet.viewers(10), subnet.viewers(1)).await;
        let fleet = Fleet::builder()
            .on(subnet)
            .primary_arguments(&["--advertise", &proxy.url])
            .threshold(0)
            .standby(2, arguments)
            .manager_config("[provisioner]\nkind = \"standby\"\n[regions.default]\nmin_relays = 1")
            .start()
            .await;
        fleet.until("the relay serves", SETTLES, |status| relays_in(status, Phase::Serving).len() == 1).await;
        Self { relay: subnet.viewers(2), fleet, proxy }
    }

    /// The path of a listed segment that the relay has not been asked for, and its bytes at the primary.
    async fn cold_segment(&self) -> (String, Bytes) {
        let primary = format!("http://{}", self.fleet.subnet.viewers(1));
        let (_, playlist) = self.fleet.get(&format!("{primary}/live/720p/live.m3u8")).await.unwrap();
        let names: Vec<&str> = playlist.lines().filter(|line| line.ends_with(".m4s")).collect();
        let path = names
            .iter()
            .rev()
            .map(|name| format!("/live/720p/{name}"))
            .find(|path| self.proxy.asked(path).is_empty())
            .expect("a segment that the relay does not have");
        let body = tests::http::get(&format!("{primary}{path}")).await.unwrap().1;
        (path, body)
    }

    /// What a crowd is answered that asks the relay for `path` before the primary answers the relay.
    async fn crowd_asks(&self, path: &str, answer: Answer) -> Vec<(u16, Bytes)> {
        let hold = self.proxy.hold(path, answer);
        let mut crowd = Vec::with_capacity(VIEWERS);
        for _ in 0..VIEWERS {
            let mut viewer = TcpStream::connect(self.relay).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.relay);
            viewer.write_all(request.as_bytes()).await.unwrap();
            crowd.push(viewer);
        }
        let admin = self.fleet.subnet.admin(2);
        eventually("all are at the relay", SETTLES, async || {
            let connections = self.fleet.metric(admin, "spillway_connections").await.unwrap_or(0.0);
            if connections >= VIEWERS as f64 { Ok(()) } else { Err(format!("{connections} of {VIEWERS}")) }
        })
        .await;
        hold.release();
        let mut answers = Vec::with_capacity(VIEWERS);
        for mut viewer in crowd {
            let mut answer = Vec::new();
            viewer.read_to_end(&mut answer).await.unwrap();
            answers.push(parsed(&answer));
        }
        answers
    }
}

/// Status and body of an answer that ended with its connection.
fn parsed(answer: &[u8]) -> (u16, Bytes) {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    assert!(!head.contains("transfer-encoding"), "the length is known: {head}");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, Bytes::copy_from_slice(&answer[end + 4..]))
}

#[tokio::test]
async fn two_hundred_viewers_of_a_cold_relay_are_one_request_to_the_primary_whatever_becomes_of_it() {
    let stage = Stage::with_a_relay(&[]).await;

    let (path, body) = stage.cold_segment().await;
    let answers = stage.crowd_asks(&path, Answer::Whole).await;
    assert!(answers.iter().all(|answer| *answer == (200, body.clone())), "all have the whole of it");
    assert_eq!(stage.proxy.asked(&path), [None]);

    let (path, body) = stage.cold_segment().await;
    let answers = stage.crowd_asks(&path, Answer::Broken).await;
    assert!(answers.iter().all(|answer| *answer == (200, body.clone())), "all have the whole of it");
    let rest = format!("bytes={}-", body.len() / 2);
    assert_eq!(stage.proxy.asked(&path), [None, Some(rest)], "the rest is asked for once");

    let (path, body) = stage.cold_segment().await;
    let answers = stage.crowd_asks(&path, Answer::Failed).await;
    assert!(answers.iter().all(|(status, _)| *status == 502), "it fails once for all: {answers:?}");
    assert_eq!(stage.proxy.asked(&path), [None]);
    let url = format!("http://{}{path}", stage.relay);
    eventually("a failure is not kept", SETTLES, async || match tests::http::get(&url).await {
        Ok((200, again)) if again == body => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test]
async fn a_relay_pulls_while_somebody_watches_and_stops_when_nobody_does() {
    let stage = Stage::with_a_relay(&[]).await;
    let mut viewer = stage.fleet.start_client("viewer", &["play", "--duration", "600s"]);
    stage
        .fleet
        .until("the relay has its viewer", SETTLES, |status| {
            relays_in(status, Phase::Serving).iter().any(|relay| relay.viewers == 1)
        })
        .await;
    let before = stage.proxy.asked_in_all();
    eventually("the relay pulls", SETTLES, async || {
        let more = stage.proxy.asked_in_all() - before;
        if more >= 4 { Ok(()) } else { Err(format!("{more} requests")) }
    })
    .await;
    viewer.stop().await;
    let mut last = stage.proxy.asked_in_all();
    holds_for("the relay asks nothing", Duration::from_secs(8), SETTLES, async || {
        let now = stage.proxy.asked_in_all();
        let more = now - std::mem::replace(&mut last, now);
        if more == 0 { Ok(()) } else { Err(format!("{more} requests more")) }
    })
    .await;
}

#[tokio::test]
async fn a_full_relay_tells_newcomers_when_to_come_again_and_who_plays_goes_on() {
    let stage = Stage::with_a_relay(&["--capacity", "2"]).await;
    let arguments = ["crowd", "--viewers", "2", "--duration", "600s", "--mix", "watches=1"];
    let mut crowd = stage.fleet.start_client("crowd", &arguments);
    let full = |status: &proto::v1::StatusResponse| {
        relays_in(status, Phase::Serving).iter().any(|relay| relay.viewers == 2)
    };
    stage.fleet.until("the relay is full", SETTLES, full).await;
    // A newcomer with a token, which the primary minted, and one without.
    let (_, multivariant) =
        stage.fleet.get(&format!("http://{}/live/index.m3u8", stage.fleet.subnet.viewers(1))).await.unwrap();
    let token =
        multivariant.split("?s=").nth(1).and_then(|rest| rest.split(['"', '\n', '&']).next()).unwrap();
    for path in ["/live/index.m3u8".to_owned(), format!("/live/240p/live.m3u8?s={token}")] {
        let refused = http().get(format!("http://{}{path}", stage.relay)).send().await.unwrap();
        assert_eq!(refused.status().as_u16(), 503, "{path}");
        let pause: u32 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!(pause >= 1, "{path}");
    }
    stays("both stay at the relay", Duration::from_secs(6), async || {
        let status = stage.fleet.status().await?;
        if full(&status) { Ok(()) } else { Err(tests::fleet::brief(&status)) }
    })
    .await;
    assert!(crowd.stop().await.success(), "who played did not go on: {}", crowd.log());
}
