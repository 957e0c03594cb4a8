//! Parameter sets put in front of keyframes.
//!
//! A rendition may keep them in its initialization section alone. Players like ffmpeg, mpv and VLC read only the first one that they are
//! given, and decode another rung's pictures with it. With the sets in every keyframe as well, each decodes by itself; sample
//! entries that forbid this by their name (`avc1`, `hvc1`) are decoded all the same.
//!
//! The same segment always comes out as the same bytes, and what has been through here comes out as it is. What cannot be
//! followed through all that counts bytes is refused.

use std::ops::Range;

use super::{
    InvalidMp4,
    boxes::{BoxAt, Fields, box_at, boxes},
    entry::Video,
    fragment::{Run, Sample, TrackFragment, track_fragments},
    init::Init,
};
use crate::nal::{Kind, of_sample};

/// Boxes that count bytes or samples' parts in ways that are not followed: encryption, subsamples, random access.
const COUNTING: [[u8; 4]; 5] = [*b"senc", *b"saiz", *b"saio", *b"subs", *b"mfra"];

/// A segment that nothing can be put into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read.
    #[error(transparent)]
    Invalid(#[from] InvalidMp4),
    /// It has a box that counts its bytes.
    #[error("a {} box counts its bytes", .0.escape_ascii())]
    Counted([u8; 4]),
    /// Sizes are not written sample by sample.
    #[error("track {0} does not write its samples' sizes one by one")]
    DefaultSizes(u32),
    /// The initialization section has no parameter sets either.
    #[error("the initialization section has none for track {0}")]
    NoSets(u32),
    /// A size would not fit its field.
    #[error("a size grows beyond its field")]
    TooLarge,
}

/// What the start of a segment says about the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peek {
    /// It takes more bytes to say.
    TooShort,
    /// Its first picture is a keyframe without parameter sets.
    Bare,
    /// Anything else.
    Complete,
}

/// Looks at what there is of a segment.
#[must_use]
pub fn peek(init: &Init, head: &[u8]) -> Peek {
    let mut at = 0;
    while let Some(found) = box_at(head, at, usize::MAX) {
        if found.name == *b"moof" {
            if found.content.end > head.len() {
                return Peek::TooShort;
            }
            let Ok(fragments) = track_fragments(head, &found, init) else { return Peek::Complete };
            let first = |(video, fragment): (&Video, TrackFragment)| {
                let sample = *fragment.runs.iter().flat_map(|run| &run.samples).next()?;
                Some(peek_sample(video, head, &sample))
            };
            let pictures = fragments.into_iter().filter_map(|f| Some((video(init, f.track)?, f)));
            if let Some(peek) = pictures.filter_map(first).next() {
                return peek;
            }
        }
        at = found.content.end;
    }
    Peek::TooShort
}

fn peek_sample(video: &Video, head: &[u8], sample: &Sample) -> Peek {
    let end = sample.at.saturating_add(sample.size as usize);
    let there = head.get(sample.at..end.min(head.len())).unwrap_or_default();
    let known = of_sample(there, video.length_width).find_map(|unit| match video.codec.kind(unit) {
        Kind::Keyframe if sample.sync => Some(Peek::Bare),
        Kind::Sequence(_) | Kind::Keyframe | Kind::Picture => Some(Peek::Complete),
        Kind::Delimiter | Kind::Other => None,
    });
    known.unwrap_or(if end > head.len() { Peek::TooShort } else { Peek::Complete })
}

/// The segment with parameter sets in front of every keyframe that has none; none where each has its own.
///
/// # Errors
/// When they cannot be put in.
pub fn insert(init: &Init, segment: &[u8]) -> Result<Option<Vec<u8>>, Refused> {
    let top: Vec<BoxAt> = boxes(segment, 0..segment.len()).collect::<Result<_, _>>()?;
    let mut insertions = Insertions::default();
    let mut fragments = Vec::new();
    for moof in top.iter().filter(|found| found.name == *b"moof") {
        let parts = track_fragments(segment, moof, init)?;
        for part in &parts {
            insertions.plan(init, segment, part)?;
        }
        fragments.push((moof.start, parts));
    }
    if insertions.0.is_empty() {
        return Ok(None);
    }
    insertions.0.sort_by_key(|insertion| insertion.at);
    refuse_counting(&top, &fragments)?;
    let mut changed = segment.to_vec();
    insertions.follow_samples(&mut changed)?;
    for (base, parts) in &fragments {
        for run in parts.iter().flat_map(|part| &part.runs) {
            insertions.follow_run(&mut changed, *base, run)?;
        }
    }
    for found in &top {
        match &found.name {
            b"mdat" => insertions.follow_size(&mut changed, found)?,
            b"sidx" => insertions.follow_index(&mut changed, found)?,
            _ => {}
        }
    }
    Ok(Some(insertions.apply(&changed)))
}

fn refuse_counting(top: &[BoxAt], fragments: &[(usize, Vec<TrackFragment>)]) -> Result<(), Refused> {
    let inner = fragments.iter().flat_map(|(_, parts)| parts).flat_map(|part| part.boxes.iter().copied());
    let counting = |name: &[u8; 4]| COUNTING.contains(name);
    match top.iter().map(|found| found.name).chain(inner).find(counting) {
        Some(name) => Err(Refused::Counted(name)),
        None => Ok(()),
    }
}

fn video(init: &Init, track: u32) -> Option<&Video> {
    init.tracks.get(&track)?.entry.video.as_ref()
}

/// What is put in, in the order of the segment.
#[derive(Default)]
struct Insertions<'a>(Vec<Insertion<'a>>);

struct Insertion<'a> {
    at: usize,
    bytes: &'a [u8],
    /// Where the size of the sample that grows by it is written, and the size so far.
    size_at: usize,
    size: u32,
}

impl<'a> Insertions<'a> {
    /// Plans what a track's samples lack.
    fn plan(&mut self, init: &'a Init, segment: &[u8], part: &TrackFragment) -> Result<(), Refused> {
        let Some(video) = video(init, part.track) else { return Ok(()) };
        for sample in part.runs.iter().flat_map(|run| &run.samples).filter(|sample| sample.sync) {
            let end = sample.at.saturating_add(sample.size as usize);
            let bytes = segment.get(sample.at..end).ok_or(InvalidMp4::Broken(sample.at))?;
            let Some(skip) = bare(video, bytes) else { continue };
            if video.sets.is_empty() {
                return Err(Refused::NoSets(part.track));
            }
            let size_at = sample.size_at.ok_or(Refused::DefaultSizes(part.track))?;
            let at = sample.at + skip;
            self.0.push(Insertion { at, bytes: &video.sets, size_at, size: sample.size });
        }
        Ok(())
    }

    /// Bytes put in within a part of the segment, at its start but not at its end.
    fn within(&self, part: Range<usize>) -> usize {
        let inside = self.0.iter().filter(|insertion| part.start <= insertion.at && insertion.at < part.end);
        inside.map(|insertion| insertion.bytes.len()).sum()
    }

    fn follow_samples(&self, data: &mut [u8]) -> Result<(), Refused> {
        for insertion in &self.0 {
            write(data, insertion.size_at, grown(insertion.size, insertion.bytes.len())?);
        }
        Ok(())
    }

    /// A run lies further from its fragment if samples before it grew.
    fn follow_run(&self, data: &mut [u8], base: usize, run: &Run) -> Result<(), Refused> {
        let Some((field, distance)) = run.offset else { return Ok(()) };
        let start = base.saturating_add_signed(distance as isize);
        let moved = i32::try_from(self.within(base..start)).ok().and_then(|by| distance.checked_add(by));
        write(data, field, moved.ok_or(Refused::TooLarge)?.cast_unsigned());
        Ok(())
    }

    fn follow_size(&self, data: &mut [u8], found: &BoxAt) -> Result<(), Refused> {
        let more = self.within(found.content.clone());
        let short = u32::from_be_bytes(data[found.start..found.start + 4].try_into().expect("four bytes"));
        match short {
            // It ends with the segment.
            0 => {}
            1 => {
                let size = found.content.end - found.start + more;
                data[found.start + 8..found.start + 16].copy_from_slice(&(size as u64).to_be_bytes());
            }
            size => write(data, found.start, grown(size, more)?),
        }
        Ok(())
    }

    /// What an index says of the sizes of the parts that follow it (ISO/IEC 14496-12 8.16.3).
    fn follow_index(&self, data: &mut [u8], sidx: &BoxAt) -> Result<(), Refused> {
        let original = data.to_vec();
        let mut fields = Fields::of(&original, sidx);
        let version = fields.u32()? >> 24;
        fields.bytes(if version == 0 { 12 } else { 16 })?;
        let first_offset = if version == 0 { fields.u32()?.into() } else { fields.u64()? };
        let count = fields.u32()? & 0xffff;
        let too_large = |_| Refused::TooLarge;
        let mut at = sidx.content.end.saturating_add(usize::try_from(first_offset).map_err(too_large)?);
        for _ in 0..count {
            let field = fields.at();
            let reference = fields.u32()?;
            fields.bytes(8)?;
            let size = reference & 0x7fff_ffff;
            let end = at.saturating_add(size as usize);
            let size = grown(size, self.within(at..end))?;
            if size > 0x7fff_ffff {
                return Err(Refused::TooLarge);
            }
            write(data, field, reference & 0x8000_0000 | size);
            at = end;
        }
        Ok(())
    }

    fn apply(&self, data: &[u8]) -> Vec<u8> {
        let more = self.within(0..data.len());
        let mut whole = Vec::with_capacity(data.len() + more);
        let mut at = 0;
        for insertion in &self.0 {
            whole.extend_from_slice(&data[at..insertion.at]);
            whole.extend_from_slice(insertion.bytes);
            at = insertion.at;
        }
        whole.extend_from_slice(&data[at..]);
        whole
    }
}

/// Where the sets of a keyframe without any belong: at its start, but after the unit that says that a picture begins (ISO/IEC 14496-10
/// 7.4.1.2.3). None for all other samples.
fn bare(video: &Video, sample: &[u8]) -> Option<usize> {
    let mut skip = 0;
    for (index, unit) in of_sample(sample, video.length_width).enumerate() {
        match video.codec.kind(unit) {
            Kind::Delimiter if index == 0 => skip = video.length_width + unit.len(),
            Kind::Keyframe => return Some(skip),
            Kind::Sequence(_) | Kind::Picture => return None,
            Kind::Delimiter | Kind::Other => {}
        }
    }
    None
}

fn grown(size: u32, more: usize) -> Result<u32, Refused> {
    u32::try_from(more).ok().and_then(|more| size.checked_add(more)).ok_or(Refused::TooLarge)
}

fn write(data: &mut [u8], at: usize, value: u32) {
    data[at..at + 4].copy_from_slice(&value.to_be_bytes());
}
