//! An operator empties a relay and leaves it alone, or gives it back.

use super::{Fleet, Refusal};
use crate::{
    Phase, ServerId,
    decision::{Action, Reason},
    routing::Kind,
};

impl Fleet {
    /// Drains a relay, which is not called back until it is given back. One that stands by is only left alone.
    pub(super) fn hold(&mut self, id: &ServerId) -> Result<(), Refusal> {
        self.attached_relay(id)?;
        let Some(server) = self.servers.get_mut(id) else { return Ok(()) };
        server.held = true;
        match server.desired {
            Phase::Serving => self.begin_drain(id, Reason::Operator),
            _ => self.decide_about(id, Action::Drain, Reason::Operator),
        }
        Ok(())
    }

    /// Gives a relay back: a drain is called back, and one that stands by may be wanted again.
    pub(super) fn resume(&mut self, id: &ServerId) -> Result<(), Refusal> {
        self.attached_relay(id)?;
        self.slots.wake(id);
        let Some(server) = self.servers.get_mut(id) else { return Ok(()) };
        let was_held = std::mem::take(&mut server.held);
        match server.desired {
            Phase::Draining => self.call_back(id, Reason::Operator),
            _ if was_held => self.decide_about(id, Action::CallBack, Reason::Operator),
            _ => {}
        }
        Ok(())
    }

    fn attached_relay(&self, id: &ServerId) -> Result<(), Refusal> {
        let server = self.servers.get(id).ok_or_else(|| Refusal::UnknownServer(id.clone()))?;
        if server.kind == Kind::Primary {
            return Err(Refusal::NotARelay(id.clone()));
        }
        if !server.is_attached() || server.desired == Phase::Retired {
            return Err(Refusal::NotAttached { server: id.clone(), phase: server.phase });
        }
        Ok(())
    }
}
