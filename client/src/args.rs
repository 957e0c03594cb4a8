//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use policy::{Class, Region, ServerId, StreamName};
use service::{CommonFlags, telemetry::LogFormat};

use crate::{address::Address, config::Overrides, crowd::CrowdArgs, play::PlayArgs};

/// Asks a traffic manager where to play a stream, plays it, sends crowds, operates the fleet
#[derive(Debug, Parser)]
#[command(name = "client", version, subcommand_precedence_over_arg = true, after_help = AFTER_HELP)]
pub struct Args {
    /// Address of the traffic manager [default: 127.0.0.1]
    #[arg(value_name = "MANAGER_IP", value_parser = host)]
    pub manager_ip: Option<String>,

    /// Port of the traffic manager [default: 7000]
    #[arg(value_name = "MANAGER_PORT")]
    pub manager_port: Option<u16>,

    /// A further traffic manager of the fleet, asked when those before it cannot do it; may be repeated
    #[arg(long = "manager", value_name = "HOST:PORT", global = true)]
    pub managers: Vec<Address>,

    /// How long to ask again while no traffic manager can be reached [default: 10s]
    #[arg(long, value_name = "TIME", global = true, value_parser = humantime::parse_duration)]
    pub retry_for: Option<Duration>,

    /// Flags that every program has.
    #[command(flatten)]
    pub common: Common,

    /// What to do; without it: locate
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The flags of every program, as `service::CommonFlags`; but `--log` stands before the command only, because `crowd --log` is
/// another.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Read this TOML file; environment (SPILLWAY_…) and command line win over it
    #[arg(long, value_name = "FILE", global = true, env = "SPILLWAY_CONFIG")]
    pub config: Option<PathBuf>,

    /// Print the configuration as it would be used, as TOML, and exit
    #[arg(long, global = true)]
    pub print_config: bool,

    /// What to log (before the command): error, warn, info, debug, trace, or a filter such as warn,client=debug
    #[arg(long, value_name = "FILTER", env = "SPILLWAY_LOG")]
    pub log: Option<String>,

    /// How to log: text for people, json for machines
    #[arg(long, value_name = "FORMAT", global = true, value_enum, env = "SPILLWAY_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}

const AFTER_HELP: &str = "\
Exit codes: 0 ok, 1 failed, 2 usage, 3 manager unreachable, 4 unknown stream, 5 refused for want of room, 6 stalled";

/// What the client can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the URL to play a stream from
    Locate(LocateArgs),
    /// Play a stream without a picture, write it to a file, or open a player
    Play(PlayArgs),
    /// Send simulated viewers and report how they fared
    Crowd(CrowdArgs),
    /// Show the whole fleet
    Status(ShowArgs),
    /// List the servers
    Servers(ShowArgs),
    /// List the regions
    Regions(ShowArgs),
    /// Let a relay's viewers move away, then retire it
    Drain(ServerArgs),
    /// Call a drain back
    Resume(ServerArgs),
    /// List what the traffic manager decided, and why
    Decisions(DecisionsArgs),
}

/// `client locate`
#[derive(Debug, Default, clap::Args)]
pub struct LocateArgs {
    /// The stream [default: live]
    pub stream: Option<StreamName>,
    /// The viewer's region; without it the traffic manager finds it by address
    #[arg(long)]
    pub region: Option<Region>,
    /// What the player can do: steers, redirects, fixed or watches
    #[arg(long)]
    pub class: Option<Class>,
    /// Print everything the traffic manager says, as JSON
    #[arg(long, conflicts_with_all = ["share", "explain"])]
    pub json: bool,
    /// Print the URL to hand to others: it places whoever opens it
    #[arg(long, conflicts_with = "explain")]
    pub share: bool,
    /// Also say, on standard error, why it is this server
    #[arg(long)]
    pub explain: bool,
}

/// `client status`, `servers`, `regions`
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `client drain`, `resume`
#[derive(Debug, clap::Args)]
pub struct ServerArgs {
    /// The server's id, as `client servers` shows it
    pub server: ServerId,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `client decisions`
#[derive(Debug, clap::Args)]
pub struct DecisionsArgs {
    /// Go on with each decision as it is taken
    #[arg(long, short)]
    pub follow: bool,
    /// How many of the newest [default: all that are kept]
    #[arg(long, value_name = "COUNT")]
    pub newest: Option<u32>,
    /// Print a line of JSON for each
    #[arg(long)]
    pub json: bool,
}

/// `-o`: where media is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `-`
    Stdout,
    /// A file.
    File(PathBuf),
}

impl From<&str> for Target {
    fn from(text: &str) -> Self {
        if text == "-" { Self::Stdout } else { Self::File(text.into()) }
    }
}

impl Args {
    /// The flags of all programs; the client keeps its log quiet, because its standard error is for people.
    #[must_use]
    pub fn common_flags(&self) -> CommonFlags {
        let Common { config, print_config, log, log_format } = &self.common;
        CommonFlags {
            config: config.clone(),
            print_config: *print_config,
            log: Some(log.clone().unwrap_or_else(|| "warn".to_owned())),
            log_format: *log_format,
        }
    }

    /// What the command line sets of the configuration.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            manager_ip: self.manager_ip.clone(),
            manager_port: self.manager_port,
            managers: self.managers.clone(),
            retry_for: self.retry_for,
        }
    }
}

/// An IP address, or a name that cannot be a mistyped command.
fn host(text: &str) -> Result<String, String> {
    let is_name = text == "localhost" || (text.contains('.') && !text.contains('/'));
    if is_name || text.parse::<std::net::IpAddr>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err("this is neither an IP address nor a command; see --help".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("client").chain(line.split_whitespace()))
    }

    #[test]
    fn address_and_command_may_each_be_left_out() {
        for (line, ip, port, command) in [
            ("", None, None, "none"),
            ("10.0.0.1", Some("10.0.0.1"), None, "none"),
            ("10.0.0.1 7001", Some("10.0.0.1"), Some(7001), "none"),
            ("play", None, None, "play"),
            ("play live", None, None, "play"),
            ("10.0.0.1 play", Some("10.0.0.1"), None, "play"),
            ("10.0.0.1 7001 play live --duration 3s", Some("10.0.0.1"), Some(7001), "play"),
            ("manager.example 7001 crowd --viewers 3", Some("manager.example"), Some(7001), "crowd"),
            ("--log debug 10.0.0.1 crowd --log crowd.jsonl", Some("10.0.0.1"), None, "crowd"),
            ("::1 7000 locate other --share", Some("::1"), Some(7000), "locate"),
            ("localhost 7000 drain relay-127-0-0-2", Some("localhost"), Some(7000), "drain"),
        ] {
            let args = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let name = match args.command {
                None => "none",
                Some(Command::Locate(_)) => "locate",
                Some(Command::Play(_)) => "play",
                Some(Command::Crowd(_)) => "crowd",
                Some(Command::Drain(_)) => "drain",
                Some(_) => "else",
            };
            assert_eq!((args.manager_ip.as_deref(), args.manager_port, name), (ip, port, command), "{line}");
        }
    }

    #[test]
    fn further_managers_may_stand_before_or_after_the_command() {
        for line in [
            "--manager 10.0.0.2:7000 --manager [::1]:7001 10.0.0.1 play",
            "10.0.0.1 play --manager 10.0.0.2:7000 --manager [::1]:7001",
        ] {
            let managers: Vec<String> =
                parse(line).unwrap().overrides().managers.iter().map(ToString::to_string).collect();
            assert_eq!(managers, ["10.0.0.2:7000", "[::1]:7001"], "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_usage() {
        for line in [
            "paly",
            "10.0.0.1 many",
            "--manager 10.0.0.2",
            "10.0.0.1 7000 paly",
            "locate ../etc",
            "locate --class quantum",
            "locate --json --share",
            "play --rung best",
            "play --duration soon",
            "crowd --rate fast",
            "crowd --mix steers=x",
            "crowd --mix dances=1",
            "crowd --region eu=0",
            "crowd --viewers 0",
            "drain",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }
}
