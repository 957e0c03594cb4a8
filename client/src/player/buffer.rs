//! What a player has loaded and not yet shown: it starts with enough, drains in real time, and stalls when empty.
//!
//! A stall is what a viewer sees, and so what this project is measured by. Knows nothing of where media comes from.

use std::time::Duration;

use policy::Time;

/// How a buffer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Playing starts, and starts again after a stall, with this much.
    pub start_with: Duration,
    /// Nothing is loaded ahead beyond this.
    pub full_at: Duration,
}

/// What happened to a viewer so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Experience {
    /// From the first request to the first picture; none while there is none.
    pub start_up: Option<Duration>,
    /// How often the picture stood still.
    pub stalls: u32,
    /// For how long, in total.
    pub stalled: Duration,
    /// The longest of them.
    pub longest_stall: Duration,
    /// How much was shown.
    pub played: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Playing,
    Stalled {
        since: Time,
    },
    /// Everything there will ever be is loaded: running empty is the end, not a stall.
    Ending,
}

/// One viewer's buffer.
#[derive(Debug, Clone)]
pub struct Buffer {
    bounds: Bounds,
    began: Time,
    at: Time,
    level: Duration,
    state: State,
    experience: Experience,
}

impl Buffer {
    /// Empty, for a viewer who pressed play at `now`.
    #[must_use]
    pub fn new(bounds: Bounds, now: Time) -> Self {
        Self {
            bounds,
            began: now,
            at: now,
            level: Duration::ZERO,
            state: State::Starting,
            experience: Experience::default(),
        }
    }

    /// Media of this length has been loaded.
    pub fn append(&mut self, length: Duration, now: Time) {
        self.advance(now);
        self.level += length;
        if self.level >= self.bounds.start_with {
            self.start(now);
        }
    }

    /// There is no more to load: what is there is played, however little.
    pub fn finish(&mut self, now: Time) {
        self.advance(now);
        self.start(now);
        self.state = State::Ending;
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Time) {
        let passed = now.since(self.at);
        match self.state {
            State::Starting => {}
            State::Playing if passed > self.level => {
                let since = self.at + self.level;
                self.play(self.level);
                self.state = State::Stalled { since };
                self.experience.stalls += 1;
                self.lengthen_stall(since, since, now);
            }
            State::Playing => self.play(passed),
            State::Ending => self.play(passed.min(self.level)),
            State::Stalled { since } => self.lengthen_stall(since, self.at, now),
        }
        self.at = self.at.max(now);
    }

    /// How much is loaded and not yet shown.
    #[must_use]
    pub fn level(&self) -> Duration {
        self.level
    }

    /// How long loading of a track pauses that is `ahead` of what can be shown, because the buffer is full; zero while it is
    /// not.
    #[must_use]
    pub fn full_for(&self, ahead: Duration) -> Duration {
        (self.level + ahead).saturating_sub(self.bounds.full_at)
    }

    /// How long the picture has stood still by now; zero while it moves.
    #[must_use]
    pub fn stalling(&self) -> Duration {
        match self.state {
            State::Stalled { since } => self.at.since(since),
            _ => Duration::ZERO,
        }
    }

    /// Whether everything that will ever be there has been shown.
    #[must_use]
    pub fn shown_to_the_end(&self) -> bool {
        self.state == State::Ending && self.level.is_zero()
    }

    /// What the viewer went through.
    #[must_use]
    pub fn experience(&self) -> Experience {
        self.experience
    }

    fn start(&mut self, now: Time) {
        if self.state == State::Starting {
            self.experience.start_up = Some(now.since(self.began));
        }
        if matches!(self.state, State::Starting | State::Stalled { .. }) {
            self.state = State::Playing;
        }
    }

    fn play(&mut self, length: Duration) {
        self.level = self.level.saturating_sub(length);
        self.experience.played += length;
    }

    fn lengthen_stall(&mut self, since: Time, from: Time, now: Time) {
        self.experience.stalled += now.since(from);
        self.experience.longest_stall = self.experience.longest_stall.max(now.since(since));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { start_with: Duration::from_secs(2), full_at: Duration::from_secs(10) };

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn it_starts_with_enough_drains_in_real_time_and_stalls_when_empty() {
        let mut buffer = Buffer::new(BOUNDS, at(1000));
        buffer.append(ms(1500), at(1200));
        assert_eq!(buffer.experience().start_up, None);
        buffer.append(ms(1500), at(1500));
        assert_eq!(buffer.experience().start_up, Some(ms(500)));
        buffer.advance(at(4500));
        assert_eq!((buffer.level(), buffer.experience().stalls), (ms(0), 0));
        buffer.advance(at(5000));
        assert_eq!((buffer.experience().stalls, buffer.stalling()), (1, ms(500)));
        buffer.append(ms(2000), at(5700));
        let experience = buffer.experience();
        assert_eq!((experience.stalled, experience.longest_stall), (ms(1200), ms(1200)));
        assert_eq!((buffer.stalling(), buffer.level()), (ms(0), ms(2000)));
    }

    #[test]
    fn running_empty_at_the_end_of_a_stream_is_no_stall() {
        let mut buffer = Buffer::new(BOUNDS, at(0));
        buffer.append(ms(1000), at(0));
        buffer.finish(at(100));
        buffer.advance(at(5000));
        assert!(buffer.shown_to_the_end());
        assert_eq!((buffer.experience().stalls, buffer.experience().played), (0, ms(1000)));
    }

    proptest! {
        #[test]
        fn every_moment_is_start_up_or_played_or_stalled(
            steps in proptest::collection::vec((0_u64..4000, proptest::option::of(1_u64..3000)), 1..60)
        ) {
            let (mut buffer, mut now, mut loaded) = (Buffer::new(BOUNDS, at(0)), 0, 0);
            for (pass, append) in steps {
                now += pass;
                match append {
                    Some(length) => {
                        loaded += length;
                        buffer.append(ms(length), at(now));
                    }
                    None => buffer.advance(at(now)),
                }
                let experience = buffer.experience();
                prop_assert_eq!(experience.played + buffer.level(), ms(loaded));
                prop_assert!(experience.longest_stall <= experience.stalled);
                if let Some(start_up) = experience.start_up {
                    prop_assert_eq!(start_up + experience.played + experience.stalled, ms(now));
                }
            }
        }
    }
}
