//! Several traffic managers: which one is asked, and what a viewer goes through when the one that told it dies.

use crate::support::{
    manager::Manager,
    origin::{Origin, Stream},
    run, start, start_at, until,
};

/// A port at which nobody is.
fn nobody() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

#[test]
fn the_next_manager_is_asked_where_the_first_cannot_be_reached() {
    let origin = Origin::start("127.0.0.1", &Stream::begin());
    let manager = Manager::start(&[&origin]);
    let further = manager.address.to_string();
    let url = format!("{}/live/index.m3u8?s=token\n", origin.base_url());
    let located = start_at("127.0.0.1", &nobody(), &["--manager", &further, "locate"]).end();
    assert_eq!((located.code, located.stdout, &*located.stderr), (Some(0), url, ""));
    for command in [
        &["play", "--duration", "500ms"][..],
        &["crowd", "--viewers", "3", "--rate", "100/s", "--duration", "1s"],
    ] {
        let ran = start_at("127.0.0.1", &nobody(), &[command, &["--manager", &further]].concat()).end();
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
}

#[test]
fn the_next_manager_is_asked_where_the_first_has_no_room() {
    let origin = Origin::start("127.0.0.1", &Stream::begin());
    let (full, manager) = (Manager::full(), Manager::start(&[&origin]));
    let ran = run(&full, &["locate", "--manager", &manager.address.to_string()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn none_reachable_is_3_and_names_each_with_what_was_wrong() {
    let (first, second) = (nobody(), format!("127.0.0.1:{}", nobody()));
    for command in ["locate", "play", "status", "crowd"] {
        let arguments = ["--retry-for", "400ms", "--manager", &second, command];
        let ran = start_at("127.0.0.1", &first, &arguments).end();
        assert_eq!(ran.code, Some(3), "{ran:?}");
        for address in [&format!("127.0.0.1:{first}"), &second] {
            let wrong = format!("{address} cannot be reached (Connection refused");
            assert!(ran.stderr.contains(&wrong), "{address}: {ran:?}");
        }
    }
}

#[test]
fn a_refusal_of_the_second_is_5_and_says_what_was_wrong_with_the_first() {
    let (first, full) = (nobody(), Manager::full());
    for command in ["locate", "play"] {
        let ran = start_at("127.0.0.1", &first, &["--manager", &full.address.to_string(), command]).end();
        assert_eq!(ran.code, Some(5), "{ran:?}");
        assert!(ran.stderr.contains(&format!("127.0.0.1:{first} cannot be reached")), "{ran:?}");
        let refusal = format!("{} says: there is no room for another viewer of live", full.address);
        assert!(ran.stderr.contains(&refusal), "{ran:?}");
    }
}

#[test]
fn when_its_manager_dies_a_viewer_is_moved_by_the_next_one_with_the_session_that_it_has() {
    let stream = Stream::begin();
    let (a, b) = (Origin::start("127.0.0.1", &stream), Origin::start("127.0.0.2", &stream));
    let (first, second) = (Manager::start(&[&a, &b]), Manager::start(&[&a, &b]));
    let client = start(&first, &["play", "--json", "--manager", &second.address.to_string()]);
    until("it plays", || a.requests() > 6);
    drop(first);
    until("the next one is asked", || !second.asked().is_empty());
    let asked = &second.asked()[0];
    assert_eq!((&*asked.session, &*asked.current), ("token", "a"));
    second.move_to(1);
    until("it plays where the next one says", || b.requests() > 4);
    let summary = client.interrupt().json();
    assert_eq!((&summary["server"], &summary["switches"]), (&"b".into(), &1.into()), "{summary}");
    assert_eq!((&summary["stalls"], &summary["errors"]), (&0.into(), &0.into()), "{summary}");
}

#[test]
fn a_viewer_plays_on_while_the_next_manager_refuses_it() {
    let stream = Stream::begin();
    let a = Origin::start("127.0.0.1", &stream);
    let (first, full) = (Manager::start(&[&a]), Manager::full());
    let client = start(&first, &["play", "--json", "--manager", &full.address.to_string()]);
    until("it plays", || a.requests() > 6);
    drop(first);
    until("the next one has refused", || full.refused() > 2);
    let before = a.requests();
    until("it plays on", || a.requests() > before + 4);
    let ran = client.interrupt();
    let summary = ran.json();
    assert_eq!((ran.code, &summary["stalls"], &summary["errors"]), (Some(0), &0.into(), &0.into()));
}

#[test]
fn a_manager_that_does_not_know_the_session_gives_a_new_one_while_the_viewer_plays_on() {
    let stream = Stream::begin();
    let a = Origin::start("127.0.0.1", &stream);
    let (first, stranger) = (Manager::start(&[&a]), Manager::with_token(&[&a], "another"));
    let client = start(&first, &["play", "--json", "--manager", &stranger.address.to_string()]);
    until("it plays", || a.requests() > 6);
    drop(first);
    until("a session is asked for", || stranger.asked().iter().any(|request| request.session.is_empty()));
    let before = a.requests();
    until("it plays on", || a.requests() > before + 4);
    let summary = client.interrupt().json();
    assert_eq!(summary["session"], "another", "{summary}");
    assert_eq!((&summary["stalls"], &summary["errors"]), (&0.into(), &0.into()), "{summary}");
}
