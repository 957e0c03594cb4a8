//! One started program: its log in a file, ended by pid when the test ends.

use std::{
    fs::File,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

use crate::wait::eventually;

/// How long a program may take to end once it was told.
const END: Duration = Duration::from_secs(15);

/// A program that a test started.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    log: PathBuf,
    /// Whether it leads a process group of its own.
    leads: bool,
}

impl Program {
    /// Starts `command`; its output goes to `{name}.log` in `folder`.
    #[must_use]
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).expect("a log file can be made");
        let errors = file.try_clone().expect("a file can be shared");
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { name: name.to_owned(), child, log, leads: false }
    }

    /// The same for one whose workers would outlive it if it were killed: they are killed with it.
    #[must_use]
    pub fn start_with_workers(name: &str, mut command: Command, folder: &Path) -> Self {
        command.process_group(0);
        let mut program = Self::start(name, command, folder);
        program.leads = true;
        program
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What a client with `--json` has said of what it saw.
    ///
    /// # Panics
    /// When it said nothing.
    #[must_use]
    pub fn summary(&self) -> Value {
        let log = self.log();
        let said =
            log.find('{').map(|start| serde_json::Deserializer::from_str(&log[start..]).into_iter().next());
        said.flatten().and_then(Result::ok).unwrap_or_else(|| panic!("no summary in {log}"))
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// SIGKILL: it gets no say.
    pub fn kill(&mut self) {
        if let Some(group) = process(self.pid()).filter(|_| self.leads) {
            let _already_gone = kill_process_group(group, Signal::KILL);
        }
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// SIGTERM, then waits for its end.
    pub async fn stop(&mut self) -> ExitStatus {
        terminate(self.pid());
        self.end().await
    }

    /// Waits for it to end by itself, which is to be soon.
    pub async fn end(&mut self) -> ExitStatus {
        self.ends_within(END).await
    }

    /// Waits for it to end by itself.
    pub async fn ends_within(&mut self, time: Duration) -> ExitStatus {
        let name = self.name.clone();
        eventually(&format!("{name} ends"), time, async || self.ended().ok_or("still runs")).await
    }
}

#[expect(clippy::print_stdout, reason = "the logs belong to the output of the test that failed")]
impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(60)..];
            println!("--- {} (last {} lines)\n{}", self.name, tail.len(), tail.join("\n"));
        }
    }
}

/// Asks a process to end.
pub fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
}

/// Ends a process at once.
pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = process(pid) {
        let _already_gone = kill_process(pid, signal);
    }
}

fn process(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Processes that run the program `name` with an argument that begins with `argument`: how relays are found that a manager
/// started and that outlived it.
#[must_use]
pub fn running(name: &str, argument: &str) -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
            words.next().is_some_and(|program| program.ends_with(name))
                && words.any(|word| word.starts_with(argument))
        })
        .collect()
}
