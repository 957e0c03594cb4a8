//! How an object's bytes come in: as the source has them, or made fit to stand for another rung's.

use std::sync::Arc;

use bytes::Bytes;
use delivery::object::Key;
use hls::{
    Container,
    window::{Map, Segment},
};
use tokio::sync::OnceCell;

/// How an object's bytes come in.
#[derive(Debug, Clone, Default)]
pub(crate) enum Handling {
    /// As they are.
    #[default]
    AsTheyAre,
    /// Once and whole, since segments are read with them: those of an initialization section.
    Read(Arc<OnceCell<Bytes>>),
    /// With parameter sets in every keyframe, from the initialization section of this key.
    ParameterSets(Key),
    /// With continuity counters that go on from any rung's segment to any other's.
    SettledCounters,
}

impl Handling {
    /// Of an initialization section of a rung.
    pub(crate) fn of_init() -> Self {
        Self::Read(Arc::default())
    }

    /// Of a segment of a rung. What is encrypted can only be passed on.
    pub(crate) fn of_segment(segment: &Segment, key: impl FnOnce(&Map) -> Key) -> Self {
        match (segment.container, &segment.map) {
            _ if !segment.is_clear() => Self::AsTheyAre,
            (Container::Ts, _) => Self::SettledCounters,
            (Container::Mp4, Some(map)) => Self::ParameterSets(key(map)),
            _ => Self::AsTheyAre,
        }
    }
}
