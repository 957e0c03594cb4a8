//! How a program ends: softly when told, hard when told twice or when the soft end takes too long, and as a crash when one
//! of its tasks dies.

use std::{future::Future, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// The two tokens that everything in a program watches.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Cancelled when the program should end: take nothing new, finish what is under way.
    pub soft: CancellationToken,
    /// Cancelled when it must end now.
    pub hard: CancellationToken,
}

impl Shutdown {
    /// Asks for a soft end.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Cancels `soft` at the first SIGINT or SIGTERM or when a part asks for it, and `hard` at a second signal or when
    /// `deadline` has passed since.
    ///
    /// # Errors
    /// When the system refuses signal handlers.
    pub fn on_signals(&self, deadline: Duration) -> std::io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "stopping"),
                _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "stopping"),
                () = shutdown.soft.cancelled() => {}
            }
            shutdown.soft.cancel();
            tokio::select! {
                _ = interrupt.recv() => tracing::warn!("told twice: stopping at once"),
                _ = terminate.recv() => tracing::warn!("told twice: stopping at once"),
                () = tokio::time::sleep(deadline) => {}
            }
            shutdown.hard.cancel();
        });
        Ok(())
    }
}

/// A task that ended otherwise than it should.
#[derive(Debug, thiserror::Error)]
pub enum TaskFailure {
    /// It returned an error.
    #[error("{name} failed")]
    Failed {
        /// The task's name.
        name: &'static str,
        /// What it said; the program's exit code follows from it.
        #[source]
        reason: anyhow::Error,
    },
    /// It panicked.
    #[error("{name} crashed: {reason}")]
    Crashed {
        /// The task's name.
        name: &'static str,
        /// The panic's message.
        reason: String,
    },
    /// It ended although nobody told the program to stop.
    #[error("{name} ended although it should run as long as the program")]
    EndedEarly {
        /// The task's name.
        name: &'static str,
    },
}

/// The long-lived tasks of a program, each with a name. They end when the program is told to stop; one that dies before
/// takes the program with it.
#[derive(Debug)]
pub struct Tasks {
    shutdown: Shutdown,
    set: JoinSet<(&'static str, Outcome)>,
}

type Outcome = Result<anyhow::Result<()>, String>;

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, set: JoinSet::new() }
    }

    /// Starts a task that runs until the soft token is cancelled.
    pub fn spawn<F>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let task = tokio::spawn(task);
        self.set.spawn(async move { (name, task.await.map_err(panic_text)) });
    }

    /// Waits until all tasks have ended, or until the hard token is cancelled.
    ///
    /// # Errors
    /// The first task that failed, crashed or ended before it was told; the others are told to stop at once.
    pub async fn run(mut self) -> Result<(), TaskFailure> {
        let mut first_failure = None;
        loop {
            let ended = tokio::select! {
                ended = self.set.join_next() => ended,
                () = self.shutdown.hard.cancelled() => None,
            };
            let Some(Ok((name, outcome))) = ended else { break };
            let failure = match outcome {
                Ok(Ok(())) if self.shutdown.soft.is_cancelled() => None,
                Ok(Ok(())) => Some(TaskFailure::EndedEarly { name }),
                Ok(Err(reason)) => Some(TaskFailure::Failed { name, reason }),
                Err(reason) => Some(TaskFailure::Crashed { name, reason }),
            };
            if let Some(failure) = failure {
                first_failure.get_or_insert(failure);
                self.shutdown.soft.cancel();
            }
        }
        first_failure.map_or(Ok(()), Err)
    }
}

fn panic_text(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "panic without a message".to_owned()),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_dies_ends_the_others_and_is_named() {
        let shutdown = Shutdown::default();
        let mut tasks = Tasks::new(shutdown.clone());
        tasks.spawn("census", async { panic!("out of beads") });
        let soft = shutdown.soft.clone();
        tasks.spawn("listener", async move {
            soft.cancelled().await;
            Ok(())
        });
        let error = tasks.run().await.unwrap_err().to_string();
        assert_eq!(error, "census crashed: out of beads");
        assert!(shutdown.soft.is_cancelled());
    }

    #[tokio::test]
    async fn a_task_that_ends_early_is_a_failure_and_after_the_soft_stop_is_none() {
        let mut tasks = Tasks::new(Shutdown::default());
        tasks.spawn("listener", async { Ok(()) });
        assert!(matches!(tasks.run().await, Err(TaskFailure::EndedEarly { name: "listener" })));

        let shutdown = Shutdown::default();
        shutdown.stop();
        let mut tasks = Tasks::new(shutdown);
        tasks.spawn("listener", async { Ok(()) });
        assert!(tasks.run().await.is_ok());
    }

    #[tokio::test]
    async fn the_hard_stop_waits_for_nobody() {
        let shutdown = Shutdown::default();
        shutdown.hard.cancel();
        let mut tasks = Tasks::new(shutdown);
        tasks.spawn("stubborn", std::future::pending());
        assert!(tasks.run().await.is_ok());
    }
}
