//! Which process a relay is, in a file that outlives the manager: its pid, and the launch id that stands in its command line,
//! so that another process that has got the pid since is not taken for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::process::Pid;

/// A relay's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) pid: Pid,
    pub(super) launch_id: String,
}

impl Running {
    /// Whether the process runs and is the one that was started. For a moment after its start it has no command line yet.
    pub(super) fn is_alive(&self) -> bool {
        let process = PathBuf::from(format!("/proc/{}", self.pid.as_raw_nonzero()));
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        let started = line.split(|byte| *byte == 0).any(|word| word == self.launch_id.as_bytes());
        started || (line.is_empty() && !has_ended(&process))
    }
}

/// Whether a process is gone, or is one that only waits to be asked how it ended (proc(5): the state follows the name).
fn has_ended(process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with(['Z', 'X']))
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
        fs::write(&aside, format!("{} {}\n", running.pid.as_raw_nonzero(), running.launch_id))?;
        fs::rename(aside, &self.0)
    }
}

fn parse(text: &str) -> Option<Running> {
    let (pid, launch_id) = text.trim_end().split_once(' ')?;
    Some(Running { pid: Pid::from_raw(pid.parse().ok()?)?, launch_id: launch_id.to_owned() })
}
