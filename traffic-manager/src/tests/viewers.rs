//! `/watch`, `/steer` and `Viewers`.

use hls::steering::Manifest;
use proto::v1::{LocateRequest, WatchRequest, viewers_client::ViewersClient};
use reqwest::Method;
use tonic::Code;

use super::{
    FakeServer, Running, attribute,
    fake::{self, relay},
    quick, soon, token_in,
};
use crate::config::Config;

#[tokio::test]
async fn before_a_primary_is_there_viewers_are_asked_to_come_again() {
    let manager = Running::start().await;
    let answer = manager.get("/watch/live.m3u8").await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    let mut viewers = ViewersClient::new(manager.channel().await);
    let status = viewers.locate(LocateRequest { stream: "live".to_owned(), ..Default::default() }).await;
    let status = status.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.metadata().get("retry-after-ms").unwrap(), "1000");
}

#[tokio::test]
async fn a_player_that_does_not_steer_gets_the_primarys_playlists_only() {
    let manager = Running::start().await;
    let _primary = manager.primary().await;
    let _relay = FakeServer::attach(&manager, relay(2)).await.unwrap();
    let answer = manager.get("/watch/live.m3u8").await;
    assert_eq!(answer.headers()["content-type"], "application/vnd.apple.mpegurl");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["vary"], "user-agent, sec-fetch-dest");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let playlist = answer.text().await.unwrap();
    assert!(playlist.contains("\nhttp://127.0.0.1:8080/live/360p/live.m3u8?s="), "{playlist}");
    assert!(!playlist.contains("STEERING") && !playlist.contains("PATHWAY"), "{playlist}");
}

#[tokio::test]
async fn what_is_not_known_is_refused_with_what_is() {
    let manager = Running::start().await;
    let _primary = manager.primary().await;
    for (path, status, words) in [
        ("/watch/other.m3u8", 404, "live"),
        ("/watch/%22%3Cx%3E.m3u8", 404, "live"),
        ("/watch/live.m3u8?region=mars", 400, "there is no region \"mars\": there is default"),
        ("/play/live?region=e%2Fu", 400, "there is default"),
    ] {
        let answer = manager.get(path).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        let text = answer.text().await.unwrap();
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test]
async fn preflights_and_head_are_answered_everywhere() {
    let manager = Running::start().await;
    let _primary = manager.primary().await;
    let by_player = "user-agent, sec-fetch-dest";
    for (path, vary) in
        [("/watch/live.m3u8", by_player), ("/play/live", by_player), ("/steer", ""), ("/api/v1/status", "")]
    {
        let ask =
            |method| manager.http.request(method, manager.url(path)).header("origin", "http://page.example");
        let preflight = ask(Method::OPTIONS).header("access-control-request-method", "GET");
        let preflight = preflight.send().await.unwrap();
        assert_eq!(preflight.status().as_u16(), 204, "{path}");
        assert_eq!(preflight.headers()["access-control-allow-methods"], "GET, HEAD, OPTIONS");
        let head = ask(Method::HEAD).send().await.unwrap();
        assert_eq!(head.headers().get("vary").map_or("", |vary| vary.to_str().unwrap()), vary, "{path}");
        assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn a_region_without_a_name_is_none_for_whoever_watches_or_only_looks() {
    let manager = Running::start().await;
    let _primary = manager.primary().await;
    for method in [Method::GET, Method::HEAD] {
        let ask = manager.http.request(method.clone(), manager.url("/watch/live.m3u8?region="));
        assert_eq!(ask.send().await.unwrap().status().as_u16(), 200, "{method}");
    }
}

#[tokio::test]
async fn shaka_gets_every_slot_declared() {
    let manager = Running::start().await;
    let _primary = manager.primary().await;
    let _relay = FakeServer::attach(&manager, relay(2)).await.unwrap();
    let playlist = manager
        .until("/watch/live.m3u8?player=shaka", |_, text| text.contains("PATHWAY-ID=\"relay-127-0-0-2\""))
        .await;
    assert_eq!(attribute(&playlist, "PATHWAY-ID").as_deref(), Some("primary"), "placed there: {playlist}");
}

#[tokio::test]
async fn whoever_steers_gets_an_answer_whatever_its_token_is() {
    let manager = Running::start().await;
    for attached in [false, true] {
        let _primary = if attached { Some(manager.primary().await) } else { None };
        for query in ["", "?s=", "?s=forged", "?s=forged&_HLS_pathway=relay-127-0-0-9", "?s=a&current=%00"] {
            let answer = manager.get(&format!("/steer{query}")).await;
            assert_eq!(answer.status().as_u16(), 200, "{query}");
            let manifest = Manifest::parse(&answer.bytes().await.unwrap()).unwrap();
            assert_eq!(manifest.pathway_priority, ["primary"], "{query}");
        }
    }
}

#[tokio::test]
async fn a_watching_viewer_is_told_when_its_server_goes() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Running::with(Config { threshold: 0, ..quick() }, folder.path()).await;
    let _primary = manager.primary().await;
    let relay = FakeServer::attach(&manager, relay(2)).await.unwrap();
    let mut viewers = ViewersClient::new(manager.channel().await);
    let mut placed = String::new();
    let mut session = String::new();
    soon(async {
        while placed != "relay-127-0-0-2" {
            relay.report(1).await;
            let request = LocateRequest { stream: "live".to_owned(), ..Default::default() };
            let placement = viewers.locate(request).await.unwrap().into_inner().placement.unwrap();
            (placed, session) = (placement.server, placement.session);
        }
    })
    .await;

    let request = WatchRequest { session: session.clone(), current: placed, ..Default::default() };
    let mut moves = viewers.watch(request).await.unwrap().into_inner();
    let first = soon(moves.message()).await.unwrap().unwrap().placement.unwrap();
    assert_eq!((first.server.as_str(), first.reason.as_str()), ("relay-127-0-0-2", "stays"));
    relay.goodbye().await;
    let next = soon(moves.message()).await.unwrap().unwrap().placement.unwrap();
    assert_eq!((next.server.as_str(), next.reason.as_str()), ("primary", "server-lost"));
    assert_eq!(next.session, session, "the token still names the server that it was given");
    assert!(
        next.playlist_url.starts_with("http://127.0.0.1:8080/live/index.m3u8?s="),
        "{}",
        next.playlist_url
    );
}

#[tokio::test]
async fn a_viewer_that_comes_back_is_placed_anew_where_its_relay_only_stands_by() {
    let manager = Running::start().await;
    let _primary = manager.primary().await;
    let standby = proto::v1::Hello { phase: proto::v1::Phase::Standby.into(), ..relay(2) };
    let standby = proto::v1::attach_request::Message::Hello(standby);
    let mut relay = FakeServer::open(&manager, standby).await.unwrap();
    relay.directive(|directive| directive.phase() == proto::v1::Phase::Standby).await;
    let mut viewers = ViewersClient::new(manager.channel().await);
    let request = LocateRequest { stream: "live".to_owned(), ..Default::default() };
    let session = viewers.locate(request).await.unwrap().into_inner().placement.unwrap().session;
    let request = WatchRequest { session, current: "relay-127-0-0-2".to_owned(), ..Default::default() };
    let mut moves = viewers.watch(request).await.unwrap().into_inner();
    let first = soon(moves.message()).await.unwrap().unwrap().placement.unwrap();
    assert_eq!((first.server.as_str(), first.reason.as_str()), ("primary", "under-threshold"));
}

#[tokio::test]
async fn watchers_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = quick();
    config.session.max_watchers = 1;
    let manager = Running::with(config, folder.path()).await;
    let _primary = manager.primary().await;
    let mut viewers = ViewersClient::new(manager.channel().await);
    let request = || WatchRequest { stream: "live".to_owned(), ..Default::default() };
    let first = viewers.watch(request()).await.unwrap();
    assert_eq!(viewers.watch(request()).await.unwrap_err().code(), Code::ResourceExhausted);
    drop(first);
    soon(async { while viewers.watch(request()).await.is_err() {} }).await;
}

#[tokio::test]
async fn the_region_comes_from_the_address_where_nobody_says_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = quick();
    let eu: policy::Region = "eu".parse().unwrap();
    config.regions.insert(eu.clone(), crate::config::RegionConfig::default());
    config.region_map.networks.insert("127.0.0.0/8".to_owned(), eu);
    let manager = Running::with(config, folder.path()).await;
    let _primary = manager.primary().await;
    let mut viewers = ViewersClient::new(manager.channel().await);
    let mut region = async |said: &str| {
        let (stream, region) = ("live".to_owned(), said.to_owned());
        let request = LocateRequest { stream, region, ..Default::default() };
        viewers.locate(request).await.unwrap().into_inner().placement.unwrap().region
    };
    assert_eq!(region("").await, "eu");
    assert_eq!(region("default").await, "default");
}

#[tokio::test]
async fn a_trusted_proxy_says_whose_region_it_is_over_http_and_grpc_and_nobody_else_does() {
    let folder = tempfile::tempdir().unwrap();
    for (trusted, region) in [("127.0.0.0/8", "eu"), ("10.0.0.0/8", "unknown")] {
        let mut config = quick();
        let eu: policy::Region = "eu".parse().unwrap();
        config.regions.insert(eu.clone(), crate::config::RegionConfig::default());
        config.region_map.networks.insert("203.0.113.0/24".to_owned(), eu);
        config.http.trusted_proxies = vec![trusted.parse().unwrap()];
        let manager = Running::with(config, folder.path()).await;
        let _primary = manager.primary().await;

        let mut viewers = ViewersClient::new(manager.channel().await);
        let mut ask = tonic::Request::new(LocateRequest { stream: "live".to_owned(), ..Default::default() });
        ask.metadata_mut().insert("x-forwarded-for", "192.0.2.1, 203.0.113.9".parse().unwrap());
        let placement = viewers.locate(ask).await.unwrap().into_inner().placement.unwrap();
        assert_eq!(placement.region, region, "gRPC, trusting {trusted}");

        let ask = manager.http.get(manager.url("/watch/live.m3u8")).header("x-forwarded-for", "203.0.113.9");
        let playlist = ask.send().await.unwrap().text().await.unwrap();
        let token = token_in(&playlist).to_owned();
        let go_on = LocateRequest { session: token, ..Default::default() };
        let placement = viewers.locate(go_on).await.unwrap().into_inner().placement.unwrap();
        assert_eq!(placement.region, region, "HTTP, trusting {trusted}");
    }
}

#[tokio::test]
async fn a_stream_that_has_produced_nothing_is_known_and_not_ready() {
    let manager = Running::start().await;
    let empty = proto::v1::Stream { ready: false, multivariant: String::new(), ..fake::live() };
    let hello = proto::v1::Hello { streams: vec![empty], ..fake::primary() };
    let _primary =
        FakeServer::open(&manager, proto::v1::attach_request::Message::Hello(hello)).await.unwrap();
    assert_eq!(manager.get("/watch/live.m3u8").await.status().as_u16(), 503);
    assert_eq!(manager.get("/watch/other.m3u8").await.status().as_u16(), 404);
}
