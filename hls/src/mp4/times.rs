//! Decode times: reading them, and moving them on so that a loop never ends.
//!
//! Only the boxes on the way to `mdhd` and `tfdt` are looked at. Everything else, the media above all, passes through as it is;
//! a segment index (`sidx`), whose times would have to follow, is refused.

use std::collections::BTreeMap;

use super::{
    InvalidMp4,
    boxes::{boxes, number, version},
};

/// Units per second of each track, from an initialization section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timescales(BTreeMap<u32, u32>);

impl Timescales {
    /// Reads an initialization section.
    ///
    /// # Errors
    /// When its boxes are broken.
    pub fn of(init: &[u8]) -> Result<Self, InvalidMp4> {
        let mut timescales = BTreeMap::new();
        for moov in boxes(init, 0..init.len()).filter_named(b"moov")? {
            for trak in boxes(init, moov.content).filter_named(b"trak")? {
                let (mut track, mut timescale) = (None, None);
                for tkhd in boxes(init, trak.content.clone()).filter_named(b"tkhd")? {
                    track = Some(number(init, &tkhd, [12, 20])?);
                }
                for mdia in boxes(init, trak.content).filter_named(b"mdia")? {
                    for mdhd in boxes(init, mdia.content).filter_named(b"mdhd")? {
                        timescale = Some(number(init, &mdhd, [12, 20])?);
                    }
                }
                timescales.extend(track.zip(timescale));
            }
        }
        Ok(Self(timescales))
    }

    /// Units per second of `track`.
    #[must_use]
    pub fn of_track(&self, track: u32) -> Option<u32> {
        self.0.get(&track).copied()
    }
}

/// The decode time of the first sample of each track fragment, in the track's units, in the order of the file.
///
/// # Errors
/// When the boxes are broken.
pub fn decode_times(segment: &[u8]) -> Result<Vec<(u32, u64)>, InvalidMp4> {
    let fragments = fragments(segment)?;
    Ok(fragments.iter().map(|fragment| (fragment.track, fragment.time)).collect())
}

/// Moves all decode times of `segment` on by whole seconds, in place.
///
/// # Errors
/// When the segment is not one of these tracks, has an index, or a time does not fit. Nothing is changed then.
pub fn move_on(segment: &mut [u8], timescales: &Timescales, seconds: u64) -> Result<(), InvalidMp4> {
    if !boxes(segment, 0..segment.len()).filter_named(b"sidx")?.is_empty() {
        return Err(InvalidMp4::Indexed);
    }
    let mut moved = Vec::new();
    for fragment in fragments(segment)? {
        let timescale =
            timescales.of_track(fragment.track).ok_or(InvalidMp4::UnknownTrack(fragment.track))?;
        let limit = if fragment.field.len() == 8 { u64::MAX } else { u64::from(u32::MAX) };
        let time = u64::from(timescale)
            .checked_mul(seconds)
            .and_then(|more| fragment.time.checked_add(more))
            .filter(|time| *time <= limit)
            .ok_or(InvalidMp4::Overflow(fragment.track))?;
        moved.push((fragment.field, time));
    }
    for (field, time) in moved {
        let bytes = time.to_be_bytes();
        let width = field.len();
        segment[field].copy_from_slice(&bytes[bytes.len() - width..]);
    }
    Ok(())
}

/// One track fragment's decode time and where it stands.
struct Fragment {
    track: u32,
    time: u64,
    field: std::ops::Range<usize>,
}

fn fragments(segment: &[u8]) -> Result<Vec<Fragment>, InvalidMp4> {
    let mut fragments = Vec::new();
    for moof in boxes(segment, 0..segment.len()).filter_named(b"moof")? {
        for traf in boxes(segment, moof.content).filter_named(b"traf")? {
            let mut track = 0;
            for tfhd in boxes(segment, traf.content.clone()).filter_named(b"tfhd")? {
                track = number(segment, &tfhd, [4, 4])?;
            }
            for tfdt in boxes(segment, traf.content).filter_named(b"tfdt")? {
                let start = tfdt.content.start + 4;
                let width = if version(segment, &tfdt)? == 0 { 4 } else { 8 };
                let field = start..start + width;
                let bytes = segment.get(field.clone()).filter(|_| field.end <= tfdt.content.end);
                let bytes = bytes.ok_or(InvalidMp4::Broken(start))?;
                let time = bytes.iter().fold(0, |time, byte| time << 8 | u64::from(*byte));
                fragments.push(Fragment { track, time, field });
            }
        }
    }
    Ok(fragments)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes(), name.as_slice(), content].concat()
    }

    fn init() -> Vec<u8> {
        let tkhd = boxed(b"tkhd", &[&[0; 12], 7_u32.to_be_bytes().as_slice(), &[0; 68]].concat());
        let mdhd = boxed(b"mdhd", &[&[0; 12], 90_000_u32.to_be_bytes().as_slice(), &[0; 8]].concat());
        let trak = boxed(b"trak", &[tkhd, boxed(b"mdia", &mdhd)].concat());
        [boxed(b"ftyp", b"iso5"), boxed(b"moov", &trak)].concat()
    }

    fn segment(version: u8, time: &[u8]) -> Vec<u8> {
        let tfhd = boxed(b"tfhd", &[0, 0, 0, 0, 0, 0, 0, 7]);
        let tfdt = boxed(b"tfdt", &[&[version, 0, 0, 0], time].concat());
        let moof = boxed(b"moof", &boxed(b"traf", &[tfhd, tfdt].concat()));
        [moof, boxed(b"mdat", b"media")].concat()
    }

    #[test]
    fn times_move_on_in_the_tracks_own_units_and_nothing_else_changes() {
        let timescales = Timescales::of(&init()).unwrap();
        assert_eq!(timescales.of_track(7), Some(90_000));
        let mut moved = segment(1, &5_u64.to_be_bytes());
        move_on(&mut moved, &timescales, 24).unwrap();
        assert_eq!(decode_times(&moved).unwrap(), [(7, 24 * 90_000 + 5)]);
        assert_eq!(moved, segment(1, &(24 * 90_000_u64 + 5).to_be_bytes()));
    }

    #[test]
    fn what_cannot_be_moved_is_left_as_it_was() {
        let timescales = Timescales::of(&init()).unwrap();
        let narrow = segment(0, &(u32::MAX - 1).to_be_bytes());
        let mut tried = narrow.clone();
        assert_eq!(move_on(&mut tried, &timescales, 1), Err(InvalidMp4::Overflow(7)));
        assert_eq!(tried, narrow);
        let mut indexed = [boxed(b"sidx", &[0; 24]), narrow.clone()].concat();
        assert_eq!(move_on(&mut indexed, &timescales, 1), Err(InvalidMp4::Indexed));
        let other = Timescales(BTreeMap::new());
        assert_eq!(move_on(&mut tried, &other, 1), Err(InvalidMp4::UnknownTrack(7)));
    }

    #[test]
    fn a_segment_cut_off_is_broken() {
        let whole = segment(1, &[0; 8]);
        assert!(matches!(decode_times(&whole[..whole.len() - 2]), Err(InvalidMp4::Broken(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut data in proptest::collection::vec(any::<u8>(), 0..200), at in 0..60_usize) {
            let _ = Timescales::of(&data);
            let _ = decode_times(&data);
            let mut bent = segment(1, &[9; 8]);
            let end = bent.len().min(at + data.len());
            bent[at..end].copy_from_slice(&data[..end - at]);
            let _ = decode_times(&bent);
            let _ = move_on(&mut data, &Timescales(BTreeMap::from([(7, 90_000)])), u64::MAX);
        }
    }
}
