//! What a segment opens with: its program, when each elementary stream begins, and whether its first picture stands for itself.

use std::collections::BTreeMap;

use super::{
    InvalidTs, counters,
    packet::{Packet, packets},
    pes::{self, Times},
    tables::{Program, Tables, is_data},
};
use crate::{
    fnv::Digest,
    nal::{Codec, Opening, of_byte_stream},
    switching::{Coding, Format, Look, Packing, Start, Track, Traits, Unfit},
};

/// Ticks a second of all times in a transport stream.
const TIMESCALE: u32 = 90_000;

/// Bytes that are kept of each stream's first packet. Parameter sets and the first bytes of a picture come before this; scene
/// information and captions, which may come before them, have a few kB.
const MOST_OPENING: usize = 64 << 10;

/// Stream types (ISO/IEC 13818-1 table 2-34).
const ADTS: u8 = 0x0f;
const AVC: u8 = 0x1b;
const HEVC: u8 = 0x24;

/// Samples a second by their index in an ADTS header (ISO/IEC 14496-3 table 1.18).
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// The first packet of one elementary stream.
#[derive(Default)]
struct First {
    bytes: Vec<u8>,
    /// The stream's next packet has begun.
    ended: bool,
    /// It did not begin with the segment.
    cut: bool,
}

/// Looks at a segment.
///
/// # Errors
/// When it cannot stand for another.
pub(crate) fn look(media: &[u8]) -> Result<Look, Unfit> {
    let (program, firsts) = firsts(media)?;
    let (mut tracks, mut starts) = (Vec::new(), Vec::new());
    for (pid, kind) in &program.streams {
        let first = firsts.get(pid).filter(|first| !first.bytes.is_empty() || first.cut);
        let (coding, times) = match first {
            _ if is_data(*kind) => (Coding::Data, None),
            None => return Err(InvalidTs::NoTime(*pid).into()),
            Some(first) if first.cut => return Err(Unfit::Cut((*pid).into())),
            Some(first) => {
                let (times, content) = pes::read(&first.bytes).ok_or(InvalidTs::NoTime(*pid))?;
                (coding(*pid, *kind, content)?, Some(times))
            }
        };
        let (id, format) = (u32::from(*pid), Format::Stream(*kind));
        tracks.push(Track { id, timescale: TIMESCALE, format, coding, edits: 0 });
        starts.extend(times.map(|Times { decoded, presented }| Start { track: id, decoded, presented }));
    }
    if !counters::is_settled(media).map_err(Unfit::Uncounted)? {
        return Err(Unfit::Counters);
    }
    let packing = Packing::Ts { map: program.map, clock: program.clock };
    Ok(Look { traits: Traits { packing, tracks }, starts })
}

/// The program, and what its streams begin with; no more of the segment is read than it takes to know that.
fn firsts(media: &[u8]) -> Result<(Program, BTreeMap<u16, First>), Unfit> {
    let mut tables = Tables::default();
    let mut program: Option<Program> = None;
    let mut firsts: BTreeMap<u16, First> = BTreeMap::new();
    for packet in packets(media) {
        let packet = packet?;
        if packet.is_scrambled() {
            return Err(Unfit::Encrypted);
        }
        if program.is_none() {
            program = tables.take(packet)?;
        } else if let Some(program) = &program
            && program.streams.iter().any(|(pid, _)| *pid == packet.pid())
        {
            firsts.entry(packet.pid()).or_default().take(packet);
            let settled = |pid| firsts.get(&pid).is_some_and(|first| first.ended);
            if program.decoded().all(settled) {
                break;
            }
        }
    }
    Ok((program.ok_or(InvalidTs::NoTable("program map"))?, firsts))
}

impl First {
    fn take(&mut self, packet: Packet<'_>) {
        if packet.payload().is_empty() || self.ended {
            return;
        }
        let begins = self.bytes.is_empty();
        self.cut = begins && !packet.is_start();
        self.ended = self.cut || !begins && packet.is_start() || self.bytes.len() >= MOST_OPENING;
        if !self.ended {
            self.bytes.extend_from_slice(packet.payload());
        }
    }
}

fn coding(pid: u16, kind: u8, content: &[u8]) -> Result<Coding, Unfit> {
    match kind {
        AVC => picture(Codec::Avc, content),
        HEVC => picture(Codec::Hevc, content),
        ADTS => sound(content).ok_or(Unfit::Cut(pid.into())),
        other => Err(Unfit::Coding(Format::Stream(other).to_string())),
    }
}

fn picture(codec: Codec, content: &[u8]) -> Result<Coding, Unfit> {
    let Opening { profile, keyframe } = codec.opening(of_byte_stream(content));
    if keyframe != Some(true) {
        return Err(Unfit::NoKeyframe);
    }
    profile.map(|profile| Coding::Video { profile }).ok_or(Unfit::NoParameterSets)
}

/// A frame's header (ISO/IEC 14496-3 1.A.2.2.1).
fn sound(frame: &[u8]) -> Option<Coding> {
    let [sync, second, third, fourth] = *frame.get(..4)? else { return None };
    let rate = *RATES.get(usize::from(third >> 2 & 0x0f))?;
    let channels = (third & 1) << 2 | fourth >> 6;
    let config = Digest::EMPTY.and(&[second & 0x08, third >> 6]).value();
    (sync == 0xff && second & 0xf6 == 0xf0).then_some(Coding::Sound { rate, channels, config })
}
