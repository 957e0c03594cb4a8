//! A digest of a few words or bytes that is the same on every machine and in every version (FNV-1a): it tells apart what differs by
//! accident, and protects against nobody.

/// The digest so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest(u64);

impl Digest {
    /// The digest of nothing (draft-eastlake-fnv, 64 bits).
    pub(crate) const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    /// The digest with these bytes and their number appended.
    pub(crate) fn and(self, bytes: &[u8]) -> Self {
        let len = (bytes.len() as u64).to_be_bytes();
        bytes.iter().chain(&len).fold(self, |Self(digest), byte| {
            Self((digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
        })
    }

    pub(crate) fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_split_otherwise_has_another_digest() {
        let digest = |parts: &[&str]| parts.iter().fold(Digest::EMPTY, |d, part| d.and(part.as_bytes()));
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&["ab", "c"]), digest(&["ab", "c"]));
        assert_ne!(digest(&[]), digest(&[""]));
    }
}
