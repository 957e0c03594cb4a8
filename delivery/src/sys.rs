//! What neither std nor a safe crate can ask of the system, and the only unsafe code there is.
//!
//! One question: how many bytes of a TCP connection the peer has not acknowledged yet. It tells a slow viewer, who is still
//! being sent media long after the last write returned, from one who has left.
#![allow(unsafe_code, reason = "one ioctl that no safe crate offers; see its SAFETY comment")]

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
