//! `local-server [ADDRESS] [MANAGER_IP] [MANAGER_PORT]`: see `local-server --help`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let flags = local_server::config::Flags::parse();
    service::run("local-server", &flags.common.clone(), local_server::app::run(flags))
}
