//! A connection's socket as hyper reads and writes it, told apart only by what it counts: bytes for the census' line and
//! for the egress.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use metrics::Counter;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::{adaptation::Sent, census::Line};

/// Bytes sent on all connections.
#[derive(Debug)]
pub(super) struct Egress {
    to_viewers: AtomicU64,
    to_relays: AtomicU64,
    counter: Counter,
}

impl Egress {
    /// None yet; `counter` shows them.
    pub(super) fn new(counter: Counter) -> Self {
        Self { to_viewers: AtomicU64::new(0), to_relays: AtomicU64::new(0), counter }
    }

    /// Bytes sent since the start.
    pub(super) fn sent(&self) -> Sent {
        Sent { to_viewers: self.to_viewers.load(Relaxed), to_relays: self.to_relays.load(Relaxed) }
    }

    fn add(&self, bytes: usize, to_relay: bool) {
        let total = if to_relay { &self.to_relays } else { &self.to_viewers };
        total.fetch_add(bytes as u64, Relaxed);
        self.counter.increment(bytes as u64);
    }
}

/// The socket of one connection.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    line: Arc<Line>,
    egress: Arc<Egress>,
}

impl Socket {
    /// `stream`, counting for `line` and `egress`.
    pub(super) fn new(stream: Arc<TcpStream>, line: Arc<Line>, egress: Arc<Egress>) -> Self {
        Self { stream, line, egress }
    }

    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    if let Ok(bytes) = written {
                        self.line.wrote(bytes);
                        self.egress.add(bytes, self.line.is_relay());
                    }
                    return Poll::Ready(written);
                }
            }
        }
    }
}

/// Sets what every connection has: no waiting to fill packets, and an end to clients that take nothing.
pub(super) fn tune(stream: &TcpStream, stall_timeout: Duration) {
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(stream).set_tcp_user_timeout(Some(stall_timeout)));
    if let Err(error) = tuned {
        tracing::debug!(%error, "a connection keeps the system's settings");
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read_buf(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(drop)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.stream).shutdown(std::net::Shutdown::Write))
    }
}
