//! What the program says, and how it ends, when it is started wrongly.

use std::{
    net::TcpListener,
    process::{Command, Output},
};

fn primary(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_primary")).args(arguments).output().expect("the program can be started")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_source_that_is_none_is_a_usage_error() {
    let output = primary(&["127.0.0.1:0", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("\"nonsense\" is no source"), "{}", said(&output));
}

#[test]
fn an_address_that_is_none_is_a_usage_error() {
    let output = primary(&["localhost"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("127.0.0.1:8080"), "{}", said(&output));
}

#[test]
fn a_port_in_use_names_the_program_the_address_and_what_to_change() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let viewers = primary(&[&address, "--admin", "127.0.0.1:0"]);
    assert_eq!(viewers.status.code(), Some(1));
    for words in ["primary: ", &address, "the ADDRESS argument"] {
        assert!(said(&viewers).contains(words), "{}", said(&viewers));
    }
    let admin = primary(&["127.0.0.1:0", "--admin", &address]);
    assert_eq!(admin.status.code(), Some(1));
    assert!(said(&admin).contains("--admin"), "{}", said(&admin));
}

#[test]
fn the_printed_configuration_is_one_that_can_be_read_back() {
    let printed = primary(&["127.0.0.7:90", "--print-config"]);
    assert_eq!(printed.status.code(), Some(0));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("primary.toml");
    std::fs::write(&file, &printed.stdout).unwrap();
    let again = primary(&["--config", file.to_str().unwrap(), "--print-config"]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), String::from_utf8_lossy(&printed.stdout));
}
