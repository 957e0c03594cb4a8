//! Calls on the primary of PRIMARY_STREAM_URL, so that it attaches: `POST /.fleet/invite`, again and again until it has come,
//! and again when it is lost. What is no Spillway primary ends the program, unless a primary was there before.

use std::{sync::Arc, time::Duration};

use policy::routing::Kind;
use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use service::{Backoff, BackoffConfig, Secret, Usage};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{metrics, picture::Gallery};

/// What the primary is told.
#[derive(Debug, Serialize)]
struct Invitation<'a> {
    manager_url: &'a str,
    join_secret: &'a str,
}

/// What a primary answers.
#[derive(Debug, Deserialize)]
struct Introduction {
    kind: String,
    version: String,
}

/// What a primary answers that does not come.
#[derive(Debug, Deserialize)]
struct Refusal {
    error: String,
}

/// How a call ended.
#[derive(Debug)]
enum Outcome {
    /// It will attach.
    Accepted,
    /// Nobody answered, or not now.
    Unavailable(String),
    /// A primary that will not come, as things are.
    Declined(String),
    /// Somebody else.
    NotAPrimary(String),
}

/// Calls on one primary.
#[derive(Debug)]
pub(crate) struct Inviter {
    /// Where the primary was said to be.
    pub(crate) primary: Url,
    /// Where it finds the manager.
    pub(crate) manager_url: String,
    /// What proves that the manager may call.
    pub(crate) join_secret: Secret,
    /// Between calls.
    pub(crate) backoff: BackoffConfig,
    /// How long a call may take, and how long a primary that accepted may take to attach.
    pub(crate) patience: Duration,
    /// How much of an answer is read.
    pub(crate) max_answer_bytes: usize,
    /// Where it is seen that it has attached.
    pub(crate) gallery: Arc<Gallery>,
}

impl Inviter {
    /// Calls whenever the primary is not attached, until `stop`.
    ///
    /// # Errors
    /// When somebody answers who is no Spillway primary, or one that may not be called, before any primary was there.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            ended = self.keep() => ended,
        }
    }

    async fn keep(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().timeout(self.patience).no_proxy().build()?;
        let mut backoff = Backoff::new(self.backoff);
        let mut was_there = false;
        loop {
            if self.attached() {
                was_there = true;
                backoff.reset();
                self.until(false).await;
                continue;
            }
            match self.call(&client).await {
                Outcome::Accepted if timeout(self.patience, self.until(true)).await.is_ok() => continue,
                Outcome::Accepted => tracing::warn!(
                    primary = %self.primary, manager_url = self.manager_url,
                    "the primary was invited and has not attached: can it reach the manager there? else give --advertise"
                ),
                Outcome::Unavailable(error) => {
                    tracing::warn!(primary = %self.primary, error, "the primary does not answer; calling again");
                }
                Outcome::Declined(text) | Outcome::NotAPrimary(text) if was_there => {
                    tracing::warn!(primary = %self.primary, text, "the primary does not come back; calling again");
                }
                Outcome::Declined(text) | Outcome::NotAPrimary(text) => return Err(Usage(text).into()),
            }
            let pause = tokio::time::sleep(backoff.pause(rand::random()));
            // A primary may attach by itself (`primary --manager`).
            let _came_meanwhile = tokio::select! { () = pause => false, () = self.until(true) => true };
        }
    }

    fn attached(&self) -> bool {
        let serves = |route: &policy::routing::Route| route.kind == Kind::Primary && route.accepts();
        self.gallery.now().routing.servers.iter().any(serves)
    }

    /// Done when the primary is attached, or is not.
    async fn until(&self, attached: bool) {
        let mut beats = self.gallery.beats();
        while self.attached() != attached {
            if beats.changed().await.is_err() {
                return;
            }
        }
    }

    async fn call(&self, client: &reqwest::Client) -> Outcome {
        let url = self.primary.join("/.fleet/invite").expect("an absolute path fits every http URL");
        let invitation =
            Invitation { manager_url: &self.manager_url, join_secret: self.join_secret.reveal() };
        let outcome = match client.post(url).json(&invitation).send().await {
            Ok(answer) => self.judge(answer).await,
            Err(error) => Outcome::Unavailable(causes(&error)),
        };
        metrics::invited(match outcome {
            Outcome::Accepted => "accepted",
            Outcome::Unavailable(_) => "unavailable",
            Outcome::Declined(_) => "declined",
            Outcome::NotAPrimary(_) => "not-a-primary",
        });
        outcome
    }

    async fn judge(&self, answer: Response) -> Outcome {
        let status = answer.status();
        let body = start_of(answer, self.max_answer_bytes).await;
        if let Ok(Refusal { error }) = serde_json::from_slice(&body) {
            let declined = format!("the primary at {} declines: {error}", self.primary);
            // A primary that is attached to another manager may lose that one.
            return if status == StatusCode::CONFLICT {
                Outcome::Unavailable(declined)
            } else {
                Outcome::Declined(declined)
            };
        }
        match serde_json::from_slice::<Introduction>(&body) {
            // What cannot even take a POST, as a plain web server for files, will not become a primary.
            _ if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                Outcome::Unavailable(status.to_string())
            }
            Ok(introduction) if status.is_success() && introduction.kind == "primary" => {
                tracing::info!(primary = %self.primary, version = introduction.version, "invited the primary");
                Outcome::Accepted
            }
            _ => self.not_a_primary(status),
        }
    }

    fn not_a_primary(&self, status: StatusCode) -> Outcome {
        let url = &self.primary;
        Outcome::NotAPrimary(format!(
            "{url} answers, but not as a Spillway primary ({status}): run `primary ADDRESS {url}` in front of it and give \
             the traffic manager that address"
        ))
    }
}

/// The body of an answer, cut off where it is longer than any primary's: then it is no JSON either.
async fn start_of(mut answer: Response, most: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(most - body.len())]);
        if body.len() == most {
            break;
        }
    }
    body
}

/// An error with what lies under it: reqwest's own text leaves out the cause.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(under) = cause {
        text = format!("{text}: {under}");
        cause = under.source();
    }
    text
}
