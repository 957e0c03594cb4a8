//! What an operator asks and orders: `status`, `servers`, `regions`, `drain`, `resume`, `decisions`.

use proto::v1::{
    Decision, DecisionsRequest, DrainRequest, RegionStatus, RegionsRequest, ResumeRequest, RungCap,
    ServerStatus, ServersRequest, StatusRequest, StatusResponse, operator_client::OperatorClient,
};
use tonic::{Response, Status, transport::Channel};

use crate::{
    args::{DecisionsArgs, ServerArgs, ShowArgs},
    config::Config,
    exit::Failure,
    manager::TrafficManager,
    managers::TrafficManagers,
    output,
    table::table,
};

/// Where an operator asks.
type Operator = OperatorClient<Channel>;

/// `client status`
///
/// # Errors
/// When the manager cannot be reached.
pub async fn status(config: &Config, args: &ShowArgs) -> anyhow::Result<()> {
    let mut managers = TrafficManagers::new(config)?;
    let status =
        ask(&mut managers, |mut operator| async move { operator.status(StatusRequest {}).await }).await?;
    if args.json {
        output::json(&status)?;
        return Ok(());
    }
    output::answer(&headline(&status))?;
    output::answer(&format!("\n{}\n\n{}", regions_table(&status.regions), servers_table(&status.servers)))?;
    Ok(())
}

/// `client servers`
///
/// # Errors
/// When the manager cannot be reached.
pub async fn servers(config: &Config, args: &ShowArgs) -> anyhow::Result<()> {
    let mut managers = TrafficManagers::new(config)?;
    let answer =
        ask(&mut managers, |mut operator| async move { operator.servers(ServersRequest {}).await }).await?;
    if args.json {
        output::json(&answer)?;
    } else {
        output::answer(&servers_table(&answer.servers))?;
    }
    Ok(())
}

/// `client regions`
///
/// # Errors
/// When the manager cannot be reached.
pub async fn regions(config: &Config, args: &ShowArgs) -> anyhow::Result<()> {
    let mut managers = TrafficManagers::new(config)?;
    let answer =
        ask(&mut managers, |mut operator| async move { operator.regions(RegionsRequest {}).await }).await?;
    if args.json {
        output::json(&answer)?;
    } else {
        output::answer(&regions_table(&answer.regions))?;
    }
    Ok(())
}

/// `client drain`
///
/// # Errors
/// When the manager cannot be reached, or the server is unknown or cannot be drained.
pub async fn drain(config: &Config, args: &ServerArgs) -> anyhow::Result<()> {
    let request = DrainRequest { server: args.server.to_string() };
    let question = |mut operator: Operator| {
        let request = request.clone();
        async move { operator.drain(request).await }
    };
    let answer = ask(&mut TrafficManagers::new(config)?, question).await?;
    show_server(answer.server, args)
}

/// `client resume`
///
/// # Errors
/// When the manager cannot be reached, or the server is unknown or not attached.
pub async fn resume(config: &Config, args: &ServerArgs) -> anyhow::Result<()> {
    let request = ResumeRequest { server: args.server.to_string() };
    let question = |mut operator: Operator| {
        let request = request.clone();
        async move { operator.resume(request).await }
    };
    let answer = ask(&mut TrafficManagers::new(config)?, question).await?;
    show_server(answer.server, args)
}

/// `client decisions`
///
/// # Errors
/// When the manager cannot be reached, or goes while it is followed.
pub async fn decisions(config: &Config, args: &DecisionsArgs) -> anyhow::Result<()> {
    let request = DecisionsRequest { follow: args.follow, newest: args.newest.unwrap_or_default() };
    let mut managers = TrafficManagers::new(config)?;
    let mut decisions =
        ask(&mut managers, |mut operator| async move { operator.decisions(request).await }).await?;
    let failure = |status: Status| Failure::of_operator(&status, managers.current().address());
    while let Some(decision) = decisions.message().await.map_err(failure)? {
        if args.json {
            output::json_line(&decision)?;
        } else {
            output::answer(&sentence(&decision))?;
        }
    }
    Ok(())
}

async fn ask<T, F>(managers: &mut TrafficManagers, question: impl Fn(Operator) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let question = |manager: TrafficManager| {
        let answer = question(manager.operator());
        async move {
            let answer = answer.await.map_err(|status| Failure::of_operator(&status, manager.address()))?;
            Ok(answer.into_inner())
        }
    };
    managers.ask(question).await
}

fn show_server(server: Option<ServerStatus>, args: &ServerArgs) -> anyhow::Result<()> {
    let server =
        server.ok_or_else(|| Failure::Failed("the traffic-manager's answer names no server".into()))?;
    if args.json {
        output::json(&server)?;
    } else {
        output::answer(&servers_table(&[server]))?;
    }
    Ok(())
}

fn headline(status: &StatusResponse) -> String {
    let settled = if status.settled { "settled" } else { "waiting for its first counts" };
    let frozen =
        if status.frozen.is_empty() { String::new() } else { format!("\nholds still: {}", status.frozen) };
    let streams: Vec<String> = status
        .streams
        .iter()
        .map(|stream| format!("{}{}", stream.name, if stream.ready { "" } else { " (not ready)" }))
        .collect();
    format!(
        "traffic-manager {}, {settled}, generation {}; primary: {}\n{}, {}, streams: {}{frozen}",
        status.version,
        status.generation,
        if status.primary_url.is_empty() { "none" } else { &status.primary_url },
        counted(status.viewers, "viewer", "viewers"),
        counted(status.relays, "relay", "relays"),
        if streams.is_empty() { "none".to_owned() } else { streams.join(", ") },
    )
}

fn servers_table(servers: &[ServerStatus]) -> String {
    let mut table = table([
        "SERVER", "REGION", "PHASE", "VIEWERS", "TARGET", "PENDING", "CAPACITY", "EGRESS", "UPLINK", "CAP",
        "ADDRESS",
    ]);
    for server in servers {
        table.add_row([
            server.id.clone(),
            server.region.clone(),
            phase(server),
            server.viewers.to_string(),
            server.target.to_string(),
            server.pending.to_string(),
            capacity(server),
            megabits(server.egress_bits_per_second),
            if server.uplink_bits_per_second == 0 {
                "-".to_owned()
            } else {
                megabits(server.uplink_bits_per_second)
            },
            caps(&server.rung_caps),
            server.base_url.clone(),
        ]);
    }
    table.to_string()
}

fn regions_table(regions: &[RegionStatus]) -> String {
    let mut table = table(["REGION", "VIEWERS", "THRESHOLD", "OVER", "RELAYS", "WANTED", "WHY"]);
    for region in regions {
        table.add_row([
            region.name.clone(),
            region.viewers.to_string(),
            region.threshold.to_string(),
            if region.over { "yes" } else { "no" }.to_owned(),
            region.relays.to_string(),
            region.relays_wanted.to_string(),
            region.explanation.clone(),
        ]);
    }
    table.to_string()
}

fn sentence(decision: &Decision) -> String {
    let unix = u64::try_from(decision.unix_ms).unwrap_or_default();
    let moment = std::time::UNIX_EPOCH + std::time::Duration::from_millis(unix);
    let subject = [&decision.server, &decision.region].into_iter().find(|name| !name.is_empty());
    format!(
        "{} {:<10} {:<18} {} ({})",
        humantime::format_rfc3339_millis(moment),
        decision.kind,
        subject.map_or("-", String::as_str),
        decision.explanation,
        decision.reason
    )
}

/// Its phase, and whether an operator keeps it there: a relay that stands by on orders is not one that waits to be wanted.
fn phase(server: &ServerStatus) -> String {
    let phase = policy::Phase::try_from(server.phase())
        .map_or_else(|_| "unknown".to_owned(), |phase| phase.to_string());
    if server.held { format!("{phase} (held)") } else { phase }
}

/// Viewers that it takes at most, and now, where those are fewer.
fn capacity(server: &ServerStatus) -> String {
    match server.room {
        room if room > 0 && room < server.capacity => format!("{room} of {}", server.capacity),
        _ => server.capacity.to_string(),
    }
}

/// Up to which rung it sends what it does not send up to the highest.
fn caps(caps: &[RungCap]) -> String {
    let cap = |cap: &RungCap| format!("{} {}", cap.stream, cap.rendition);
    if caps.is_empty() { "-".to_owned() } else { caps.iter().map(cap).collect::<Vec<_>>().join(", ") }
}

fn counted(count: u32, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[expect(clippy::cast_precision_loss, reason = "bitrates are far below 2^52")]
fn megabits(bits_per_second: u64) -> String {
    format!("{:.1} Mbit/s", bits_per_second as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use proto::v1::Phase;

    use super::*;

    #[test]
    fn a_server_is_one_line_under_its_heading() {
        let server = ServerStatus {
            id: "relay-127-0-0-2".into(),
            region: "eu".into(),
            phase: Phase::Serving.into(),
            viewers: 7,
            egress_bits_per_second: 12_345_678,
            ..ServerStatus::default()
        };
        let text = servers_table(&[server]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        let words: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(words[..4], ["relay-127-0-0-2", "eu", "serving", "7"]);
        assert!(lines[1].contains("12.3 Mbit/s"));
    }

    #[test]
    fn a_server_whose_uplink_is_tight_is_seen_by_its_cap_and_its_room() {
        let cap = RungCap { stream: "live".into(), rung: 0, rendition: "240p".into() };
        let tight = ServerStatus {
            capacity: 500,
            room: 20,
            uplink_bits_per_second: 8_000_000,
            rung_caps: vec![cap],
            ..ServerStatus::default()
        };
        let text = servers_table(&[tight]);
        for words in ["20 of 500", "8.0 Mbit/s", "live 240p"] {
            assert!(text.contains(words), "{text}");
        }
        assert_eq!(capacity(&ServerStatus { capacity: 500, room: 500, ..ServerStatus::default() }), "500");
    }

    #[test]
    fn a_relay_that_an_operator_keeps_from_serving_is_told_from_one_that_waits() {
        let waiting = ServerStatus { phase: Phase::Standby.into(), ..ServerStatus::default() };
        assert_eq!(phase(&waiting), "standby");
        assert_eq!(phase(&ServerStatus { held: true, ..waiting }), "standby (held)");
    }

    #[test]
    fn the_headline_says_whose_address_it_names() {
        let status = StatusResponse {
            version: "1.2.3".into(),
            primary_url: "http://127.0.0.1:8080".into(),
            viewers: 1,
            relays: 2,
            settled: true,
            ..StatusResponse::default()
        };
        assert_eq!(
            headline(&status),
            "traffic-manager 1.2.3, settled, generation 0; primary: http://127.0.0.1:8080\n1 viewer, 2 relays, streams: none"
        );
    }

    #[test]
    fn a_decision_is_a_sentence_with_its_time_and_reason() {
        let decision = Decision {
            unix_ms: 1_000,
            kind: "launch".into(),
            reason: "over-threshold".into(),
            region: "eu".into(),
            explanation: "4 viewers over 3".into(),
            ..Decision::default()
        };
        let text = sentence(&decision);
        assert!(text.starts_with("1970-01-01T00:00:01.000Z launch"), "{text}");
        assert!(text.contains("4 viewers over 3 (over-threshold)"), "{text}");
    }
}
