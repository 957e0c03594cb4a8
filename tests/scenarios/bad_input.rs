//! Bad input: each with a message that says what to do, and the right exit code; and nothing else is lost by it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::{Ipv4Addr, TcpListener},
    process::{Command, Output, Stdio},
    time::Duration,
};

use axum::{Router, routing::get};
use tests::{Fleet, Program, Subnet, client, eventually, repository::binary};

/// How long a program may take to say what is wrong.
const SAYS: Duration = Duration::from_secs(30);

/// Runs a program that is to fail at once.
async fn fails(name: &str, arguments: &[&str]) -> (i32, String) {
    let run = tokio::process::Command::new(binary(name))
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Output { status, stderr, .. } = tokio::time::timeout(SAYS, run)
        .await
        .unwrap_or_else(|_| panic!("{name} {arguments:?} goes on"))
        .unwrap();
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&stderr).into_owned())
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not said in: {text}");
    }
}

async fn log_says(program: &Program, parts: &[&str]) {
    eventually("the log says what is wrong", SAYS, async || {
        let log = program.log();
        if parts.iter().all(|part| log.contains(part)) {
            Ok(())
        } else {
            Err(format!("{parts:?} not all in {log}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_secret_of_digits_is_taken_as_text_and_shown_by_nothing() {
    for name in ["primary", "local-server", "traffic-manager"] {
        let asks = |secret: &str| {
            let mut command = tokio::process::Command::new(binary(name));
            command.arg("--print-config").env("SPILLWAY_JOIN_SECRET", secret).kill_on_drop(true);
            tokio::time::timeout(SAYS, command.output())
        };
        let printed = asks("734734").await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&printed.stdout).into_owned();
        assert!(printed.status.success(), "{name}: {}", String::from_utf8_lossy(&printed.stderr));
        assert!(text.contains("join_secret = ") && !text.contains("734"), "{name}: {text}");
        let refused = asks("(set, not shown)").await.unwrap().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{name}");
        says(&String::from_utf8_lossy(&refused.stderr), &["join_secret", "write the secret itself"]);
    }
}

#[tokio::test]
async fn an_unreachable_manager_is_retried_said_and_exit_code_3() {
    let ran = client(Subnet::unused().manager(), &["locate"]).await;
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    says(&ran.stderr, &["traffic-manager", &Subnet::unused().prefix()[..4]]);
    assert_eq!(ran.stdout, "");
}

#[tokio::test]
async fn an_unknown_stream_names_those_known_and_is_exit_code_4() {
    let fleet = Fleet::builder().start().await;
    let ran = client(fleet.subnet.manager(), &["locate", "nonesuch"]).await;
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    says(&ran.stderr, &["nonesuch", "live"]);
    for url in [
        fleet.at_manager("/watch/nonesuch.m3u8"),
        format!("http://{}/nonesuch/index.m3u8", fleet.subnet.viewers(1)),
    ] {
        let (code, text) = fleet.get(&url).await.unwrap();
        assert_eq!(code, 404, "{url}");
        says(&text, &["nonesuch", "live"]);
    }
}

#[tokio::test]
async fn an_unknown_region_names_those_known_and_is_exit_code_2() {
    let fleet = Fleet::builder().manager_config("[regions.eu]\nthreshold = 5").start().await;
    let ran = client(fleet.subnet.manager(), &["locate", "--region", "atlantis"]).await;
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    says(&ran.stderr, &["atlantis", "eu", "default"]);
    let (code, text) = fleet.get(&format!("{}?region=atlantis", fleet.watch_url())).await.unwrap();
    assert_eq!(code, 400);
    says(&text, &["atlantis", "eu"]);
}

#[tokio::test]
async fn a_threshold_that_is_no_number_is_exit_code_2() {
    let (code, text) = fails("traffic-manager", &["http://127.0.0.1:9/live/index.m3u8", "many"]).await;
    assert_eq!(code, 2, "{text}");
    says(&text, &["many", "THRESHOLD"]);
}

#[tokio::test]
async fn a_primary_url_that_is_none_is_exit_code_2() {
    let (code, text) = fails("traffic-manager", &["127.0.0.1:8080", "3"]).await;
    assert_eq!(code, 2, "{text}");
    says(&text, &["127.0.0.1:8080", "http"]);
    let (code, text) = fails("traffic-manager", &["rtmp://127.0.0.1:9/live", "3"]).await;
    assert_eq!(code, 2, "{text}");
    says(&text, &["rtmp://127.0.0.1:9/live", "http://"]);
}

#[tokio::test]
async fn a_url_that_is_no_spillway_primary_is_exit_code_2_and_says_what_to_run() {
    let subnet = Subnet::unused();
    let listener = tokio::net::TcpListener::bind(subnet.source()).await.unwrap();
    let router = Router::new().fallback(get(|| async { "<html>hello</html>" }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let state = tempfile::tempdir().unwrap();
    let url = format!("http://{}/live/index.m3u8", subnet.source());
    let (listen, admin) = (subnet.manager().to_string(), subnet.admin(10).to_string());
    let state = state.path().to_str().unwrap();
    let (code, text) =
        fails("traffic-manager", &[&url, "3", "--listen", &listen, "--admin", &admin, "--state-dir", state])
            .await;
    assert_eq!(code, 2, "{text}");
    says(&text, &["primary ADDRESS", &url]);
}

#[tokio::test]
async fn a_port_in_use_names_the_program_the_address_and_the_flag() {
    let subnet = Subnet::unused();
    let _taken: Vec<TcpListener> = [subnet.viewers(1), subnet.viewers(2), subnet.manager()]
        .map(|address| TcpListener::bind(address).unwrap())
        .into();
    let (primary, relay, manager) =
        (subnet.viewers(1).to_string(), subnet.viewers(2).to_string(), subnet.manager().to_string());
    let (code, text) = fails("primary", &[&primary]).await;
    assert_eq!(code, 1, "{text}");
    says(&text, &["primary", &primary, "in use", "ADDRESS"]);
    let (code, text) = fails("local-server", &[&relay, "127.0.0.1", "9"]).await;
    assert_eq!(code, 1, "{text}");
    says(&text, &["local-server", &relay, "in use", "ADDRESS"]);
    let (code, text) =
        fails("traffic-manager", &["http://127.0.0.1:9/live/index.m3u8", "3", "--listen", &manager]).await;
    assert_eq!(code, 1, "{text}");
    says(&text, &["traffic-manager", &manager, "in use", "--listen"]);
}

#[tokio::test]
async fn a_wrong_join_secret_is_refused_with_what_to_do() {
    let fleet = Fleet::builder().join_secret("right").start().await;
    let mut relay = fleet.start_relay_that_knows(Some("wrong"), 2, &[]);
    assert_eq!(relay.end().await.code(), Some(1), "{}", relay.log());
    says(&relay.log(), &["join_secret", "SPILLWAY_JOIN_SECRET"]);
    let mut right = fleet.start_relay(3, &[]);
    fleet.until("a relay with the right secret is taken", SAYS, |status| status.servers.len() == 2).await;
    assert!(right.ended().is_none());
}

#[tokio::test]
async fn a_relay_on_another_port_is_refused_with_both_named() {
    let fleet = Fleet::builder().start().await;
    let other = (fleet.subnet.host(2), fleet.subnet.port + 3);
    let manager = fleet.subnet.manager();
    let address = format!("{}:{}", other.0, other.1);
    let (code, text) = fails(
        "local-server",
        &[
            &address,
            &manager.ip().to_string(),
            &manager.port().to_string(),
            "--admin",
            &fleet.subnet.admin(2).to_string(),
        ],
    )
    .await;
    assert_eq!(code, 1, "{text}");
    says(&text, &[&fleet.subnet.port.to_string(), &other.1.to_string()]);
}

#[tokio::test]
async fn a_second_relay_with_the_same_id_is_refused_and_the_first_goes_on() {
    let fleet = Fleet::builder().standby(2, &["--id", "twin"]).start().await;
    fleet.until("the first is taken", SAYS, |status| status.servers.iter().any(|s| s.id == "twin")).await;
    let second = fleet.start_relay(3, &["--id", "twin"]);
    log_says(&second, &["twin", "--id"]).await;
    let status = fleet.status().await.unwrap();
    let twin = status.servers.iter().find(|server| server.id == "twin").unwrap();
    assert!(twin.base_url.contains(&fleet.subnet.host(2).to_string()), "{twin:?}");
}

#[tokio::test]
async fn upstreams_that_are_no_playlist_are_named_and_tried_again() {
    let subnet = Subnet::unused();
    let listener = tokio::net::TcpListener::bind(subnet.source()).await.unwrap();
    let router = Router::new()
        .route("/html.m3u8", get(|| async { "<!doctype html><html>sign in</html>" }))
        .route("/empty.m3u8", get(|| async { "" }))
        .route("/broken.m3u8", get(|| async { "#EXTM3U\n#EXT-X-TARGETDURATION:two\n#EXTINF:2,\na.ts\n" }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = tempfile::tempdir().unwrap();
    for (host, name, said) in
        [(1, "html", "HTML"), (2, "empty", "empty"), (3, "broken", "broken.m3u8"), (4, "missing", "404")]
    {
        let mut command = Command::new(binary("primary"));
        command
            .arg(subnet.viewers(host).to_string())
            .arg(format!("http://{}/{name}.m3u8", subnet.source()))
            .args(["--admin", &subnet.admin(host).to_string()]);
        let mut primary = Program::start(name, command, folder.path());
        log_says(&primary, &[said]).await;
        assert!(primary.ended().is_none(), "it must try again: {}", primary.log());
        let ready = tests::http::get(&format!("http://{}/ready", subnet.admin(host))).await.unwrap();
        assert_eq!(ready.0, 503);
    }
}

#[tokio::test]
async fn a_source_that_is_no_url_is_exit_code_2() {
    let address = (Ipv4Addr::LOCALHOST, Subnet::unused().port);
    let (code, text) = fails("primary", &[&format!("{}:{}", address.0, address.1), "rubbish"]).await;
    assert_eq!(code, 2, "{text}");
    says(&text, &["rubbish", "http"]);
}
