//! The primary's place in a fleet: attached to the manager that the config names, or to the one that called.

use std::sync::Arc;

use delivery::{
    membership::{self, Identity, Membership, Refused, Witness},
    situation::Board,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::invite::Invitations;

/// What the primary says as it leaves.
const FAREWELL: &str = "the primary was stopped";

/// All that belonging needs.
pub(crate) struct Place<W> {
    pub(crate) identity: Identity,
    pub(crate) board: Arc<Board>,
    pub(crate) witness: Arc<W>,
    pub(crate) config: membership::Config,
    /// Drawn at the start of the process: tells a reconnect from a restart.
    pub(crate) incarnation: u64,
}

impl<W: Witness> Place<W> {
    /// Belongs to the fleet of whichever manager is the one, until told to stop.
    ///
    /// A manager that refuses this server for good is an error only where the config names it: the other one called by itself, and
    /// may call again when its operator has mended what was wrong.
    pub(crate) async fn attend(
        self,
        invitations: Arc<Invitations>,
        named: bool,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut manager = invitations.manager();
        while !stop.is_cancelled() {
            let current = manager.borrow_and_update().clone();
            let leave = stop.child_token();
            let attended = async {
                match &current {
                    Some(url) => self.attend_at(url, &leave).await,
                    None => {
                        leave.cancelled().await;
                        Ok(())
                    }
                }
            };
            tokio::pin!(attended);
            let outcome = tokio::select! {
                outcome = &mut attended => outcome,
                _ = manager.changed() => {
                    leave.cancel();
                    attended.await
                }
            };
            match outcome {
                Err(refused) if named => return Err(refused.into()),
                Err(refused) => {
                    tracing::error!(%refused, "not taken in; waiting for the next invitation");
                    invitations.forget();
                    manager.mark_unchanged();
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    async fn attend_at(&self, manager: &Url, leave: &CancellationToken) -> Result<(), NotTakenIn> {
        let origin = manager.origin().ascii_serialization();
        let (board, witness) = (Arc::clone(&self.board), Arc::clone(&self.witness));
        let mut membership =
            Membership::new(&origin, self.identity.clone(), board, witness, self.config.clone())?;
        Ok(membership.attend(self.incarnation, leave, FAREWELL).await?)
    }
}

/// Why there is no use in asking this manager again.
#[derive(Debug, thiserror::Error)]
enum NotTakenIn {
    #[error(transparent)]
    Address(#[from] membership::InvalidManager),
    #[error(transparent)]
    Refused(#[from] Refused),
}
