//! When the viewers come and when they leave: one, then one more and one more up to twenty, and back to one.

use std::time::Duration;

/// Viewers besides the first.
pub(super) const NEWCOMERS: u32 = 19;

/// Pauses between what happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeline {
    /// The first viewer is alone for so long.
    alone: Duration,
    /// Then one more comes every so often: so that viewers of a crowd, who are every second one, ask at all moments of a segment, as an
    /// audience does.
    pub(super) every: Duration,
    /// All of them stay for so long.
    hold: Duration,
    /// The first is alone again for so long.
    after: Duration,
}

/// Then one leaves every so often.
pub(super) const LEAVE_EVERY: Duration = Duration::from_secs(1);

impl Timeline {
    /// Long enough for every rule of the server to be seen: four minutes.
    pub(super) const FULL: Self = Self::of(20, 3_100, 60, 75);

    /// Half of that.
    pub(super) const QUICK: Self = Self::of(10, 1_100, 35, 40);

    const fn of(alone: u64, every_ms: u64, hold: u64, after: u64) -> Self {
        Self {
            alone: Duration::from_secs(alone),
            every: Duration::from_millis(every_ms),
            hold: Duration::from_secs(hold),
            after: Duration::from_secs(after),
        }
    }

    /// When the nth newcomer comes, from 0.
    pub(super) fn arrives(&self, newcomer: u32) -> Duration {
        self.alone + self.every * newcomer
    }

    /// When the nth newcomer leaves: who came last, leaves first.
    pub(super) fn leaves(&self, newcomer: u32) -> Duration {
        self.arrives(NEWCOMERS) + self.hold + LEAVE_EVERY * (NEWCOMERS - 1 - newcomer)
    }

    /// When the first viewer is alone again.
    pub(super) fn left(&self) -> Duration {
        self.leaves(0)
    }

    /// When it is over.
    pub(super) fn end(&self) -> Duration {
        self.left() + self.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_measure_takes_no_longer_than_twelve_minutes_for_three_modes() {
        assert!(Timeline::FULL.end() * 3 < Duration::from_secs(12 * 60));
        assert!(Timeline::QUICK.end() * 3 < Duration::from_secs(7 * 60));
    }

    #[test]
    fn who_came_last_leaves_first_and_nobody_before_all_have_come() {
        let line = Timeline::FULL;
        assert!(line.arrives(NEWCOMERS - 1) < line.leaves(NEWCOMERS - 1));
        assert!(line.leaves(1) < line.leaves(0) && line.left() < line.end());
    }
}
