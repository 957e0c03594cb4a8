//! The primary's command line and configuration, and what both come to: settings that make sense.

use std::time::Duration;

use delivery::{
    adaptation, census, http, membership, object,
    reach::{Reach, origin},
};
use policy::{Region, StreamName, adaptation::Mode};
use serde::{Deserialize, Serialize};
use service::{BitRate, CommonFlags, Secret, Usage};
use url::Url;

use crate::source::{self, Source};

/// Port of `/metrics`, `/live` and `/ready`, on the address of viewers where `admin` names none.
const ADMIN_PORT: u16 = 9101;

/// Takes a live stream in and serves its whole ladder over HLS: the origin that all relays pull from.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "primary", version)]
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
    /// Where viewers reach the stream: ip[:port], by default 127.0.0.1:8080
    #[arg(value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,

    /// What to serve: the http(s) URL of an HLS playlist, live or VOD; without one, a built-in test card
    #[arg(value_name = "SOURCE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,

    /// The URL that viewers and relays use, where it differs from http://ADDRESS
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    advertise: Option<String>,

    /// Attach to this traffic manager by itself, instead of waiting for one to call, such as http://127.0.0.1:7000
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    manager: Option<String>,

    /// Name of the stream, the first part of its URLs, by default live
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,

    /// Region that this server stands in, by default "default"
    #[arg(long, value_name = "REGION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,

    /// Viewers served at most
    #[arg(long, value_name = "VIEWERS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<u32>,

    /// What this host's line carries, such as 400Mbps: quality goes down before it is full
    #[arg(long, value_name = "BITRATE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    uplink: Option<String>,

    /// Who picks the bitrate: client, capped (players, up to what the uplink carries) or server, by default capped
    #[arg(long, value_name = "WHO")]
    #[serde(skip_serializing_if = "Option::is_none")]
    adaptation: Option<String>,

    /// With --adaptation server: pick for each session by that session's line too
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    per_session: bool,

    /// Where /metrics, /live and /ready are: ip[:port], by default port 9101 of ADDRESS
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
}

/// All keys, as the file, the environment and the command line fill them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where viewers reach the stream: `ip[:port]`.
    pub address: String,
    /// URL of an HLS playlist; without one, the test card.
    pub source: Option<String>,
    /// The URL that viewers and relays use, where it differs from `http://ADDRESS`.
    pub advertise: Option<Url>,
    /// The traffic manager to attach to; without one, a manager has to call.
    pub manager: Option<Url>,
    /// Name of the stream.
    pub stream: StreamName,
    /// Region that this server stands in.
    pub region: Region,
    /// Viewers served at most: a host that serves 2 Mb/s to each of 2,000 fills half of a 10 Gb/s line.
    pub capacity: u32,
    /// What this host's line carries: what viewers are sent is kept within it.
    pub uplink: Option<BitRate>,
    /// Who picks the bitrate of the stream, here and at its relays: `client` (players, from the whole ladder), `capped` (players, up
    /// to what a server's uplink carries) or `server` (viewers get one variant, and the server picks).
    pub adaptation: Adaptation,
    /// With `adaptation = "server"`: the server picks for each session by that session's line too.
    pub per_session: bool,
    /// Where `/metrics`, `/live` and `/ready` are: `ip[:port]`; without one, port 9101 of `address`.
    pub admin: Option<String>,
    /// What a manager must show to call this primary, and this primary a manager. Needed off loopback.
    pub join_secret: Option<Secret>,
    /// How long viewers have to finish what they are being sent when the program is told to stop.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    /// How an upstream playlist is pulled.
    pub pull: source::PullConfig,
    /// What the object store holds.
    pub cache: object::Config,
    /// The server that viewers and relays reach.
    pub http: http::Config,
    /// How viewers are counted.
    pub census: census::Config,
    /// How what is sent is kept within the uplink.
    pub rung_cap: adaptation::Config,
    /// How the connection to the traffic manager is kept.
    pub membership: membership::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: "127.0.0.1".to_owned(),
            source: None,
            advertise: None,
            manager: None,
            stream: "live".parse().expect("a name"),
            region: "default".parse().expect("a name"),
            capacity: 2_000,
            uplink: None,
            adaptation: Adaptation::default(),
            per_session: false,
            admin: None,
            join_secret: None,
            drain_timeout: Duration::from_secs(5),
            pull: source::PullConfig::default(),
            cache: object::Config::default(),
            http: http::Config::default(),
            census: census::Config::default(),
            rung_cap: adaptation::Config::default(),
            membership: membership::Config::default(),
        }
    }
}

/// Who picks the bitrate of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adaptation {
    /// Players.
    Client,
    /// Players, up to what the uplink carries.
    #[default]
    Capped,
    /// The server.
    Server,
}

impl Config {
    /// Who picks the bitrate of the stream.
    pub(crate) fn mode(&self) -> Mode {
        match self.adaptation {
            Adaptation::Client => Mode::Client,
            Adaptation::Capped => Mode::Capped,
            Adaptation::Server => Mode::Server { per_session: self.per_session },
        }
    }
}

/// The least pace by which it can be seen that a line carries the next rung with room to spare.
const LEAST_MULTIPLE: f64 = 1.5;

/// The configuration, checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) reach: Reach,
    pub(crate) source: Source,
    pub(crate) rung_cap: adaptation::Config,
    pub(crate) config: Config,
}

impl Settings {
    /// Checks what a single key's type cannot.
    ///
    /// # Errors
    /// Says which argument or key makes no sense and what would.
    pub(crate) fn check(config: Config) -> Result<Self, Usage> {
        let reach =
            Reach::check(&config.address, config.advertise.as_ref(), config.admin.as_deref(), ADMIN_PORT)?;
        let source = Source::parse(config.source.as_deref()).map_err(|e| Usage(e.to_string()))?;
        config.manager.as_ref().map(|url| origin(url, "the manager's URL (--manager)")).transpose()?;
        if config.per_session && config.adaptation != Adaptation::Server {
            return Err(Usage(
                "per_session picks nothing unless the server does: set adaptation = \"server\" too"
                    .to_owned(),
            ));
        }
        let multiple = f64::from(config.http.pacing.multiple);
        if config.per_session && (0.0 < multiple && multiple < LEAST_MULTIPLE) {
            return Err(Usage(format!(
                "with per_session a line is measured by what is sent on it, so nobody could climb: give an http.pacing.multiple of {LEAST_MULTIPLE} or more, or 0"
            )));
        }
        let rung_cap = config.rung_cap.clone().validated().map_err(|error| Usage(error.to_string()))?;
        Ok(Self { reach, source, rung_cap, config })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(change: impl FnOnce(&mut Config)) -> Result<Settings, Usage> {
        let mut config = Config::default();
        change(&mut config);
        Settings::check(config)
    }

    #[test]
    fn nothing_given_is_the_test_card_on_loopback() {
        let settings = checked(|_| {}).unwrap();
        assert_eq!(settings.reach.base(settings.reach.address).as_str(), "http://127.0.0.1:8080/");
        assert_eq!(settings.reach.admin, "127.0.0.1:9101".parse().unwrap());
        assert!(matches!(settings.source, Source::TestCard));
    }

    #[test]
    fn a_source_that_is_none_is_refused_with_what_would_be_one() {
        for given in ["nonsense", "ftp://127.0.0.1/a.m3u8", "/tmp/a.m3u8", "http://"] {
            let error = checked(|c| c.source = Some(given.to_owned())).unwrap_err().to_string();
            assert!(error.contains(given) && error.contains("m3u8"), "{error}");
        }
    }

    #[test]
    fn picking_for_each_session_needs_a_server_that_picks() {
        assert_eq!(checked(|_| {}).unwrap().config.mode(), Mode::Capped);
        let picks =
            |config: &mut Config| (config.adaptation, config.per_session) = (Adaptation::Server, true);
        assert_eq!(checked(picks).unwrap().config.mode(), Mode::Server { per_session: true });
        let error = checked(|config| config.per_session = true).unwrap_err().to_string();
        assert!(error.contains("adaptation = \"server\""), "{error}");
        let error = checked(|config| config.rung_cap.safe_share = 2.0).unwrap_err().to_string();
        assert!(error.contains("rung_cap.safe_share"), "{error}");
    }

    #[test]
    fn a_manager_with_a_path_is_refused() {
        let error =
            checked(|c| c.manager = Some("http://127.0.0.1:7000/watch".parse().unwrap())).unwrap_err();
        assert!(error.to_string().contains("--manager"), "{error}");
    }
}
