//! MPEG-2 transport streams (ISO/IEC 13818-1), as far as a live stream needs them: which packets carry what, and when it begins.
//!
//! One program a stream, as HLS has it (RFC 8216bis 3.1.1). Packets are read one by one and borrowed: a segment is large, and what
//! is asked of it stands at its start.

pub mod counters;
mod look;
mod packet;
mod pes;
mod tables;

pub(crate) use self::look::look;

/// A transport stream that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTs {
    /// Where a packet should begin there is none.
    #[error("there is no packet at byte {0}")]
    NoPacket(usize),
    /// Its tables are missing, cut off, or have more than one program.
    #[error("it has no {0}, or one that makes no sense")]
    NoTable(&'static str),
    /// A packetized elementary stream without a time at its start.
    #[error("PID {0} begins without a time")]
    NoTime(u16),
}
