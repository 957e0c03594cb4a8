//! What is at SOURCE: a ladder of renditions, or a single media playlist.

use std::collections::BTreeMap;

use hls::{Multivariant, PlaylistKind, Rendition, Rung, Template, playlist::kind_of};
use url::Url;

use super::super::upstream::{PullError, Upstream};

/// The name of the only rendition of a source that is a media playlist.
const ONLY_RENDITION: &str = "main";

/// Bits per second said of a rendition whose playlist says nothing, which the standard does not allow to leave out: one of
/// common size, since there is nothing to choose between.
const UNKNOWN_BANDWIDTH: u64 = 5_000_000;

/// A stream as its upstream describes it.
#[derive(Debug)]
pub(crate) struct Discovery {
    pub(crate) template: Template,
    /// Where each rendition's media playlist is.
    pub(crate) playlists: BTreeMap<Rendition, Url>,
}

/// Asks the upstream what there is at `url`.
pub(crate) async fn discover(upstream: &Upstream, url: &Url) -> Result<Discovery, PullError> {
    let answer = upstream.playlist(url).await?;
    let no_playlist = |error| PullError::NoPlaylist { url: url.clone(), reason: error };
    let discovery = match kind_of(&answer.document).map_err(no_playlist)? {
        PlaylistKind::Media => single(url),
        PlaylistKind::Multivariant => {
            let (template, playlists) = Multivariant::parse(&answer.document, &answer.url)
                .and_then(|multivariant| Template::of_upstream(&multivariant))
                .map_err(no_playlist)?;
            Discovery { template, playlists }
        }
    };
    let limit = upstream.config().max_renditions;
    if discovery.playlists.len() > limit {
        return Err(PullError::TooManyRenditions { url: url.clone(), limit });
    }
    Ok(discovery)
}

fn single(url: &Url) -> Discovery {
    let rendition: Rendition = ONLY_RENDITION.parse().expect("a name");
    let rung = Rung {
        rendition: rendition.clone(),
        bandwidth: UNKNOWN_BANDWIDTH,
        average_bandwidth: None,
        resolution: None,
        codecs: None,
        frame_rate: None,
    };
    Discovery {
        template: Template::of_rungs(&[rung], false),
        playlists: BTreeMap::from([(rendition, url.clone())]),
    }
}
