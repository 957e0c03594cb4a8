//! The steering manifest: which pathways a player may use, best first (RFC 8216bis 7).
//!
//! Written as real players need it: every clone has HOST and PARAMS (video.js throws without PARAMS), the TTL is always said,
//! RELOAD-URI is absolute. Which pathways are on it, and in what order, is policy's to say.

use std::collections::BTreeMap;

use ::url::Url;
use serde::{Deserialize, Serialize};

use crate::url::{MAX_NAME_LEN, SESSION};

/// Largest manifest that is read, in bytes: a thousand clones.
pub const MAX_MANIFEST_BYTES: usize = 256 << 10;

/// What a player does without a TTL (RFC 8216bis 7.1).
const DEFAULT_TTL_S: u64 = 300;

/// The query parameters of a steering request (RFC 8216bis 7.2).
const PATHWAY: &str = "_HLS_pathway";
const THROUGHPUT: &str = "_HLS_throughput";

/// A steering manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub struct Manifest {
    version: Version,
    /// Seconds until the player asks again.
    #[serde(rename = "TTL", default = "default_ttl_s")]
    pub ttl_s: u64,
    /// Where it asks then; none for the same address as now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload_uri: Option<String>,
    /// Ids of the pathways to use, best first.
    pub pathway_priority: Vec<String>,
    /// Pathways that the multivariant playlist does not declare.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pathway_clones: Vec<PathwayClone>,
}

/// A pathway made of another one by replacing a part of every URI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub struct PathwayClone {
    /// The declared pathway that it is made of.
    pub base_id: String,
    /// Its own id.
    pub id: String,
    /// What of the URIs is replaced.
    pub uri_replacement: UriReplacement,
}

/// What of a URI a clone replaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub struct UriReplacement {
    /// The host; empty for the same. Without a port: players ignore one here.
    #[serde(default)]
    pub host: String,
    /// Query parameters to set.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
}

/// VERSION, which is 1 or not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
struct Version;

/// A steering manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidManifest {
    /// More than [`MAX_MANIFEST_BYTES`].
    #[error("the steering manifest is larger than {MAX_MANIFEST_BYTES} bytes")]
    TooLarge,
    /// Not what RFC 8216bis 7.1 says.
    #[error("the steering manifest cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// There is nothing to play.
    #[error("the steering manifest has an empty PATHWAY-PRIORITY")]
    NoPathway,
}

impl Manifest {
    /// A manifest of version 1 without clones.
    #[must_use]
    pub fn new(ttl_s: u64, reload_uri: String, pathway_priority: Vec<String>) -> Self {
        let (reload_uri, pathway_clones) = (Some(reload_uri), Vec::new());
        Self { version: Version, ttl_s, reload_uri, pathway_priority, pathway_clones }
    }

    /// The document.
    #[must_use]
    pub fn render(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always are JSON")
    }

    /// Reads `document`.
    ///
    /// # Errors
    /// When it is no steering manifest of version 1, or says nothing.
    pub fn parse(document: &[u8]) -> Result<Self, InvalidManifest> {
        if document.len() > MAX_MANIFEST_BYTES {
            return Err(InvalidManifest::TooLarge);
        }
        let manifest: Self = serde_json::from_slice(document)?;
        if manifest.pathway_priority.is_empty() {
            return Err(InvalidManifest::NoPathway);
        }
        Ok(manifest)
    }
}

impl PathwayClone {
    /// The clone of pathway `base_id` at another host, of the same scheme, port and paths.
    #[must_use]
    pub fn at_host(base_id: &str, id: &str, host: &str) -> Self {
        let uri_replacement = UriReplacement { host: host.to_owned(), params: BTreeMap::new() };
        Self { base_id: base_id.to_owned(), id: id.to_owned(), uri_replacement }
    }

    /// The clone's URI for a URI of its base, as hls.js and Shaka make it: the port stays. None where the host cannot be one.
    #[must_use]
    pub fn uri(&self, base: &Url) -> Option<Url> {
        let mut uri = base.clone();
        let UriReplacement { host, params } = &self.uri_replacement;
        if !host.is_empty() {
            uri.set_host(Some(without_port(host))).ok()?;
        }
        if !params.is_empty() {
            let kept: Vec<(String, String)> =
                base.query_pairs().into_owned().filter(|(name, _)| !params.contains_key(name)).collect();
            uri.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(params);
        }
        Some(uri)
    }
}

/// Where the player of `session` asks: the SERVER-URI of its playlist, and what every RELOAD-URI begins with.
#[must_use]
pub fn request_uri(server: &str, session: &str) -> String {
    [server, "?", SESSION, "=", session].concat()
}

/// What a player says of itself when it asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reported {
    /// The pathway that it plays now.
    pub pathway: Option<String>,
    /// The bits per second that it measured.
    pub throughput_bps: Option<u64>,
}

impl Reported {
    /// Takes in a parameter of the query of a steering request; of two with one name the first counts. Players send values quoted,
    /// bare or not at all; what makes no sense counts as not sent, because a player that is refused may never steer again.
    pub fn take(&mut self, name: &str, value: &str) {
        let value = value.trim().trim_matches('"');
        if name == PATHWAY && self.pathway.is_none() && (1..=MAX_NAME_LEN).contains(&value.len()) {
            self.pathway = Some(value.to_owned());
        } else if name == THROUGHPUT && self.throughput_bps.is_none() {
            self.throughput_bps = value.split('.').next().and_then(|bps| bps.parse().ok());
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

fn default_ttl_s() -> u64 {
    DEFAULT_TTL_S
}

impl TryFrom<u64> for Version {
    type Error = &'static str;

    fn try_from(version: u64) -> Result<Self, Self::Error> {
        if version == 1 { Ok(Self) } else { Err("VERSION is not 1") }
    }
}

impl From<Version> for u64 {
    fn from(_: Version) -> Self {
        1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::url::parameters;

    #[test]
    fn every_clone_has_host_and_params_and_the_order_stays() {
        let priority = vec!["relay-127-0-0-2".to_owned(), "primary".to_owned()];
        let mut manifest = Manifest::new(10, "http://127.0.0.1:7000/steer?s=tok".to_owned(), priority);
        manifest.pathway_clones.push(PathwayClone::at_host("primary", "relay-127-0-0-2", "127.0.0.2"));
        insta::assert_snapshot!(manifest.render());
        assert_eq!(Manifest::parse(manifest.render().as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (text, words) in [
            (r#"{"VERSION":2,"TTL":1,"PATHWAY-PRIORITY":["A"]}"#, "VERSION is not 1"),
            (r#"{"VERSION":1,"TTL":1,"PATHWAY-PRIORITY":[]}"#, "empty PATHWAY-PRIORITY"),
            (r#"{"VERSION":1}"#, "PATHWAY-PRIORITY"),
            ("<html>", "cannot be read"),
        ] {
            let error = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let least = Manifest::parse(br#"{"VERSION":1,"PATHWAY-PRIORITY":["A"],"X-NEW":{}}"#).unwrap();
        assert_eq!((least.ttl_s, least.reload_uri), (300, None));
    }

    #[test]
    fn a_clone_changes_the_host_and_keeps_the_port() {
        let base: Url = "http://127.0.0.1:8080/live/720p/live.m3u8?s=tok&a=1".parse().unwrap();
        let uri = |host: &str, params: &[(&str, &str)]| {
            let mut clone = PathwayClone::at_host("primary", "relay", host);
            clone.uri_replacement.params =
                params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            clone.uri(&base).map(String::from)
        };
        let at = |host: &str| format!("http://{host}:8080/live/720p/live.m3u8?s=tok&a=1");
        assert_eq!(uri("127.0.0.2", &[]), Some(at("127.0.0.2")));
        assert_eq!(uri("127.0.0.2:9999", &[]), Some(at("127.0.0.2")));
        assert_eq!(uri("[::1]", &[]), Some(at("[::1]")));
        assert_eq!(uri("[::1]:80", &[]), Some(at("[::1]")));
        assert_eq!(uri("", &[]), Some(at("127.0.0.1")));
        assert_eq!(uri("no host", &[]), None);
        let with = "http://127.0.0.1:8080/live/720p/live.m3u8?s=tok&a=2&b=3".to_owned();
        assert_eq!(uri("", &[("a", "2"), ("b", "3")]), Some(with));
    }

    #[test]
    fn players_report_themselves_in_three_spellings() {
        let reported = |query| {
            let mut reported = Reported::default();
            parameters(query).for_each(|(name, value)| reported.take(&name, &value));
            (reported.pathway, reported.throughput_bps)
        };
        let full = (Some("primary".to_owned()), Some(5_000_000));
        assert_eq!(reported("s=t&_HLS_pathway=%22primary%22&_HLS_throughput=5000000"), full);
        assert_eq!(reported("_HLS_pathway=primary&_HLS_throughput=%225000000.7%22"), full);
        assert_eq!(reported("s=t"), (None, None));
        assert_eq!(reported("_HLS_pathway=%22%22&_HLS_throughput=fast"), (None, None));
    }

    proptest! {
        #[test]
        fn no_input_makes_a_parser_panic(
            document in proptest::collection::vec(any::<u8>(), 0..200),
            query in ".{0,60}",
            host in ".{0,20}",
        ) {
            let _ = Manifest::parse(&document);
            parameters(&query).for_each(|(name, value)| Reported::default().take(&name, &value));
            let base = "http://127.0.0.1:8080/x".parse().unwrap();
            let _ = PathwayClone::at_host("a", "b", &host).uri(&base);
        }
    }
}
