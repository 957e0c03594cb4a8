//! Running the client program to its end.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use crate::repository::binary;

/// How long a run of the client may take unless a test says otherwise.
const LONGEST: Duration = Duration::from_secs(180);

/// How a run of the client ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output, of a run that ended well.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    pub fn success(self) -> String {
        assert_eq!(self.code, 0, "the client failed: {}", self.stderr);
        self.stdout
    }
}

/// Runs `client IP PORT ARGUMENTS…` to its end.
pub async fn client(manager: SocketAddr, arguments: &[&str]) -> Ran {
    let output = tokio::process::Command::new(binary("client"))
        .arg(manager.ip().to_string())
        .arg(manager.port().to_string())
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LONGEST, output)
        .await
        .unwrap_or_else(|_| panic!("client {arguments:?} has not ended within {LONGEST:?}"))
        .expect("the client can be started");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
