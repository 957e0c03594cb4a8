//! `primary [ADDRESS] [SOURCE]`: see `primary --help`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let flags = primary::config::Flags::parse();
    service::run("primary", &flags.common.clone(), primary::app::run(flags))
}
