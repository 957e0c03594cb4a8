//! What the configuration comes to: addresses, URLs and policy's settings, checked once, so that nonsense is said at the start.

mod regions;

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _, UdpSocket},
    path::PathBuf,
    sync::Mutex,
};

use bytes::Bytes;
use policy::{Settings, steering::Pace};
use service::{Secret, Usage, address};
use url::{Host, Url};

use crate::{
    config::{Config, Http, ProvisionerKind},
    http::Opening,
    provisioner::ProcessSettings,
};

/// Port of viewers and servers where nothing else is said.
const PORT: u16 = 7000;

/// Port of `/metrics`, `/live` and `/ready`.
const ADMIN_PORT: u16 = 9100;

/// The fleet's port where the primary's is not known.
const VIEWERS_PORT: u16 = 8080;

/// The last byte of the addresses of relays beside a primary on loopback.
const RELAY_HOSTS: std::ops::RangeInclusive<u8> = 2..=9;

/// Bytes of a PROXY protocol header with two IPv6 addresses and ports, and nothing more.
const LEAST_PROXY_HEADER: usize = 52;

/// Whether the primary's URL is one that can be called on.
pub(crate) fn check_primary(config: &Config) -> Result<(), Usage> {
    match &config.primary {
        Some(url) if !matches!(url.scheme(), "http" | "https") => Err(Usage(format!(
            "the primary's URL {url} is none that players play: give one that begins with http:// or https://"
        ))),
        _ => Ok(()),
    }
}

/// Where to listen: for viewers and servers, and for `/metrics`.
pub(crate) fn addresses(config: &Config) -> Result<(SocketAddr, SocketAddr), Usage> {
    let listen = match &config.listen {
        Some(text) => parse("listen", text, PORT)?,
        None => SocketAddr::new(default_host(config), PORT),
    };
    let admin = match &config.admin {
        Some(text) => parse("admin", text, ADMIN_PORT)?,
        None => SocketAddr::new(listen.ip(), ADMIN_PORT),
    };
    if !listen.ip().is_loopback() && config.join_secret.as_ref().is_none_or(Secret::is_empty) {
        return Err(Usage(format!(
            "{listen} can be reached from other hosts, so servers need a join secret to attach: give this program and all \
             servers the same with SPILLWAY_JOIN_SECRET or join_secret in their config, or stay here with --listen 127.0.0.1"
        )));
    }
    Ok((listen, admin))
}

fn parse(key: &str, text: &str, default_port: u16) -> Result<SocketAddr, Usage> {
    address::parse(text, default_port).map_err(|error| Usage(format!("{key}: {error}")))
}

/// Loopback when the primary is there, and when nobody knows where it will be.
fn default_host(config: &Config) -> IpAddr {
    match &config.primary {
        Some(primary) if !is_on_loopback(primary) => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv4Addr::LOCALHOST.into(),
    }
}

fn is_on_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Where viewers and servers reach a manager that listens on `bound`: scheme, host and port.
pub(crate) fn public_url(config: &Config, bound: SocketAddr) -> Result<String, Usage> {
    if let Some(url) = &config.advertise {
        return Ok(url.as_str().trim_end_matches('/').to_owned());
    }
    let ip = if bound.ip().is_unspecified() {
        towards(config.primary.as_ref(), bound).map_err(|error| {
            Usage(format!(
                "cannot tell by which address viewers and servers reach this host: {error}; say it with --advertise URL"
            ))
        })?
    } else {
        bound.ip()
    };
    Ok(format!("http://{}", SocketAddr::new(ip, bound.port())))
}

/// This host's address on the way to the primary. Nothing is sent: connecting a UDP socket only asks the routing table.
fn towards(primary: Option<&Url>, bound: SocketAddr) -> io::Result<IpAddr> {
    let missing = || io::Error::other("no primary was given");
    let primary = primary.ok_or_else(missing)?;
    let host =
        (primary.host_str().ok_or_else(missing)?, primary.port_or_known_default().unwrap_or(VIEWERS_PORT));
    let unresolved = || io::Error::other("the primary's name has no address");
    let to = host.to_socket_addrs()?.find(|to| to.is_ipv4() == bound.is_ipv4()).ok_or_else(unresolved)?;
    let socket = UdpSocket::bind((bound.ip(), 0))?;
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}

/// The state folder, made where it is missing.
pub(crate) fn state_folder(config: &Config) -> Result<PathBuf, Usage> {
    let folder = match &config.state_dir {
        Some(folder) => folder.clone(),
        None => default_state_folder().ok_or_else(|| {
            Usage("there is no home folder to keep state in: give a folder with --state-dir".to_owned())
        })?,
    };
    fs::create_dir_all(&folder).map_err(|error| {
        let folder = folder.display();
        Usage(format!("cannot make the state folder {folder}: {error}; give another with --state-dir"))
    })?;
    Ok(folder)
}

fn default_state_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    Some(base?.join("spillway"))
}

/// Policy's settings, for a manager that viewers reach at `public_url`.
pub(crate) fn settings(config: &Config, public_url: &str, first_generation: u64) -> Result<Settings, Usage> {
    let Config { scaling, launching, draining, liveness, limits, .. } = config;
    let settings = Settings {
        threshold: config.threshold,
        regions: regions::settings(config),
        max_regions: scaling.max_regions,
        fleet_budget: scaling.fleet_budget,
        leave_ratio: scaling.leave_ratio,
        hold: scaling.hold,
        cooldown: scaling.cooldown,
        drain_deadline: draining.deadline,
        longest_steering_ttl: config.steering.longest_ttl,
        drain_pace: draining.pace,
        launch_timeout: launching.timeout,
        launch_backoff: launching.backoff.first,
        launch_backoff_cap: launching.backoff.longest,
        exit_timeout: draining.exit_timeout,
        relay_capacity: scaling.relay_capacity,
        target_utilisation: scaling.target_utilisation,
        ramp: scaling.ramp,
        first_start_window: liveness.first_start_window,
        report_interval: liveness.report_interval,
        missed_reports: liveness.missed_reports,
        grace: liveness.grace,
        reattach: liveness.reattach,
        freeze: liveness.freeze,
        slot_rest: liveness.slot_rest,
        backfill: config.backfill,
        retry_after: config.session.retry_after,
        decisions_kept: limits.decisions_kept,
        forwarded_per_report: limits.forwarded_per_report,
        max_slots: limits.max_slots,
        first_generation,
        steering_url: format!("{public_url}/steer"),
    };
    settings.validated().map_err(|error| Usage(error.to_string()))
}

/// How often players ask.
pub(crate) fn pace(config: &Config) -> Pace {
    let crate::config::Steering { ttl, longest_ttl, answers_per_second } = config.steering;
    Pace { ttl, longest_ttl, answers_per_second }
}

/// How connections must begin.
pub(crate) fn opening(http: &Http) -> Result<Opening, Usage> {
    let max_header_bytes = http.max_proxy_header_bytes;
    if max_header_bytes < LEAST_PROXY_HEADER {
        return Err(Usage(format!(
            "http.max_proxy_header_bytes is {max_header_bytes}: give at least {LEAST_PROXY_HEADER}, which two IPv6 addresses take"
        )));
    }
    let proxied = http.proxy_protocol_from.clone();
    Ok(Opening { proxied, max_header_bytes, patience: http.header_timeout, warned: Mutex::default() })
}

/// The script that the watch page plays with.
pub(crate) fn hls_js(config: &Config) -> Result<Option<Bytes>, Usage> {
    let Some(file) = &config.http.hls_js else { return Ok(None) };
    match fs::read(file) {
        Ok(script) => Ok(Some(script.into())),
        Err(error) => Err(Usage(format!(
            "cannot read hls.js at {}: {error}; get it with `npm install hls.js`, or leave hls_js out of [http]",
            file.display()
        ))),
    }
}

/// What the process provisioner is told; none where relays are started by operators.
pub(crate) fn process(
    config: &Config,
    manager: SocketAddr,
    state: &std::path::Path,
) -> Result<Option<ProcessSettings>, Usage> {
    let provisioner = &config.provisioner;
    let on_loopback = config.primary.as_ref().is_none_or(is_on_loopback);
    let reaches = on_loopback || !provisioner.addresses.is_empty();
    match provisioner.kind {
        ProvisionerKind::Standby => return Ok(None),
        ProvisionerKind::Auto if !reaches => return Ok(None),
        ProvisionerKind::Process if !reaches => {
            return Err(Usage("the process provisioner needs addresses in [provisioner] where the primary is on another host".to_owned()));
        }
        _ => {}
    }
    let port = config.primary.as_ref().and_then(Url::port_or_known_default);
    let default_addresses = || RELAY_HOSTS.map(|host| Ipv4Addr::new(127, 0, 0, host).into()).collect();
    Ok(Some(ProcessSettings {
        program: provisioner.program.clone().map_or_else(beside_us, Ok)?,
        addresses: Some(provisioner.addresses.clone())
            .filter(|given| !given.is_empty())
            .unwrap_or_else(default_addresses),
        port: provisioner.port.or(port).unwrap_or(VIEWERS_PORT),
        manager: reachable(manager),
        arguments: provisioner.arguments.clone(),
        join_secret: config.join_secret.clone(),
        folder: state.join("relays"),
        stop_timeout: provisioner.stop_timeout,
    }))
}

/// From this host, a manager on all addresses is on loopback too.
fn reachable(manager: SocketAddr) -> SocketAddr {
    if manager.ip().is_unspecified() {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), manager.port())
    } else {
        manager
    }
}

fn beside_us() -> Result<PathBuf, Usage> {
    let ours = std::env::current_exe().map_err(|error| {
        Usage(format!(
            "cannot tell where this program is: {error}; name local-server with program in [provisioner]"
        ))
    })?;
    Ok(ours.with_file_name("local-server"))
}
