//! `Operator` and `/api/v1`.

use proto::v1::{
    DecisionsRequest, DrainRequest, Phase, ResumeRequest, StatusResponse, operator_client::OperatorClient,
};
use tonic::Code;

use super::{FakeServer, Running, fake::relay, soon};

#[tokio::test]
async fn the_api_says_what_the_operator_service_says() {
    let manager = Running::start().await;
    let primary = manager.primary().await;
    primary.report(7).await;
    let text = manager.until("/api/v1/status", |_, text| text.contains("\"viewers\":7")).await;
    let status: StatusResponse = serde_json::from_str(&text).unwrap();
    assert_eq!(status.primary_url, "http://127.0.0.1:8080");
    assert_eq!((status.servers[0].id.as_str(), status.streams[0].name.as_str()), ("primary", "live"));
    assert_eq!((status.regions[0].name.as_str(), status.regions[0].threshold), ("default", 100));
    let mut operator = OperatorClient::new(manager.channel().await);
    let mut said = operator.status(proto::v1::StatusRequest {}).await.unwrap().into_inner();
    said.servers[0].phase_ms = status.servers[0].phase_ms;
    assert_eq!((said.servers, said.regions), (status.servers, status.regions));
    assert!(
        manager
            .get("/api/v1/servers")
            .await
            .text()
            .await
            .unwrap()
            .contains("\"kind\":\"SERVER_KIND_PRIMARY\"")
    );
    assert!(manager.get("/api/v1/regions").await.text().await.unwrap().contains("\"threshold\":100"));
}

#[tokio::test]
async fn prometheus_finds_every_attached_server() {
    let manager = Running::start().await;
    let _primary = manager.primary().await;
    let _relay = FakeServer::attach(&manager, relay(2)).await.unwrap();
    let answer = manager.get("/api/v1/targets").await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    let targets: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(
        targets,
        serde_json::json!([
            { "targets": ["127.0.0.1:9101"], "labels": { "kind": "primary", "region": "default", "id": "primary" } },
            { "targets": ["127.0.0.2:9102"],
              "labels": { "kind": "relay", "region": "default", "id": "relay-127-0-0-2" } },
        ])
    );
}

#[tokio::test]
async fn a_relay_is_drained_and_given_back_by_word() {
    let manager = Running::start().await;
    let _primary = manager.primary().await;
    let mut relay = FakeServer::attach(&manager, relay(2)).await.unwrap();
    let mut operator = OperatorClient::new(manager.channel().await);
    let drain = |server: &str| DrainRequest { server: server.to_owned() };
    let id = "relay-127-0-0-2";
    let drained = operator.drain(drain(id)).await.unwrap().into_inner().server.unwrap();
    assert!(drained.held, "the answer says that it is left alone from now on");
    assert_eq!(relay.directive(|told| told.phase() == Phase::Draining).await.phase(), Phase::Draining);
    operator.resume(ResumeRequest { server: id.to_owned() }).await.unwrap();
    assert_eq!(relay.directive(|told| told.phase() == Phase::Serving).await.phase(), Phase::Serving);

    for (server, code) in [
        ("relay-127-0-0-9", Code::NotFound),
        ("primary", Code::FailedPrecondition),
        ("no name", Code::InvalidArgument),
    ] {
        let status = operator.drain(drain(server)).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
    }
}

#[tokio::test]
async fn decisions_are_followed_without_a_gap() {
    let manager = Running::start().await;
    let _primary = manager.primary().await;
    let mut operator = OperatorClient::new(manager.channel().await);
    let request = DecisionsRequest { follow: true, newest: 0 };
    let mut decisions = operator.decisions(request).await.unwrap().into_inner();
    let first = soon(decisions.message()).await.unwrap().unwrap();
    assert_eq!((first.kind.as_str(), first.server.as_str()), ("attach", "primary"));
    let _relay = FakeServer::attach(&manager, relay(2)).await.unwrap();
    let mut last = first.sequence;
    soon(async {
        loop {
            let next = decisions.message().await.unwrap().unwrap();
            assert_eq!(next.sequence, last + 1);
            last = next.sequence;
            if next.server == "relay-127-0-0-2" {
                return;
            }
        }
    })
    .await;
    let kept = manager.get("/api/v1/decisions?newest=1").await.text().await.unwrap();
    assert_eq!(kept.matches("\"kind\"").count(), 1, "{kept}");
}

#[tokio::test]
async fn more_followers_than_there_is_room_for_are_told_to_list_instead() {
    let (folder, mut config) = (tempfile::tempdir().unwrap(), super::quick());
    config.limits.max_followers = 1;
    let manager = Running::with(config, folder.path()).await;
    let mut operator = OperatorClient::new(manager.channel().await);
    let follow = DecisionsRequest { follow: true, newest: 0 };
    let first = operator.decisions(follow).await.unwrap();
    let refused = operator.decisions(follow).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    operator.decisions(DecisionsRequest { follow: false, newest: 0 }).await.unwrap();
    drop(first);
    soon(async { while operator.decisions(follow).await.is_err() {} }).await;
}

#[tokio::test]
async fn a_queue_of_nothing_is_no_crash() {
    let (folder, mut config) = (tempfile::tempdir().unwrap(), super::quick());
    config.http.max_waiting_messages = 0;
    let manager = Running::with(config, folder.path()).await;
    let _primary = manager.primary().await;
    manager.until("/watch/live.m3u8", |status, _| status == 200).await;
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_words_of_who_asks() {
    let manager = Running::start().await;
    for path in ["/", "/api/v1/viewers", "/live/index.m3u8"] {
        let answer = manager.get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        let text = answer.text().await.unwrap();
        assert!(text.contains("/watch/STREAM.m3u8") && text.contains("/api/v1/status"), "{text}");
    }
    let answer = manager.http.delete(manager.url("/api/v1/servers")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["allow"]), (405, &"GET,HEAD".parse().unwrap()));
    assert!(answer.text().await.unwrap().contains("only GET"));
    let of_grpc = manager.http.post(manager.url("/spillway.v9.Viewers/Locate"));
    let answer = of_grpc.header("content-type", "application/grpc").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"12".parse().unwrap()));
}

#[tokio::test]
async fn no_cache_keeps_how_the_fleet_stood() {
    let manager = Running::start().await;
    for part in ["status", "servers", "regions", "decisions", "targets"] {
        let answer = manager.get(&format!("/api/v1/{part}")).await;
        assert_eq!(answer.headers()["cache-control"], "no-store", "{part}");
    }
}
