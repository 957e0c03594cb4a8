//! One connection, as the census sees it: whose playlist it carried last, and whether it is still being sent anything.
//!
//! A player on a slow line may ask nothing for many seconds while a segment trickles to it. What tells it from one that has
//! left is not what was written to the socket (the system takes a whole segment at once) but what the peer has
//! acknowledged: as long as that grows, the session whose playlist this connection carried last is alive. So is one whose
//! answer waits for our own upstream.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwapOption;
use tokio::net::TcpStream;

use super::{Census, record::Record};

/// A connection. The server notes on it; the census' sweep reads it.
#[derive(Debug)]
pub struct Line {
    socket: Weak<TcpStream>,
    carried: ArcSwapOption<Record>,
    /// Bytes written to the socket.
    written: AtomicU64,
    /// Of these, the bytes that the peer had acknowledged at the last sweep.
    delivered: AtomicU64,
    /// Answers that wait for our upstream.
    waiting: AtomicU32,
}

impl Line {
    pub(super) fn new(socket: &Arc<TcpStream>) -> Self {
        Self::over(Arc::downgrade(socket))
    }

    /// A line that nothing was ever sent on.
    #[cfg(test)]
    pub(super) fn without_socket() -> Self {
        Self::over(Weak::new())
    }

    fn over(socket: Weak<TcpStream>) -> Self {
        Self {
            socket,
            carried: ArcSwapOption::empty(),
            written: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
        }
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
            self.carried.store(Some(Arc::clone(record)));
        }
    }

    /// The session that is alive because this connection is: none if it carried no playlist, or stands still.
    pub(super) fn keeps_alive(&self) -> Option<Arc<Record>> {
        let record = self.carried.load_full()?;
        (self.advances() || self.waiting.load(Relaxed) > 0).then_some(record)
    }

    /// Whether the peer has acknowledged anything since the last sweep.
    fn advances(&self) -> bool {
        let written = self.written.load(Relaxed);
        let before = self.delivered.load(Relaxed);
        if written == before {
            return false;
        }
        let queued = self.socket.upgrade().and_then(|socket| crate::sys::unacknowledged(&socket));
        let delivered = written.saturating_sub(queued.unwrap_or(0));
        self.delivered.store(delivered.max(before), Relaxed);
        delivered > before
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
    pub fn new(census: &Arc<Census>, socket: &Arc<TcpStream>) -> Self {
        let line = Arc::new(Line::new(socket));
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
    fn drop(&mut self) {
        self.census.disconnected(self.number);
    }
}
