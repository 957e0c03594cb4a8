//! An initialization section: its tracks, how their samples are coded, and what holds for samples that say nothing of themselves.

use std::collections::BTreeMap;

use super::{
    InvalidMp4,
    boxes::{BoxAt, Fields, boxes, number},
    entry::Entry,
};
use crate::fnv::Digest;

/// An initialization section, as far as its tracks go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// By their ids.
    pub(crate) tracks: BTreeMap<u32, InitTrack>,
}

/// One track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InitTrack {
    pub(crate) timescale: u32,
    pub(crate) entry: Entry,
    /// A digest of its edit list; 0 where it has none.
    pub(crate) edits: u64,
    pub(crate) defaults: Defaults,
}

/// What holds for samples that say nothing of themselves (ISO/IEC 14496-12 8.8.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Defaults {
    pub(crate) size: u32,
    pub(crate) flags: u32,
}

impl Init {
    /// Reads an initialization section.
    ///
    /// # Errors
    /// When its boxes are broken.
    pub fn of(data: &[u8]) -> Result<Self, InvalidMp4> {
        let moovs = boxes(data, 0..data.len()).filter_named(b"moov")?;
        let moov = moovs.first().ok_or(InvalidMp4::Broken(0))?;
        let mut tracks = BTreeMap::new();
        for trak in boxes(data, moov.content.clone()).filter_named(b"trak")? {
            tracks.extend(track(data, &trak)?);
        }
        for mvex in boxes(data, moov.content.clone()).filter_named(b"mvex")? {
            for trex in boxes(data, mvex.content).filter_named(b"trex")? {
                let (id, defaults) = defaults(&mut Fields::of(data, &trex))?;
                if let Some(track) = tracks.get_mut(&id) {
                    track.defaults = defaults;
                }
            }
        }
        Ok(Self { tracks })
    }

    /// Whether it has parameter sets, which keyframes may then lack.
    #[must_use]
    pub fn has_parameter_sets(&self) -> bool {
        self.tracks
            .values()
            .any(|track| track.entry.video.as_ref().is_some_and(|video| !video.sets.is_empty()))
    }
}

/// A track with its id; none where it has no sample entry.
fn track(data: &[u8], trak: &BoxAt) -> Result<Option<(u32, InitTrack)>, InvalidMp4> {
    let within = |found: &BoxAt| found.content.clone();
    let one = |outer: &BoxAt, name: &[u8; 4]| {
        let found = boxes(data, within(outer)).filter_named(name)?;
        found.into_iter().next().ok_or(InvalidMp4::Broken(outer.start))
    };
    let id = number(data, &one(trak, b"tkhd")?, [12, 20])?;
    let mdia = one(trak, b"mdia")?;
    let timescale = number(data, &one(&mdia, b"mdhd")?, [12, 20])?;
    let handler = number(data, &one(&mdia, b"hdlr")?, [8, 8])?.to_be_bytes();
    let stsd = one(&one(&one(&mdia, b"minf")?, b"stbl")?, b"stsd")?;
    let entries = stsd.content.start.saturating_add(8)..stsd.content.end;
    let Some(entry) = boxes(data, entries).next().transpose()? else { return Ok(None) };
    let mut edits = Digest::EMPTY;
    for edts in boxes(data, within(trak)).filter_named(b"edts")? {
        for elst in boxes(data, edts.content).filter_named(b"elst")? {
            edits = edits.and(&data[elst.content]);
        }
    }
    let edits = if edits == Digest::EMPTY { 0 } else { edits.value() };
    let entry = Entry::of(data, &entry, handler)?;
    Ok(Some((id, InitTrack { timescale, entry, edits, defaults: Defaults::default() })))
}

fn defaults(trex: &mut Fields<'_>) -> Result<(u32, Defaults), InvalidMp4> {
    trex.u32()?;
    let id = trex.u32()?;
    trex.bytes(8)?;
    Ok((id, Defaults { size: trex.u32()?, flags: trex.u32()? }))
}
