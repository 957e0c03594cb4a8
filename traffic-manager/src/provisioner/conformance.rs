//! What every provisioner must do, run against each of them. A provisioner that starts nothing refuses, and says why.

use std::{
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::Path,
    process::Command,
    time::Duration,
};

use policy::{Region, ServerId, fleet::LaunchSpec};
use tokio::sync::mpsc;

use super::{Process, ProcessSettings, Provisioner, Standby, exits};

/// Does nothing until it is told to end, like a relay without viewers.
const WAITING_RELAY: &str = "#!/bin/sh\nsleep 600 & wait\n";

/// A relay that cannot start.
const FAILING_RELAY: &str = "#!/bin/sh\necho 'no such stream' >&2\nexit 3\n";

fn spec(host: IpAddr, port: u16) -> LaunchSpec {
    LaunchSpec {
        id: ServerId::of_relay(&host.to_string()).unwrap(),
        base_url: format!("http://{host}:{port}").into(),
        region: Region::fallback(),
        capacity: 10,
    }
}

/// The suite. `make` is a manager's start: called again, it is the next life of the same one.
async fn conforms<P: Provisioner>(make: impl Fn() -> P, starts: bool) {
    let first = make();
    let offered = first.list().await;
    assert!(offered.running.is_empty());
    let spec = match offered.slots.first() {
        Some(offer) => LaunchSpec {
            id: offer.id.clone(),
            base_url: offer.base_url.clone(),
            region: Region::fallback(),
            capacity: 10,
        },
        None => spec(Ipv4Addr::new(127, 0, 0, 2).into(), 8080),
    };
    first.terminate(&spec.id).await.expect("ending what does not run is no error");
    if !starts {
        assert!(!first.launch(&spec).await.unwrap_err().to_string().is_empty());
        assert!(first.list().await.running.is_empty());
        return;
    }
    first.launch(&spec).await.unwrap();
    first.launch(&spec).await.expect("launching twice is one relay");
    assert_eq!(first.list().await.running, std::slice::from_ref(&spec.id));
    drop(first);

    let second = make();
    assert_eq!(
        second.list().await.running,
        std::slice::from_ref(&spec.id),
        "the list after a restart finds orphans"
    );
    second.launch(&spec).await.expect("an orphan is the relay that was launched");
    second.terminate(&spec.id).await.unwrap();
    assert!(second.list().await.running.is_empty());
    second.launch(&spec).await.expect("a slot can be used again");
    second.terminate(&spec.id).await.unwrap();
}

/// An address of this test's own. Nothing is bound to find it: a process that another test forks at that moment would hold
/// the socket on.
fn address() -> (IpAddr, u16) {
    let host = Ipv4Addr::new(127, 9, rand::random(), rand::random_range(2..250));
    (host.into(), rand::random_range(20_000..32_000))
}

fn settings(folder: &Path, relay: &str, (host, port): (IpAddr, u16)) -> ProcessSettings {
    let program = folder.join("relay");
    if !program.exists() {
        // Written by another process: one that this process forks meanwhile would hold the file open, and it could not be run.
        let write = ["-c", r#"printf %s "$1" > "$0" && chmod 700 "$0""#];
        let written = Command::new("sh").args(write).arg(&program).arg(relay).status().unwrap();
        assert!(written.success());
    }
    ProcessSettings {
        program,
        addresses: vec![host],
        port,
        manager: "127.0.0.1:7000".parse().unwrap(),
        arguments: vec!["--admin".to_owned(), "{address}:9102".to_owned()],
        join_secret: None,
        folder: folder.join("relays"),
        stop_timeout: Duration::from_secs(10),
    }
}

#[tokio::test]
async fn standby_conforms() {
    conforms(|| Standby, false).await;
}

#[tokio::test]
async fn process_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let at = address();
    conforms(|| Process::new(settings(folder.path(), WAITING_RELAY, at), exits().0).unwrap(), true).await;
}

#[tokio::test]
async fn an_end_is_told_of_children_and_of_orphans() {
    let folder = tempfile::tempdir().unwrap();
    let at = address();
    let make = |exits: mpsc::Sender<ServerId>| {
        Process::new(settings(folder.path(), WAITING_RELAY, at), exits).unwrap()
    };
    let (to_first, mut first_hears) = exits();
    let first = make(to_first);
    let spec = spec(at.0, at.1);
    first.launch(&spec).await.unwrap();
    let (to_second, mut second_hears) = exits();
    let second = make(to_second);
    second.terminate(&spec.id).await.unwrap();
    assert_eq!(first_hears.recv().await.unwrap(), spec.id, "the parent");
    assert_eq!(second_hears.recv().await.unwrap(), spec.id, "a later manager");
}

#[tokio::test]
async fn a_relay_that_fails_is_told_of_too() {
    let folder = tempfile::tempdir().unwrap();
    let at = address();
    let (to_us, mut we_hear) = exits();
    let process = Process::new(settings(folder.path(), FAILING_RELAY, at), to_us).unwrap();
    process.launch(&spec(at.0, at.1)).await.unwrap();
    assert_eq!(we_hear.recv().await.unwrap(), spec(at.0, at.1).id);
}

#[tokio::test]
async fn a_busy_address_and_a_missing_program_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = address();
    let busy = TcpListener::bind(at).unwrap();
    let process = Process::new(settings(folder.path(), WAITING_RELAY, at), exits().0).unwrap();
    let error = process.launch(&spec(at.0, at.1)).await.unwrap_err().to_string();
    assert!(error.contains("in use") && error.contains("0.0.0.0"), "{error}");
    drop(busy);

    let at = address();
    let missing =
        ProcessSettings { program: "/nowhere/local-server".into(), ..settings(folder.path(), "", at) };
    let process = Process::new(missing, exits().0).unwrap();
    let error = process.launch(&spec(at.0, at.1)).await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/local-server"), "{error}");
}
