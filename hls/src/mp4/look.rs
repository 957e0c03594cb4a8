//! What a segment opens with: when each track begins, and whether its first picture stands for itself.

use std::collections::BTreeMap;

use super::{
    InvalidMp4,
    boxes::boxes,
    entry::Video,
    fragment::{Sample, TrackFragment, track_fragments},
    init::{Init, InitTrack},
    parameter_sets::insert,
};
use crate::{
    nal::{Opening, of_sample},
    switching::{Coding, Look, Packing, Start, Track, Traits, Unfit},
};

/// Looks at a segment of these tracks.
///
/// # Errors
/// When it cannot stand for another.
pub(crate) fn look(init: &Init, media: &[u8]) -> Result<Look, Unfit> {
    let firsts = first_samples(init, media)?;
    let mut tracks = Vec::new();
    for (id, track) in &init.tracks {
        let coding = match (&track.entry.video, firsts.get(id)) {
            (Some(video), Some((_, sample))) => picture(init, video, media, sample)?,
            (Some(_), None) => return Err(Unfit::NoKeyframe),
            (None, _) => coding(track)?,
        };
        let InitTrack { timescale, edits, .. } = *track;
        tracks.push(Track { id: *id, timescale, format: track.entry.format, coding, edits });
    }
    let start = |(track, (decoded, sample)): (&u32, &(u64, Sample))| Start {
        track: *track,
        decoded: *decoded,
        presented: decoded.saturating_add_signed(sample.delay),
    };
    Ok(Look { traits: Traits { packing: Packing::Mp4, tracks }, starts: firsts.iter().map(start).collect() })
}

/// The first sample of each track, and when it is decoded.
fn first_samples(init: &Init, media: &[u8]) -> Result<BTreeMap<u32, (u64, Sample)>, InvalidMp4> {
    let mut firsts = BTreeMap::new();
    for moof in boxes(media, 0..media.len()).filter_named(b"moof")? {
        for TrackFragment { track, time, runs, .. } in track_fragments(media, &moof, init)? {
            if let Some(sample) = runs.iter().flat_map(|run| &run.samples).next()
                && !firsts.contains_key(&track)
            {
                firsts.insert(track, (time.ok_or(InvalidMp4::Broken(moof.start))?, *sample));
            }
        }
    }
    Ok(firsts)
}

fn picture(init: &Init, video: &Video, media: &[u8], sample: &Sample) -> Result<Coding, Unfit> {
    let bytes = media.get(sample.at..sample.at.saturating_add(sample.size as usize));
    let bytes = bytes.ok_or(InvalidMp4::Broken(sample.at))?;
    let Opening { profile, keyframe } = video.codec.opening(of_sample(bytes, video.length_width));
    if !sample.sync || keyframe != Some(true) {
        return Err(Unfit::NoKeyframe);
    }
    let Some(profile) = profile else {
        return Err(insert(init, media).err().map_or(Unfit::NoParameterSets, Unfit::Bare));
    };
    Ok(Coding::Video { profile })
}

fn coding(track: &InitTrack) -> Result<Coding, Unfit> {
    track.entry.coding.ok_or_else(|| Unfit::Coding(track.entry.format.to_string()))
}
