//! A relay's time in its fleet: it attends, follows what the manager wants through [`life`](crate::life), and starts anew
//! under another incarnation when its work was done.

use std::{future::Future, sync::Arc};

use delivery::{
    feed,
    membership::{Membership, Refused, Witness},
    situation::{Board, Situation},
    upstream::Upstream,
};
use policy::Phase;
use service::{Backoff, BackoffConfig, Shutdown};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::life::{Step, step};

/// What a relay must be before it serves.
pub(crate) trait Warmth: Send + Sync + 'static {
    /// Asks the upstream for what first viewers would ask for.
    fn warm(&self) -> impl Future<Output = Result<(), feed::Error>> + Send;
}

impl Warmth for Upstream {
    async fn warm(&self) -> Result<(), feed::Error> {
        Self::warm(self).await
    }
}

/// A relay in its fleet.
pub(crate) struct Belonging<W, U> {
    pub(crate) membership: Membership<W>,
    pub(crate) upstream: Arc<U>,
    pub(crate) board: Arc<Board>,
    /// A provisioner started this process, and it ends when it is retired.
    pub(crate) launched: bool,
    /// How long to wait before asking again an upstream that is not ready.
    pub(crate) retry: BackoffConfig,
}

/// Why a relay's time in its fleet was over.
enum Over {
    /// The program is told to stop.
    Stopping,
    /// Its work is done.
    Retired,
    /// Its work is done, and there may be more.
    StandByAnew,
}

impl<W: Witness, U: Warmth> Belonging<W, U> {
    /// Belongs to the fleet until the program is told to stop, or the relay is retired: then it stops the program.
    ///
    /// # Errors
    /// When the manager refuses this relay for good.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), Refused> {
        loop {
            self.board.change(|situation| *situation = Situation::at_start(Phase::Standby));
            match self.once(&shutdown).await? {
                Over::StandByAnew => tracing::info!("drained: standing by again"),
                Over::Stopping => return Ok(()),
                Over::Retired => {
                    tracing::info!("retired: stopping");
                    shutdown.stop();
                    return Ok(());
                }
            }
        }
    }

    /// One incarnation.
    async fn once(&mut self, shutdown: &Shutdown) -> Result<Over, Refused> {
        let leave = shutdown.soft.child_token();
        let life = Life {
            upstream: &*self.upstream,
            board: &self.board,
            launched: self.launched,
            retry: self.retry,
        };
        let lived = async {
            let over = life.live(&leave).await;
            leave.cancel();
            Ok(over)
        };
        let incarnation = rand::random();
        let (over, ()) = tokio::try_join!(lived, self.membership.attend(incarnation, &leave, "leaving"))?;
        Ok(over)
    }
}

/// What drives the phase.
struct Life<'a, U> {
    upstream: &'a U,
    board: &'a Board,
    launched: bool,
    retry: BackoffConfig,
}

impl<U: Warmth> Life<'_, U> {
    async fn live(&self, leave: &CancellationToken) -> Over {
        let mut changes = self.board.changes();
        let mut warm = false;
        loop {
            let (phase, wanted) = (self.board.now().phase, self.board.now().wanted);
            match step(phase, wanted, warm, self.launched) {
                Step::Exit => return Over::Retired,
                Step::StandByAnew => return Over::StandByAnew,
                Step::Enter(next) => {
                    tracing::info!(from = %phase, to = %next, "phase");
                    warm = false;
                    self.board.change(|situation| situation.phase = next);
                }
                Step::Stay => tokio::select! {
                    () = leave.cancelled() => return Over::Stopping,
                    () = self.another_wish(wanted, &mut changes) => {}
                    () = self.warmed(), if phase == Phase::Warming && !warm => warm = true,
                },
            }
        }
    }

    /// Waits until the manager wants another phase than `wanted`.
    async fn another_wish(&self, wanted: Phase, changes: &mut watch::Receiver<()>) {
        while self.board.now().wanted == wanted {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Asks until the upstream has all that is needed.
    async fn warmed(&self) {
        let mut backoff = Backoff::new(self.retry);
        while let Err(error) = self.upstream.warm().await {
            let again_in = backoff.pause(rand::random());
            tracing::warn!(%error, ?again_in, "the upstream is not ready; trying again");
            tokio::time::sleep(again_in).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use tokio::time::timeout;

    use super::*;

    const RETRY: BackoffConfig =
        BackoffConfig { first: Duration::from_millis(1), longest: Duration::from_millis(2) };

    /// An upstream that is ready when it was asked so often.
    struct ReadyAt(u32, AtomicU32);

    impl Warmth for ReadyAt {
        async fn warm(&self) -> Result<(), feed::Error> {
            let asked = self.1.fetch_add(1, Ordering::SeqCst) + 1;
            if asked >= self.0 { Ok(()) } else { Err(feed::Error::NotReady("live".parse().unwrap())) }
        }
    }

    struct Relay {
        board: Arc<Board>,
        living: tokio::task::JoinHandle<Over>,
        leave: CancellationToken,
    }

    fn relay(launched: bool, ready_at: u32) -> Relay {
        let board = Arc::new(Board::new(Situation::at_start(Phase::Standby)));
        let leave = CancellationToken::new();
        let living = tokio::spawn({
            let (board, leave) = (Arc::clone(&board), leave.clone());
            async move {
                let upstream = ReadyAt(ready_at, AtomicU32::new(0));
                let life = Life { upstream: &upstream, board: &board, launched, retry: RETRY };
                life.live(&leave).await
            }
        });
        Relay { board, living, leave }
    }

    impl Relay {
        async fn wanted(&self, wanted: Phase, reaches: Phase) {
            let mut changes = self.board.changes();
            self.board.change(|situation| situation.wanted = wanted);
            let reached = async {
                while self.board.now().phase != reaches {
                    changes.changed().await.unwrap();
                }
            };
            timeout(Duration::from_secs(10), reached).await.expect("the phase follows");
        }

        async fn over(self) -> Over {
            timeout(Duration::from_secs(10), self.living).await.expect("it is over").unwrap()
        }
    }

    #[tokio::test]
    async fn it_warms_until_the_upstream_is_ready_then_serves_drains_and_is_called_back() {
        let relay = relay(false, 3);
        relay.wanted(Phase::Serving, Phase::Serving).await;
        relay.wanted(Phase::Draining, Phase::Draining).await;
        relay.wanted(Phase::Serving, Phase::Serving).await;
        relay.leave.cancel();
        assert!(matches!(relay.over().await, Over::Stopping));
    }

    #[tokio::test]
    async fn a_wish_that_changes_while_it_warms_is_followed() {
        let relay = relay(false, u32::MAX);
        relay.wanted(Phase::Serving, Phase::Warming).await;
        relay.wanted(Phase::Standby, Phase::Standby).await;
        relay.leave.cancel();
        assert!(matches!(relay.over().await, Over::Stopping));
    }

    #[tokio::test]
    async fn when_its_work_is_done_it_stands_by_anew_or_is_over() {
        for (launched, wanted) in [(false, Phase::Standby), (false, Phase::Retired), (true, Phase::Retired)] {
            let relay = relay(launched, 1);
            relay.wanted(Phase::Serving, Phase::Serving).await;
            relay.wanted(Phase::Draining, Phase::Draining).await;
            relay.board.change(|situation| situation.wanted = wanted);
            let over = relay.over().await;
            assert_eq!(matches!(over, Over::Retired), launched);
            assert_eq!(matches!(over, Over::StandByAnew), !launched);
        }
    }
}
