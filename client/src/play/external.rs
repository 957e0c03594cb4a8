//! `client play --player`: opens somebody else's player with this session's URL.

use std::time::Duration;

use policy::Class;
use service::Shutdown;
use tokio::process::Command;

use crate::{exit::Failure, locate, managers::TrafficManagers, output, route::Ticket};

/// Runs `command` with the URL as its last argument, until it ends, the duration is over or somebody interrupts.
pub(super) async fn run(
    managers: &mut TrafficManagers,
    ticket: &Ticket,
    command: &str,
    duration: Option<Duration>,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or_else(|| Failure::Usage("--player names no program".into()))?;
    let class = class_of(program);
    let placement = locate::ask(managers, &ticket.stream, ticket.region.as_ref(), Some(class)).await?;
    output::say(&format!("{program} {}", placement.playlist_url));
    let mut child =
        Command::new(program).args(words).arg(&placement.playlist_url).kill_on_drop(true).spawn().map_err(
            |error| Failure::Usage(format!("cannot start {program}: {error}; give another --player")),
        )?;
    tokio::select! {
        status = child.wait() => {
            let status = status?;
            if !status.success() {
                return Err(Failure::Failed(format!("{program} ended with {status}")).into());
            }
        }
        () = super::over(duration) => child.kill().await?,
        () = shutdown.soft.cancelled() => child.kill().await?,
    }
    Ok(())
}

/// What a player can do that comes without the headers by which the manager tells.
fn class_of(program: &str) -> Class {
    let name = program.rsplit('/').next().unwrap_or(program);
    if name.contains("vlc") { Class::Fixed } else { Class::Redirects }
}
