//! Which process a relay is, in a file that outlives the manager: its pid and when it started, by which a process is known for
//! as long as the system is up. A command line would not do: a process that has just begun has none yet.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::process::Pid;

/// A relay's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) pid: Pid,
    /// In clock ticks since the system started.
    started: u64,
}

impl Running {
    /// The process that has this pid now, unless it has ended.
    pub(super) fn of(pid: Pid) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        // proc(5): pid, name in parentheses, state, and the start as the twentieth field from the state on.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        // A zombie has ended and only waits to be asked how.
        (!matches!(state, "Z" | "X")).then_some(Self { pid, started })
    }

    /// Whether the process still runs.
    pub(super) fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }
}

/// A file that holds a [`Running`].
#[derive(Debug, Clone)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    pub(super) fn new(folder: &Path, id: &str) -> Self {
        Self(folder.join(format!("{id}.pid")))
    }

    /// The process, if it still runs.
    pub(super) fn running(&self) -> Option<Running> {
        let text = fs::read_to_string(&self.0).ok()?;
        parse(&text).filter(Running::is_alive)
    }

    /// Remembers a process. Written aside first, so that no half of it is ever read.
    pub(super) fn write(&self, running: &Running) -> io::Result<()> {
        let aside = self.0.with_extension("pid.new");
        fs::write(&aside, format!("{} {}\n", running.pid.as_raw_nonzero(), running.started))?;
        fs::rename(aside, &self.0)
    }
}

fn parse(text: &str) -> Option<Running> {
    let (pid, started) = text.trim_end().split_once(' ')?;
    Some(Running { pid: Pid::from_raw(pid.parse().ok()?)?, started: started.parse().ok()? })
}
