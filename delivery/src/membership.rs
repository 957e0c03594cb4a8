//! Belonging to a fleet: one bidirectional stream to the traffic manager, attached again whenever it breaks.
//!
//! A server says who it is (Hello), then how it stands (a report every interval, and at once when its situation changes or
//! viewers have moved between servers);
//! back come directives, which are put on the [`Board`](crate::situation::Board), and sessions that moved elsewhere. With
//! the manager dead everything goes on as last told. What a directive leads to is left to those who watch the board.
//!
//! Refusals: before the server was ever taken in, one that cannot heal by itself ends the program with a text that says what
//! to do; an id that is taken may be that of this server's own predecessor, so it is asked for again for longer than the
//! fleet's grace. Once it has been in, its viewers count more than the manager's opinion: it asks again for ever.

mod account;
mod config;
mod connection;
mod refusal;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use service::Backoff;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use self::connection::{Connection, Ending, Why};
pub use self::{
    account::{Account, Identity, StreamState, Tally, Witness},
    config::Config,
    refusal::Refused,
};
use crate::situation::Board;

/// A manager's address that is none.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no address of a traffic manager; give it as http://HOST:PORT")]
pub struct InvalidManager(String);

/// One server's place in its fleet.
#[derive(Debug)]
pub struct Membership<W> {
    manager: String,
    endpoint: Endpoint,
    identity: Identity,
    board: Arc<Board>,
    witness: Arc<W>,
    config: Config,
    was_in: bool,
}

impl<W: Witness> Membership<W> {
    /// A place in the fleet of the manager at `http://HOST:PORT`. Nothing is connected yet.
    ///
    /// # Errors
    /// When that is no address.
    pub fn new(
        manager: &str,
        identity: Identity,
        board: Arc<Board>,
        witness: Arc<W>,
        config: Config,
    ) -> Result<Self, InvalidManager> {
        let endpoint = Endpoint::from_shared(manager.to_owned())
            .ok()
            .filter(|endpoint| endpoint.uri().scheme_str() == Some("http"))
            .ok_or_else(|| InvalidManager(manager.to_owned()))?;
        let shown = endpoint.uri().authority().map_or_else(|| manager.to_owned(), ToString::to_string);
        let endpoint = endpoint
            .connect_timeout(config.answer_timeout)
            .http2_keep_alive_interval(config.keep_alive)
            .keep_alive_timeout(config.keep_alive)
            .keep_alive_while_idle(true);
        Ok(Self { manager: shown, endpoint, identity, board, witness, config, was_in: false })
    }

    /// Belongs to the fleet, as a process that drew `incarnation`, until `leave` is cancelled; then says Goodbye with
    /// `reason`.
    ///
    /// # Errors
    /// When the manager refuses this server for good.
    pub async fn attend(
        &mut self,
        incarnation: u64,
        leave: &CancellationToken,
        reason: &str,
    ) -> Result<(), Refused> {
        let mut backoff = Backoff::new(self.config.retry);
        let mut taken_since = None;
        let mut tries: u64 = 0;
        loop {
            let Ending { was_attached, why } = self.connection(incarnation, reason).run(leave).await;
            self.board.change(|situation| situation.attached = false);
            tries += 1;
            if was_attached {
                self.was_in = true;
                (taken_since, tries) = (None, 0);
                backoff.reset();
            }
            let again_in = backoff.pause(rand::random());
            let (what, error) = match why {
                Why::Left => return Ok(()),
                Why::Refused(refused) if self.is_final(&refused, &mut taken_since) => return Err(refused),
                Why::Refused(refused) => ("manager refuses this server; trying again", refused.to_string()),
                Why::Lost(error) if was_attached => ("lost the manager; serving on and trying again", error),
                Why::Lost(error) => ("manager does not answer; trying again", error),
            };
            // The first times, then more and more rarely: a manager may be away for days.
            if tries == 0 || tries.is_power_of_two() {
                tracing::warn!(manager = %self.manager, tries, ?again_in, error, "{what}");
            }
            tokio::select! {
                () = leave.cancelled() => return Ok(()),
                () = tokio::time::sleep(again_in) => {}
            }
        }
    }

    fn connection<'a>(&'a self, incarnation: u64, farewell: &'a str) -> Connection<'a, W> {
        Connection {
            manager: &self.manager,
            channel: self.endpoint.connect_lazy(),
            identity: &self.identity,
            board: &self.board,
            witness: &*self.witness,
            config: &self.config,
            incarnation,
            farewell,
        }
    }

    fn is_final(&self, refused: &Refused, taken_since: &mut Option<Instant>) -> bool {
        match refused {
            _ if self.was_in => false,
            Refused::IdTaken(_) => {
                taken_since.get_or_insert_with(Instant::now).elapsed() > self.config.id_taken_patience
            }
            Refused::Secret(_) | Refused::DoesNotFit(_) | Refused::Senseless(_) => true,
        }
    }
}
