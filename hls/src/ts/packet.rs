//! The packets of a transport stream (ISO/IEC 13818-1 2.4.3.2).

use super::InvalidTs;

/// Bytes of a packet.
pub(crate) const LEN: usize = 188;

/// Bytes of a packet's header, the adaptation field not counted.
pub(crate) const HEADER: usize = 4;

const SYNC: u8 = 0x47;

/// The bit of the second byte by which something begins in the packet.
const IS_START: u8 = 0x40;

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet<'a>(&'a [u8; LEN]);

/// The packets of `data`, up to the first that is none.
pub(crate) fn packets(data: &[u8]) -> impl Iterator<Item = Result<Packet<'_>, InvalidTs>> {
    data.chunks(LEN)
        .enumerate()
        .map(|(index, bytes)| Packet::of(bytes).ok_or(InvalidTs::NoPacket(index * LEN)))
}

impl<'a> Packet<'a> {
    /// A packet whose adaptation field ends within it.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let packet = Self(bytes.try_into().ok()?);
        let fits = packet.payload_at() <= LEN;
        (packet.0[0] == SYNC && fits).then_some(packet)
    }

    pub(crate) fn pid(self) -> u16 {
        u16::from_be_bytes([self.0[1] & 0x1f, self.0[2]])
    }

    /// Whether a section or a packet of the elementary stream begins in it.
    pub(crate) fn is_start(self) -> bool {
        self.0[1] & IS_START != 0
    }

    pub(crate) fn is_scrambled(self) -> bool {
        self.0[3] & 0xc0 != 0
    }

    pub(crate) fn has_payload(self) -> bool {
        self.0[3] & 0x10 != 0
    }

    /// Its count among those of its PID, of four bits.
    pub(crate) fn counter(self) -> u8 {
        self.0[3] & 0x0f
    }

    /// Whether it says that its count need not go on from the one before.
    pub(crate) fn is_discontinuous(self) -> bool {
        self.adaptation().first().is_some_and(|flags| flags & 0x80 != 0)
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn header(self) -> [u8; HEADER] {
        [self.0[0], self.0[1], self.0[2], self.0[3]]
    }

    /// The header of a packet that goes on with what this one carries.
    pub(crate) fn continued_header(self) -> [u8; HEADER] {
        let [sync, second, third, fourth] = self.header();
        [sync, second & !IS_START, third, fourth]
    }

    /// The adaptation field after its length; empty where there is none.
    pub(crate) fn adaptation(self) -> &'a [u8] {
        let end = if self.has_payload() { self.payload_at() } else { LEN };
        if self.has_adaptation() { &self.0[HEADER + 1..end.max(HEADER + 1)] } else { &[] }
    }

    fn has_adaptation(self) -> bool {
        self.0[3] & 0x20 != 0
    }

    /// What it carries.
    pub(crate) fn payload(self) -> &'a [u8] {
        if self.has_payload() { &self.0[self.payload_at()..] } else { &[] }
    }

    fn payload_at(self) -> usize {
        HEADER + if self.has_adaptation() { 1 + usize::from(self.0[HEADER]) } else { 0 }
    }
}
