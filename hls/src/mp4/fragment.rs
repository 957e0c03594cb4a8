//! Movie fragments: where each sample of a segment is, and what its fragment says of it (ISO/IEC 14496-12 8.8).

use super::{
    InvalidMp4,
    boxes::{BoxAt, Fields, boxes, version},
    init::{Defaults, Init},
};

/// Most samples of one run, so that a count without anything behind it costs no memory: a minute of sound at 96 kHz has 5,625.
const MAX_SAMPLES: u32 = 100_000;

/// The bit of a sample's flags by which it is no place to begin at.
const IS_NO_SYNC_SAMPLE: u32 = 0x1_0000;

/// One track's part of a fragment.
#[derive(Debug, Clone)]
pub(crate) struct TrackFragment {
    pub(crate) track: u32,
    /// When its first sample is decoded; none where it does not say.
    pub(crate) time: Option<u64>,
    pub(crate) runs: Vec<Run>,
    /// Names of the boxes in it.
    pub(crate) boxes: Vec<[u8; 4]>,
}

/// Samples that lie one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Where the run says how far its samples are from the fragment, if it does, and how far.
    pub(crate) offset: Option<(usize, i32)>,
    pub(crate) samples: Vec<Sample>,
}

/// One sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: usize,
    pub(crate) size: u32,
    /// Where its size is written; none where it is a default.
    pub(crate) size_at: Option<usize>,
    /// It is a place to begin at.
    pub(crate) sync: bool,
    /// How much later it is presented than decoded.
    pub(crate) delay: i64,
}

/// Which fields a box has, by its flags.
#[derive(Clone, Copy)]
struct Flags(u32);

impl Flags {
    fn has(self, bit: u32) -> bool {
        self.0 & bit != 0
    }
}

/// What `tfhd` says.
struct Header {
    track: u32,
    defaults: Defaults,
}

/// The parts of the fragment `moof`, in the order of the file. What it points at need not be there yet.
pub(crate) fn track_fragments(
    data: &[u8],
    moof: &BoxAt,
    init: &Init,
) -> Result<Vec<TrackFragment>, InvalidMp4> {
    let trafs = boxes(data, moof.content.clone()).filter_named(b"traf")?;
    // Without the flag each but the first counts from where the one before it ends, which no encoder relies on.
    let needs_base = trafs.len() > 1;
    trafs.into_iter().map(|traf| track_fragment(data, moof.start, &traf, init, needs_base)).collect()
}

fn track_fragment(
    data: &[u8],
    base: usize,
    traf: &BoxAt,
    init: &Init,
    needs_base: bool,
) -> Result<TrackFragment, InvalidMp4> {
    let inner: Vec<BoxAt> = boxes(data, traf.content.clone()).collect::<Result<_, _>>()?;
    let named = |name: [u8; 4]| inner.iter().filter(move |found| found.name == name);
    let tfhd = named(*b"tfhd").next().ok_or(InvalidMp4::Broken(traf.start))?;
    let Header { track, defaults } = header(data, tfhd, init, needs_base)?;
    let mut time = None;
    if let Some(tfdt) = named(*b"tfdt").next() {
        let version = version(data, tfdt)?;
        let mut fields = Fields::of(data, tfdt);
        fields.u32()?;
        time = Some(if version == 0 { fields.u32()?.into() } else { fields.u64()? });
    }
    let (mut runs, mut next) = (Vec::new(), base);
    for trun in named(*b"trun") {
        let (run, end) = run(data, base, next, trun, defaults)?;
        runs.push(run);
        next = end;
    }
    Ok(TrackFragment { track, time, runs, boxes: inner.iter().map(|found| found.name).collect() })
}

fn header(data: &[u8], tfhd: &BoxAt, init: &Init, needs_base: bool) -> Result<Header, InvalidMp4> {
    let mut fields = Fields::of(data, tfhd);
    let flags = Flags(fields.u32()?);
    let track = fields.u32()?;
    let mut defaults = init.tracks.get(&track).ok_or(InvalidMp4::UnknownTrack(track))?.defaults;
    if flags.has(0x1) || needs_base && !flags.has(0x2_0000) {
        return Err(InvalidMp4::AbsoluteOffsets);
    }
    for _ in [0x2, 0x8].into_iter().filter(|bit| flags.has(*bit)) {
        fields.u32()?;
    }
    if flags.has(0x10) {
        defaults.size = fields.u32()?;
    }
    if flags.has(0x20) {
        defaults.flags = fields.u32()?;
    }
    Ok(Header { track, defaults })
}

/// The run that `trun` lists and where its samples end; they begin at `next` unless it says otherwise.
fn run(
    data: &[u8],
    base: usize,
    next: usize,
    trun: &BoxAt,
    defaults: Defaults,
) -> Result<(Run, usize), InvalidMp4> {
    let broken = InvalidMp4::Broken(trun.start);
    let mut fields = Fields::of(data, trun);
    let flags = Flags(fields.u32()?);
    let count = fields.u32()?;
    if count > MAX_SAMPLES {
        return Err(broken);
    }
    let (mut offset, mut at) = (None, next);
    if flags.has(0x1) {
        let field = fields.at();
        let distance = fields.u32()?.cast_signed();
        offset = Some((field, distance));
        at = usize::try_from(distance).ok().and_then(|d| base.checked_add(d)).ok_or(broken.clone())?;
    }
    let first_flags = flags.has(0x4).then(|| fields.u32()).transpose()?;
    let mut samples = Vec::new();
    for index in 0..count {
        let first_flags = first_flags.filter(|_| index == 0);
        let sample = sample(&mut fields, flags, at, defaults, first_flags)?;
        at = at.checked_add(sample.size as usize).ok_or(broken.clone())?;
        samples.push(sample);
    }
    Ok((Run { offset, samples }, at))
}

fn sample(
    fields: &mut Fields<'_>,
    flags: Flags,
    at: usize,
    defaults: Defaults,
    first_flags: Option<u32>,
) -> Result<Sample, InvalidMp4> {
    if flags.has(0x100) {
        fields.u32()?;
    }
    let size_at = flags.has(0x200).then(|| fields.at());
    let size = if flags.has(0x200) { fields.u32()? } else { defaults.size };
    let own = flags.has(0x400).then(|| fields.u32()).transpose()?;
    let sync = first_flags.or(own).unwrap_or(defaults.flags) & IS_NO_SYNC_SAMPLE == 0;
    // In version 0 they are unsigned, but nobody delays by half the range.
    let delay = if flags.has(0x800) { fields.u32()?.cast_signed().into() } else { 0 };
    Ok(Sample { at, size, size_at, sync, delay })
}
