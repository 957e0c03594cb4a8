//! What every playlist has in common: text of bounded size, `#EXTM3U` on top, lines that are tags or URIs (RFC 8216bis 4.1).
//!
//! Says in words that help an operator when a document is no playlist, or the other kind of playlist. The tags' meaning is left
//! to `multivariant` and `media`.

use quick_m3u8::{HlsLine, Reader, config::ParsingOptionsBuilder, tag::UnknownTag};

/// Largest playlist that is read, in bytes: 24 hours of 2 s segments with addresses of 150 bytes. Fetch no more than this.
pub const MAX_PLAYLIST_BYTES: usize = 8 << 20;

/// Longest line that is read, in bytes: an address (8 KiB is what servers accept) and the attributes beside it.
const MAX_LINE_BYTES: usize = 16 << 10;

/// The two kinds of playlist (RFC 8216bis 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaylistKind {
    /// Lists variants and renditions.
    Multivariant,
    /// Lists the segments of one rendition.
    Media,
}

/// Why a document cannot be used as the playlist that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlaylist {
    /// Nothing at all.
    #[error("the playlist is empty: check that the encoder runs and that the URL names what it writes")]
    Empty,
    /// A page for people.
    #[error(
        "this is a web page (HTML), not a playlist: give the URL of the .m3u8 itself, not of the page that plays it"
    )]
    Html,
    /// Something else.
    #[error("this does not start with #EXTM3U and so is no HLS playlist: give the URL of an .m3u8")]
    NotAPlaylist,
    /// Bytes that are no text.
    #[error(
        "this is not UTF-8 text and so is no HLS playlist: give the URL of an .m3u8, not of a media file"
    )]
    NotText,
    /// More than [`MAX_PLAYLIST_BYTES`].
    #[error("the playlist is larger than {MAX_PLAYLIST_BYTES} bytes: let its encoder list fewer segments")]
    TooLarge,
    /// The other kind was expected.
    #[error(
        "this is a media playlist (it lists segments) where a multivariant playlist is wanted: give the URL that lists its variants"
    )]
    Media,
    /// The other kind was expected.
    #[error(
        "this is a multivariant playlist (it lists variants) where a media playlist is wanted: give the URL of one of its variants"
    )]
    Multivariant,
    /// A multivariant playlist without a variant.
    #[error("the multivariant playlist lists no variant: check what the encoder writes")]
    NoVariants,
    /// A media playlist without its mandatory tag.
    #[error("the media playlist has no EXT-X-TARGETDURATION: check what the encoder writes")]
    NoTargetDuration,
    /// One line that cannot be understood or is not supported.
    #[error("line {line} of the playlist: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

/// Which kind of playlist `document` is.
///
/// # Errors
/// When it is no playlist.
pub fn kind_of(document: &[u8]) -> Result<PlaylistKind, InvalidPlaylist> {
    for line in lines(document)? {
        if let Content::Tag { name, .. } = line?.content {
            match name {
                "-X-STREAM-INF" | "-X-MEDIA" | "-X-I-FRAME-STREAM-INF" | "-X-CONTENT-STEERING" => {
                    return Ok(PlaylistKind::Multivariant);
                }
                "INF" | "-X-TARGETDURATION" | "-X-MEDIA-SEQUENCE" => return Ok(PlaylistKind::Media),
                _ => {}
            }
        }
    }
    Err(InvalidPlaylist::NoTargetDuration)
}

/// A line that says something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub(crate) number: usize,
    pub(crate) content: Content<'a>,
}

/// Comments and blank lines say nothing and are left out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content<'a> {
    /// `#EXT{name}:{value}`; `value` is empty where there is none.
    Tag {
        name: &'a str,
        value: &'a str,
        tag: UnknownTag<'a>,
    },
    Uri(&'a str),
}

impl Line<'_> {
    pub(crate) fn invalid(&self, problem: impl Into<String>) -> InvalidPlaylist {
        InvalidPlaylist::Line { line: self.number, problem: problem.into() }
    }
}

/// The lines after `#EXTM3U`.
pub(crate) fn lines(
    document: &[u8],
) -> Result<impl Iterator<Item = Result<Line<'_>, InvalidPlaylist>>, InvalidPlaylist> {
    let mut reader = Reader::from_str(text_of(document)?, ParsingOptionsBuilder::new().build());
    let mut number = 1;
    Ok(std::iter::from_fn(move || {
        loop {
            number += 1;
            let content = match reader.read_line() {
                Ok(None) => return None,
                Ok(Some(HlsLine::UnknownTag(tag))) => tag_content(tag),
                Ok(Some(HlsLine::Uri(std::borrow::Cow::Borrowed(uri)))) if !uri.trim().is_empty() => {
                    Content::Uri(uri.trim())
                }
                Ok(Some(_)) => continue,
                Err(error) => {
                    return Some(Err(InvalidPlaylist::Line {
                        line: number,
                        problem: error.error.to_string(),
                    }));
                }
            };
            return Some(Ok(Line { number, content }));
        }
    }))
}

fn tag_content(tag: UnknownTag<'_>) -> Content<'_> {
    let value = tag.value().and_then(|value| std::str::from_utf8(value.0).ok()).unwrap_or_default();
    Content::Tag { name: tag.name(), value: value.trim(), tag }
}

/// The text after the line `#EXTM3U`.
fn text_of(document: &[u8]) -> Result<&str, InvalidPlaylist> {
    if document.len() > MAX_PLAYLIST_BYTES {
        return Err(InvalidPlaylist::TooLarge);
    }
    let text = std::str::from_utf8(document).map_err(|_| InvalidPlaylist::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(InvalidPlaylist::Empty);
    }
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    if first.trim_end() != "#EXTM3U" {
        let html = text.trim_start().as_bytes().first() == Some(&b'<');
        return Err(if html { InvalidPlaylist::Html } else { InvalidPlaylist::NotAPlaylist });
    }
    match rest.lines().position(|line| line.len() > MAX_LINE_BYTES) {
        None => Ok(rest),
        Some(index) => Err(InvalidPlaylist::Line {
            line: index + 2,
            problem: format!("longer than {MAX_LINE_BYTES} bytes"),
        }),
    }
}

/// `reference` made absolute; only what an HTTP client may fetch.
pub(crate) fn resolve(base: &::url::Url, reference: &str) -> Result<::url::Url, String> {
    let url = absolute(base, reference)?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("{other}: URIs are not fetched: only http and https are")),
    }
}

/// `reference` made absolute, of whatever scheme: for what players fetch themselves (keys, session data).
pub(crate) fn absolute(base: &::url::Url, reference: &str) -> Result<::url::Url, String> {
    base.join(reference).map_err(|error| format!("{reference:?} is not a URI: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_playlist_says_what_to_do_instead() {
        let cases: [(&[u8], &str); 5] = [
            (b"  \n", "is empty"),
            (b"<!doctype html><html></html>", "web page"),
            (b"\x00\x00\x00\x18ftypmp42\xff", "not UTF-8"),
            (b"WEBVTT\n", "#EXTM3U"),
            (b"#EXTM3U8\n", "#EXTM3U"),
        ];
        for (document, words) in cases {
            let error = kind_of(document).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(kind_of(&vec![b'#'; MAX_PLAYLIST_BYTES + 1]), Err(InvalidPlaylist::TooLarge));
        let long = format!("#EXTM3U\n{}\n", "x".repeat(MAX_LINE_BYTES + 1));
        assert!(kind_of(long.as_bytes()).unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn the_two_kinds_are_told_apart_whatever_the_line_ends_and_byte_order_marks() {
        let media = "\u{feff}#EXTM3U\r\n#EXT-X-VERSION:3\r\n#EXT-X-TARGETDURATION:2\r\n";
        assert_eq!(kind_of(media.as_bytes()), Ok(PlaylistKind::Media));
        let multivariant = b"#EXTM3U\n\n# hello\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8";
        assert_eq!(kind_of(multivariant), Ok(PlaylistKind::Multivariant));
    }
}
