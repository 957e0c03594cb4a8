//! The relay's command line and configuration, and what both come to: settings that make sense.

use std::net::IpAddr;

use delivery::{adaptation, census, http, membership, object, reach::Reach, upstream};
use policy::{Region, ServerId};
use serde::{Deserialize, Serialize};
use service::{BitRate, CommonFlags, Secret, Usage};
use url::{Host, Url};

/// Port of `/metrics`, `/live` and `/ready`, on the address of viewers where `admin` names none.
const ADMIN_PORT: u16 = 9102;

/// Re-streams a live stream to the viewers of one region while the traffic manager wants it: a temporary relay.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "local-server", version)]
pub struct Flags {
    #[command(flatten)]
    pub(crate) settings: SettingFlags,

    #[command(flatten)]
    /// Those that every program has.
    pub common: CommonFlags,
}

/// The flags that are also keys of the config.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
pub struct SettingFlags {
    /// Where viewers reach this relay: ip[:port], by default 127.0.0.2:8080
    #[arg(value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,

    /// Address of the traffic manager, by default 127.0.0.1
    #[arg(value_name = "MANAGER_IP")]
    #[serde(skip_serializing_if = "Option::is_none")]
    manager_ip: Option<String>,

    /// Port of the traffic manager, by default 7000
    #[arg(value_name = "MANAGER_PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    manager_port: Option<u16>,

    /// Region that this relay stands in, by default "default"
    #[arg(long, value_name = "REGION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,

    /// Viewers served at most, by default 500
    #[arg(long, value_name = "VIEWERS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<u32>,

    /// What this host's line carries, such as 400Mbps: quality goes down before it is full
    #[arg(long, value_name = "BITRATE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    uplink: Option<String>,

    /// Id in the fleet and in players' pathways, by default made of the address
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,

    /// What a provisioner calls this launch; with it, the relay exits when it is not needed any more
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_id: Option<String>,

    /// The URL that viewers use, where it differs from http://ADDRESS
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    advertise: Option<String>,

    /// Where /metrics, /live and /ready are: ip[:port], by default port 9102 of ADDRESS
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
}

/// All keys, as the file, the environment and the command line fill them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where viewers reach this relay: `ip[:port]`.
    pub address: String,
    /// Address or name of the traffic manager.
    pub manager_ip: String,
    /// Port of the traffic manager.
    pub manager_port: u16,
    /// Region that this relay stands in.
    pub region: Region,
    /// Viewers served at most: 500 at 2 Mb/s fill a line of 1 Gb/s.
    pub capacity: u32,
    /// What this host's line carries: what viewers are sent is kept within it.
    pub uplink: Option<BitRate>,
    /// Id in the fleet; without one, made of the host that viewers use.
    pub id: Option<ServerId>,
    /// What a provisioner calls this launch.
    pub launch_id: Option<String>,
    /// The URL that viewers use, where it differs from `http://ADDRESS`.
    pub advertise: Option<Url>,
    /// Where `/metrics`, `/live` and `/ready` are: `ip[:port]`; without one, port 9102 of `address`.
    pub admin: Option<String>,
    /// What proves to the manager that this relay may join. Needed off loopback.
    pub join_secret: Option<Secret>,
    /// How long what is under way may take once the relay is told to stop: a segment on a slow line.
    #[serde(with = "humantime_serde")]
    pub stop_deadline: std::time::Duration,
    /// How long viewers are served on once the relay is told to stop: players ask again in less, and are sent elsewhere then.
    #[serde(with = "humantime_serde")]
    pub linger: std::time::Duration,
    /// How the connection to the manager is kept.
    pub membership: membership::Config,
    /// How the upstream is asked.
    pub upstream: upstream::Config,
    /// What the object store holds.
    pub cache: object::Config,
    /// How the server that viewers reach is bounded.
    pub http: http::Config,
    /// How viewers are counted.
    pub census: census::Config,
    /// How what is sent is kept within the uplink.
    pub rung_cap: adaptation::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: "127.0.0.2".to_owned(),
            manager_ip: "127.0.0.1".to_owned(),
            manager_port: 7000,
            region: Region::fallback(),
            capacity: 500,
            uplink: None,
            id: None,
            launch_id: None,
            advertise: None,
            admin: None,
            join_secret: None,
            stop_deadline: std::time::Duration::from_secs(10),
            linger: std::time::Duration::from_secs(5),
            membership: membership::Config::default(),
            upstream: upstream::Config::default(),
            cache: object::Config::default(),
            http: http::Config::default(),
            census: census::Config::default(),
            rung_cap: adaptation::Config::default(),
        }
    }
}

/// The configuration, checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) reach: Reach,
    /// Scheme, host and port that viewers use, without a trailing slash.
    pub(crate) base_url: String,
    pub(crate) id: ServerId,
    /// The manager's URL.
    pub(crate) manager: String,
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
        if config.capacity == 0 {
            return Err(Usage(
                "a relay with a capacity of 0 viewers serves nobody: give --capacity 1 or more".into(),
            ));
        }
        let base = reach.base(reach.address);
        let id = match (&config.id, base.host_str()) {
            (Some(id), _) => id.clone(),
            (None, host) => ServerId::of_relay(host.unwrap_or_default())
                .map_err(|e| Usage(format!("{e}; give this relay another id with --id")))?,
        };
        let manager = manager(&config.manager_ip, config.manager_port)?;
        let base_url = base.origin().ascii_serialization();
        let rung_cap = config.rung_cap.clone().validated().map_err(|error| Usage(error.to_string()))?;
        Ok(Self { reach, base_url, id, manager, rung_cap, config })
    }
}

fn manager(host: &str, port: u16) -> Result<String, Usage> {
    let host = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => Host::Ipv4(ip),
        Ok(IpAddr::V6(ip)) => Host::Ipv6(ip),
        Err(_) => Host::parse(host).map_err(|_| {
            Usage(format!(
                "{host:?} is no address of a traffic manager: give an IP address, such as 127.0.0.1"
            ))
        })?,
    };
    Ok(format!("http://{host}:{port}"))
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
    fn nothing_given_is_the_first_slot_on_loopback() {
        let settings = checked(|_| {}).unwrap();
        assert_eq!(settings.base_url, "http://127.0.0.2:8080");
        assert_eq!(settings.reach.admin, "127.0.0.2:9102".parse().unwrap());
        assert_eq!(settings.id.as_str(), "relay-127-0-0-2");
        assert_eq!(settings.manager, "http://127.0.0.1:7000");
    }

    #[test]
    fn the_id_follows_the_host_that_viewers_use() {
        let advertise = Some("https://eu1.example/".parse().unwrap());
        let settings = checked(|c| (c.address, c.advertise) = ("0.0.0.0".to_owned(), advertise)).unwrap();
        assert_eq!(
            (settings.base_url.as_str(), settings.id.as_str()),
            ("https://eu1.example", "relay-eu1.example")
        );
        let settings = checked(|c| c.id = Some("mine".parse().unwrap())).unwrap();
        assert_eq!(settings.id.as_str(), "mine");
    }

    #[test]
    fn a_manager_may_be_an_address_of_either_kind_or_a_name() {
        for (given, expected) in [
            ("127.0.0.9", "http://127.0.0.9:7000"),
            ("::1", "http://[::1]:7000"),
            ("manager.example", "http://manager.example:7000"),
        ] {
            assert_eq!(checked(|c| c.manager_ip = given.to_owned()).unwrap().manager, expected);
        }
        let error = checked(|c| c.manager_ip = "http://127.0.0.1".to_owned()).unwrap_err().to_string();
        assert!(error.contains("127.0.0.1"), "{error}");
    }

    #[test]
    fn a_relay_for_nobody_is_refused() {
        assert!(checked(|c| c.capacity = 0).unwrap_err().to_string().contains("--capacity"));
    }
}
