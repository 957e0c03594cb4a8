//! What neither std nor a safe crate can ask of the system, and the only unsafe code there is.
//!
//! How many bytes of a TCP connection the peer has not acknowledged yet: it tells a slow viewer, who is still being sent media
//! long after the last write returned, from one who has left. And what else the kernel knows of the way to a peer: what it has
//! acknowledged, and for how long that was being sent. One thing is told to it: how fast to send at most.
#![allow(unsafe_code, reason = "system calls that no safe crate offers; see their SAFETY comments")]

use std::time::Duration;

use tokio::net::TcpStream;

/// Bytes in the socket's send queue: written and not yet acknowledged. `None` where the system cannot tell.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[must_use]
pub(crate) fn unacknowledged(socket: &TcpStream) -> Option<u64> {
    use rustix::ioctl::{Getter, Opcode, ioctl};

    /// linux/sockios.h and, as `TIOCOUTQ`, asm-generic/ioctls.h, which both of these architectures use.
    const SIOCOUTQ: Opcode = 0x5411;
    // SAFETY: SIOCOUTQ writes one C int to its argument and does nothing else (tcp(7)); `Getter` passes a pointer to a
    // c_int that it owns.
    let queued = unsafe { ioctl(socket, Getter::<SIOCOUTQ, std::ffi::c_int>::new()) };
    queued.ok().and_then(|bytes| u64::try_from(bytes).ok())
}

/// Bytes in the socket's send queue: written and not yet acknowledged. `None` where the system cannot tell.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[must_use]
pub(crate) fn unacknowledged(_: &TcpStream) -> Option<u64> {
    None
}

/// Whether connections can be paced at all. TCP does it by itself since Linux 4.13; before that it took the queueing discipline fq.
pub(crate) const CAN_PACE: bool = cfg!(target_os = "linux");

/// The rate by which the kernel knows that there is no limit.
pub(crate) const UNPACED: u32 = u32::MAX;

/// Has the kernel send no more than so many bytes per second on this connection, whatever waits in the socket.
///
/// # Errors
/// As setsockopt(2) says, and wherever connections cannot be paced.
#[cfg(target_os = "linux")]
pub(crate) fn set_max_pacing_rate(socket: &TcpStream, bytes_per_second: u32) -> std::io::Result<()> {
    use std::os::fd::AsRawFd as _;

    let length = libc::socklen_t::try_from(size_of::<u32>()).expect("four bytes are few");
    // SAFETY: SO_MAX_PACING_RATE reads an unsigned int of `length` bytes from its argument and writes nothing (socket(7));
    // `bytes_per_second` is one and outlives the call. The descriptor is open, because `socket` is borrowed.
    let failed = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MAX_PACING_RATE,
            (&raw const bytes_per_second).cast(),
            length,
        )
    };
    if failed == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Has the kernel send no more than so many bytes per second on this connection.
///
/// # Errors
/// Always: connections cannot be paced here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn set_max_pacing_rate(_: &TcpStream, _: u32) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// What the kernel has seen of one connection since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TcpInfo {
    /// Bytes that the peer has acknowledged, and those that it has beyond a lost packet (SACK, RFC 2018), these in whole packets.
    pub(crate) bytes_delivered: u64,
    /// Bytes written that it has not, those on their way in whole packets.
    pub(crate) bytes_left: u64,
    /// How long ago anything came from it: every packet acknowledges, also one that acknowledges nothing new.
    pub(crate) since_acked: Duration,
    /// For how long there was something to send, written and not yet acknowledged: whole ticks of the kernel's clock, of 1 to 10 ms,
    /// so that an answer which is acknowledged within one may not show.
    pub(crate) busy: Duration,
    /// For how long of that the peer took nothing more: a player that has enough and does not read, which says nothing of the line.
    pub(crate) held_up: Duration,
    /// Bytes per second that it is sent at most; `u64::MAX` without a limit.
    pub(crate) max_pacing_rate: u64,
}

impl TcpInfo {
    /// For how long there was something to send that the peer would have taken.
    pub(crate) fn sending(&self) -> Duration {
        self.busy.saturating_sub(self.held_up)
    }
}

/// `struct tcp_info` of linux/tcp.h as far as it is read. The kernel only ever adds to its end.
#[cfg(target_os = "linux")]
#[derive(Default)]
#[repr(C)]
struct KernelTcpInfo {
    /// From `tcpi_state` to the bit fields.
    states: [u8; 8],
    /// `tcpi_rto` and `tcpi_ato`, in microseconds.
    timeouts: [u32; 2],
    snd_mss: u32,
    rcv_mss: u32,
    /// Packets sent and not acknowledged in order.
    unacked: u32,
    /// Of these, packets that the peer has.
    sacked: u32,
    /// From `tcpi_lost` to `tcpi_last_data_recv`.
    counters: [u32; 6],
    /// In milliseconds, as it is asked for.
    last_ack_recv: u32,
    /// From `tcpi_pmtu` to `tcpi_total_retrans`.
    more_counters: [u32; 11],
    pacing_rate: u64,
    max_pacing_rate: u64,
    bytes_acked: u64,
    bytes_received: u64,
    /// `tcpi_segs_out` and `tcpi_segs_in`.
    segments: [u32; 2],
    notsent_bytes: u32,
    /// From `tcpi_min_rtt` to `tcpi_data_segs_out`.
    data_segments: [u32; 3],
    delivery_rate: u64,
    busy_time_us: u64,
    rwnd_limited_us: u64,
}

/// What the kernel has seen of a connection. `None` where it cannot tell all of it: `tcpi_rwnd_limited` came with Linux 4.10.
#[cfg(target_os = "linux")]
#[must_use]
pub(crate) fn tcp_info(socket: &TcpStream) -> Option<TcpInfo> {
    use std::os::fd::AsRawFd as _;

    let mut info = KernelTcpInfo::default();
    let whole = libc::socklen_t::try_from(size_of::<KernelTcpInfo>()).ok()?;
    let mut length = whole;
    // SAFETY: TCP_INFO writes at most `length` bytes to its argument and sets `length` to how many (tcp(7)); both point to values
    // of this function, `info` is as long as `length` says, and any bytes are valid integers. The descriptor is open, because
    // `socket` is borrowed.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    let packets = |number: u32| u64::from(number) * u64::from(info.snd_mss);
    (failed == 0 && length == whole).then(|| TcpInfo {
        bytes_delivered: info.bytes_acked + packets(info.sacked),
        bytes_left: packets(info.unacked.saturating_sub(info.sacked)) + u64::from(info.notsent_bytes),
        since_acked: Duration::from_millis(u64::from(info.last_ack_recv)),
        busy: Duration::from_micros(info.busy_time_us),
        held_up: Duration::from_micros(info.rwnd_limited_us),
        max_pacing_rate: info.max_pacing_rate,
    })
}

/// What the kernel has seen of a connection. `None` where it cannot tell.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub(crate) fn tcp_info(_: &TcpStream) -> Option<TcpInfo> {
    None
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        time::timeout,
    };

    use super::*;

    /// More than the kernel sends before it has heard from the peer.
    const BYTES: usize = 1 << 20;

    /// Long enough for thousands of them.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn the_mirror_has_the_kernels_layout() {
        use std::mem::offset_of;
        // As offsetof gives them for linux/tcp.h, on 64-bit systems.
        assert_eq!(offset_of!(KernelTcpInfo, snd_mss), 16);
        assert_eq!(offset_of!(KernelTcpInfo, unacked), 24);
        assert_eq!(offset_of!(KernelTcpInfo, sacked), 28);
        assert_eq!(offset_of!(KernelTcpInfo, last_ack_recv), 56);
        assert_eq!(offset_of!(KernelTcpInfo, max_pacing_rate), 112);
        assert_eq!(offset_of!(KernelTcpInfo, bytes_acked), 120);
        assert_eq!(offset_of!(KernelTcpInfo, notsent_bytes), 144);
        assert_eq!(offset_of!(KernelTcpInfo, busy_time_us), 168);
        assert_eq!(offset_of!(KernelTcpInfo, rwnd_limited_us), 176);
        assert_eq!(size_of::<KernelTcpInfo>(), 184);
    }

    #[tokio::test]
    async fn a_pace_is_set_and_taken_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        for (told, known) in [(1_000, 1_000), (u32::MAX - 1, u64::from(u32::MAX - 1)), (UNPACED, u64::MAX)] {
            set_max_pacing_rate(&socket, told).unwrap();
            assert_eq!(tcp_info(&socket).unwrap().max_pacing_rate, known);
        }
    }

    #[tokio::test]
    async fn the_kernel_tells_what_a_peer_has_acknowledged_and_for_how_long_it_was_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut socket, _) = listener.accept().await.unwrap();
        let before = tcp_info(&socket).unwrap();
        assert_eq!(before.busy, Duration::ZERO);
        let mut sent = 0;
        let is_busy = async {
            loop {
                exchange(&mut socket, &mut peer).await;
                sent += BYTES as u64;
                let after = tcp_info(&socket).unwrap();
                assert_eq!((after.bytes_delivered - before.bytes_delivered, after.bytes_left), (sent, 0));
                if after.busy > Duration::ZERO {
                    return;
                }
            }
        };
        timeout(PATIENCE, is_busy).await.expect("some exchange lasts from one tick to the next");
    }

    #[tokio::test]
    async fn what_the_peer_does_not_take_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let mut written = 0;
        socket.writable().await.unwrap();
        while let Ok(bytes) = socket.try_write(&[7; 1 << 16]) {
            written += bytes as u64;
        }
        let told = async {
            loop {
                let info = tcp_info(&socket).unwrap();
                // Of what is under way, whole packets are counted.
                if info.bytes_delivered > 0 && info.bytes_delivered + info.bytes_left >= written {
                    return info;
                }
                tokio::task::yield_now().await;
            }
        };
        let info = timeout(PATIENCE, told).await.expect("it takes something, and no more than its buffer");
        assert!(info.bytes_left > 0 && info.bytes_delivered < written, "{info:?} of {written}");
    }

    /// Sends `BYTES`, and is answered, which acknowledges all that came before.
    async fn exchange(socket: &mut TcpStream, peer: &mut TcpStream) {
        let (bytes, mut received) = (vec![7; BYTES], vec![0; BYTES]);
        let (written, read) = tokio::join!(socket.write_all(&bytes), peer.read_exact(&mut received));
        written.and(read.map(drop)).unwrap();
        peer.write_all(b"!").await.unwrap();
        socket.read_exact(&mut [0]).await.unwrap();
    }
}
