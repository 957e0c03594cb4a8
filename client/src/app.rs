//! What a run of the client does, from its command line to its end.

use crate::{
    args::{Args, Command, LocateArgs},
    config::Config,
    crowd, locate, operate, output, play,
};

/// Reads the configuration and does what was asked.
///
/// # Errors
/// Whatever keeps it from that; `exit` knows what it means.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let config: Config = service::load(args.common.config.as_deref(), args.overrides())?;
    if args.common.print_config {
        output::answer(&service::config::print(&config)?)?;
        return Ok(());
    }
    match args.command.unwrap_or_else(|| Command::Locate(LocateArgs::default())) {
        Command::Locate(args) => locate::run(&config, args).await,
        Command::Play(args) => play::run(&config, args).await,
        Command::Crowd(args) => crowd::run(&config, args).await,
        Command::Status(args) => operate::status(&config, &args).await,
        Command::Servers(args) => operate::servers(&config, &args).await,
        Command::Regions(args) => operate::regions(&config, &args).await,
        Command::Drain(args) => operate::drain(&config, &args).await,
        Command::Resume(args) => operate::resume(&config, &args).await,
        Command::Decisions(args) => operate::decisions(&config, &args).await,
    }
}
