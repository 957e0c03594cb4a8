//! The traffic managers that the client may ask, in the order given. The one that answered last is asked first; another one
//! is asked when that cannot be reached, cannot place anybody yet, or has no room.
//!
//! All of them see the whole fleet and give out sessions that every other one knows, so it does not matter which one answers.

use std::{future::Future, time::Duration};

use service::{Backoff, BackoffConfig};
use tokio::time::Instant;

use crate::{
    config::Config,
    exit::{Failure, Tried},
    manager::TrafficManager,
    output,
};

/// How long one of them may take to answer a question.
pub const ANSWER: Duration = Duration::from_secs(5);

/// The traffic managers, as the client reaches them.
#[derive(Debug, Clone)]
pub struct TrafficManagers {
    /// Never empty.
    all: Vec<TrafficManager>,
    /// Which of them is asked first.
    current: usize,
    retry_for: Duration,
    retry: BackoffConfig,
    quiet: bool,
}

impl TrafficManagers {
    /// Those of the configuration. Nothing is connected yet.
    ///
    /// # Errors
    /// When an address is none.
    pub fn new(config: &Config) -> Result<Self, Failure> {
        let mut addresses = vec![config.first_manager()];
        for further in &config.managers {
            if !addresses.contains(further) {
                addresses.push(further.clone());
            }
        }
        let all = addresses.iter().map(|address| TrafficManager::new(address, config.fetch.connect));
        let all = all.collect::<Result<_, _>>()?;
        Ok(Self { all, current: 0, retry_for: config.retry_for, retry: config.retry, quiet: false })
    }

    /// The same ones over connections of their own, for one of many viewers, who says nothing.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_viewer(config: &Config) -> Result<Self, Failure> {
        Ok(Self { quiet: true, ..Self::new(config)? })
    }

    /// The one that answered last.
    #[must_use]
    pub fn current(&self) -> &TrafficManager {
        &self.all[self.current]
    }

    /// Turns to the one after the current one, which has failed.
    pub fn turn(&mut self) {
        self.current = (self.current + 1) % self.all.len();
    }

    /// Asks until there is an answer, for a bounded time while nobody is there, or nothing yet to play.
    ///
    /// # Errors
    /// A refusal, or the last failure to reach anybody.
    pub async fn ask<T, F>(&mut self, question: impl Fn(TrafficManager) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let until = Instant::now() + self.retry_for;
        let mut backoff = Backoff::new(self.retry);
        let mut said = self.quiet;
        loop {
            let failure = match self.ask_each(&question).await {
                Err(failure) if failure.may_pass() => failure,
                answer => return answer,
            };
            let pause = backoff.pause(rand::random());
            if Instant::now() + pause > until {
                return Err(failure);
            }
            if !said {
                said = true;
                let left = humantime::format_duration(self.retry_for);
                output::say(&format!("{failure}; trying again for {left}"));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks each of them once at most, from the current one on, until one has an answer.
    ///
    /// # Errors
    /// What was wrong with each of those that were asked.
    pub async fn ask_each<T, F>(&mut self, question: impl Fn(TrafficManager) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut tried = Vec::new();
        for _ in 0..self.all.len() {
            let address = self.current().address().to_owned();
            let answer = tokio::time::timeout(ANSWER, question(self.current().clone()));
            let failure = match answer.await.unwrap_or_else(|_| Err(silent(&address))) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let elsewhere = failure.may_differ_elsewhere();
            tried.push(Tried { address, failure });
            if !elsewhere {
                break;
            }
            self.turn();
        }
        Err(Failure::of_all(tried))
    }
}

fn silent(address: &str) -> Failure {
    let reason = format!("no answer within {}", humantime::format_duration(ANSWER));
    Failure::Unreachable { address: address.to_owned(), reason }
}
