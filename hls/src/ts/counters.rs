//! Continuity counters that go on from any rung's segment to any other's.
//!
//! Each PID's packets are counted in four bits, and a player takes a count that leaps for lost packets (ISO/IEC 13818-1 2.4.3.3): at a
//! swap ffmpeg calls the packet before it corrupt. So every segment's counts of picture and sound begin at 0 and end at 15:
//! they are renumbered, and brought to a multiple of sixteen by splitting the last packets into several with stuffing. Nothing else
//! is moved, no clock and no byte of the media; the splits add 7.5 packets a PID on average.
//!
//! The tables stay as they are. Each is complete in its packets and says the same again, so nobody takes one for lost, and sixteen
//! packets of each would be a tenth of a small rung. Timed metadata stay too: whole segments may have none.
//!
//! The same segment always comes out as the same bytes, and what has been through here comes out as it is.

use std::collections::BTreeMap;

use super::{
    InvalidTs,
    packet::{HEADER, LEN, Packet, packets},
    tables::Tables,
};

/// What counts go up to and begin anew from.
const ROUND: usize = 16;

/// Bytes that stay together at the start of an elementary stream's packet: its header with two times has 19, and some demuxers want
/// to see it whole.
const KEPT_AT_START: usize = 64;

/// Bytes of payload beside an adaptation field that has nothing but its length.
const MOST_BESIDE_ADAPTATION: usize = LEN - HEADER - 1;

/// A segment whose counters cannot be settled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read.
    #[error(transparent)]
    Invalid(#[from] InvalidTs),
    /// Packets were lost before they came here.
    #[error("the counter of PID {0} leaps at byte {1}: packets were lost on their way to the source")]
    Leaps(u16, usize),
    /// A stream has too few bytes to be split into sixteen packets.
    #[error("PID {0} has too few bytes")]
    TooFew(u16),
    /// It is encrypted.
    #[error("it is scrambled")]
    Scrambled,
}

/// The segment with counters that begin at 0 and end at 15; none where they already do.
///
/// # Errors
/// When its packets cannot be counted so.
pub fn settle(media: &[u8]) -> Result<Option<Vec<u8>>, Refused> {
    let mut counted = streams(media)?;
    let mut splits = BTreeMap::new();
    for (pid, stream) in &counted {
        stream.plan(*pid, media, &mut splits)?;
    }
    let mut whole = Vec::with_capacity(media.len() + splits.values().sum::<usize>() * LEN);
    for (index, packet) in packets(media).enumerate() {
        let packet = packet?;
        match counted.get_mut(&packet.pid()) {
            Some(stream) => {
                stream.write(packet, splits.get(&index).copied().unwrap_or_default(), &mut whole);
            }
            None => whole.extend_from_slice(packet.bytes()),
        }
    }
    Ok((whole != media).then_some(whole))
}

/// Whether the segment's counters begin at 0 and end at 15.
///
/// # Errors
/// When its packets cannot be counted.
pub fn is_settled(media: &[u8]) -> Result<bool, Refused> {
    let settled = |stream: &Counted| {
        stream.first == Some(0) && stream.last == Some(15) && stream.places.len().is_multiple_of(ROUND)
    };
    Ok(streams(media)?.values().all(settled))
}

/// One stream of pictures or sound.
#[derive(Default)]
struct Counted {
    /// The places of its packets with payload among all packets.
    places: Vec<usize>,
    /// The first and the last count as they came.
    first: Option<u8>,
    last: Option<u8>,
    /// Packets written.
    written: usize,
}

/// The streams of pictures and sound, by their PIDs.
fn streams(media: &[u8]) -> Result<BTreeMap<u16, Counted>, Refused> {
    let mut tables = Tables::default();
    let mut program = None;
    for packet in packets(media) {
        program = tables.take(packet?)?;
        if program.is_some() {
            break;
        }
    }
    let program = program.ok_or(InvalidTs::NoTable("program map"))?;
    let mut counted: BTreeMap<u16, Counted> =
        program.decoded().map(|pid| (pid, Counted::default())).collect();
    for (index, packet) in packets(media).enumerate() {
        let packet = packet?;
        if packet.is_scrambled() {
            return Err(Refused::Scrambled);
        }
        if let Some(stream) = counted.get_mut(&packet.pid()) {
            stream.count(index, packet)?;
        }
    }
    Ok(counted)
}

impl Counted {
    fn count(&mut self, index: usize, packet: Packet<'_>) -> Result<(), Refused> {
        if packet.has_payload() {
            let goes_on = self.last.is_none_or(|last| (last + 1) % 16 == packet.counter());
            if !goes_on && !packet.is_discontinuous() {
                return Err(Refused::Leaps(packet.pid(), index * LEN));
            }
            self.places.push(index);
            self.first.get_or_insert(packet.counter());
            self.last = Some(packet.counter());
        }
        Ok(())
    }

    /// Plans how many packets are added at which places, from the last one on.
    fn plan(&self, pid: u16, media: &[u8], splits: &mut BTreeMap<usize, usize>) -> Result<(), Refused> {
        let mut wanted = (ROUND - self.places.len() % ROUND) % ROUND;
        for place in self.places.iter().rev() {
            if wanted == 0 {
                break;
            }
            let packet = media.get(place * LEN..(place + 1) * LEN).and_then(Packet::of);
            let most = packet.map_or(0, |packet| packet.payload().len().saturating_sub(kept(packet)));
            let more = wanted.min(most);
            splits.insert(*place, more);
            wanted -= more;
        }
        if wanted > 0 || self.places.is_empty() { Err(Refused::TooFew(pid)) } else { Ok(()) }
    }

    /// Writes a packet as itself and `more` others, counted on.
    fn write(&mut self, packet: Packet<'_>, more: usize, whole: &mut Vec<u8>) {
        if !packet.has_payload() {
            // It does not count: it repeats the count before it.
            return push(whole, packet, self.written + ROUND - 1);
        }
        let mut payload = packet.payload();
        if more == 0 {
            push(whole, packet, self.written);
        } else {
            let share = (payload.len() / (more + 1)).min((payload.len() - kept(packet)) / more);
            let (first, rest) = payload.split_at(payload.len() - share * more);
            push_piece(whole, packet.header(), packet.adaptation(), first, self.written);
            payload = rest;
            for (index, piece) in payload.chunks(share).enumerate() {
                push_piece(whole, packet.continued_header(), &[], piece, self.written + 1 + index);
            }
        }
        self.written += 1 + more;
    }
}

/// How many bytes of a packet must stay together.
fn kept(packet: Packet<'_>) -> usize {
    if packet.is_start() { KEPT_AT_START } else { 1 }
}

fn push(whole: &mut Vec<u8>, packet: Packet<'_>, count: usize) {
    let at = whole.len();
    whole.extend_from_slice(packet.bytes());
    set_counter(&mut whole[at + 3], count);
}

/// A packet of less than a whole payload, the rest of it stuffing at the end of its adaptation field (ISO/IEC 13818-1 2.4.3.5).
fn push_piece(whole: &mut Vec<u8>, header: [u8; HEADER], adaptation: &[u8], payload: &[u8], count: usize) {
    let (at, len) = (whole.len(), MOST_BESIDE_ADAPTATION - payload.len());
    whole.extend_from_slice(&header);
    whole[at + 3] |= 0x20;
    set_counter(&mut whole[at + 3], count);
    whole.push(u8::try_from(len).expect("less than a packet"));
    // No flags, where it had none.
    let content = if adaptation.is_empty() { &[0] } else { adaptation };
    whole.extend_from_slice(&content[..content.len().min(len)]);
    whole.resize(at + LEN - payload.len(), 0xff);
    whole.extend_from_slice(payload);
}

fn set_counter(byte: &mut u8, count: usize) {
    *byte = *byte & 0xf0 | u8::try_from(count % ROUND).expect("four bits");
}

#[cfg(test)]
mod tests;
