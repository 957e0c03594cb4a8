//! Relays that an operator starts and that wait until they are wanted: there is nothing to start or stop here.

use policy::{
    ServerId,
    fleet::{Inventory, LaunchSpec},
};

use super::{ProvisionError, Provisioner};

/// Starts nothing.
#[derive(Debug, Default)]
pub(crate) struct Standby;

impl Provisioner for Standby {
    async fn launch(&self, _: &LaunchSpec) -> Result<(), ProvisionError> {
        Err(ProvisionError(
            "relays are started by operators here: run `local-server` in the region".to_owned(),
        ))
    }

    async fn terminate(&self, _: &ServerId) -> Result<(), ProvisionError> {
        Ok(())
    }

    async fn list(&self) -> Inventory {
        Inventory::default()
    }
}
