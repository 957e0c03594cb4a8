//! Sample entries: how a track's samples are coded, and the parameter sets that the initialization section has for them.

use super::{
    InvalidMp4,
    boxes::{BoxAt, Fields, boxes},
};
use crate::{
    fnv::Digest,
    nal::Codec,
    switching::{Coding, Format},
};

/// Bytes of the fields before the boxes within a sample entry (ISO/IEC 14496-12 12.1.3 and 12.2.3).
const VISUAL_FIELDS: usize = 78;
const AUDIO_FIELDS: usize = 28;

/// What QuickTime's version 1 of a sound description adds to them.
const AUDIO_FIELDS_MORE: usize = 16;

/// Descriptors of MPEG-4 systems (ISO/IEC 14496-1 7.2.2.1).
const ES_DESCRIPTOR: u8 = 3;
const DECODER_CONFIG: u8 = 4;
const DECODER_SPECIFIC: u8 = 5;

/// How the samples of a track are coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) format: Format,
    /// None where nobody here knows what of it may differ.
    pub(crate) coding: Option<Coding>,
    pub(crate) video: Option<Video>,
}

/// How pictures are packed in samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Video {
    pub(crate) codec: Codec,
    /// Bytes of the length before each unit.
    pub(crate) length_width: usize,
    /// The parameter sets, as they stand in a sample: each after its length.
    pub(crate) sets: Vec<u8>,
}

impl Entry {
    /// The sample entry `found`, of a track with this handler.
    pub(crate) fn of(init: &[u8], found: &BoxAt, handler: [u8; 4]) -> Result<Self, InvalidMp4> {
        let format = Format::Entry(found.name);
        let (coding, video) = match (&handler, &found.name) {
            (b"vide", b"avc1" | b"avc3") => video(init, found, b"avcC", avc)?,
            (b"vide", b"hvc1" | b"hev1") => video(init, found, b"hvcC", hevc)?,
            (b"soun", name) => (sound(init, found, name)?, None),
            (b"vide", _) => (None, None),
            _ => (Some(Coding::Data), None),
        };
        Ok(Self { format, coding, video })
    }
}

type Read = fn(&mut Fields<'_>) -> Result<(u8, Video), InvalidMp4>;

fn video(
    init: &[u8],
    found: &BoxAt,
    name: &[u8; 4],
    read: Read,
) -> Result<(Option<Coding>, Option<Video>), InvalidMp4> {
    let within = found.content.start + VISUAL_FIELDS..found.content.end;
    let configs = boxes(init, within).filter_named(name)?;
    let Some(config) = configs.first() else { return Ok((None, None)) };
    let (profile, video) = read(&mut Fields::of(init, config))?;
    Ok((Some(Coding::Video { profile }), Some(video)))
}

/// The AVC decoder configuration record (ISO/IEC 14496-15 5.3.3.1).
fn avc(fields: &mut Fields<'_>) -> Result<(u8, Video), InvalidMp4> {
    fields.u8()?;
    let profile = fields.u8()?;
    fields.u16()?;
    let length_width = usize::from(fields.u8()? & 3) + 1;
    let mut sets = Vec::new();
    for count_bits in [0x1f, 0xff] {
        for _ in 0..fields.u8()? & count_bits {
            set(fields, length_width, &mut sets)?;
        }
    }
    Ok((profile, Video { codec: Codec::Avc, length_width, sets }))
}

/// The HEVC decoder configuration record (ISO/IEC 14496-15 8.3.3.1).
fn hevc(fields: &mut Fields<'_>) -> Result<(u8, Video), InvalidMp4> {
    fields.u8()?;
    let profile = fields.u8()? & 0x1f;
    fields.bytes(19)?;
    let length_width = usize::from(fields.u8()? & 3) + 1;
    let mut sets = Vec::new();
    for _ in 0..fields.u8()? {
        fields.u8()?;
        for _ in 0..fields.u16()? {
            set(fields, length_width, &mut sets)?;
        }
    }
    Ok((profile, Video { codec: Codec::Hevc, length_width, sets }))
}

fn set(fields: &mut Fields<'_>, length_width: usize, sets: &mut Vec<u8>) -> Result<(), InvalidMp4> {
    let at = fields.at();
    let length = u32::from(fields.u16()?);
    let bytes = length.to_be_bytes();
    let (more, length_bytes) = bytes.split_at(bytes.len() - length_width);
    if more.iter().any(|byte| *byte != 0) {
        return Err(InvalidMp4::Broken(at));
    }
    sets.extend_from_slice(length_bytes);
    sets.extend_from_slice(fields.bytes(length as usize)?);
    Ok(())
}

/// A sound is what its fields say and all that its decoder is told, but for how many bits it takes: that may differ.
fn sound(init: &[u8], found: &BoxAt, name: &[u8; 4]) -> Result<Option<Coding>, InvalidMp4> {
    let mut fields = Fields::of(init, found);
    fields.bytes(8)?;
    let more = if fields.u16()? == 1 { AUDIO_FIELDS_MORE } else { 0 };
    fields.bytes(6)?;
    let channels = u8::try_from(fields.u16()?).unwrap_or(u8::MAX);
    fields.bytes(6)?;
    let rate = fields.u32()? >> 16;
    let within = found.content.start + AUDIO_FIELDS + more..found.content.end;
    let mut config = Digest::EMPTY;
    for inner in boxes(init, within) {
        let inner = inner?;
        let content = match &inner.name {
            b"btrt" => continue,
            b"sinf" => return Ok(None),
            b"esds" => decoder_config(&mut Fields::of(init, &inner))?,
            _ => init[inner.content.clone()].to_vec(),
        };
        config = config.and(&inner.name).and(&content);
    }
    let known = name != b"enca";
    Ok(known.then_some(Coding::Sound { rate, channels, config: config.value() }))
}

/// What an `esds` says of the decoder: the kind of coding, and the configuration (ISO/IEC 14496-1 7.2.6.6).
fn decoder_config(fields: &mut Fields<'_>) -> Result<Vec<u8>, InvalidMp4> {
    fields.u32()?;
    descriptor(fields, ES_DESCRIPTOR)?;
    fields.u16()?;
    let flags = fields.u8()?;
    if flags & 0x80 != 0 {
        fields.u16()?;
    }
    if flags & 0x40 != 0 {
        let len = fields.u8()?;
        fields.bytes(usize::from(len))?;
    }
    if flags & 0x20 != 0 {
        fields.u16()?;
    }
    let len = descriptor(fields, DECODER_CONFIG)?;
    let kind = fields.u8()?;
    fields.bytes(12)?;
    // MPEG-1 audio has nothing more to say.
    if len <= 13 {
        return Ok(vec![kind]);
    }
    let len = descriptor(fields, DECODER_SPECIFIC)?;
    Ok([&[kind], fields.bytes(len)?].concat())
}

/// Enters a descriptor; its length stands in seven bits a byte.
fn descriptor(fields: &mut Fields<'_>, tag: u8) -> Result<usize, InvalidMp4> {
    let at = fields.at();
    if fields.u8()? != tag {
        return Err(InvalidMp4::Broken(at));
    }
    let mut len = 0;
    for _ in 0..4 {
        let byte = fields.u8()?;
        len = len << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok(len)
}
