//! The paths of a stream, the same on every server (see the table in ARCHITECTURE.md).
//!
//! Parsing is strict, so that one thing has one URL: no empty or dotted parts, no escapes, no leading zeros. What a name refers
//! to, and whether it exists, is for the server to say. Nothing is copied: a path is parsed at every request.

use std::{
    borrow::{Borrow, Cow},
    fmt,
    str::FromStr,
    sync::Arc,
};

/// Longest stream or rendition name, in bytes; the limit of `policy`'s names, which travel in the same paths.
pub const MAX_NAME_LEN: usize = 64;

/// File name of a stream's multivariant playlist.
pub const MULTIVARIANT: &str = "index.m3u8";

/// File name of a rendition's media playlist.
pub const PLAYLIST: &str = "live.m3u8";

/// The query parameter that carries the session token on playlists.
pub const SESSION: &str = "s";

/// What a request path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource<'a> {
    /// The stream's name.
    pub stream: &'a str,
    /// What of the stream.
    pub kind: Kind<'a>,
}

/// The parts of a stream that have URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// `/{stream}/index.m3u8`
    Multivariant,
    /// `/{stream}/{rendition}/live.m3u8`
    Playlist {
        /// The rendition's name.
        rendition: &'a str,
    },
    /// `/{stream}/{rendition}/{sequence}.{container}`
    Segment {
        /// The rendition's name.
        rendition: &'a str,
        /// The primary's number of the segment.
        sequence: u64,
        /// How the media is packed.
        container: Container,
    },
    /// `/{stream}/{rendition}/init-{number}.mp4`
    Init {
        /// The rendition's name.
        rendition: &'a str,
        /// Number of the initialization section, which no later section of the rendition has again.
        number: u64,
    },
}

impl<'a> Resource<'a> {
    /// What `path` names; none for anything that is not, byte for byte, a path this crate would build.
    #[must_use]
    pub fn parse(path: &'a str) -> Option<Self> {
        let mut parts = path.strip_prefix('/')?.splitn(3, '/');
        let stream = parts.next().filter(|name| is_name(name))?;
        let second = parts.next()?;
        let kind = match parts.next() {
            None if second == MULTIVARIANT => Kind::Multivariant,
            None => return None,
            Some(file) if is_name(second) => Kind::parse(second, file)?,
            Some(_) => return None,
        };
        Some(Self { stream, kind })
    }

    /// The rendition, for everything but the multivariant playlist.
    #[must_use]
    pub fn rendition(&self) -> Option<&'a str> {
        match self.kind {
            Kind::Multivariant => None,
            Kind::Playlist { rendition } | Kind::Segment { rendition, .. } | Kind::Init { rendition, .. } => {
                Some(rendition)
            }
        }
    }

    /// The media type to serve it as (RFC 8216bis 4 and 3.1).
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self.kind {
            Kind::Multivariant | Kind::Playlist { .. } => "application/vnd.apple.mpegurl",
            Kind::Segment { container, .. } => container.content_type(),
            Kind::Init { .. } => Container::Mp4.content_type(),
        }
    }
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.stream)?;
        match self.kind {
            Kind::Multivariant => f.write_str(MULTIVARIANT),
            Kind::Playlist { rendition } => write!(f, "{rendition}/{PLAYLIST}"),
            Kind::Segment { rendition, sequence, container } => {
                write!(f, "{rendition}/{}", segment_name(sequence, container))
            }
            Kind::Init { rendition, number } => write!(f, "{rendition}/{}", init_name(number)),
        }
    }
}

impl<'a> Kind<'a> {
    fn parse(rendition: &'a str, file: &str) -> Option<Self> {
        if file == PLAYLIST {
            return Some(Self::Playlist { rendition });
        }
        if let Some(number) = file.strip_prefix("init-").and_then(|rest| rest.strip_suffix(".mp4")) {
            return Some(Self::Init { rendition, number: parse_number(number)? });
        }
        let (sequence, extension) = file.split_once('.')?;
        let (sequence, container) = (parse_number(sequence)?, Container::of_extension(extension)?);
        (container.extension() == extension).then_some(Self::Segment { rendition, sequence, container })
    }
}

/// A segment's file name, which is also its URI relative to its media playlist.
#[must_use]
pub fn segment_name(sequence: u64, container: Container) -> String {
    format!("{sequence}.{}", container.extension())
}

/// An initialization section's file name, which is also its URI relative to its media playlist.
#[must_use]
pub fn init_name(number: u64) -> String {
    format!("init-{number}.mp4")
}

/// The first value of `name` in a query string, percent-decoded.
#[must_use]
pub fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    parameters(query).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The names and values of a query string, percent-decoded (WHATWG URL 5.1). What is plain is not copied: tokens are long, and they
/// are read at every reload.
pub fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
        if is_plain(pair) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            return Some((Cow::Borrowed(name), Cow::Borrowed(value)));
        }
        ::url::form_urlencoded::parse(pair.as_bytes()).next()
    })
}

fn is_plain(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, b'%' | b'+'))
}

/// How a segment's media is packed (RFC 8216bis 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Container {
    /// Fragmented MPEG-4.
    Mp4,
    /// MPEG-2 transport stream.
    Ts,
    /// Packed audio: ADTS AAC.
    Aac,
    /// Packed audio: MP3.
    Mp3,
    /// Packed audio: AC-3.
    Ac3,
    /// Packed audio: Enhanced AC-3.
    Ec3,
    /// Subtitles.
    Vtt,
}

impl Container {
    /// The container that a file name extension (without its dot) stands for, the spellings of other systems among them.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension {
            "m4s" | "mp4" | "m4v" | "m4a" | "cmfv" | "cmfa" | "cmft" => Self::Mp4,
            "ts" | "mts" | "m2ts" => Self::Ts,
            "aac" => Self::Aac,
            "mp3" => Self::Mp3,
            "ac3" => Self::Ac3,
            "ec3" | "eac3" => Self::Ec3,
            "vtt" | "webvtt" => Self::Vtt,
            _ => return None,
        })
    }

    /// The extension in our URLs, without its dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mp4 => "m4s",
            Self::Ts => "ts",
            Self::Aac => "aac",
            Self::Mp3 => "mp3",
            Self::Ac3 => "ac3",
            Self::Ec3 => "ec3",
            Self::Vtt => "vtt",
        }
    }

    /// The media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Mp4 => "video/mp4",
            Self::Ts => "video/mp2t",
            Self::Aac => "audio/aac",
            Self::Mp3 => "audio/mpeg",
            Self::Ac3 => "audio/ac3",
            Self::Ec3 => "audio/eac3",
            Self::Vtt => "text/vtt",
        }
    }
}

/// The name of one encoding of a stream, of its audio in one language, or of its subtitles.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rendition(Arc<str>);

/// A text that cannot name a rendition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "rendition {0:?} is not a name: use 1 to {MAX_NAME_LEN} of a-z, A-Z, 0-9, '-', '_', '.', and do not start with '.'"
)]
pub struct InvalidRendition(String);

impl Rendition {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Rendition {
    type Err = InvalidRendition;

    fn from_str(text: &str) -> Result<Self, InvalidRendition> {
        if is_name(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidRendition(text.chars().take(MAX_NAME_LEN).collect()))
        }
    }
}

impl fmt::Display for Rendition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Rendition {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Rendition {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// A number as this crate writes it: digits only, no leading zero.
fn parse_number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    (digits && (text.len() == 1 || !text.starts_with('0'))).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds() -> impl Strategy<Value = Kind<'static>> {
        let containers = [
            Container::Mp4,
            Container::Ts,
            Container::Aac,
            Container::Mp3,
            Container::Ac3,
            Container::Ec3,
            Container::Vtt,
        ];
        prop_oneof![
            Just(Kind::Multivariant),
            Just(Kind::Playlist { rendition: "720p" }),
            (any::<u64>(), proptest::sample::select(containers.to_vec()))
                .prop_map(|(sequence, container)| Kind::Segment { rendition: "v0", sequence, container }),
            any::<u64>().prop_map(|number| Kind::Init { rendition: "audio-en", number }),
        ]
    }

    proptest! {
        #[test]
        fn every_path_that_is_built_is_parsed_back(kind in kinds()) {
            let resource = Resource { stream: "live", kind };
            let path = resource.to_string();
            prop_assert_eq!(Resource::parse(&path), Some(resource));
        }

        #[test]
        fn whatever_is_parsed_has_exactly_one_spelling(path in "/[a-z.]{1,6}/[a-z0-9./-]{1,20}") {
            if let Some(resource) = Resource::parse(&path) {
                prop_assert_eq!(resource.to_string(), path);
            }
        }
    }

    #[test]
    fn paths_that_escape_or_have_a_second_spelling_name_nothing() {
        let long = format!("/{}/index.m3u8", "x".repeat(MAX_NAME_LEN + 1));
        for path in [
            "",
            "/",
            "/live",
            "/live/",
            "//index.m3u8",
            "live/index.m3u8",
            "/../index.m3u8",
            "/live/../v0/1.ts",
            "/live/v0/",
            "/live/v0/x/1.ts",
            "/live/v0/01.ts",
            "/live/v0/+1.ts",
            "/live/v0/.ts",
            "/live/v0/1.mp4",
            "/live/v0/1.exe",
            "/live/v0/init-.mp4",
            "/live/v0/18446744073709551616.ts",
            "/live/v%30/1.ts",
            &long,
        ] {
            assert_eq!(Resource::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_query_gives_up_its_parameters_decoded() {
        assert_eq!(parameter("a=1&s=to%2Bken&s=other", "s").as_deref(), Some("to+ken"));
        assert_eq!(parameter("&&a&%73=x+y", "s").as_deref(), Some("x y"));
        assert_eq!(parameter("s", "s").as_deref(), Some(""));
        assert_eq!(parameter("s=a=%3d=b", "s").as_deref(), Some("a===b"));
        assert!(matches!(parameter("s=token", "s"), Some(Cow::Borrowed("token"))));
        assert_eq!(parameter("as=1&sa=2", "s"), None);
        assert_eq!(parameter("a=1", "s"), None);
    }
}
