//! One connection, as the census sees it: whose playlist it carried last, and whether it is still being sent anything.
//!
//! A player on a slow line may ask nothing for many seconds while a segment trickles to it. What tells it from one that has
//! left is not what was written to the socket (the system takes a whole segment at once) but what the peer has
//! acknowledged: as long as that grows, the session whose playlist this connection carried last is alive. So is one whose
//! answer waits for our own upstream.
//!
//! Some players (ffmpeg and all that is made of it) have one connection for playlists and another for segments, and reload
//! nothing while a segment trickles in: counted by the first alone, they would vanish just when an uplink is full. So a
//! connection that carried no playlist keeps alive the session that last reloaded the same rendition from the same address,
//! for as long as that one's own connection is open ([`Record::may_be_joined`]). Nobody is counted by an address: it only joins two connections of one
//! player, and where many share an address the worst is that one of them is joined for another.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use hls::cmcd::Report;
use policy::{Region, StreamName, Time};
use tokio::net::TcpStream;

use super::{Census, meter::Meter, record::Record, sent::Sent};
use crate::sys::TcpInfo;

/// A connection. The server notes on it; the census' sweep reads it.
#[derive(Debug)]
pub struct Line {
    socket: Weak<TcpStream>,
    peer: IpAddr,
    /// The session whose playlist it carried last.
    carried: ArcSwapOption<Record>,
    /// Where it carried none: the session whose segments it seems to carry.
    joined: ArcSwapOption<Record>,
    /// Bytes written to the socket.
    written: AtomicU64,
    /// Of these, the bytes that the peer had acknowledged at the last sweep.
    delivered: AtomicU64,
    /// Since when it has had something left to send at every sweep, in milliseconds; 0 while it has not.
    busy_since: AtomicU64,
    meter: Mutex<Meter>,
    /// For how long there had been something to send that its peer would have taken when it began to be busy.
    sending_before: Mutex<Duration>,
    /// Answers that wait for our upstream.
    waiting: AtomicU32,
    /// A relay's, which has shown a pass.
    relay: AtomicBool,
    /// Media that it was sent while it belonged to no session.
    sent: Sent,
}

/// A line that has had something left to send for so many target durations is behind real time: a player begins with three segments,
/// which take one and a half on a line that carries twice what it plays.
const BEHIND_TARGETS: u32 = 2;

/// A session's connection as a sweep sees it.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// Whose.
    pub(super) record: Arc<Record>,
    /// The session is alive because this connection is.
    pub(super) keeps_alive: bool,
    /// Something was sent since the last sweep, or is left to send.
    pub(super) sends: bool,
    /// There has been something left to send for longer than it plays.
    pub(super) behind: bool,
}

impl Line {
    pub(super) fn new(socket: Weak<TcpStream>, peer: IpAddr) -> Self {
        Self {
            socket,
            peer,
            carried: ArcSwapOption::empty(),
            joined: ArcSwapOption::empty(),
            written: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
            meter: Mutex::default(),
            sending_before: Mutex::default(),
            waiting: AtomicU32::new(0),
            relay: AtomicBool::new(false),
            sent: Sent::default(),
        }
    }

    /// Notes that a relay has shown a pass on it.
    pub fn is_of_relay(&self) {
        self.relay.store(true, Relaxed);
    }

    /// Whether a relay has shown a pass on it.
    #[must_use]
    pub fn is_relay(&self) -> bool {
        self.relay.load(Relaxed)
    }

    /// Who is at the other end.
    pub(super) const fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Its socket, while it is open.
    #[cfg(test)]
    pub(crate) fn socket(&self) -> Option<Arc<TcpStream>> {
        self.socket.upgrade()
    }

    /// Notes that bytes were written to the socket.
    pub fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Relaxed);
    }

    /// Notes that an answer waits for our upstream, until what this gives is dropped.
    #[must_use]
    pub fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Relaxed);
        Waiting(Arc::clone(self))
    }

    /// Notes whose playlist it carries.
    pub(super) fn carries(&self, record: &Arc<Record>) {
        let same = self.carried.load().as_ref().is_some_and(|carried| Arc::ptr_eq(carried, record));
        if !same {
            record.line_opened();
            close(self.carried.swap(Some(Arc::clone(record))));
        }
    }

    /// The session whose playlist it carried last.
    pub(super) fn carried(&self) -> Option<Arc<Record>> {
        self.carried.load_full()
    }

    /// Notes that media are asked for on it.
    pub(super) fn takes_media(&self) {
        if let Some(record) = self.session() {
            record.takes_media();
        }
    }

    /// Adds what it has carried since it was measured last to what its session's line carries.
    pub(super) fn measure(&self, stream: &StreamName) {
        let Some(record) = self.session().filter(|record| record.session.stream == *stream) else { return };
        let Some(info) = self.info() else { return };
        if let Some(carried) = self.meter.lock().unwrap_or_else(PoisonError::into_inner).look(info) {
            record.personal().carried(carried);
        }
    }

    fn info(&self) -> Option<TcpInfo> {
        self.socket.upgrade().and_then(|socket| crate::sys::tcp_info(&socket))
    }

    /// Since when it has had something left to send at every sweep, if it has.
    fn busy_since(&self, left: u64, now: Time) -> Option<Time> {
        let since = self.busy_since.load(Relaxed);
        if left == 0 {
            self.busy_since.store(0, Relaxed);
            return None;
        }
        if since == 0 {
            self.busy_since.store(now.as_millis().max(1), Relaxed);
            let sending = self.info().map(|info| info.sending()).unwrap_or_default();
            *self.sending_before.lock().unwrap_or_else(PoisonError::into_inner) = sending;
            return Some(now);
        }
        Some(Time::from_millis(since))
    }

    /// Whether there has been something left to send for longer than it plays, and that for want of a faster line: who takes no more
    /// because he has enough (ffmpeg reads no faster than it plays) falls behind nobody.
    fn is_behind(&self, since: Time, target: Duration, now: Time) -> bool {
        let busy = now.since(since);
        if target.is_zero() || busy <= target * BEHIND_TARGETS {
            return false;
        }
        let before = *self.sending_before.lock().unwrap_or_else(PoisonError::into_inner);
        // Where the kernel cannot tell, it counts.
        self.info().is_none_or(|info| info.sending().saturating_sub(before) > busy / 2)
    }

    /// Whether it has carried a playlist of a session.
    pub(super) fn has_carried(&self) -> bool {
        self.carried.load().is_some()
    }

    /// Notes whose segments it seems to carry.
    pub(super) fn joins(&self, record: Option<Arc<Record>>) {
        self.joined.store(record);
    }

    /// Notes what a player says on this connection of how it plays: the region of its session and whether it is the first that this
    /// says; none if it belongs to no session.
    pub fn tells(&self, report: Report, now: Time) -> Option<(Region, bool)> {
        let record = self.session()?;
        record.says(report, now);
        Some((record.session.region.clone(), record.begins_to_tell()))
    }

    /// Notes that it is sent so much media; how much its session had been sent before, over whatever connections, or else it alone.
    #[must_use]
    pub fn sent(&self, media: Duration) -> Duration {
        self.session().map_or_else(|| self.sent.add(media), |record| record.sent.add(media))
    }

    /// Since when its session has asked for one rung above `cap`, whatever its player measured; none if it has not.
    #[must_use]
    pub fn above_since(&self, cap: usize) -> Option<Time> {
        self.session()?.above_since(cap)
    }

    /// The session that it belongs to, if any.
    fn session(&self) -> Option<Arc<Record>> {
        let joined = || self.joined.load_full().filter(|record| record.may_be_joined());
        self.carried.load_full().or_else(joined)
    }

    /// How the connection of a session stands; none if it belongs to none. Only the sweep looks.
    pub(super) fn look(&self, now: Time) -> Option<Look> {
        let record = self.session()?;
        let (advances, left) = self.progress();
        let busy_since = self.busy_since(left, now);
        let target = record.target_duration();
        let behind = busy_since.is_some_and(|since| self.is_behind(since, target, now));
        Some(Look {
            keeps_alive: advances || self.waiting.load(Relaxed) > 0,
            sends: advances || left > 0,
            behind: behind || record.says_it_runs_out(now),
            record,
        })
    }

    /// Whether the peer has acknowledged anything since the last sweep, and what it has not acknowledged yet.
    fn progress(&self) -> (bool, u64) {
        let written = self.written.load(Relaxed);
        let before = self.delivered.load(Relaxed);
        if written == before {
            return (false, 0);
        }
        let queued = self.socket.upgrade().and_then(|socket| crate::sys::unacknowledged(&socket));
        let delivered = written.saturating_sub(queued.unwrap_or(0)).max(before);
        self.delivered.store(delivered, Relaxed);
        (delivered > before, written - delivered)
    }
}

fn close(carried: Option<Arc<Record>>) {
    if let Some(record) = carried {
        record.line_closed();
    }
}

/// An answer that waits for our upstream.
#[derive(Debug)]
pub struct Waiting(Arc<Line>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

/// A connection in the census' table, for as long as this lives.
#[derive(Debug)]
pub struct Connected {
    census: Arc<Census>,
    number: u64,
    line: Arc<Line>,
}

impl Connected {
    /// Enters a connection.
    #[must_use]
    pub fn new(census: &Arc<Census>, socket: &Arc<TcpStream>, peer: IpAddr) -> Self {
        let line = Arc::new(Line::new(Arc::downgrade(socket), peer));
        let number = census.connected(&line);
        Self { census: Arc::clone(census), number, line }
    }

    /// What the census sees of it.
    #[must_use]
    pub fn line(&self) -> &Arc<Line> {
        &self.line
    }
}

impl Drop for Connected {
    /// Told rather than left to the line's own end: the map lets go of it at some later moment.
    fn drop(&mut self) {
        close(self.line.carried.swap(None));
        self.census.disconnected(self.number);
    }
}
