//! A multivariant playlist as it was read: somebody's upstream, or one of ours at the client.
//!
//! It says what is there and where, all URIs absolute. What we make of it for viewers is `template`.

use ::url::Url;

use crate::{
    attributes::Attributes,
    playlist::{Content, InvalidPlaylist, Line, absolute, lines, resolve},
};

/// Most variants and renditions that are read: ten pathways of a ladder of ten rungs in ten groups.
const MAX_ENTRIES: usize = 1000;

/// A parsed multivariant playlist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Multivariant {
    /// EXT-X-VERSION, where given.
    pub version: Option<u64>,
    /// Every segment can be decoded without the ones before it.
    pub independent_segments: bool,
    /// Where to ask which pathway to play.
    pub steering: Option<Steering>,
    /// EXT-X-STREAM-INF, in the order listed.
    pub variants: Vec<Variant>,
    /// EXT-X-MEDIA, in the order listed.
    pub media: Vec<Media>,
    /// Session data, session keys and the preferred start, as lines.
    pub session: Vec<String>,
}

/// EXT-X-CONTENT-STEERING (RFC 8216bis 4.4.6.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steering {
    /// Where to ask.
    pub server: Url,
    /// The pathway to begin with.
    pub pathway: Option<String>,
}

/// One EXT-X-STREAM-INF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Its media playlist.
    pub uri: Url,
    /// All its attributes.
    pub attributes: Attributes,
}

impl Variant {
    /// Peak bits per second.
    #[must_use]
    pub fn bandwidth(&self) -> u64 {
        self.attributes.number("BANDWIDTH").unwrap_or_default()
    }

    /// The pathway it belongs to; without the attribute it is "." (RFC 8216bis 4.4.6.2).
    #[must_use]
    pub fn pathway(&self) -> &str {
        self.attributes.value("PATHWAY-ID").unwrap_or(".")
    }
}

/// One EXT-X-MEDIA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Its media playlist; none where its media are in the variants'.
    pub uri: Option<Url>,
    /// All its attributes, but URI.
    pub attributes: Attributes,
}

impl Media {
    /// AUDIO, VIDEO, SUBTITLES or CLOSED-CAPTIONS.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.attributes.value("TYPE").unwrap_or_default()
    }

    /// The group it is in, which variants name.
    #[must_use]
    pub fn group(&self) -> &str {
        self.attributes.value("GROUP-ID").unwrap_or_default()
    }
}

impl Multivariant {
    /// Reads `document`, which was fetched from `base`.
    ///
    /// # Errors
    /// When it is no multivariant playlist, lists no variant, or has a line that cannot be understood.
    pub fn parse(document: &[u8], base: &Url) -> Result<Self, InvalidPlaylist> {
        let mut playlist = Self::default();
        let mut pending: Option<Attributes> = None;
        for line in lines(document)? {
            let line = line?;
            match line.content {
                Content::Uri(uri) => {
                    if let Some(attributes) = pending.take() {
                        let uri = resolve(base, uri).map_err(|problem| line.invalid(problem))?;
                        playlist.variants.push(Variant { uri, attributes });
                    }
                }
                Content::Tag { name: "-X-STREAM-INF", tag, .. } => {
                    let attributes = Attributes::of(tag).map_err(|problem| line.invalid(problem))?;
                    if attributes.number::<u64>("BANDWIDTH").is_none() {
                        return Err(
                            line.invalid("EXT-X-STREAM-INF has no BANDWIDTH, which the standard demands")
                        );
                    }
                    pending = Some(attributes);
                }
                Content::Tag { .. } => playlist.read_tag(&line, base)?,
            }
            if playlist.variants.len() + playlist.media.len() + playlist.session.len() > MAX_ENTRIES {
                return Err(line.invalid(format!("more than {MAX_ENTRIES} variants and renditions")));
            }
        }
        if playlist.variants.is_empty() {
            return Err(InvalidPlaylist::NoVariants);
        }
        Ok(playlist)
    }

    fn read_tag(&mut self, line: &Line<'_>, base: &Url) -> Result<(), InvalidPlaylist> {
        let Content::Tag { name, value, tag } = line.content else { return Ok(()) };
        let attributes = || Attributes::of(tag).map_err(|problem| line.invalid(problem));
        let fetched = |uri: &str| resolve(base, uri).map_err(|problem| line.invalid(problem));
        match name {
            "INF" | "-X-TARGETDURATION" | "-X-MEDIA-SEQUENCE" => return Err(InvalidPlaylist::Media),
            "-X-DEFINE" => return Err(line.invalid("EXT-X-DEFINE is not supported: write the URIs out")),
            "-X-VERSION" => self.version = value.parse().ok(),
            "-X-INDEPENDENT-SEGMENTS" => self.independent_segments = true,
            "-X-START" => self.session.push(format!("#EXT-X-START:{value}")),
            "-X-SESSION-DATA" | "-X-SESSION-KEY" => {
                let mut attributes = attributes()?;
                if let Some(uri) = attributes.value("URI") {
                    let uri = absolute(base, uri).map_err(|problem| line.invalid(problem))?;
                    attributes.set_quoted("URI", uri.as_str());
                }
                self.session.push(format!("#EXT{name}:{attributes}"));
            }
            "-X-CONTENT-STEERING" => {
                let attributes = attributes()?;
                let server = attributes.value("SERVER-URI").ok_or_else(|| line.invalid("no SERVER-URI"))?;
                let pathway = attributes.value("PATHWAY-ID").map(str::to_owned);
                self.steering = Some(Steering { server: fetched(server)?, pathway });
            }
            "-X-MEDIA" => {
                let mut attributes = attributes()?;
                let uri = attributes.value("URI").map(fetched).transpose()?;
                attributes.remove("URI");
                self.media.push(Media { uri, attributes });
            }
            // I-frame playlists list ranges of other playlists' segments, which have no URLs of ours.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base() -> Url {
        "https://origin.example/live/master.m3u8".parse().unwrap()
    }

    #[test]
    fn references_become_absolute_and_unknown_attributes_stay() {
        let text = b"#EXTM3U\n#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"a/i.m3u8\"\n\
            #EXT-X-CONTENT-STEERING:SERVER-URI=\"/steer?x=1\",PATHWAY-ID=\"A\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\",X-NEW=\"y\"\nv/i.m3u8\n";
        let playlist = Multivariant::parse(text, &base()).unwrap();
        assert_eq!(playlist.variants[0].uri.as_str(), "https://origin.example/live/v/i.m3u8");
        assert_eq!(playlist.variants[0].attributes.value("X-NEW"), Some("y"));
        assert_eq!(playlist.media[0].uri.as_ref().unwrap().path(), "/live/a/i.m3u8");
        assert_eq!(playlist.steering.unwrap().server.as_str(), "https://origin.example/steer?x=1");
        assert_eq!(
            playlist.session,
            ["#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"https://origin.example/live/k\""]
        );
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (text, words) in [
            ("#EXTM3U\n#EXT-X-TARGETDURATION:2\n", "media playlist"),
            ("#EXTM3U\n", "no variant"),
            ("#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"x\"\nv\n", "BANDWIDTH"),
            ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile:///etc/passwd\n", "only http"),
            ("#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n", "EXT-X-DEFINE"),
            ("#EXTM3U\n#EXT-X-MEDIA:TYPE\n", "line 2"),
        ] {
            let error = Multivariant::parse(text.as_bytes(), &base()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(document in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = Multivariant::parse(&document, &base());
            let _ = Multivariant::parse(&[b"#EXTM3U\n".as_slice(), &document].concat(), &base());
        }

        #[test]
        fn no_tags_make_the_parser_panic(
            lines in proptest::collection::vec("#EXT(-X-STREAM-INF|-X-MEDIA|-X-SESSION-DATA)?:?[A-Z\",=:a-z]{0,40}", 0..20)
        ) {
            let _ = Multivariant::parse(format!("#EXTM3U\n{}", lines.join("\n")).as_bytes(), &base());
        }
    }
}
