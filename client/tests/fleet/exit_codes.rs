//! How the client ends: its exit codes and what it says, against a traffic manager and servers in this process.

use crate::support::{
    manager::Manager,
    origin::{Origin, Stream},
    run, start, start_at, until,
};

#[test]
fn locate_prints_the_url_and_nothing_else() {
    let origin = Origin::start("127.0.0.1", &Stream::begin());
    let manager = Manager::start(&[&origin]);
    let url = format!("{}/live/index.m3u8?s=token\n", origin.base_url());
    for arguments in [&[][..], &["locate"], &["locate", "live", "--region", "eu"]] {
        let ran = run(&manager, arguments);
        assert_eq!((ran.code, &ran.stdout, &*ran.stderr), (Some(0), &url, ""), "{arguments:?}");
    }
    let explained = run(&manager, &["locate", "--explain"]);
    assert_eq!(explained.stdout, url);
    assert!(explained.stderr.contains("a: because the test says so"), "{explained:?}");
    let shared = run(&manager, &["locate", "--share"]);
    assert_eq!(shared.stdout, format!("http://{}/watch/live.m3u8\n", manager.address));
    assert_eq!(run(&manager, &["locate", "--json"]).json()["server"], "a");
}

#[test]
fn an_unknown_stream_is_4_and_names_those_known() {
    let origin = Origin::start("127.0.0.1", &Stream::begin());
    let manager = Manager::start(&[&origin]);
    for command in ["locate", "play", "crowd"] {
        let ran = run(&manager, &[command, "nonesuch"]);
        assert_eq!(ran.code, Some(4), "{ran:?}");
        assert!(command == "crowd" || ran.stderr.contains("known are: live"), "{ran:?}");
    }
}

#[test]
fn an_unknown_region_is_2_and_names_those_known() {
    let origin = Origin::start("127.0.0.1", &Stream::begin());
    let manager = Manager::start(&[&origin]);
    for command in ["locate", "play"] {
        let ran = run(&manager, &[command, "--region", "atlantis"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("known are: eu, us"), "{ran:?}");
    }
}

#[test]
fn no_room_is_5_and_says_when_to_try_again() {
    let manager = Manager::full();
    for command in ["locate", "play"] {
        let ran = run(&manager, &[command]);
        assert_eq!(ran.code, Some(5), "{ran:?}");
        assert!(ran.stderr.contains("try again in 1s 500ms"), "{ran:?}");
    }
}

#[test]
fn an_unreachable_manager_is_3_after_trying_again_and_saying_so() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    for command in ["locate", "play", "status", "crowd"] {
        let ran = start_at("127.0.0.1", &port, &["--retry-for", "400ms", command]).end();
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.stderr.contains(&format!("127.0.0.1:{port}")), "{ran:?}");
        assert!(command == "crowd" || ran.stderr.contains("trying again"), "{ran:?}");
    }
}

#[test]
fn a_picture_that_stands_still_for_too_long_is_6() {
    let stream = Stream::begin();
    let origin = Origin::start("127.0.0.1", &stream);
    let manager = Manager::start(&[&origin]);
    let client = start(&manager, &["play", "--stall-limit", "300ms", "--duration", "30s"]);
    until("it plays", || origin.requests() > 5);
    stream.freeze();
    let ran = client.end();
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(ran.stderr.contains("stalled for"), "{ran:?}");
}

#[test]
fn an_interrupted_viewer_ends_well_with_its_summary() {
    let origin = Origin::start("127.0.0.1", &Stream::begin());
    let manager = Manager::start(&[&origin]);
    let client = start(&manager, &["play", "--json"]);
    until("it plays", || origin.requests() > 5);
    let ran = client.interrupt();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.json()["stalls"], 0);
}

#[test]
fn a_player_is_opened_with_the_url_and_its_failure_is_the_clients() {
    let origin = Origin::start("127.0.0.1", &Stream::begin());
    let manager = Manager::start(&[&origin]);
    let opened = run(&manager, &["play", "--player", "echo -n playing"]);
    let url = format!("playing {}/live/index.m3u8?s=token", origin.base_url());
    assert_eq!((opened.code, opened.stdout), (Some(0), url));
    for (player, code) in [("false", 1), ("a-player-that-nobody-has", 2)] {
        let ran = run(&manager, &["play", "--player", player]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.stderr.contains(player), "{ran:?}");
    }
}
