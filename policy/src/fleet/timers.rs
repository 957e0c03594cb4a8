//! When the fleet has to be looked at again if nothing is observed before.

use super::Fleet;
use crate::{Phase, Time};

impl Fleet {
    /// The next moment at which something follows from time alone.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let settled = (!self.settled).then_some(self.started + self.settings.first_start_window);
        let freeze = self.freeze.as_ref().filter(|freeze| freeze.holds).map(|freeze| freeze.until);
        let exit = self.settings.exit_timeout;
        let limit = self.settings.launch_timeout;
        let launches = self.servers.values().filter_map(move |server| match server.phase {
            Phase::Requested | Phase::Starting | Phase::Warming => Some(server.phase_since + limit),
            Phase::Retired | Phase::Failed => Some(server.phase_since + exit),
            _ => None,
        });
        [settled, freeze, self.slots.deadline()]
            .into_iter()
            .flatten()
            .chain(launches)
            .chain(self.silence_deadlines())
            .chain(self.growth_deadlines())
            .chain(self.adrift_deadlines())
            .chain(self.drain_deadlines())
            .filter(|time| *time > self.now)
            .min()
    }
}
