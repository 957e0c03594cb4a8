//! What a session's connections carry from look to look, and in what time: the measure of a viewer's line.
//!
//! ```text
//! carried     bytes that the peer has, also beyond a lost packet
//! busy        the time in which there was something to send that the peer would have taken
//! waited      the time in which next to nothing was left and nothing of that came, or the last packets of something long: one of them was
//!             lost, and the line had nothing else to carry, so that this time says nothing of what it carries at most
//! ```
//!
//! A look in which nothing came through is counted with the next in which something does. So a connection whose peer has gone without a
//! word says nothing of the line, while its session may live on in another.

use std::{ops::AddAssign, time::Duration};

use policy::Time;

use crate::sys::TcpInfo;

/// Less than this is next to nothing: about as many packets as are sent before the first is acknowledged (RFC 6928).
const LITTLE: u64 = 16 << 10;

/// Less than this says more of round trips than of the line: an initialization section, a few playlists.
const LEAST_BYTES: u64 = 16 << 10;

/// But not if it took as long as this while there was more to send: then the line has become bad.
const LEAST_BUSY: Duration = Duration::from_secs(1);

/// What was carried, and in what time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Carried {
    /// Bytes.
    pub(super) bytes: u64,
    /// For how long there was something to send, without the time that was only waited.
    pub(super) busy: Duration,
    /// For how long a lost packet was waited for.
    pub(super) waited: Duration,
}

impl AddAssign for Carried {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.busy += other.busy;
        self.waited += other.waited;
    }
}

/// Measures one connection.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Bytes carried until the last look.
    bytes: u64,
    /// For how long there had been something to send until then.
    sending: Duration,
    /// Of the looks in which nothing came through.
    pending: Carried,
    /// At the last look something long was on its way.
    long: bool,
}

impl Meter {
    /// What it has carried since the last look in which something came through; none if nothing did since.
    pub(super) fn look(&mut self, info: TcpInfo) -> Option<Carried> {
        let bytes = info.bytes_delivered.saturating_sub(self.bytes);
        let passed = info.sending().saturating_sub(self.sending);
        // A packet counts as whole until its bytes are known.
        (self.bytes, self.sending) = (self.bytes.max(info.bytes_delivered), info.sending());
        let waited = self.waited(bytes, passed, info);
        self.long = info.bytes_left >= LITTLE || info.bytes_left > 0 && (self.long || bytes >= LITTLE);
        self.pending.busy += passed - waited;
        self.pending.waited += waited;
        (bytes > 0).then(|| Carried { bytes, ..std::mem::take(&mut self.pending) })
    }

    /// How much of the time that has passed was only waited.
    fn waited(&self, bytes: u64, passed: Duration, info: TcpInfo) -> Duration {
        let (ended, long) = (info.bytes_left == 0, self.long || bytes >= LITTLE);
        if info.bytes_left >= LITTLE {
            Duration::ZERO
        } else if bytes == 0 || ended && self.long && bytes < LITTLE {
            passed
        } else if !ended && long {
            // It may come slowly, and be no loss.
            passed.min(info.since_acked)
        } else {
            Duration::ZERO
        }
    }
}

/// Puts together what the connections of one session carry, until it says something of their line.
#[derive(Debug, Default)]
pub(super) struct Together {
    /// Since the last look.
    newest: Carried,
    /// The longest that any of them took for that, which may have begun before it.
    longest: Duration,
    /// When the last look was.
    looked_at: Time,
    /// Of all looks, until it says something.
    carried: Carried,
    /// When it last did.
    told_at: Time,
}

impl Together {
    /// Adds what one connection has carried.
    pub(super) fn add(&mut self, carried: Carried) {
        self.newest += carried;
        self.longest = self.longest.max(carried.busy + carried.waited);
    }

    /// What they have carried since this last said something; none while that says nothing of the line.
    pub(super) fn look(&mut self, now: Time) -> Option<Carried> {
        let (carried, longest) = (std::mem::take(&mut self.newest), std::mem::take(&mut self.longest));
        let length = now.since(std::mem::replace(&mut self.looked_at, now));
        // What one of them did in silence is known only now; but it says nothing of a time that was told by what another carried.
        let length = length.max(longest.min(now.since(self.told_at)));
        // Several at once are busy in the same time, and while one is, no other is waited for.
        let busy = carried.busy.min(length);
        let waited = carried.waited.min(length - busy);
        self.carried += Carried { busy, waited, ..carried };
        if self.carried.bytes < LEAST_BYTES && self.carried.busy < LEAST_BUSY {
            return None;
        }
        self.told_at = now;
        Some(std::mem::take(&mut self.carried))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: u64 = 500;

    /// A connection that is looked at every half second, and what the kernel says of it then.
    #[derive(Default)]
    struct Connection {
        meter: Meter,
        delivered: u64,
        busy_ms: u64,
    }

    impl Connection {
        /// In half a second so many bytes are delivered in so many milliseconds, the last so many before its end; so many are left.
        fn look(&mut self, bytes: u64, busy_ms: u64, since_acked_ms: u64, left: u64) -> Option<Carried> {
            self.delivered += bytes;
            self.busy_ms += busy_ms;
            self.meter.look(TcpInfo {
                bytes_delivered: self.delivered,
                bytes_left: left,
                busy: Duration::from_millis(self.busy_ms),
                since_acked: Duration::from_millis(since_acked_ms),
                ..TcpInfo::default()
            })
        }
    }

    fn carried(bytes: u64, busy_ms: u64, waited_ms: u64) -> Option<Carried> {
        let [busy, waited] = [busy_ms, waited_ms].map(Duration::from_millis);
        Some(Carried { bytes, busy, waited })
    }

    #[test]
    fn what_is_carried_while_much_is_left_takes_its_time() {
        let mut connection = Connection::default();
        assert_eq!(connection.look(75_000, LOOK, 10, 100_000), carried(75_000, 500, 0));
        assert_eq!(connection.look(1_448, LOOK, 400, 100_000), carried(1_448, 500, 0), "the line is bad");
        assert_eq!(connection.look(100_000, 300, 200, 0), carried(100_000, 300, 0));
        assert_eq!(connection.look(0, 0, 700, 0), None, "it is idle");
    }

    #[test]
    fn the_last_packets_of_something_long_are_waited_for() {
        let mut connection = Connection::default();
        connection.look(75_000, LOOK, 10, 40_000);
        assert_eq!(connection.look(38_552, LOOK, 200, 1_448), carried(38_552, 300, 200), "one is lost");
        assert_eq!(connection.look(0, LOOK, 700, 1_448), None);
        assert_eq!(connection.look(1_448, 100, 400, 0), carried(1_448, 0, 600), "it has come");
        assert_eq!(connection.look(2_000, 100, 50, 0), carried(2_000, 100, 0), "a playlist is not long");
        assert_eq!(connection.look(2_000, 100, 50, 1_000), carried(2_000, 100, 0));
    }

    #[test]
    fn a_line_that_brings_the_last_packets_slowly_is_a_bad_one() {
        let mut connection = Connection::default();
        connection.look(75_000, LOOK, 10, 15_000);
        assert_eq!(connection.look(6_000, LOOK, 40, 9_000), carried(6_000, 460, 40));
        assert_eq!(connection.look(6_000, LOOK, 40, 3_000), carried(6_000, 460, 40));
    }

    #[test]
    fn a_lost_playlist_is_waited_for_and_a_slow_one_is_not() {
        let mut connection = Connection::default();
        for _ in 0..2 {
            assert_eq!(connection.look(0, LOOK, 5_000, 2_000), None);
        }
        assert_eq!(connection.look(2_000, 100, 50, 0), carried(2_000, 100, 1_000));
        assert_eq!(connection.look(2_000, 300, 50, 0), carried(2_000, 300, 0));
    }

    #[test]
    fn where_nothing_comes_through_that_counts_when_something_does_again_and_never_if_nothing_does() {
        let mut connection = Connection::default();
        connection.look(75_000, LOOK, 10, 100_000);
        for _ in 0..4 {
            assert_eq!(connection.look(0, LOOK, 2_000, 100_000), None);
        }
        assert_eq!(connection.look(50_000, LOOK, 10, 50_000), carried(50_000, 2_500, 0));
    }

    #[test]
    fn what_counted_as_whole_packets_is_not_counted_again() {
        let mut connection = Connection::default();
        connection.look(75_000, LOOK, 10, 100_000);
        connection.delivered -= 5_000;
        assert_eq!(connection.look(0, LOOK, 10, 100_000), None);
        assert_eq!(connection.look(15_000, LOOK, 10, 100_000), carried(10_000, 1_000, 0));
    }

    /// What is told at second 20, and at each time in milliseconds after it, of connections of which each carried this.
    fn together(looks: &[(u64, &[Carried])]) -> Vec<Option<Carried>> {
        let mut together = Together::default();
        together.look(Time::from_millis(20_000));
        let look = |(ms, each): &(u64, &[Carried])| {
            each.iter().for_each(|carried| together.add(*carried));
            together.look(Time::from_millis(20_000 + ms))
        };
        looks.iter().map(look).collect()
    }

    #[test]
    fn two_connections_at_once_share_their_time() {
        let video = carried(100_000, 400, 0).unwrap();
        let waits = carried(1_448, 0, 500).unwrap();
        assert_eq!(together(&[(LOOK, &[video, video])]), [carried(200_000, 500, 0)]);
        assert_eq!(
            together(&[(LOOK, &[video, waits])]),
            [carried(101_448, 400, 100)],
            "nothing is waited for"
        );
    }

    #[test]
    fn a_connection_that_comes_back_says_nothing_of_the_time_in_which_another_carried() {
        let video = carried(100_000, 400, 0).unwrap();
        let back = carried(1_448, 20_000, 0).unwrap();
        let told = together(&[(LOOK, &[video]), (2 * LOOK, &[video, back])]);
        assert_eq!(told, [carried(100_000, 400, 0), carried(101_448, 500, 0)]);
        let alone =
            together(&[(LOOK, &[video]), (2 * LOOK, &[]), (9 * LOOK, &[carried(20_000, 4_000, 0).unwrap()])]);
        assert_eq!(alone, [carried(100_000, 400, 0), None, carried(20_000, 4_000, 0)]);
    }

    #[test]
    fn little_says_nothing_until_it_is_enough_or_has_taken_long() {
        let playlist = carried(6_000, 10, 0).unwrap();
        let told = together(&[(LOOK, &[playlist]), (2 * LOOK, &[playlist]), (3 * LOOK, &[playlist])]);
        assert_eq!(told, [None, None, carried(18_000, 30, 0)]);
        let bad = carried(1_448, LOOK, 0).unwrap();
        assert_eq!(together(&[(LOOK, &[bad]), (2 * LOOK, &[bad])]), [None, carried(2_896, 1_000, 0)]);
    }
}
