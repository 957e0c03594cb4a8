//! What a session's player can do, and how that is told from its first request.
//!
//! The first of these that says anything, because a wrong guess in one direction costs a move and in the other a viewer:
//!
//! | what the request has | class | such as |
//! |---|---|---|
//! | `?player=` with a class or a player that we know | as it says | whoever embeds the player |
//! | gRPC | watches | our client |
//! | a user agent of VLC | fixed | after a 307 it asks the old host for segments |
//! | `Sec-Fetch-Dest: empty` | steers | hls.js, video.js, Shaka: a script that fetches |
//! | a user agent of AppleCoreMedia | steers | AVPlayer |
//! | anything else, or nothing | redirects | ffmpeg, mpv, GStreamer, streamlink, a browser's own HLS |

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a session's player can do when its stream should come from another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Follows HLS Content Steering (RFC 8216bis 7).
    Steers,
    /// Asks the same host at every reload and follows its 307s.
    Redirects,
    /// Stays where it started.
    Fixed,
    /// Is told over gRPC.
    Watches,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Steers, Self::Redirects, Self::Fixed, Self::Watches];

    /// The name in metrics, JSON and tokens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steers => "steers",
            Self::Redirects => "redirects",
            Self::Fixed => "fixed",
            Self::Watches => "watches",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A class that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no class of player: steers, redirects, fixed or watches")]
pub struct InvalidClass(String);

impl FromStr for Class {
    type Err = InvalidClass;

    fn from_str(text: &str) -> Result<Self, InvalidClass> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| InvalidClass(text.chars().take(32).collect()))
    }
}

/// What a first request tells of its player.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints<'a> {
    /// The parameter `player`.
    pub player: Option<&'a str>,
    /// The header `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// The header `Sec-Fetch-Dest` (W3C Fetch Metadata): what a browser wants the answer for.
    pub sec_fetch_dest: Option<&'a str>,
    /// Whether it came over gRPC.
    pub grpc: bool,
}

/// The class of the player that sent a request.
#[must_use]
pub fn classify(hints: &Hints<'_>) -> Class {
    let agent_has = |product: &str| hints.user_agent.is_some_and(|agent| agent.contains(product));
    if let Some(class) = hints.player.and_then(named) {
        class
    } else if hints.grpc {
        Class::Watches
    } else if agent_has("VLC/") {
        Class::Fixed
    } else if hints.sec_fetch_dest == Some("empty") || agent_has("AppleCoreMedia/") {
        Class::Steers
    } else {
        Class::Redirects
    }
}

/// The class that `?player=` names, by itself or by a player. Nobody is told over gRPC who asks over HTTP.
fn named(player: &str) -> Option<Class> {
    match player.to_ascii_lowercase().as_str() {
        "steers" | "hls.js" | "hlsjs" | "video.js" | "videojs" | "shaka" | "avplayer" => Some(Class::Steers),
        "redirects" | "native" | "ffmpeg" | "ffplay" | "mpv" | "gstreamer" | "streamlink" => {
            Some(Class::Redirects)
        }
        "fixed" | "vlc" => Some(Class::Fixed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROMIUM: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
    const VLC: &str = "VLC/3.0.21 LibVLC/3.0.21";
    const APPLE: &str = "AppleCoreMedia/1.0.0.22F76 (iPhone; U; CPU OS 18_5 like Mac OS X; en_us)";

    #[test]
    fn a_players_class_is_told_from_its_first_request() {
        let rows = [
            ("hls.js, video.js, Shaka", None, CHROMIUM, Some("empty"), Class::Steers),
            ("Chromium's own HLS", None, CHROMIUM, Some("video"), Class::Redirects),
            ("a person who opens the URL", None, CHROMIUM, Some("document"), Class::Redirects),
            ("AVPlayer", None, APPLE, None, Class::Steers),
            ("VLC", None, VLC, None, Class::Fixed),
            ("ffmpeg, mpv", None, "Lavf/61.7.100", None, Class::Redirects),
            ("mpv under its own name", None, "libmpv", None, Class::Redirects),
            ("GStreamer", None, "GStreamer souphttpsrc 1.26.2 libsoup/3.6.5", None, Class::Redirects),
            ("streamlink", None, "Mozilla/5.0 (Windows NT 10.0) Firefox/139.0", None, Class::Redirects),
            ("Shaka that says so", Some("shaka"), CHROMIUM, None, Class::Steers),
            ("a page that knows its player", Some("Redirects"), CHROMIUM, Some("empty"), Class::Redirects),
            ("VLC behind another name", Some("vlc"), "curl/8", None, Class::Fixed),
            ("a player that nobody knows", Some("winamp"), CHROMIUM, Some("empty"), Class::Steers),
            ("who claims gRPC over HTTP", Some("watches"), "curl/8", None, Class::Redirects),
        ];
        for (who, player, user_agent, sec_fetch_dest, class) in rows {
            let hints = Hints { player, user_agent: Some(user_agent), sec_fetch_dest, grpc: false };
            assert_eq!(classify(&hints), class, "{who}");
        }
    }

    #[test]
    fn who_asks_over_grpc_is_told_over_grpc_and_who_says_nothing_is_redirected() {
        assert_eq!(classify(&Hints { grpc: true, ..Hints::default() }), Class::Watches);
        assert_eq!(classify(&Hints::default()), Class::Redirects);
    }
}
