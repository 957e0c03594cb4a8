//! A whole fleet on one subnet: the programs started in the README's order, with times short enough for a test.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use proto::v1::{Phase, ServerKind, ServerStatus, StatusResponse};
use tempfile::TempDir;

use crate::{
    network::Subnet,
    program::{self, Program, kill},
    repository::binary,
    scrape::Scrape,
    wait::eventually,
};

/// How long the programs may take to find each other.
const START: Duration = Duration::from_secs(30);

/// The config of the primary and of relays, in the fleet's folder.
const SERVER_CONFIG: &str = "server.toml";

/// The variable of the environment that holds the secret which the programs share.
pub const JOIN_SECRET: &str = "SPILLWAY_JOIN_SECRET";

/// What a fleet is to be like.
#[derive(Debug, Default)]
pub struct FleetBuilder {
    subnet: Option<Subnet>,
    primary_arguments: Vec<String>,
    threshold: Option<String>,
    source: Option<String>,
    manager_config: String,
    server_config: String,
    join_secret: Option<String>,
    standby: Vec<(u8, Vec<String>)>,
}

/// Programs that run, on one subnet.
#[derive(Debug)]
pub struct Fleet {
    /// Where they run.
    pub subnet: Subnet,
    /// The origin.
    pub primary: Program,
    /// The traffic manager.
    pub manager: Program,
    /// Relays that this test started by hand, in the order asked for.
    pub relays: Vec<Program>,
    folder: TempDir,
    builder: FleetBuilder,
    http: reqwest::Client,
}

impl FleetBuilder {
    /// The subnet to run on, for a test that has to know it before; an unused one otherwise.
    #[must_use]
    pub fn on(mut self, subnet: Subnet) -> Self {
        self.subnet = Some(subnet);
        self
    }

    /// Further arguments of the primary.
    #[must_use]
    pub fn primary_arguments(mut self, arguments: &[&str]) -> Self {
        self.primary_arguments = arguments.iter().map(ToString::to_string).collect();
        self
    }

    /// THRESHOLD of the manager; 3 otherwise.
    #[must_use]
    pub fn threshold(mut self, viewers: u32) -> Self {
        self.threshold = Some(viewers.to_string());
        self
    }

    /// SOURCE of the primary; the test card otherwise.
    #[must_use]
    pub fn source(mut self, url: impl Into<String>) -> Self {
        self.source = Some(url.into());
        self
    }

    /// Lines of TOML that are added to the manager's config.
    #[must_use]
    pub fn manager_config(mut self, toml: &str) -> Self {
        self.manager_config.push_str(toml);
        self.manager_config.push('\n');
        self
    }

    /// Lines of TOML that are the config of the primary and of the relays that the test starts.
    #[must_use]
    pub fn server_config(mut self, toml: &str) -> Self {
        self.server_config.push_str(toml);
        self.server_config.push('\n');
        self
    }

    /// The secret that the programs share.
    #[must_use]
    pub fn join_secret(mut self, secret: &str) -> Self {
        self.join_secret = Some(secret.to_owned());
        self
    }

    /// A relay that an operator starts, on a host of the subnet (2 to 9), with further arguments.
    #[must_use]
    pub fn standby(mut self, host: u8, arguments: &[&str]) -> Self {
        self.standby.push((host, arguments.iter().map(ToString::to_string).collect()));
        self
    }

    /// Starts all of it and waits until the manager has settled and knows the stream.
    pub async fn start(self) -> Fleet {
        let subnet = self.subnet.unwrap_or_else(Subnet::unused);
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("manager.toml"), self.manager_toml(subnet)).expect("a config file");
        std::fs::write(folder.path().join(SERVER_CONFIG), &self.server_config).expect("a config file");
        let primary = start_primary(subnet, &self, folder.path());
        let manager = start_manager(subnet, &self, folder.path());
        let mut fleet = Fleet {
            subnet,
            primary,
            manager,
            relays: Vec::new(),
            folder,
            builder: self,
            http: crate::http::http(),
        };
        fleet.settled().await;
        for (host, arguments) in std::mem::take(&mut fleet.builder.standby) {
            let relay = fleet.start_relay(host, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
            fleet.relays.push(relay);
        }
        fleet
    }

    fn share_secret(&self, command: &mut Command) {
        if let Some(secret) = &self.join_secret {
            command.env(JOIN_SECRET, secret);
        }
    }

    /// Short times, and slots on this subnet.
    fn manager_toml(&self, subnet: Subnet) -> String {
        let slots: Vec<String> = (2..=9).map(|host| format!("\"{}\"", subnet.host(host))).collect();
        let defaults = include_str!("manager.toml")
            .replace("{admin}", &subnet.admin(10).to_string())
            .replace("{relay_admin_port}", &(subnet.port + 2).to_string())
            .replace("{slots}", &slots.join(", "));
        merge(&defaults, &self.manager_config)
    }
}

/// Two TOML texts as one; where both name a key, the second wins.
fn merge(first: &str, second: &str) -> String {
    fn into(base: &mut toml::Table, over: toml::Table) {
        for (key, value) in over {
            match (base.get_mut(&key), value) {
                (Some(toml::Value::Table(base)), toml::Value::Table(over)) => into(base, over),
                (_, value) => {
                    base.insert(key, value);
                }
            }
        }
    }
    let mut merged: toml::Table = first.parse().expect("the harness's own config is TOML");
    into(&mut merged, second.parse().expect("the test's config is TOML"));
    merged.to_string()
}

fn start_primary(subnet: Subnet, builder: &FleetBuilder, folder: &Path) -> Program {
    let mut command = Command::new(binary("primary"));
    command.arg(subnet.viewers(1).to_string());
    command.args(builder.source.as_deref());
    command.args(["--admin", &subnet.admin(1).to_string()]);
    command.arg("--config").arg(folder.join(SERVER_CONFIG));
    command.args(&builder.primary_arguments);
    builder.share_secret(&mut command);
    Program::start("primary", command, folder)
}

fn start_manager(subnet: Subnet, builder: &FleetBuilder, folder: &Path) -> Program {
    let mut command = Command::new(binary("traffic-manager"));
    command
        .arg(format!("http://{}/live/index.m3u8", subnet.viewers(1)))
        .arg(builder.threshold.as_deref().unwrap_or("3"))
        .args(["--listen", &subnet.manager().to_string()])
        .arg("--state-dir")
        .arg(folder.join("state"))
        .arg("--config")
        .arg(folder.join("manager.toml"));
    builder.share_secret(&mut command);
    Program::start("traffic-manager", command, folder)
}

impl Fleet {
    /// A fleet to be described.
    #[must_use]
    pub fn builder() -> FleetBuilder {
        FleetBuilder::default()
    }

    /// Starts the manager again, with the same state folder and config.
    pub fn restart_manager(&mut self) {
        self.manager = start_manager(self.subnet, &self.builder, self.folder.path());
    }

    /// Starts the primary again.
    pub fn restart_primary(&mut self) {
        self.primary = start_primary(self.subnet, &self.builder, self.folder.path());
    }

    /// Starts a relay by hand on a host of the subnet.
    #[must_use]
    pub fn start_relay(&self, host: u8, arguments: &[&str]) -> Program {
        let secret = self.builder.join_secret.as_deref();
        self.start_relay_that_knows(secret, host, arguments)
    }

    /// Starts a relay by hand, with a join secret that need not be the fleet's.
    #[must_use]
    pub fn start_relay_that_knows(&self, secret: Option<&str>, host: u8, arguments: &[&str]) -> Program {
        let mut command = Command::new(binary("local-server"));
        let manager = self.subnet.manager();
        command
            .arg(self.subnet.viewers(host).to_string())
            .arg(manager.ip().to_string())
            .arg(manager.port().to_string())
            .args(["--admin", &self.subnet.admin(host).to_string()])
            .arg("--config")
            .arg(self.file(SERVER_CONFIG))
            .args(arguments)
            .envs(secret.map(|secret| (JOIN_SECRET, secret)));
        Program::start(&format!("relay-{host}"), command, self.folder.path())
    }

    /// Starts `client IP PORT ARGUMENTS…`; it runs until it ends by itself or the test does.
    #[must_use]
    pub fn start_client(&self, name: &str, arguments: &[&str]) -> Program {
        let manager = self.subnet.manager();
        let mut command = Command::new(binary("client"));
        command.args([manager.ip().to_string(), manager.port().to_string()]).args(arguments);
        Program::start(name, command, self.folder.path())
    }

    /// A file in the fleet's own folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path at the manager, as a URL.
    #[must_use]
    pub fn at_manager(&self, path: &str) -> String {
        format!("http://{}{path}", self.subnet.manager())
    }

    /// The one URL that viewers are given.
    #[must_use]
    pub fn watch_url(&self) -> String {
        self.at_manager("/watch/live.m3u8")
    }

    /// The text behind a URL, whatever its status.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn get(&self, url: &str) -> Result<(u16, String), reqwest::Error> {
        let answer = self.http.get(url).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// What the manager says of itself.
    ///
    /// # Errors
    /// When it does not answer, or not as it should.
    pub async fn status(&self) -> Result<StatusResponse, String> {
        let (code, text) = self.get(&self.at_manager("/api/v1/status")).await.map_err(|e| e.to_string())?;
        if code != 200 {
            return Err(format!("{code}: {text}"));
        }
        serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))
    }

    /// Waits until the manager has settled and knows the stream.
    pub async fn settled(&self) -> StatusResponse {
        eventually("the fleet settles", START, async || {
            let status = self.status().await?;
            let ready = status.streams.iter().any(|stream| stream.ready);
            if status.settled && ready { Ok(status) } else { Err(format!("{status:?}")) }
        })
        .await
    }

    /// Waits until the status is as `condition` wants it; `Err` of it says what is wrong.
    pub async fn until<F>(&self, what: &str, within: Duration, condition: F) -> StatusResponse
    where
        F: Fn(&StatusResponse) -> bool,
    {
        eventually(what, within, async || {
            let status = self.status().await?;
            if condition(&status) { Ok(status) } else { Err(brief(&status)) }
        })
        .await
    }

    /// One metric of a program, summed over its labels; `None` where it has none of that name.
    pub async fn metric(&self, admin: std::net::SocketAddr, name: &str) -> Option<f64> {
        self.scrape(admin).await?.sum(name)
    }

    /// All metrics of a program at one moment; `None` where it does not answer.
    pub async fn scrape(&self, admin: std::net::SocketAddr) -> Option<Scrape> {
        let (_, text) = self.get(&format!("http://{admin}/metrics")).await.ok()?;
        Some(Scrape(text))
    }

    /// Pids of the relays that run on this subnet, whoever started them.
    #[must_use]
    pub fn relay_pids(&self) -> Vec<u32> {
        program::running("local-server", &self.subnet.prefix())
    }

    /// The pid of the relay on a server's address.
    #[must_use]
    pub fn relay_pid(&self, server: &ServerStatus) -> Option<u32> {
        let address = server.base_url.strip_prefix("http://")?;
        program::running("local-server", address).first().copied()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.manager.kill();
        for pid in self.relay_pids() {
            kill(pid);
        }
    }
}

/// The relays in a status that are in a phase.
#[must_use]
pub fn relays_in(status: &StatusResponse, phase: Phase) -> Vec<&ServerStatus> {
    status
        .servers
        .iter()
        .filter(|server| server.kind() == ServerKind::Relay && server.phase() == phase)
        .collect()
}

/// Viewers at the primary.
#[must_use]
pub fn at_primary(status: &StatusResponse) -> u32 {
    status
        .servers
        .iter()
        .filter(|server| server.kind() == ServerKind::Primary)
        .map(|server| server.viewers)
        .sum()
}

/// A status in one line.
#[must_use]
pub fn brief(status: &StatusResponse) -> String {
    let servers: Vec<String> = status
        .servers
        .iter()
        .map(|s| format!("{} {} {}/{}", s.id, s.phase().as_str_name(), s.viewers, s.target))
        .collect();
    format!("{} viewers; {}", status.viewers, servers.join(", "))
}
