//! What an operator does and reads: a relay drained and given back by word, decisions with their reasons, and every word that
//! machines read.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use futures::stream;
use proto::v1::{Decision, Phase, RegionsResponse, ServerStatus, ServersResponse, StatusResponse};
use serde_json::{Value, json};
use tests::{
    Fleet, client, eventually,
    fleet::{at_primary, relays_in},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

const SETTLES: Duration = Duration::from_secs(60);

async fn two_standbys(threshold: u32) -> Fleet {
    let fleet = Fleet::builder()
        .threshold(threshold)
        .standby(2, &[])
        .standby(3, &[])
        .manager_config("[provisioner]\nkind = \"standby\"")
        .start()
        .await;
    fleet.until("both relays stand by", SETTLES, |status| relays_in(status, Phase::Standby).len() == 2).await;
    fleet
}

/// The relay that carries five of six viewers, the sixth being the primary's.
fn carrier(status: &StatusResponse) -> Option<&ServerStatus> {
    let carries = |relay: &&ServerStatus| relay.viewers == 5 && at_primary(status) == 1;
    relays_in(status, Phase::Serving).into_iter().find(carries)
}

fn stands_by_empty(status: &StatusResponse, id: &str) -> bool {
    relays_in(status, Phase::Standby).iter().any(|relay| relay.id == id && relay.viewers == 0)
}

/// Waits until a relay other than `id` carries the viewers and `id` stands by.
async fn moved_from(fleet: &Fleet, id: &str) -> String {
    let elsewhere = |status: &StatusResponse| {
        stands_by_empty(status, id) && carrier(status).is_some_and(|relay| relay.id != id)
    };
    let status = fleet.until("the viewers are elsewhere", SETTLES, elsewhere).await;
    carrier(&status).unwrap().id.clone()
}

async fn ordered(fleet: &Fleet, order: &str, id: &str) {
    let said = client(fleet.subnet.manager(), &[order, id, "--json"]).await.success();
    let server: ServerStatus = serde_json::from_str(&said).unwrap();
    assert_eq!(server.id, id);
}

fn decided(decisions: &[Decision], kind: &str, reason: &str, server: &str) -> bool {
    decisions.iter().any(|decision| {
        (decision.kind.as_str(), decision.reason.as_str(), decision.server.as_str()) == (kind, reason, server)
            && !decision.explanation.is_empty()
    })
}

#[tokio::test]
async fn a_drained_relays_viewers_move_without_a_stall_and_given_back_it_serves_again() {
    let fleet = two_standbys(1).await;
    let arguments = ["crowd", "--viewers", "6", "--rate", "10/s", "--duration", "600s"];
    let mut crowd = fleet.start_client("crowd", &[&arguments[..], &["--mix", "steers=1,watches=1"]].concat());
    let status = fleet.until("a relay carries five", SETTLES, |status| carrier(status).is_some()).await;
    let first = carrier(&status).unwrap().id.clone();
    ordered(&fleet, "drain", &first).await;
    let second = moved_from(&fleet, &first).await;
    ordered(&fleet, "resume", &first).await;
    ordered(&fleet, "drain", &second).await;
    assert_eq!(moved_from(&fleet, &second).await, first, "given back, it serves again");
    assert!(crowd.stop().await.success(), "somebody stalled or saw an error: {}", crowd.log());

    let lines = client(fleet.subnet.manager(), &["decisions", "--json"]).await.success();
    let told: Vec<Decision> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (_, text) = fleet.get(&fleet.at_manager("/api/v1/decisions")).await.unwrap();
    let mut listed: Value = serde_json::from_str(&text).unwrap();
    let listed: Vec<Decision> = serde_json::from_value(listed["decisions"].take()).unwrap();
    for decisions in [&told, &listed] {
        for id in [&first, &second] {
            assert!(decided(decisions, "drain", "operator", id), "{lines}");
            assert!(decided(decisions, "serve", "ready", id), "{lines}");
        }
        assert!(decided(decisions, "warm", "over-threshold", &first), "{lines}");
    }
    let sentences = client(fleet.subnet.manager(), &["decisions"]).await.success();
    let why = |line: &&str| line.contains(&first) && line.contains("operator");
    assert!(sentences.lines().any(|line| why(&line)), "{sentences}");
}

#[tokio::test]
async fn what_machines_read_is_in_its_promised_form() {
    let fleet = two_standbys(3).await;
    let manager = fleet.subnet.manager();
    let said = async |what: &str| client(manager, &[what, "--json"]).await.success();
    let status: StatusResponse = serde_json::from_str(&said("status").await).unwrap();
    let servers: ServersResponse = serde_json::from_str(&said("servers").await).unwrap();
    let regions: RegionsResponse = serde_json::from_str(&said("regions").await).unwrap();
    let ids = |servers: &[ServerStatus]| servers.iter().map(|server| server.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&servers.servers), ids(&status.servers));
    assert_eq!(servers.servers.len(), 3);
    assert_eq!((regions.regions[0].name.as_str(), regions.regions[0].threshold), ("default", 3));

    let (code, text) = fleet.get(&fleet.at_manager("/api/v1/targets")).await.unwrap();
    assert_eq!(code, 200);
    let mut targets: Vec<Value> = serde_json::from_str(&text).unwrap();
    targets.sort_by_key(|target| target["targets"][0].as_str().map(str::to_owned));
    let target = |host: u8, kind: &str, id: &str| {
        let labels = json!({ "kind": kind, "region": "default", "id": id });
        json!({ "targets": [fleet.subnet.admin(host).to_string()], "labels": labels })
    };
    let relay = |host: u8| {
        let id = format!("relay-{}", fleet.subnet.host(host).to_string().replace('.', "-"));
        target(host, "relay", &id)
    };
    assert_eq!(targets, [target(1, "primary", "primary"), relay(2), relay(3)]);
}

#[tokio::test]
async fn the_managers_port_speaks_grpc_health_and_reflection() {
    let fleet = Fleet::builder().start().await;
    let endpoint = tonic::transport::Endpoint::from_shared(fleet.at_manager("")).unwrap();
    let channel = eventually("the port takes gRPC", SETTLES, async || endpoint.connect().await).await;
    let question = HealthCheckRequest { service: "spillway.v1.Viewers".to_owned() };
    let health = HealthClient::new(channel.clone()).check(question).await.unwrap().into_inner();
    assert_eq!(health.status(), ServingStatus::Serving);

    let list = MessageRequest::ListServices(String::new());
    let question = ServerReflectionRequest { message_request: Some(list), ..Default::default() };
    let mut reflection = ServerReflectionClient::new(channel);
    let mut answers = reflection.server_reflection_info(stream::iter([question])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let known: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    for name in ["spillway.v1.Fleet", "spillway.v1.Viewers", "spillway.v1.Operator"] {
        assert!(known.contains(&name), "{name} is not in {known:?}");
    }
}
