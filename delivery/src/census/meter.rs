//! What one connection carries from look to look, and in what time: the measure of a viewer's line.
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

use crate::sys::TcpInfo;

/// Less than this is next to nothing: about as many packets as are sent before the first is acknowledged (RFC 6928).
const LITTLE: u64 = 16 << 10;

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
}
