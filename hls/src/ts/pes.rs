//! The start of a packetized elementary stream's packet (ISO/IEC 13818-1 2.4.3.6): when what it holds is presented and decoded.

/// Bytes up to and with the length of the optional fields.
const PREFIX: usize = 9;

/// Ticks of 90 kHz, of 33 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) presented: u64,
    pub(crate) decoded: u64,
}

/// The times of a packet and what it holds; none where it has no times.
pub(crate) fn read(packet: &[u8]) -> Option<(Times, &[u8])> {
    let prefix = packet.get(..PREFIX)?;
    if prefix[..3] != [0, 0, 1] {
        return None;
    }
    let flags = prefix[7] >> 6;
    let presented = (flags & 2 != 0).then(|| packet.get(9..14)).flatten().map(time)?;
    let decoded = if flags == 3 { time(packet.get(14..19)?) } else { presented };
    let content = packet.get(PREFIX + usize::from(prefix[8])..)?;
    Some((Times { presented, decoded }, content))
}

/// 33 bits, each third followed by a marker.
fn time(field: &[u8]) -> u64 {
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|index| u64::from(field[index]));
    (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
}
