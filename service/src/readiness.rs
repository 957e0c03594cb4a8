//! Whether a program is ready, as latches that its parts hold: it is ready while every latch is released.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What a program still waits for, by name.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    waits: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

impl Readiness {
    /// A latch that is held: the program is not ready before it is released. `reason` is what `/ready` says until then.
    #[must_use]
    pub fn latch(&self, name: &'static str, reason: impl Into<String>) -> Latch {
        let latch = Latch { name, readiness: self.clone() };
        latch.hold(reason);
        latch
    }

    /// What is still waited for, each with its reason; empty when ready.
    #[must_use]
    pub fn waits(&self) -> Vec<(&'static str, String)> {
        self.locked().iter().map(|(name, reason)| (*name, reason.clone())).collect()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One part's say in readiness.
#[derive(Debug, Clone)]
pub struct Latch {
    name: &'static str,
    readiness: Readiness,
}

impl Latch {
    /// This part is ready.
    pub fn release(&self) {
        self.readiness.locked().remove(self.name);
    }

    /// This part is not ready, or no longer.
    pub fn hold(&self, reason: impl Into<String>) {
        self.readiness.locked().insert(self.name, reason.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_when_no_latch_is_held() {
        let readiness = Readiness::default();
        let source = readiness.latch("source", "no window yet");
        let manager = readiness.latch("manager", "not attached");
        manager.release();
        assert_eq!(readiness.waits(), [("source", "no window yet".to_owned())]);
        source.release();
        assert!(readiness.waits().is_empty());
        source.hold("gone");
        assert_eq!(readiness.waits().len(), 1);
    }
}
