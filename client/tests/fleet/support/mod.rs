//! A small fleet in this process: servers of a live stream and a traffic manager, on ports that the system chose, and the real
//! client run against them.

pub(crate) mod manager;
pub(crate) mod origin;

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use manager::Manager;

/// How long anything may take before a test has failed.
const DEADLINE: Duration = Duration::from_secs(20);

/// A client that runs.
pub(crate) struct Client(Child);

/// Starts `client IP PORT ARGUMENTS…`.
pub(crate) fn start(manager: &Manager, arguments: &[&str]) -> Client {
    start_at(&manager.address.ip().to_string(), &manager.address.port().to_string(), arguments)
}

/// The same with an address of which nobody knows whether somebody is there.
pub(crate) fn start_at(ip: &str, port: &str, arguments: &[&str]) -> Client {
    let child = Command::new(env!("CARGO_BIN_EXE_client"))
        .args([ip, port])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client can be started");
    Client(child)
}

/// Runs `client IP PORT ARGUMENTS…` to its end.
pub(crate) fn run(manager: &Manager, arguments: &[&str]) -> Ran {
    start(manager, arguments).end()
}

/// How a client ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Client {
    /// Waits for its end.
    pub(crate) fn end(self) -> Ran {
        let Output { status, stdout, stderr } = self.0.wait_with_output().expect("a child can be waited for");
        let text = |bytes| String::from_utf8(bytes).expect("the client writes text");
        Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Ctrl-C, then its end.
    pub(crate) fn interrupt(self) -> Ran {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, Signal::INT).expect("it runs");
        self.end()
    }
}

impl Ran {
    /// The JSON that it printed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// How much was asked of all servers and managers here, and who waits for more.
static ASKED: (Mutex<u64>, Condvar) = (Mutex::new(0), Condvar::new());

/// Something was asked: whoever waits looks again.
pub(crate) fn was_asked() {
    let (asked, bell) = &ASKED;
    *asked.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    bell.notify_all();
}

/// Waits until a condition holds, which may change whenever somebody asks for something: a client that plays always does.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    let (asked, bell) = &ASKED;
    loop {
        let before = *asked.lock().unwrap_or_else(PoisonError::into_inner);
        if condition() {
            return;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let guard = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = bell.wait_timeout_while(guard, left, |now| *now == before);
        let timed_out = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        assert!(!timed_out, "{what}: not within {DEADLINE:?}");
    }
}

/// Waits until a file has at least so many bytes.
pub(crate) fn until_written(path: &Path, bytes: u64) {
    until("media is written", || std::fs::metadata(path).is_ok_and(|file| file.len() >= bytes));
}
