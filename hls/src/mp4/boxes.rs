//! Boxes, one beside the other or one within the other, found by their names.

use std::ops::Range;

use super::InvalidMp4;

/// One box: its name, where it begins and where its content stands.
#[derive(Debug, Clone)]
pub(crate) struct BoxAt {
    pub(crate) name: [u8; 4],
    pub(crate) start: usize,
    pub(crate) content: Range<usize>,
}

/// The box that begins at `at`, if it has a whole header and ends by `end`, which may lie behind what is there of `data`.
pub(crate) fn box_at(data: &[u8], at: usize, end: usize) -> Option<BoxAt> {
    let header: [u8; 8] = data.get(at..at.checked_add(8)?)?.try_into().ok()?;
    let name = [header[4], header[5], header[6], header[7]];
    let short = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
    let (header_len, size) = match short {
        0 => (8, end.checked_sub(at)?),
        1 => {
            let long = data.get(at + 8..at.checked_add(16)?)?.try_into().ok()?;
            (16, usize::try_from(u64::from_be_bytes(long)).ok()?)
        }
        size => (8, usize::try_from(size).ok()?),
    };
    let ends = at.checked_add(size)?;
    let content = at + header_len..ends;
    (size >= header_len && ends <= end).then_some(BoxAt { name, start: at, content })
}

/// The boxes that stand side by side within `within`.
pub(crate) fn boxes(data: &[u8], within: Range<usize>) -> Boxes<'_> {
    Boxes { data, at: within.start, end: within.end }
}

/// See [`boxes`].
pub(crate) struct Boxes<'a> {
    data: &'a [u8],
    at: usize,
    end: usize,
}

impl Boxes<'_> {
    /// Those of this name; what is broken is never passed over.
    pub(crate) fn filter_named(self, name: &[u8; 4]) -> Result<Vec<BoxAt>, InvalidMp4> {
        self.filter(|found| !found.as_ref().is_ok_and(|found| found.name != *name)).collect()
    }
}

impl Iterator for Boxes<'_> {
    type Item = Result<BoxAt, InvalidMp4>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        if let Some(found) = box_at(self.data, self.at, self.end) {
            self.at = found.content.end;
            Some(Ok(found))
        } else {
            let broken = self.at;
            self.at = self.end;
            Some(Err(InvalidMp4::Broken(broken)))
        }
    }
}

/// The version of a full box.
pub(crate) fn version(data: &[u8], of: &BoxAt) -> Result<u8, InvalidMp4> {
    data[of.content.clone()].first().copied().ok_or(InvalidMp4::Broken(of.content.start))
}

/// The 32-bit number at an offset into a full box that depends on the box's version, 0 or 1.
pub(crate) fn number(data: &[u8], of: &BoxAt, offsets: [usize; 2]) -> Result<u32, InvalidMp4> {
    let offset = offsets[usize::from(version(data, of)?.min(1))];
    let content = &data[of.content.clone()];
    let bytes = content.get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u32::from_be_bytes).ok_or(InvalidMp4::Broken(of.content.start))
}

/// The fields of a box, one after the other.
pub(crate) struct Fields<'a> {
    data: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(data: &'a [u8], found: &BoxAt) -> Self {
        Self { data, at: found.content.start, end: found.content.end.min(data.len()) }
    }

    /// Where the next field begins.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The next `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], InvalidMp4> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.end);
        let bytes = end.and_then(|end| self.data.get(self.at..end)).ok_or(InvalidMp4::Broken(self.at))?;
        self.at += len;
        Ok(bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, InvalidMp4> {
        Ok(self.bytes(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, InvalidMp4> {
        let bytes = self.bytes(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, InvalidMp4> {
        let bytes = self.bytes(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, InvalidMp4> {
        Ok(u64::from(self.u32()?) << 32 | u64::from(self.u32()?))
    }
}
