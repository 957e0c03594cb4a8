//! Moving between servers: what the client writes is what one server would have given it, whoever died on the way.

use crate::support::{
    Ran,
    manager::Manager,
    origin::{Origin, Stream, recording, segment},
    run, start, until, until_written,
};
use serde_json::Value;
use tempfile::TempDir;

struct Recorder {
    folder: TempDir,
}

impl Recorder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("media.mp4")
    }

    fn start(&self, manager: &Manager) -> crate::support::Client {
        let path = self.path();
        let arguments =
            ["play", "--rung", "lowest", "--json", "--stall-limit", "1s", "-o", path.to_str().unwrap()];
        start(manager, &arguments)
    }

    /// What was written is gapless and byte for byte the stream.
    fn check(&self, ran: &Ran) -> Value {
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let summary = ran.json();
        let number = |name: &str| summary[name].as_u64().unwrap_or_else(|| panic!("no {name} in {summary}"));
        let expected = recording("low", number("first_sequence"), number("newest_sequence"));
        assert!(std::fs::read(self.path()).unwrap() == expected, "not the stream's bytes: {summary}");
        assert_eq!(number("gaps"), 0, "{summary}");
        summary
    }
}

fn segments(count: u64) -> u64 {
    segment("low", 1000).len() as u64 * count
}

#[test]
fn media_written_across_pushed_moves_is_the_streams_byte_for_byte() {
    let stream = Stream::begin();
    let (a, b) = (Origin::start("127.0.0.1", &stream), Origin::start("127.0.0.2", &stream));
    let manager = Manager::start(&[&a, &b]);
    let recorder = Recorder::new();
    let client = recorder.start(&manager);
    for server in [1, 0, 1] {
        let before = [&a, &b][server].requests();
        manager.move_to(server);
        until("it plays there", || [&a, &b][server].requests() > before + 3);
    }
    let summary = recorder.check(&client.interrupt());
    assert_eq!(summary["errors"], 0, "{summary}");
    assert!((2..=3).contains(&summary["switches"].as_u64().unwrap()), "{summary}");
    assert_eq!((&summary["server"], &summary["stalls"]), (&"b".into(), &0.into()), "{summary}");
}

#[test]
fn when_its_server_dies_it_asks_for_another_and_plays_there_within_a_target_duration() {
    let stream = Stream::begin();
    let (a, b) = (Origin::start("127.0.0.1", &stream), Origin::start("127.0.0.2", &stream));
    let manager = Manager::start(&[&a, &b]);
    let recorder = Recorder::new();
    let client = recorder.start(&manager);
    until("it plays", || a.requests() > 6);
    drop(a);
    until("it plays elsewhere", || b.requests() > 4);
    let summary = recorder.check(&client.interrupt());
    assert!(summary["longest_stall_ms"].as_u64().unwrap() <= 1000, "{summary}");
    assert_eq!(manager.asked().last().unwrap().avoid, ["a"]);
}

#[test]
fn with_the_manager_dead_it_plays_on() {
    let stream = Stream::begin();
    let a = Origin::start("127.0.0.1", &stream);
    let manager = Manager::start(&[&a]);
    let recorder = Recorder::new();
    let client = recorder.start(&manager);
    until("it plays", || a.requests() > 6);
    drop(manager);
    let before = a.requests();
    until("it plays on", || a.requests() > before + 6);
    let summary = recorder.check(&client.interrupt());
    assert_eq!((&summary["stalls"], &summary["errors"]), (&0.into(), &0.into()), "{summary}");
}

#[test]
fn with_the_manager_and_its_server_dead_it_goes_back_to_where_it_was_before() {
    let stream = Stream::begin();
    let (a, b) = (Origin::start("127.0.0.1", &stream), Origin::start("127.0.0.2", &stream));
    let manager = Manager::start(&[&a, &b]);
    let recorder = Recorder::new();
    let client = recorder.start(&manager);
    until_written(&recorder.path(), 1);
    manager.move_to(1);
    until("it plays at the second", || b.requests() > 4);
    drop(manager);
    drop(b);
    let before = a.requests();
    until("it plays at the first again", || a.requests() > before + 4);
    let summary = recorder.check(&client.interrupt());
    assert_eq!(summary["server"], "a", "{summary}");
}

#[test]
fn a_server_that_is_full_is_avoided_from_the_start() {
    let stream = Stream::begin();
    let (a, b) = (Origin::full("127.0.0.1", &stream), Origin::start("127.0.0.2", &stream));
    let manager = Manager::start(&[&a, &b]);
    let ran = run(&manager, &["play", "--duration", "1s", "--json"]);
    assert_eq!((ran.code, &ran.json()["server"]), (Some(0), &"b".into()), "{ran:?}");
}

#[test]
fn media_on_standard_output_is_nothing_but_media() {
    let origin = Origin::start("127.0.0.1", &Stream::begin());
    let manager = Manager::start(&[&origin]);
    let ran = run(&manager, &["play", "--duration", "1500ms", "-o", "-", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let first: u64 = ran.stdout.split_whitespace().nth(3).unwrap().parse().unwrap();
    let count = ran.stdout.len() as u64 / segment("high", first).len() as u64;
    assert!(ran.stdout.as_bytes() == recording("high", first, first + count - 1), "{count} from {first}");
}

#[test]
fn a_file_is_complete_as_far_as_it_is_written() {
    let origin = Origin::start("127.0.0.1", &Stream::begin());
    let manager = Manager::start(&[&origin]);
    let recorder = Recorder::new();
    let client = recorder.start(&manager);
    until_written(&recorder.path(), segments(2));
    recorder.check(&client.interrupt());
}
