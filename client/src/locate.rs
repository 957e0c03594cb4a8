//! `client locate`: this session's URL at the server that it is placed on, for any player.

use policy::{Class, Region, StreamName};
use proto::v1::{self, LocateRequest, Placement};
use tonic::Status;

use crate::{
    args::LocateArgs, config::Config, exit::Failure, manager::TrafficManager, managers::TrafficManagers,
    output,
};

/// Asks once and prints the answer.
///
/// # Errors
/// When the manager cannot be reached or refuses.
pub async fn run(config: &Config, args: LocateArgs) -> anyhow::Result<()> {
    let mut managers = TrafficManagers::new(config)?;
    let stream = args.stream.unwrap_or_else(|| config.stream.clone());
    let region = args.region.or_else(|| config.region.clone());
    let placement = ask(&mut managers, &stream, region.as_ref(), args.class).await?;
    if args.json {
        output::json(&placement)?;
        return Ok(());
    }
    if args.explain {
        output::say(&format!("{}: {} ({})", placement.server, placement.explanation, placement.reason));
    }
    output::answer(if args.share { &placement.watch_url } else { &placement.playlist_url })?;
    Ok(())
}

/// Where a viewer with a player of this class plays the stream.
///
/// # Errors
/// When the manager cannot be reached or refuses.
pub async fn ask(
    managers: &mut TrafficManagers,
    stream: &StreamName,
    region: Option<&Region>,
    class: Option<Class>,
) -> Result<Placement, Failure> {
    let class = class.map_or(v1::Class::Unspecified, v1::Class::from);
    let request = LocateRequest {
        stream: stream.to_string(),
        region: region.map(ToString::to_string).unwrap_or_default(),
        class: class.into(),
        ..LocateRequest::default()
    };
    managers.ask(|manager| locate(manager, request.clone())).await
}

async fn locate(manager: TrafficManager, request: LocateRequest) -> Result<Placement, Failure> {
    let failure = |status: Status| Failure::of_viewers(&status, manager.address());
    let answer = manager.viewers().locate(request).await.map_err(failure)?;
    answer.into_inner().placement.ok_or_else(|| {
        Failure::Failed("the traffic-manager's answer has no placement: is it of this version?".into())
    })
}
