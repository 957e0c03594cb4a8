//! A media playlist as it was read: somebody's upstream, or one of ours at a relay or client.
//!
//! Everything that the standard lets a line imply is made explicit here, segment by segment: absolute addresses, byte ranges that
//! follow one another, the map and keys in effect, numbers and discontinuity counts. What to fetch of it is `ingest`'s to say.

use std::{sync::Arc, time::Duration};

use ::url::Url;

use crate::{
    attributes::Attributes,
    date::Date,
    key::Keys,
    playlist::{Content, InvalidPlaylist, Line, absolute, lines, resolve},
    url::Container,
};

/// Most segments that are read: two days of 2 s segments.
const MAX_SEGMENTS: usize = 90_000;

/// Most tags that pass through with one segment.
const MAX_TAGS: usize = 64;

/// Longest segment that is believed: one day.
const MAX_DURATION_S: f64 = 86_400.0;

/// A parsed media playlist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediaPlaylist {
    /// EXT-X-TARGETDURATION, in seconds.
    pub target_duration_s: u64,
    /// The number of the first segment, whether or not one is listed.
    pub media_sequence: u64,
    /// The discontinuity count before the first segment.
    pub discontinuity_sequence: u64,
    /// EXT-X-PLAYLIST-TYPE:VOD: this is all there will ever be.
    pub vod: bool,
    /// EXT-X-ENDLIST: no segments will be added.
    pub ended: bool,
    /// Every segment can be decoded without the ones before it.
    pub independent_segments: bool,
    /// Oldest first.
    pub segments: Vec<MediaSegment>,
    /// EXT-X-DATERANGE lines, in the order listed: they stand for moments, not for the segments that they are beside.
    pub date_ranges: Vec<String>,
}

/// One segment, with all that is in effect at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSegment {
    /// Its media sequence number.
    pub sequence: u64,
    /// Its discontinuity sequence number.
    pub discontinuity_sequence: u64,
    /// Where it is.
    pub source: Source,
    /// How long it plays.
    pub duration: Duration,
    /// It follows an EXT-X-DISCONTINUITY.
    pub discontinuity: bool,
    /// It is missing.
    pub gap: bool,
    /// Its initialization section.
    pub map: Option<Arc<MapSource>>,
    /// The keys that it is encrypted with.
    pub keys: Keys,
    /// When it was recorded, where the playlist says so at this very segment.
    pub program_date_time: Option<Date>,
    /// Lines before it with tags that this crate does not know.
    pub tags: Vec<String>,
}

/// An initialization section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapSource {
    /// Where it is.
    pub source: Source,
    /// The keys that it is encrypted with.
    pub keys: Keys,
}

/// Bytes at an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The resource that holds them.
    pub uri: Url,
    /// Which bytes of it; none for all.
    pub byte_range: Option<ByteRange>,
}

/// A part of a resource, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

impl ByteRange {
    /// A range that has a first and a last byte.
    fn new(offset: u64, length: u64) -> Result<Self, Problem> {
        if length == 0 || offset.checked_add(length).is_none() {
            return Err("a byte range that is empty or ends beyond what can be counted".into());
        }
        Ok(Self { offset, length })
    }
}

impl MediaSegment {
    /// How the media is packed: by the address, else by whether there is an initialization section.
    #[must_use]
    pub fn container(&self) -> Container {
        let extension = self.source.uri.path().rsplit_once('.').map(|(_, extension)| extension);
        let by_map = if self.map.is_some() { Container::Mp4 } else { Container::Ts };
        extension.and_then(|text| Container::of_extension(&text.to_ascii_lowercase())).unwrap_or(by_map)
    }
}

impl MediaPlaylist {
    /// Reads `document`, which was fetched from `base`.
    ///
    /// # Errors
    /// When it is no media playlist, or has a line that cannot be understood or is not supported.
    pub fn parse(document: &[u8], base: &Url) -> Result<Self, InvalidPlaylist> {
        let mut parser = Parser::new(base);
        for line in lines(document)? {
            let line = line?;
            match line.content {
                Content::Uri(uri) => parser.segment(uri),
                Content::Tag { name, value, .. } => parser.tag(name, value, &line),
            }
            .map_err(|problem| problem.at(&line))?;
        }
        parser.finish()
    }

    /// The number of the segment after the last.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.segments.last().map_or(self.media_sequence, |segment| segment.sequence.saturating_add(1))
    }
}

/// What is wrong with a line, or with the whole document because of it.
enum Problem {
    Line(String),
    Document(InvalidPlaylist),
}

impl Problem {
    fn at(self, line: &Line<'_>) -> InvalidPlaylist {
        match self {
            Self::Line(problem) => line.invalid(problem),
            Self::Document(invalid) => invalid,
        }
    }
}

impl<T: Into<String>> From<T> for Problem {
    fn from(problem: T) -> Self {
        Self::Line(problem.into())
    }
}

/// What the lines so far have put into effect.
struct Parser<'a> {
    base: &'a Url,
    playlist: MediaPlaylist,
    has_target_duration: bool,
    discontinuities: u64,
    map: Option<Arc<MapSource>>,
    keys: Keys,
    next: Next,
}

/// What holds for the next segment only.
#[derive(Default)]
struct Next {
    duration: Option<Duration>,
    byte_range: Option<(u64, Option<u64>)>,
    discontinuity: bool,
    gap: bool,
    program_date_time: Option<Date>,
    tags: Vec<String>,
}

impl<'a> Parser<'a> {
    fn new(base: &'a Url) -> Self {
        Self {
            base,
            playlist: MediaPlaylist::default(),
            has_target_duration: false,
            discontinuities: 0,
            map: None,
            keys: Keys::default(),
            next: Next::default(),
        }
    }

    fn tag(&mut self, name: &str, value: &str, line: &Line<'_>) -> Result<(), Problem> {
        match name {
            "INF" => {
                let seconds = value.split_once(',').map_or(value, |(seconds, _)| seconds);
                self.next.duration = Some(duration(seconds)?);
            }
            "-X-BYTERANGE" => self.next.byte_range = Some(byte_range(value)?),
            "-X-DISCONTINUITY" => self.next.discontinuity = true,
            "-X-GAP" => self.next.gap = true,
            "-X-PROGRAM-DATE-TIME" => self.next.program_date_time = value.parse().ok(),
            "-X-KEY" => self.keys = self.keys.and(self.key(line)?),
            "-X-MAP" => self.map = Some(Arc::new(self.map(line)?)),
            "-X-DATERANGE" => self.playlist.date_ranges.push(format!("#EXT-X-DATERANGE:{value}")),
            "-X-TARGETDURATION" => {
                let seconds = duration(value)?;
                self.playlist.target_duration_s = seconds.as_secs() + u64::from(seconds.subsec_nanos() > 0);
                self.has_target_duration = true;
            }
            "-X-MEDIA-SEQUENCE" => self.playlist.media_sequence = number(value)?,
            "-X-DISCONTINUITY-SEQUENCE" => self.playlist.discontinuity_sequence = number(value)?,
            "-X-PLAYLIST-TYPE" => self.playlist.vod = value == "VOD",
            "-X-ENDLIST" => self.playlist.ended = true,
            "-X-INDEPENDENT-SEGMENTS" => self.playlist.independent_segments = true,
            "-X-STREAM-INF" | "-X-MEDIA" => return Err(Problem::Document(InvalidPlaylist::Multivariant)),
            "-X-DEFINE" => return Err("EXT-X-DEFINE is not supported: write the URIs out".into()),
            "-X-SKIP" => return Err("EXT-X-SKIP came without being asked for: turn delta updates off".into()),
            "-X-I-FRAMES-ONLY" => {
                return Err("this lists I-frames only: give the URL of the whole media".into());
            }
            // They describe the upstream's own list and timing, or parts of segments, which are not relayed.
            "-X-VERSION"
            | "-X-START"
            | "-X-ALLOW-CACHE"
            | "-X-BITRATE"
            | "-X-SERVER-CONTROL"
            | "-X-PART-INF"
            | "-X-PART"
            | "-X-PRELOAD-HINT"
            | "-X-RENDITION-REPORT" => {}
            _ if self.next.tags.len() >= MAX_TAGS => {
                return Err(format!("more than {MAX_TAGS} tags before one segment").into());
            }
            _ if value.is_empty() => self.next.tags.push(format!("#EXT{name}")),
            _ => self.next.tags.push(format!("#EXT{name}:{value}")),
        }
        Ok(())
    }

    fn segment(&mut self, uri: &str) -> Result<(), Problem> {
        let next = std::mem::take(&mut self.next);
        let index = self.playlist.segments.len();
        if index >= MAX_SEGMENTS {
            return Err(format!("more than {MAX_SEGMENTS} segments").into());
        }
        let uri = resolve(self.base, uri)?;
        let byte_range = next.byte_range.map(|range| self.chained(&uri, range)).transpose()?;
        self.discontinuities += u64::from(next.discontinuity);
        self.playlist.segments.push(MediaSegment {
            sequence: u64::try_from(index).unwrap_or(u64::MAX),
            discontinuity_sequence: self.discontinuities,
            source: Source { uri, byte_range },
            duration: next.duration.ok_or("a segment without EXTINF before it")?,
            discontinuity: next.discontinuity,
            gap: next.gap,
            map: self.map.clone(),
            keys: self.keys.clone(),
            program_date_time: next.program_date_time,
            tags: next.tags,
        });
        Ok(())
    }

    /// A range without an offset begins where the one before it ended, of the same resource (RFC 8216bis 4.4.4.2).
    fn chained(&self, uri: &Url, (length, offset): (u64, Option<u64>)) -> Result<ByteRange, Problem> {
        let previous = || match self.playlist.segments.last()?.source {
            Source { uri: ref same, byte_range: Some(range) } if same == uri => {
                range.offset.checked_add(range.length)
            }
            _ => None,
        };
        let offset =
            offset.or_else(previous).ok_or("a byte range without an offset that continues no other")?;
        ByteRange::new(offset, length)
    }

    fn key(&self, line: &Line<'_>) -> Result<Attributes, Problem> {
        let mut key = attributes(line)?;
        if let Some(uri) = key.value("URI") {
            let uri = absolute(self.base, uri)?;
            key.set_quoted("URI", uri.as_str());
        }
        Ok(key)
    }

    fn map(&self, line: &Line<'_>) -> Result<MapSource, Problem> {
        let map = attributes(line)?;
        let uri = resolve(self.base, map.value("URI").ok_or("EXT-X-MAP has no URI")?)?;
        let byte_range = map.value("BYTERANGE").map(byte_range).transpose()?;
        let byte_range = byte_range.map(|(length, offset)| ByteRange::new(offset.unwrap_or(0), length));
        let byte_range = byte_range.transpose()?;
        Ok(MapSource { source: Source { uri, byte_range }, keys: self.keys.clone() })
    }

    /// Numbers are given where the tags of the whole document, which may stand anywhere in it, are known.
    fn finish(self) -> Result<MediaPlaylist, InvalidPlaylist> {
        let mut playlist = self.playlist;
        if !self.has_target_duration {
            return Err(InvalidPlaylist::NoTargetDuration);
        }
        for segment in &mut playlist.segments {
            segment.sequence = segment.sequence.saturating_add(playlist.media_sequence);
            segment.discontinuity_sequence =
                segment.discontinuity_sequence.saturating_add(playlist.discontinuity_sequence);
        }
        Ok(playlist)
    }
}

fn attributes(line: &Line<'_>) -> Result<Attributes, Problem> {
    match line.content {
        Content::Tag { tag, .. } => Ok(Attributes::of(tag)?),
        Content::Uri(_) => Ok(Attributes::default()),
    }
}

fn number(value: &str) -> Result<u64, Problem> {
    value.parse().map_err(|_| format!("{value:?} is not a number").into())
}

fn duration(value: &str) -> Result<Duration, Problem> {
    let seconds = value.trim().parse().ok().filter(|seconds| (0.0..=MAX_DURATION_S).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("{value:?} is not a duration of 0 to {MAX_DURATION_S} seconds").into())
}

/// `{length}` or `{length}@{offset}`.
fn byte_range(value: &str) -> Result<(u64, Option<u64>), Problem> {
    match value.split_once('@') {
        None => Ok((number(value)?, None)),
        Some((length, offset)) => Ok((number(length)?, Some(number(offset)?))),
    }
}

#[cfg(test)]
mod tests;
