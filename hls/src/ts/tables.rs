//! The tables at a segment's start: where its program's map is, and what the map lists (ISO/IEC 13818-1 2.4.4).

use super::{InvalidTs, packet::Packet};

/// The PID of the program association table, and the ids of both tables.
const ASSOCIATION_PID: u16 = 0;
const ASSOCIATION: u8 = 0;
const MAP: u8 = 2;

/// Stream types of timed metadata (ISO/IEC 13818-1 table 2-34) and of cues for advertisements (ANSI/SCTE 35 8.1).
const METADATA: u8 = 0x15;
const CUES: u8 = 0x86;

/// Bytes of a section up to its length, and of its checksum.
const PREFIX: usize = 3;
const CHECKSUM: usize = 4;

/// A stream's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The PID of its map.
    pub(crate) map: u16,
    /// The PID that carries its clock.
    pub(crate) clock: u16,
    /// PIDs and stream types, in ascending order.
    pub(crate) streams: Vec<(u16, u8)>,
}

impl Program {
    /// The PIDs of what is decoded, pictures and sound.
    pub(crate) fn decoded(&self) -> impl Iterator<Item = u16> {
        self.streams.iter().filter(|(_, kind)| !is_data(*kind)).map(|(pid, _)| *pid)
    }
}

/// Whether streams of this type are neither pictures nor sound, but timed metadata or cues.
pub(crate) fn is_data(kind: u8) -> bool {
    matches!(kind, METADATA | CUES)
}

/// Reads the tables as packets come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    association: Section,
    map_pid: Option<u16>,
    map: Section,
}

impl Tables {
    /// Takes a packet in; gives the program as soon as it is known.
    pub(crate) fn take(&mut self, packet: Packet<'_>) -> Result<Option<Program>, InvalidTs> {
        if packet.pid() == ASSOCIATION_PID && self.map_pid.is_none() {
            if let Some(section) = self.association.take(packet) {
                self.map_pid = Some(only_map(section).ok_or(InvalidTs::NoTable("association table"))?);
            }
        } else if Some(packet.pid()) == self.map_pid
            && let Some(section) = self.map.take(packet)
        {
            let program = program(packet.pid(), section).ok_or(InvalidTs::NoTable("program map"))?;
            return Ok(Some(program));
        }
        Ok(None)
    }
}

/// A section that may span packets; at most 1024 bytes, because its length has so many bits.
#[derive(Debug, Clone, Default)]
struct Section(Vec<u8>);

impl Section {
    /// Takes the next packet of its PID in; gives the whole section once it is here.
    fn take(&mut self, packet: Packet<'_>) -> Option<&[u8]> {
        let payload = packet.payload();
        if packet.is_start() {
            let skip = usize::from(*payload.first()?) + 1;
            self.0 = payload.get(skip..)?.to_vec();
        } else if !self.0.is_empty() {
            self.0.extend_from_slice(payload);
        }
        let length = u16::from_be_bytes([*self.0.get(1)? & 0x0f, *self.0.get(2)?]);
        self.0.get(..PREFIX + usize::from(length))
    }
}

/// The PID of the map of the only program.
fn only_map(section: &[u8]) -> Option<u16> {
    let entries = section.get(8..section.len().checked_sub(CHECKSUM)?)?;
    let mut maps = entries.chunks_exact(4).filter(|entry| entry[..2] != [0, 0]);
    let map = maps.next()?;
    let only = section[0] == ASSOCIATION && maps.next().is_none();
    only.then(|| pid(map[2], map[3]))
}

fn program(map: u16, section: &[u8]) -> Option<Program> {
    let end = section.len().checked_sub(CHECKSUM)?;
    let clock = pid(*section.get(8)?, *section.get(9)?);
    let mut at = 12 + length(section.get(10..12)?);
    let mut streams = Vec::new();
    while at < end {
        let entry = section.get(at..at + 5)?;
        streams.push((pid(entry[1], entry[2]), entry[0]));
        at += 5 + length(&entry[3..]);
    }
    streams.sort_unstable();
    (section[0] == MAP).then_some(Program { map, clock, streams })
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high & 0x1f, low])
}

fn length(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([bytes[0] & 0x0f, bytes[1]]))
}
