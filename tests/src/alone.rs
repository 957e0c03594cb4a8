//! A network namespace in which the default ports are free, so that the README's commands run as they stand.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    program::Program,
    repository::{binary, root},
};

/// A network namespace of one test. It ends with the process that holds it.
#[derive(Debug)]
pub struct Alone {
    holder: std::process::Child,
}

/// A network namespace with nothing but loopback.
///
/// # Panics
/// When the system gives none: it takes root, or user namespaces.
#[must_use]
pub fn alone() -> Alone {
    let script = "ip link set lo up && echo up && exec sleep infinity";
    let mut holder = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare is part of util-linux");
    let mut line = String::new();
    let output = holder.stdout.take().expect("its output is piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)
        .expect("it says when it is up");
    assert_eq!(line, "up\n", "no network namespace: it takes root or user namespaces, and `ip`");
    Alone { holder }
}

impl Alone {
    /// Starts a shell command in the namespace, in the repository's root, with the built programs first in PATH.
    #[must_use]
    pub fn start(&self, command: &str, folder: &Path) -> Program {
        let programs = binary("client");
        let programs = programs.parent().expect("a program lies in a folder").display();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut enter = Command::new("nsenter");
        enter
            .args(["--preserve-credentials", "--user", "--net", "--target", &self.holder.id().to_string()])
            .args(["sh", "-c", &format!("exec {command}")])
            .current_dir(root())
            .env("PATH", format!("{programs}:{path}"))
            .env("SPILLWAY_STATE_DIR", folder);
        let program = command.split(' ').next().unwrap_or(command);
        let name = program.rsplit('/').next().unwrap_or(program);
        Program::start(name, enter, folder)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _already_gone = self.holder.kill();
        let _reaped = self.holder.wait();
    }
}
