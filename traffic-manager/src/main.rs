//! `traffic-manager [PRIMARY_STREAM_URL] [THRESHOLD]`: see `traffic-manager --help`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let flags = traffic_manager::config::Flags::parse();
    service::run("traffic-manager", &flags.common.clone(), traffic_manager::app::run(flags))
}
