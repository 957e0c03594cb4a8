//! A media playlist as a player needs it: what can be loaded, in order, all URIs absolute.

use std::time::Duration;

use hls::{InvalidPlaylist, MediaPlaylist, Resource, media::MediaSegment};
use url::Url;

/// What a media playlist lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// No segment is longer.
    pub target: Duration,
    /// Oldest first.
    pub segments: Vec<Entry>,
    /// Nothing will be added.
    pub ended: bool,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The primary's number, the same on every server.
    pub sequence: u64,
    /// Where it is.
    pub uri: Url,
    /// How long it plays.
    pub duration: Duration,
    /// The initialization section to read before it, where there is one.
    pub init: Option<Url>,
    /// It is known to be missing.
    pub gap: bool,
}

impl Entry {
    /// The rendition that it is of, by its address.
    #[must_use]
    pub fn rendition(&self) -> Option<&str> {
        Resource::parse(self.uri.path()).and_then(|resource| resource.rendition())
    }
}

impl Listing {
    /// Reads a media playlist that came from `base`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(document: &[u8], base: &Url) -> Result<Self, InvalidPlaylist> {
        let playlist = MediaPlaylist::parse(document, base)?;
        Ok(Self {
            target: Duration::from_secs(playlist.target_duration_s.max(1)),
            segments: playlist.segments.into_iter().map(Entry::from).collect(),
            ended: playlist.ended,
        })
    }
}

impl From<MediaSegment> for Entry {
    fn from(segment: MediaSegment) -> Self {
        Self {
            sequence: segment.sequence,
            uri: segment.source.uri,
            duration: segment.duration,
            init: segment.map.map(|map| map.source.uri.clone()),
            gap: segment.gap,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::ops::RangeInclusive;

    use super::*;

    /// Segments of 2 s with one initialization section.
    pub(crate) fn listing(numbers: RangeInclusive<u64>) -> Listing {
        let base: Url = "http://127.0.0.1/live/v0/live.m3u8".parse().unwrap();
        let segments = numbers
            .map(|sequence| Entry {
                sequence,
                uri: base.join(&format!("{sequence}.m4s")).unwrap(),
                duration: Duration::from_secs(2),
                init: Some(base.join("init-1.mp4").unwrap()),
                gap: false,
            })
            .collect();
        Listing { target: Duration::from_secs(2), segments, ended: false }
    }
}
