//! The client: asks the traffic manager where to play a stream, plays it, sends crowds, operates the fleet.

use std::process::ExitCode;

use clap::Parser as _;
use client::{app, args::Args, exit};

fn main() -> ExitCode {
    let args = Args::parse();
    let flags = args.common_flags();
    service::run_with_codes("client", &flags, app::run(args), exit::code)
}
