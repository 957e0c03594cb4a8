//! The edges of the house: which of our crates may use which, and what the pure ones may use at all.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// Our crates, and those of ours that each may depend on. Edges run downwards only.
const EDGES: [(&str, &[&str]); 9] = [
    ("policy", &[]),
    ("hls", &[]),
    ("proto", &["policy"]),
    ("service", &[]),
    ("delivery", &["hls", "policy", "proto", "service"]),
    ("primary", &["delivery", "hls", "policy", "proto", "service"]),
    ("local-server", &["delivery", "hls", "policy", "proto", "service"]),
    ("traffic-manager", &["policy", "hls", "proto", "service"]),
    ("client", &["hls", "policy", "proto", "service"]),
];

/// What the crates that cannot do I/O may use: small crates that do none either.
const PURE: [(&str, &[&str]); 2] = [
    ("policy", &["base64", "bytes", "hmac", "ipnet", "prefix-trie", "serde", "sha2", "subtle", "thiserror"]),
    ("hls", &["bytes", "quick-m3u8", "serde", "serde_json", "thiserror", "url"]),
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let shipped = |dependency: &&Value| dependency["kind"] != "dev" && dependency["kind"] != "build";
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let uses = package["dependencies"].as_array().unwrap().iter().filter(shipped);
            let names = uses.map(|d| d["name"].as_str().unwrap().to_owned()).collect();
            (package["name"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

#[test]
fn edges_between_our_crates_run_downwards_only() {
    let dependencies = dependencies();
    let ours: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).chain(["tests"]).collect();
    assert_eq!(dependencies.keys().map(String::as_str).collect::<BTreeSet<_>>(), ours);
    for (name, allowed) in EDGES {
        for used in dependencies[name].iter().filter(|used| ours.contains(used.as_str())) {
            assert!(allowed.contains(&used.as_str()), "{name} must not depend on {used}");
        }
    }
}

#[test]
fn pure_crates_use_only_small_pure_crates() {
    let dependencies = dependencies();
    for (name, allowed) in PURE {
        for used in &dependencies[name] {
            assert!(allowed.contains(&used.as_str()), "{name} is pure and must not use {used}");
        }
    }
}
