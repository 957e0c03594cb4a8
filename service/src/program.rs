//! What stands round a program's `app`: as many open files as it may have, one TLS provider, one runtime, one way to fail.

use std::{future::Future, process::ExitCode};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::{
    config::ConfigError,
    flags::CommonFlags,
    telemetry::{self, TelemetryError},
};

/// A command line or configuration that makes no sense. It ends the program with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Exit code of a program that was used wrongly.
pub const EXIT_USAGE: u8 = 2;

/// Runs a program's `app` to its end: logs set up, TLS provider installed, errors said on standard error. Exit code 0
/// when it ended well, 2 for [`Usage`] and configuration errors, else 1.
pub fn run<F>(name: &str, flags: &CommonFlags, app: F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    run_with_codes(name, flags, app, |_| None)
}

/// As [`run`], for a program whose errors have exit codes of their own: `code` names them, none for the usual one.
pub fn run_with_codes<F>(
    name: &str,
    flags: &CommonFlags,
    app: F,
    code: impl FnOnce(&anyhow::Error) -> Option<u8>,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    match try_run(flags, app) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(name, &error);
            code(&error).map_or_else(|| exit_code(&error), ExitCode::from)
        }
    }
}

fn try_run<F>(flags: &CommonFlags, app: F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    telemetry::logs(flags.log.as_deref(), flags.log_format.unwrap_or_default())?;
    allow_open_files();
    install_tls();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(app);
    // Whatever still runs was told to stop and had its deadline.
    runtime.shutdown_background();
    ended
}

/// Takes as many open files as the system lets this process have: shells and service managers give 1,024 at first, for the sake
/// of programs that use `select`, and every viewer's connection is one.
fn allow_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open files; set it from outside (ulimit -n, LimitNOFILE)");
    }
}

/// Installs the one TLS provider of the process. Does nothing when there is one.
pub fn install_tls() {
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    let usage = error.chain().any(|cause| {
        cause.is::<Usage>()
            || cause.is::<ConfigError>()
            || matches!(cause.downcast_ref(), Some(TelemetryError::Filter { .. }))
    });
    if usage { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stderr, reason = "the last words of a program are for whoever started it")]
fn complain(name: &str, error: &anyhow::Error) {
    eprintln!("{name}: {error:#}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Shutdown, Tasks};

    #[tokio::test]
    async fn wrong_use_that_only_a_task_finds_is_exit_code_2_and_said_once() {
        let mut tasks = Tasks::new(Shutdown::default());
        tasks.spawn("invitation", async { Err(Usage("call somebody else".to_owned()).into()) });
        let error = anyhow::Error::from(tasks.run().await.unwrap_err());
        assert_eq!(exit_code(&error), ExitCode::from(EXIT_USAGE));
        assert_eq!(format!("{error:#}"), "invitation failed: call somebody else");
    }
}
