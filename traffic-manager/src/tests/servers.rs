//! `Fleet.Attach`, health and reflection.

use std::time::Duration;

use proto::v1::{Goodbye, Hello, Phase, attach_request::Message};
use tonic::Code;

use super::{
    FakeServer, Running,
    fake::{primary, relay},
    quick,
};
use crate::config::Config;

#[tokio::test]
async fn an_attached_server_is_told_what_to_be_and_with_which_keys() {
    let manager = Running::start().await;
    let mut server = manager.primary().await;
    let first = server.directive(|_| true).await;
    assert_eq!(first.phase(), Phase::Serving);
    assert_eq!(first.steering_url, manager.url("/steer"));
    assert_eq!(first.session_keys.iter().filter(|key| key.current).count(), 1);
    assert!(first.session_keys.iter().all(|key| key.key.len() == 32));

    let mut relay =
        FakeServer::attach(&manager, Hello { phase: Phase::Standby.into(), ..relay(2) }).await.unwrap();
    let told = relay.directive(|directive| directive.primary_id == "primary").await;
    assert_eq!((told.phase(), told.upstream.as_str()), (Phase::Standby, "http://127.0.0.1:8080"));
}

#[tokio::test]
async fn a_change_of_keys_is_a_newer_directive() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = quick();
    config.session.life = Duration::from_secs(1);
    let manager = Running::with(config, folder.path()).await;
    let mut server = manager.primary().await;
    let first = server.directive(|_| true).await;
    let current = |directive: &proto::v1::Directive| {
        directive.session_keys.iter().find(|key| key.current).map(|key| key.id)
    };
    let next = server.directive(|directive| current(directive) != current(&first)).await;
    assert!(next.generation > first.generation);
}

#[tokio::test]
async fn a_relay_of_another_port_that_came_before_the_primary_goes_and_is_told_why() {
    let manager = Running::start().await;
    let wrong = || Hello { base_url: "http://127.0.0.2:81".to_owned(), ..relay(2) };
    let first = FakeServer::attach(&manager, wrong()).await.unwrap();
    let _primary = manager.primary().await;
    first.closed().await;
    let status = FakeServer::attach(&manager, wrong()).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("http://127.0.0.1:8080"), "{status}");
}

#[tokio::test]
async fn the_port_that_the_primary_advertises_is_the_fleets_wherever_the_manager_calls_on_it() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens at port 1.
    let config = Config { primary: Some("http://127.0.0.1:1/live/index.m3u8".parse().unwrap()), ..quick() };
    let manager = Running::with(config, folder.path()).await;
    let first = FakeServer::attach(&manager, relay(2)).await.unwrap();
    let _primary = manager.primary().await;
    let wrong = Hello { base_url: "http://127.0.0.3:1".to_owned(), ..relay(3) };
    let status = FakeServer::attach(&manager, wrong).await.unwrap_err();
    assert!(status.message().contains("http://127.0.0.1:8080"), "{status}");
    first.goodbye().await;
    first.closed().await;
}

#[tokio::test]
async fn who_may_not_attach_is_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { join_secret: Some("right".into()), ..quick() };
    let manager = Running::with(config, folder.path()).await;
    let refusal = async |hello: Hello| {
        let status = FakeServer::attach(&manager, hello).await.unwrap_err();
        (status.code(), status.message().to_owned())
    };
    let ours = |hello: Hello| Hello { join_secret: "right".to_owned(), ..hello };
    let _primary = FakeServer::attach(&manager, ours(primary())).await.unwrap();

    for secret in ["", "wrong", "right "] {
        let (code, text) = refusal(Hello { join_secret: secret.to_owned(), ..relay(2) }).await;
        assert_eq!(code, Code::Unauthenticated, "{text}");
    }
    let (code, text) = refusal(ours(Hello { base_url: "http://127.0.0.2:81".to_owned(), ..relay(2) })).await;
    assert!(
        code == Code::FailedPrecondition && text.contains(":81") && text.contains(":8080"),
        "{code} {text}"
    );
    let (code, text) = refusal(ours(Hello { incarnation: 2, ..primary() })).await;
    assert!(code == Code::AlreadyExists && text.contains("http://127.0.0.1:8080"), "{code} {text}");
    let (code, text) = refusal(ours(Hello { region: "no region".to_owned(), ..relay(2) })).await;
    assert!(code == Code::InvalidArgument && text.contains("region"), "{code} {text}");
    let nonsense = FakeServer::open(&manager, Message::Goodbye(Goodbye::default())).await.unwrap_err();
    assert!(nonsense.message().contains("Hello"), "{nonsense}");
}

#[tokio::test]
async fn a_goodbye_is_answered_by_the_end_of_the_stream() {
    let manager = Running::start().await;
    let server = manager.primary().await;
    server.goodbye().await;
    server.closed().await;
    manager.until("/api/v1/targets", |_, text| text == "[]").await;
}

#[tokio::test]
async fn attaching_again_ends_the_older_stream() {
    let manager = Running::start().await;
    let older = manager.primary().await;
    let _newer = manager.primary().await;
    older.closed().await;
    manager.until("/api/v1/targets", |_, text| text.contains("127.0.0.1:9101")).await;
}

#[tokio::test]
async fn health_and_reflection_know_every_service() {
    let manager = Running::start().await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(manager.channel().await);
    for service in ["Fleet", "Viewers", "Operator"] {
        let service = format!("spillway.v1.{service}");
        let answer = health.check(tonic_health::pb::HealthCheckRequest { service }).await.unwrap();
        assert_eq!(answer.into_inner().status, 1, "serving");
    }
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest,
    };
    let message_request = Some(MessageRequest::FileContainingSymbol("spillway.v1.Operator".to_owned()));
    let question = ServerReflectionRequest { message_request, ..Default::default() };
    let mut client = ServerReflectionClient::new(manager.channel().await);
    let mut answers =
        client.server_reflection_info(tokio_stream::iter([question])).await.unwrap().into_inner();
    let answer = format!("{:?}", answers.message().await.unwrap().unwrap().message_response);
    assert!(answer.contains("FileDescriptorResponse"), "{answer}");
}
