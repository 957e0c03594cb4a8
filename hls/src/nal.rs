//! Units of coded video, H.264 (ISO/IEC 14496-10 annex B) and HEVC (ISO/IEC 23008-2), as far as what opens a segment goes: whether
//! its first picture can be decoded with nothing before it, and by which profile.

/// How a video is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Codec {
    Avc,
    Hevc,
}

/// What a unit is, as far as anybody here asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It says that a picture begins.
    Delimiter,
    /// The sequence parameter set, with the profile.
    Sequence(u8),
    /// A picture that refers to no other, and none after it refers to one before it.
    Keyframe,
    /// Any other picture.
    Picture,
    /// Anything else.
    Other,
}

/// What there is up to the first picture and with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Opening {
    /// The profile, where a sequence parameter set comes before the picture.
    pub(crate) profile: Option<u8>,
    /// Whether the picture is a keyframe; none where there is no picture.
    pub(crate) keyframe: Option<bool>,
}

impl Codec {
    /// What `unit` is, its header included.
    pub(crate) fn kind(self, unit: &[u8]) -> Kind {
        let Some(first) = unit.first() else { return Kind::Other };
        match self {
            Self::Avc => match first & 0x1f {
                9 => Kind::Delimiter,
                7 => unit.get(1).map_or(Kind::Other, |profile| Kind::Sequence(*profile)),
                5 => Kind::Keyframe,
                1..=4 => Kind::Picture,
                _ => Kind::Other,
            },
            // A picture of type CRA (21) may be followed by pictures that refer to the ones before it.
            Self::Hevc => match (first >> 1) & 0x3f {
                35 => Kind::Delimiter,
                33 => unit.get(3).map_or(Kind::Other, |byte| Kind::Sequence(byte & 0x1f)),
                19 | 20 => Kind::Keyframe,
                0..=31 => Kind::Picture,
                _ => Kind::Other,
            },
        }
    }

    /// What `units` open with.
    pub(crate) fn opening<'a>(self, units: impl Iterator<Item = &'a [u8]>) -> Opening {
        let mut opening = Opening::default();
        for unit in units {
            match self.kind(unit) {
                Kind::Sequence(profile) => opening.profile = Some(profile),
                Kind::Keyframe => opening.keyframe = Some(true),
                Kind::Picture => opening.keyframe = Some(false),
                Kind::Delimiter | Kind::Other => continue,
            }
            if opening.keyframe.is_some() {
                break;
            }
        }
        opening
    }
}

/// The units of a byte stream, each after its start code. What comes before the first start code is no unit.
pub(crate) fn of_byte_stream(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(data);
    std::iter::from_fn(move || {
        let unit = rest?;
        rest = after_start_code(unit);
        let end = rest.map_or(unit.len(), |rest| unit.len() - rest.len() - START_CODE.len());
        Some(&unit[..end])
    })
}

const START_CODE: [u8; 3] = [0, 0, 1];

fn after_start_code(data: &[u8]) -> Option<&[u8]> {
    let at = data.windows(START_CODE.len()).position(|window| window == START_CODE)?;
    Some(&data[at + START_CODE.len()..])
}

/// The units of a sample, each after its length in `width` bytes. Ends where a length makes no sense; a last unit that is cut off is
/// given as far as it is there.
pub(crate) fn of_sample(mut data: &[u8], width: usize) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = data.split_at_checked(width)?;
        let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let (unit, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        data = rest;
        (!unit.is_empty()).then_some(unit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYFRAME: &[u8] =
        &[0, 0, 0, 1, 0x09, 0xf0, 0, 0, 1, 0x67, 77, 0, 31, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 9];

    #[test]
    fn a_keyframe_with_its_profile_is_found_after_delimiter_and_parameter_sets() {
        let opening = Codec::Avc.opening(of_byte_stream(KEYFRAME));
        assert_eq!(opening, Opening { profile: Some(77), keyframe: Some(true) });
        let sample = [0, 0, 0, 2, 0x41, 1, 0, 0, 0, 2, 0x65, 1];
        let opening = Codec::Avc.opening(of_sample(&sample, 4));
        assert_eq!(opening, Opening { profile: None, keyframe: Some(false) });
    }

    #[test]
    fn an_open_group_of_hevc_does_not_begin_with_a_keyframe() {
        let unit = |kind: u8| [kind << 1, 1, 1, 0x62];
        assert_eq!(Codec::Hevc.kind(&unit(19)), Kind::Keyframe);
        assert_eq!(Codec::Hevc.kind(&unit(21)), Kind::Picture);
        assert_eq!(Codec::Hevc.kind(&unit(33)), Kind::Sequence(2));
        assert_eq!(Codec::Hevc.kind(&unit(32)), Kind::Other);
    }

    #[test]
    fn units_that_are_cut_off_end_the_sample() {
        assert_eq!(of_sample(&[0, 9, 1], 2).collect::<Vec<_>>(), [[1]]);
        assert_eq!(of_sample(&[0, 0, 1], 2).count(), 0);
        assert_eq!(of_byte_stream(&[0, 0]).count(), 0);
    }
}
