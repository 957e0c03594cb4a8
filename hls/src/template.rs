//! A stream's multivariant playlist as viewers get it, rendered anew for each: with their session, pathways and steering.
//!
//! The rules come from what players really do (ARCHITECTURE.md, steering): no rendition without a URI, because Shaka plays nothing
//! then; no group that two pathways share, because players would stay on the old one; a pathway id only where there is
//! steering. Which pathways a viewer gets is policy's to say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use ::url::Url;

use crate::{
    attributes::Attributes,
    ladder::{Names, Rung},
    multivariant::{Media, Multivariant, Variant},
    playlist::InvalidPlaylist,
    steering::request_uri,
    url::{PLAYLIST, Rendition, SESSION},
};

/// The least EXT-X-VERSION that covers all tags that may pass through (7: caption services, RFC 8216bis 8).
const VERSION: u64 = 7;

/// The attributes by which a variant names its groups, which are also the groups' TYPE.
const GROUPS: [&str; 4] = ["AUDIO", "VIDEO", "SUBTITLES", CAPTIONS];
const CAPTIONS: &str = "CLOSED-CAPTIONS";

/// What is the same for all viewers of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    version: u64,
    independent_segments: bool,
    variants: Vec<(Rendition, Attributes)>,
    /// Closed captions have no playlist of their own.
    media: Vec<(Option<Rendition>, Attributes)>,
    session: Vec<String>,
    /// The bits per second of each rung, lowest first: asked for with every segment.
    bandwidths: Vec<(Rendition, u64)>,
}

/// What it takes to play a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth {
    /// Peak bits per second, audio included.
    pub own: u64,
    /// Those of the next rung up that has more; none at the top.
    pub next: Option<u64>,
}

/// What differs between viewers.
#[derive(Debug, Clone, Default)]
pub struct View<'a> {
    /// The stream's name, for absolute URIs.
    pub stream: &'a str,
    /// The session token that every media playlist's URI carries.
    pub session: Option<&'a str>,
    /// Where the stream can be played from, the one to begin with first; without any, from where this playlist came.
    pub pathways: Vec<Pathway<'a>>,
    /// For players that steer: where they ask, absolute and without a query. They begin with the first of the pathways.
    pub steering: Option<&'a str>,
    /// Rungs that this viewer is not told of. All of them: of the lowest he is.
    pub withheld: &'a [Rendition],
}

/// One place to play from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pathway<'a> {
    /// The server's id.
    pub id: &'a str,
    /// Scheme, host and port, as in `http://127.0.0.2:8080`; empty for URIs relative to this playlist.
    pub base: &'a str,
}

impl Template {
    /// The template of an upstream's playlist, and where each rendition's media playlist is.
    ///
    /// Of several pathways the first one is taken, of redundant variants the first. Dropped are I-frame playlists, tags
    /// that nobody knows (they may hold URIs that lead players past us) and groups that have a member without URI.
    ///
    /// # Errors
    /// When nothing is left to play.
    pub fn of_upstream(upstream: &Multivariant) -> Result<(Self, BTreeMap<Rendition, Url>), InvalidPlaylist> {
        let pathway = upstream.steering.as_ref().and_then(|steering| steering.pathway.as_deref());
        let pathway = pathway.or_else(|| upstream.variants.first().map(Variant::pathway)).unwrap_or(".");
        let muxed: BTreeSet<_> = upstream
            .media
            .iter()
            .filter(|media| media.uri.is_none() && media.kind() != CAPTIONS)
            .map(|media| (media.kind(), media.group()))
            .collect();

        let mut names = Names::default();
        let mut variants: Vec<(Rendition, Attributes)> = Vec::new();
        for variant in upstream.variants.iter().filter(|variant| variant.pathway() == pathway) {
            let mut attributes = variant.attributes.clone();
            attributes.remove("PATHWAY-ID");
            for kind in GROUPS {
                if attributes.value(kind).is_some_and(|group| muxed.contains(&(kind, group))) {
                    attributes.remove(kind);
                }
            }
            if variants.iter().all(|(_, earlier)| *earlier != attributes) {
                variants.push((names.of_variant(&variant.uri, &variant.attributes), attributes));
            }
        }
        if variants.is_empty() {
            return Err(InvalidPlaylist::NoVariants);
        }
        let wanted =
            |media: &&Media| variants.iter().any(|(_, a)| a.value(media.kind()) == Some(media.group()));
        let media = upstream.media.iter().filter(wanted).map(|media| {
            let uri = media.uri.as_ref().filter(|_| media.kind() != CAPTIONS);
            (uri.map(|uri| names.of_media(uri, &media.attributes)), media.attributes.clone())
        });
        let template = Self {
            version: upstream.version.unwrap_or_default().max(VERSION),
            independent_segments: upstream.independent_segments,
            media: media.collect(),
            variants,
            session: upstream.session.clone(),
            bandwidths: Vec::new(),
        };
        Ok((template.with_bandwidths(), names.into_sources()))
    }

    /// The template of a stream whose rungs hold audio and video together.
    #[must_use]
    pub fn of_rungs(rungs: &[Rung], independent_segments: bool) -> Self {
        let variants = rungs.iter().map(|rung| (rung.rendition.clone(), rung.attributes())).collect();
        let template = Self {
            version: VERSION,
            independent_segments,
            variants,
            media: Vec::new(),
            session: Vec::new(),
            bandwidths: Vec::new(),
        };
        template.with_bandwidths()
    }

    fn with_bandwidths(mut self) -> Self {
        self.bandwidths = self.ladder().into_iter().map(|rung| (rung.rendition, rung.bandwidth)).collect();
        self
    }

    /// The rungs, lowest bitrate first. A rung that variants share (with other audio) counts once, at its lowest.
    #[must_use]
    pub fn ladder(&self) -> Vec<Rung> {
        let mut rungs: Vec<Rung> =
            self.variants.iter().map(|(name, attributes)| Rung::of(name.clone(), attributes)).collect();
        rungs.sort_by_key(|rung| rung.bandwidth);
        let mut seen = BTreeSet::new();
        rungs.retain(|rung| seen.insert(rung.rendition.clone()));
        rungs
    }

    /// What it takes to play a rung; none for what is no rung, as audio and subtitles are that have a playlist of their own.
    #[must_use]
    pub fn bandwidth(&self, rendition: &str) -> Option<Bandwidth> {
        let at = self.bandwidths.iter().position(|(name, _)| name.as_str() == rendition)?;
        let own = self.bandwidths[at].1;
        let mut above = self.bandwidths[at..].iter().map(|(_, bandwidth)| *bandwidth);
        Some(Bandwidth { own, next: above.find(|bandwidth| *bandwidth > own) })
    }

    /// Everything that has a media playlist: rungs, audio and subtitles.
    #[must_use]
    pub fn renditions(&self) -> BTreeSet<&Rendition> {
        let media = self.media.iter().filter_map(|(name, _)| name.as_ref());
        self.variants.iter().map(|(name, _)| name).chain(media).collect()
    }

    /// The playlist for one viewer.
    #[must_use]
    pub fn render(&self, view: &View<'_>) -> String {
        let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{}\n", self.version);
        if self.independent_segments {
            text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
        if let Some((server, first)) = view.steering.zip(view.pathways.first()) {
            let mut attributes = Attributes::default();
            attributes.set_quoted("SERVER-URI", &request_uri(server, view.session.unwrap_or_default()));
            attributes.set_quoted("PATHWAY-ID", first.id);
            push(&mut text, format_args!("#EXT-X-CONTENT-STEERING:{attributes}"));
        }
        for line in &self.session {
            push(&mut text, line);
        }
        if view.pathways.is_empty() {
            self.render_pathway(&mut text, view, Pathway { id: "", base: "" });
        }
        for pathway in &view.pathways {
            self.render_pathway(&mut text, view, *pathway);
        }
        text
    }

    fn render_pathway(&self, text: &mut String, view: &View<'_>, pathway: Pathway<'_>) {
        let uri = |rendition: &Rendition| view.uri(pathway.base, rendition);
        let own_groups = view.pathways.len() > 1;
        let own = |attributes: &mut Attributes, name: &str| {
            let group = attributes.value(name).map(|group| format!("{group}-{}", pathway.id));
            if let Some(group) = group.filter(|_| own_groups) {
                attributes.set_quoted(name, &group);
            }
        };
        for (rendition, attributes) in &self.media {
            let mut attributes = attributes.clone();
            own(&mut attributes, "GROUP-ID");
            if let Some(rendition) = rendition {
                attributes.set_quoted("URI", &uri(rendition));
            }
            push(text, format_args!("#EXT-X-MEDIA:{attributes}"));
        }
        let told = |(rendition, _): &&(Rendition, Attributes)| !view.withheld.contains(rendition);
        let all = self.variants.iter().any(|variant| told(&variant));
        let lowest = self.variants.iter().min_by_key(|(_, attributes)| attributes.number::<u64>("BANDWIDTH"));
        let left = lowest.filter(|_| !all);
        for (rendition, attributes) in self.variants.iter().filter(told).chain(left) {
            let mut attributes = attributes.clone();
            for kind in GROUPS {
                let none = kind == CAPTIONS && attributes.value(kind) == Some("NONE");
                if !none {
                    own(&mut attributes, kind);
                }
            }
            if view.steering.is_some() || own_groups {
                attributes.set_quoted("PATHWAY-ID", pathway.id);
            }
            push(text, format_args!("#EXT-X-STREAM-INF:{attributes}\n{}", uri(rendition)));
        }
    }
}

impl View<'_> {
    fn uri(&self, base: &str, rendition: &Rendition) -> String {
        let mut uri = match base {
            "" => format!("{rendition}/{PLAYLIST}"),
            base => format!("{base}/{}/{rendition}/{PLAYLIST}", self.stream),
        };
        if let Some(session) = self.session {
            let _ = write!(uri, "?{SESSION}={session}");
        }
        uri
    }
}

fn push(text: &mut String, line: impl std::fmt::Display) {
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    const UPSTREAM: &str = r#"#EXTM3U
#EXT-X-VERSION:4
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-CONTENT-STEERING:SERVER-URI="/theirs",PATHWAY-ID="A"
#EXT-X-SESSION-DATA:DATA-ID="com.example.title",VALUE="Title"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",LANGUAGE="en",NAME="English",DEFAULT=YES,URI="en/i.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="other",LANGUAGE="en",NAME="English",URI="https://b.example/en.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",LANGUAGE="de",NAME="Deutsch",URI="de.m3u8"
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="CC1",INSTREAM-ID="CC1"
#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="angles",NAME="main"
#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720,CODECS="avc1.64001f,mp4a.40.2",AUDIO="aac",SUBTITLES="subs",CLOSED-CAPTIONS="cc",VIDEO="angles",PATHWAY-ID="A"
hd.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=800000,AVERAGE-BANDWIDTH=700000,RESOLUTION=640x360,FRAME-RATE=25.000,AUDIO="aac",CLOSED-CAPTIONS=NONE,PATHWAY-ID="A"
sd.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=800000,AVERAGE-BANDWIDTH=700000,RESOLUTION=640x360,FRAME-RATE=25.000,AUDIO="aac",CLOSED-CAPTIONS=NONE,PATHWAY-ID="A"
https://backup.example/sd.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,AUDIO="other",PATHWAY-ID="B"
https://b.example/sd.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="iframes.m3u8"
"#;

    fn template() -> (Template, BTreeMap<Rendition, Url>) {
        let base = "https://origin.example/live/master.m3u8".parse().unwrap();
        Template::of_upstream(&Multivariant::parse(UPSTREAM.as_bytes(), &base).unwrap()).unwrap()
    }

    #[test]
    fn one_pathway_without_steering_is_a_plain_playlist_of_relative_uris() {
        let (template, sources) = template();
        let plain = View { stream: "live", session: Some("tok"), ..View::default() };
        assert_snapshot!(template.render(&plain));
        let sources: Vec<String> = sources.iter().map(|(name, url)| format!("{name} {url}")).collect();
        assert_snapshot!(sources.join("\n"));
    }

    #[test]
    fn two_pathways_share_no_group() {
        let view = View {
            stream: "live",
            session: Some("tok"),
            pathways: vec![
                Pathway { id: "relay-127-0-0-2", base: "http://127.0.0.2:8080" },
                Pathway { id: "primary", base: "http://127.0.0.1:8080" },
            ],
            steering: Some("http://127.0.0.1:7000/steer"),
            withheld: &[],
        };
        assert_snapshot!(template().0.render(&view));
    }

    #[test]
    fn a_viewer_is_told_of_all_rungs_but_those_withheld_and_of_one_at_least() {
        let (template, _) = template();
        let (low, high): (Rendition, Rendition) = ("360p".parse().unwrap(), "720p".parse().unwrap());
        let told = |withheld: &[Rendition]| {
            let text = template.render(&View { stream: "live", withheld, ..View::default() });
            [text.contains("360p/live.m3u8"), text.contains("720p/live.m3u8")]
        };
        assert_eq!(told(&[]), [true, true]);
        assert_eq!(told(std::slice::from_ref(&high)), [true, false]);
        assert_eq!(told(&[high, low]), [true, false]);
    }

    #[test]
    fn what_a_server_renders_another_reads_back_as_the_same_template() {
        let (template, _) = template();
        let text = template.render(&View { stream: "live", ..View::default() });
        let base: Url = "http://127.0.0.1:8080/live/index.m3u8".parse().unwrap();
        let (again, sources) =
            Template::of_upstream(&Multivariant::parse(text.as_bytes(), &base).unwrap()).unwrap();
        assert_eq!(again, template);
        let path = |name: &str| sources[name].path().to_owned();
        assert_eq!(path("720p"), "/live/720p/live.m3u8");
    }

    #[test]
    fn a_rung_knows_what_the_next_one_takes_and_sound_alone_is_no_rung() {
        let bandwidth = |own, next| Some(Bandwidth { own, next });
        let (template, _) = template();
        assert_eq!(template.bandwidth("360p"), bandwidth(800_000, Some(3_000_000)));
        assert_eq!(template.bandwidth("720p"), bandwidth(3_000_000, None));
        assert_eq!((template.bandwidth("audio-en"), template.bandwidth("1080p")), (None, None));
        let rung = |name: &str, bandwidth| Rung {
            rendition: name.parse().unwrap(),
            bandwidth,
            ..template.ladder()[0].clone()
        };
        let twice = Template::of_rungs(&[rung("hevc", 9), rung("avc", 9), rung("top", 20)], true);
        assert_eq!(twice.bandwidth("hevc"), bandwidth(9, Some(20)), "one as large is no step up");
        assert_eq!(twice.bandwidth("avc"), bandwidth(9, Some(20)));
    }

    #[test]
    fn the_ladder_begins_with_the_lowest_rung() {
        let (template, _) = template();
        let ladder = template.ladder();
        let names: Vec<&str> = ladder.iter().map(|rung| rung.rendition.as_str()).collect();
        assert_eq!(names, ["360p", "720p"]);
        assert_eq!(ladder[0].resolution, Some((640, 360)));
        let rebuilt = Template::of_rungs(&ladder, true);
        assert_eq!(rebuilt.ladder(), ladder);
        assert_eq!(rebuilt.renditions().len(), 2);
        assert_eq!(template.renditions().len(), 4);
    }
}
