//! How relays are started and stopped: the trait, and the task that carries out the controller's orders so that the
//! controller never waits.
//!
//! Launching twice with one id is one relay, ending one that is not there is no error, and the list after a restart of the
//! manager finds what an earlier one started. When to do what is policy's affair.

#[cfg(test)]
mod conformance;
mod pidfile;
mod process;
mod standby;

use std::{future::Future, sync::Arc};

use policy::{
    Observation, ServerId,
    fleet::{Inventory, LaunchSpec},
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    process::{Process, ProcessSettings},
    standby::Standby,
};
use crate::controller::{Handle, Message};

/// Relays that ended and were not told of yet: as many as end in one moment.
const EXITS: usize = 256;

/// What the controller orders.
#[derive(Debug)]
pub(crate) enum Order {
    /// Start a relay.
    Launch(LaunchSpec),
    /// End one.
    Terminate(ServerId),
}

/// A relay that could not be started or ended; the text is for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ProvisionError(pub(crate) String);

/// How relays are started and stopped.
pub(crate) trait Provisioner: Send + Sync + 'static {
    /// Starts a relay, unless one of this id runs already. Done as soon as it is started; it attaches by itself.
    fn launch(&self, spec: &LaunchSpec) -> impl Future<Output = Result<(), ProvisionError>> + Send;

    /// Ends a relay; done when it has ended, or when there is none.
    fn terminate(&self, id: &ServerId) -> impl Future<Output = Result<(), ProvisionError>> + Send;

    /// Where relays can be started, and those that run.
    fn list(&self) -> impl Future<Output = Inventory> + Send;
}

/// By which a provisioner says that relays ended; and the receiving end.
pub(crate) fn exits() -> (mpsc::Sender<ServerId>, mpsc::Receiver<ServerId>) {
    mpsc::channel(EXITS)
}

/// Carries out orders, each in a task of its own, and tells the controller what became of them.
pub(crate) async fn run<P: Provisioner>(
    provisioner: Arc<P>,
    mut orders: mpsc::Receiver<Order>,
    mut exits: mpsc::Receiver<ServerId>,
    controller: Handle,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    controller.tell(Message::Observed(Observation::Listed(provisioner.list().await))).await?;
    let mut under_way = JoinSet::new();
    loop {
        let observation = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(order) = orders.recv() => {
                let provisioner = Arc::clone(&provisioner);
                under_way.spawn(async move { carry_out(&*provisioner, order).await });
                continue;
            }
            Some(done) = under_way.join_next() => match done? {
                Some(observation) => observation,
                None => continue,
            },
            Some(server) = exits.recv() => Observation::Exited { server },
            else => return Ok(()),
        };
        controller.tell(Message::Observed(observation)).await?;
    }
}

async fn carry_out<P: Provisioner>(provisioner: &P, order: Order) -> Option<Observation> {
    match order {
        Order::Launch(spec) => Some(match provisioner.launch(&spec).await {
            Ok(()) => Observation::LaunchStarted { server: spec.id },
            Err(error) => Observation::LaunchFailed { server: spec.id, error: error.to_string() },
        }),
        Order::Terminate(server) => {
            if let Err(error) = provisioner.terminate(&server).await {
                tracing::error!(%server, %error, "cannot end a relay: end it by hand");
            }
            None
        }
    }
}
