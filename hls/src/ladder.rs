//! The ladder: the encodings of one stream, lowest bitrate first, and the names that they get in our URLs.
//!
//! A name must be the same after every restart, or a viewer's URLs would die with the primary: it is made from what the
//! upstream's playlist says and from nothing else.

use std::collections::BTreeMap;

use ::url::Url;

use crate::{
    attributes::Attributes,
    url::{PLAYLIST, Rendition},
};

/// Longest text of an upstream (a language, a name) that becomes part of a name: leaves room for what tells two apart.
const MAX_PART_LEN: usize = 24;

/// One encoding of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    /// Its name in URLs.
    pub rendition: Rendition,
    /// Peak bits per second, audio included.
    pub bandwidth: u64,
    /// Average bits per second.
    pub average_bandwidth: Option<u64>,
    /// Width and height in pixels; none for audio alone.
    pub resolution: Option<(u32, u32)>,
    /// As in RFC 6381, comma-separated.
    pub codecs: Option<String>,
    /// Frames per second.
    pub frame_rate: Option<f64>,
}

impl Rung {
    pub(crate) fn of(rendition: Rendition, attributes: &Attributes) -> Self {
        Self {
            rendition,
            bandwidth: attributes.number("BANDWIDTH").unwrap_or_default(),
            average_bandwidth: attributes.number("AVERAGE-BANDWIDTH"),
            resolution: attributes.value("RESOLUTION").and_then(parse_resolution),
            codecs: attributes.value("CODECS").map(str::to_owned),
            frame_rate: attributes.number("FRAME-RATE"),
        }
    }

    pub(crate) fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.set_bare("BANDWIDTH", self.bandwidth);
        if let Some(bandwidth) = self.average_bandwidth {
            attributes.set_bare("AVERAGE-BANDWIDTH", bandwidth);
        }
        if let Some(codecs) = &self.codecs {
            attributes.set_quoted("CODECS", codecs);
        }
        if let Some((width, height)) = self.resolution {
            attributes.set_bare("RESOLUTION", format_args!("{width}x{height}"));
        }
        if let Some(rate) = self.frame_rate {
            attributes.set_bare("FRAME-RATE", format_args!("{rate:.3}"));
        }
        attributes
    }
}

fn parse_resolution(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once(['x', 'X'])?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

/// Gives every media playlist of an upstream one name, in the order asked.
#[derive(Debug, Default)]
pub(crate) struct Names {
    sources: BTreeMap<Rendition, Url>,
}

impl Names {
    /// The name of a variant: the one it has if it is a Spillway server's, else its height, else its bitrate.
    pub(crate) fn of_variant(&mut self, uri: &Url, attributes: &Attributes) -> Rendition {
        let rung = attributes.value("RESOLUTION").and_then(parse_resolution);
        let kbps = attributes.number::<u64>("BANDWIDTH").unwrap_or_default() / 1000;
        let candidates = match rung {
            Some((_, height)) => vec![format!("{height}p"), format!("{height}p-{kbps}k")],
            None => vec![format!("{kbps}k")],
        };
        self.name(uri, &candidates)
    }

    /// The name of a rendition of a group: its kind and language, with its group and name where that is not enough.
    pub(crate) fn of_media(&mut self, uri: &Url, attributes: &Attributes) -> Rendition {
        let part = |name| attributes.value(name).map(plain).filter(|text| !text.is_empty());
        let kind = part("TYPE").unwrap_or_default();
        let name = part("NAME").unwrap_or_default();
        let language = part("LANGUAGE").unwrap_or_else(|| name.clone());
        let group = part("GROUP-ID").unwrap_or_default();
        self.name(uri, &[format!("{kind}-{language}"), format!("{kind}-{group}-{language}")])
    }

    /// Where each name's media playlist is.
    pub(crate) fn into_sources(self) -> BTreeMap<Rendition, Url> {
        self.sources
    }

    fn name(&mut self, uri: &Url, candidates: &[String]) -> Rendition {
        if let Some((name, _)) = self.sources.iter().find(|(_, source)| *source == uri) {
            return name.clone();
        }
        let last = candidates.last().map_or("media", String::as_str);
        let name = our_name(uri)
            .into_iter()
            .chain(candidates.iter().cloned())
            .chain((2_u32..).map(|n| format!("{last}-{n}")))
            .filter_map(|text| text.parse::<Rendition>().ok())
            .find(|name| !self.sources.contains_key(name))
            .expect("numbers never run out and candidates are short, plain text");
        self.sources.insert(name.clone(), uri.clone());
        name
    }
}

/// The name in a media playlist's URL at a Spillway server.
fn our_name(uri: &Url) -> Option<String> {
    let mut parts = uri.path_segments()?.rev();
    (parts.next()? == PLAYLIST).then(|| parts.next().map(str::to_owned))?
}

fn plain(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    plain.take(MAX_PART_LEN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(path: &str) -> Url {
        format!("http://up.example/{path}").parse().unwrap()
    }

    fn variant(bandwidth: u64, resolution: Option<&str>) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.set_bare("BANDWIDTH", bandwidth);
        if let Some(resolution) = resolution {
            attributes.set_bare("RESOLUTION", resolution);
        }
        attributes
    }

    #[test]
    fn two_playlists_never_share_a_name_and_one_playlist_never_has_two() {
        let mut names = Names::default();
        let name = |names: &mut Names, path: &str, attributes: &Attributes| {
            names.of_variant(&uri(path), attributes).to_string()
        };
        let hd = variant(5_000_000, Some("1280x720"));
        assert_eq!(name(&mut names, "a", &hd), "720p");
        assert_eq!(name(&mut names, "b", &hd), "720p-5000k");
        assert_eq!(name(&mut names, "c", &hd), "720p-5000k-2");
        assert_eq!(name(&mut names, "a", &variant(9, None)), "720p");
        assert_eq!(name(&mut names, "d", &variant(64_000, None)), "64k");
        assert_eq!(name(&mut names, "live/480p/live.m3u8?s=t", &hd), "480p");
        assert_eq!(name(&mut names, "x/480p/live.m3u8", &hd), "720p-5000k-3");
    }

    #[test]
    fn an_audio_playlist_is_named_by_its_language() {
        let mut audio = Attributes::default();
        audio.set_bare("TYPE", "AUDIO");
        audio.set_quoted("GROUP-ID", "Aac Hi");
        audio.set_quoted("NAME", "Gálego");
        let mut names = Names::default();
        assert_eq!(names.of_media(&uri("a"), &audio).as_str(), "audio-g-lego");
        assert_eq!(names.of_media(&uri("b"), &audio).as_str(), "audio-aac-hi-g-lego");
    }
}
