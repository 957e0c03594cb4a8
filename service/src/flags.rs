//! The flags that every program has.

use std::path::PathBuf;

use crate::telemetry::LogFormat;

/// Flags that every program has, to be flattened into its own.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Common options")]
pub struct CommonFlags {
    /// Read this TOML file; environment (SPILLWAY_…) and command line win over it
    #[arg(long, value_name = "FILE", global = true, env = "SPILLWAY_CONFIG")]
    pub config: Option<PathBuf>,

    /// Print the configuration as it would be used, as TOML, and exit
    #[arg(long, global = true)]
    pub print_config: bool,

    /// What to log: error, warn, info, debug, trace, or a filter such as info,delivery=debug
    #[arg(long, value_name = "FILTER", global = true, env = "SPILLWAY_LOG")]
    pub log: Option<String>,

    /// How to log: text for people, json for machines
    #[arg(long, value_name = "FORMAT", global = true, value_enum, env = "SPILLWAY_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}
