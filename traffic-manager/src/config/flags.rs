//! The command line.

use std::path::PathBuf;

use serde::Serialize;
use service::CommonFlags;
use url::Url;

/// Decides who plays a live stream from where, and starts and ends relays as regions need them.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "traffic-manager", version)]
pub struct Flags {
    /// Those that are also keys of the config.
    #[command(flatten)]
    pub settings: SettingFlags,

    /// Those that every program has.
    #[command(flatten)]
    pub common: CommonFlags,
}

/// The flags that are also keys of the config.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
pub struct SettingFlags {
    /// A stream at the primary, such as http://127.0.0.1:8080/live/index.m3u8; without it, primaries attach by themselves
    #[arg(value_name = "PRIMARY_STREAM_URL", value_parser = primary_url)]
    #[serde(skip_serializing_if = "Option::is_none")]
    primary: Option<Url>,

    /// Viewers of a region that the primary carries itself, by default 100; relays carry the others
    #[arg(value_name = "THRESHOLD", value_parser = threshold)]
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<u32>,

    /// Where viewers and servers reach the manager: ip[:port], by default port 7000, on loopback if the primary is there
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<String>,

    /// The URL that viewers and servers use, where it differs from http://LISTEN
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    advertise: Option<Url>,

    /// Where /metrics, /live and /ready are: ip[:port], by default port 9100 of LISTEN
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,

    /// Where secrets, pid files and logs of relays are, by default $XDG_STATE_HOME/spillway or ~/.local/state/spillway
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    state_dir: Option<PathBuf>,
}

fn primary_url(text: &str) -> Result<Url, String> {
    let example = "give a stream's URL at the primary, such as http://127.0.0.1:8080/live/index.m3u8";
    let url: Url = text.parse().map_err(|error| format!("{error}; {example}"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(format!("it is no http(s) URL; {example}"))
    }
}

fn threshold(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| {
        if text.to_ascii_lowercase().ends_with("bps") {
            "bits per second are not supported yet; give a number of viewers, such as 3".to_owned()
        } else {
            "give a number of viewers, such as 3".to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn complaint(arguments: &[&str]) -> (i32, String) {
        let error = Flags::try_parse_from(std::iter::once(&"traffic-manager").chain(arguments)).unwrap_err();
        (error.exit_code(), error.to_string())
    }

    #[test]
    fn a_threshold_that_is_no_number_says_what_to_give() {
        let (code, text) = complaint(&["http://127.0.0.1:8080/live/index.m3u8", "400Mbps"]);
        assert!(code == 2 && text.contains("not supported yet") && text.contains("viewers"), "{code} {text}");
        let (code, text) = complaint(&["http://127.0.0.1:8080/live/index.m3u8", "many"]);
        assert!(code == 2 && text.contains("number of viewers"), "{code} {text}");
    }

    #[test]
    fn a_primary_that_is_no_url_says_what_to_give() {
        for given in ["127.0.0.1", "live", "ftp://a/b", "file:///etc/passwd"] {
            let (code, text) = complaint(&[given]);
            assert!(code == 2 && text.contains("index.m3u8"), "{given}: {code} {text}");
        }
    }
}
