//! Boxes, one beside the other or one within the other, found by their names.

use std::ops::Range;

use super::InvalidMp4;

/// One box: its name and where its content stands.
pub(crate) struct BoxAt {
    pub(crate) name: [u8; 4],
    pub(crate) content: Range<usize>,
}

/// The boxes that stand side by side within `within`.
pub(crate) fn boxes(data: &[u8], within: Range<usize>) -> Boxes<'_> {
    Boxes { data, at: within.start, end: within.end }
}

pub(crate) struct Boxes<'a> {
    data: &'a [u8],
    at: usize,
    end: usize,
}

impl Boxes<'_> {
    pub(crate) fn filter_named(self, name: &[u8; 4]) -> Result<Vec<BoxAt>, InvalidMp4> {
        self.filter(|found| !found.as_ref().is_ok_and(|found| found.name != *name)).collect()
    }

    fn read(&self) -> Option<BoxAt> {
        let header: [u8; 8] = self.data.get(self.at..self.at.checked_add(8)?)?.try_into().ok()?;
        let name = [header[4], header[5], header[6], header[7]];
        let short = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let (header_len, size) = match short {
            0 => (8, self.end - self.at),
            1 => {
                let long = self.data.get(self.at + 8..self.at + 16)?.try_into().ok()?;
                (16, usize::try_from(u64::from_be_bytes(long)).ok()?)
            }
            size => (8, usize::try_from(size).ok()?),
        };
        let end = self.at.checked_add(size)?;
        (size >= header_len && end <= self.end).then(|| BoxAt { name, content: self.at + header_len..end })
    }
}

impl Iterator for Boxes<'_> {
    type Item = Result<BoxAt, InvalidMp4>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        if let Some(found) = self.read() {
            self.at = found.content.end;
            Some(Ok(found))
        } else {
            let broken = self.at;
            self.at = self.end;
            Some(Err(InvalidMp4::Broken(broken)))
        }
    }
}

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
