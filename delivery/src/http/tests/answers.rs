//! What is answered: playlists, objects, errors, and what every answer carries.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use policy::{
    Class, Region, ServerId,
    routing::{Pathway, Slot},
};

use super::stage::*;

#[tokio::test]
async fn a_viewer_without_a_token_gets_a_session_that_counts() {
    let play = Scene::default().begin().await;
    let index = play.get("/live/index.m3u8").await;
    assert_eq!((index.status(), header(&index, "cache-control")), (http::StatusCode::OK, "no-store"));
    let uri = text(&index).lines().find(|line| line.contains("live.m3u8?s=")).expect("a URI with a session");
    for _ in 0..2 {
        let list = play.get(&format!("/live/{uri}")).await;
        assert_eq!(text(&list), LIST);
        assert_eq!(header(&list, "content-type"), "application/vnd.apple.mpegurl");
        assert_eq!(header(&list, "cache-control"), "max-age=1");
    }
    assert_eq!(play.viewers_after(std::time::Duration::ZERO), 1);
    assert_eq!(play.site.census.count().viewers[0].region, Region::fallback());
}

#[tokio::test]
async fn an_unknown_stream_is_a_404_that_lists_those_there_are_and_can_be_read_by_a_page() {
    let play = Scene::default().begin().await;
    for path in ["/nope/index.m3u8", "/nope/v0/live.m3u8", "/"] {
        let answer = play.get(path).await;
        assert_eq!(answer.status(), http::StatusCode::NOT_FOUND, "{path}");
        assert!(text(&answer).contains("there are: live"), "{}", text(&answer));
        assert_eq!(header(&answer, "access-control-allow-origin"), "*");
        assert_eq!(header(&answer, "cache-control"), "no-store");
    }
}

#[tokio::test]
async fn a_page_may_ask_with_any_header() {
    let play = Scene::default().begin().await;
    for path in ["/live/v0/live.m3u8", "/live/v0/1.m4s"] {
        let preflight = Request::options(path)
            .header("origin", "https://elsewhere.example")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "cmcd-object,cmcd-request,cmcd-session,cmcd-status");
        let answer = play.client().await.ask(preflight).await;
        assert_eq!(answer.status(), http::StatusCode::NO_CONTENT);
        assert_eq!(header(&answer, "access-control-allow-origin"), "*");
        assert_eq!(header(&answer, "access-control-allow-methods"), "GET, HEAD, OPTIONS");
        // All of them: who asks shows no credentials, for whom a star would be no more than a star.
        assert_eq!(header(&answer, "access-control-allow-headers"), "*");
    }
}

#[tokio::test]
async fn segments_are_immutable_and_come_whole_or_in_one_range() {
    let play = Scene::default().begin().await;
    let mut client = play.client().await;
    let whole = client.get("/live/v0/1.m4s").await;
    assert_eq!((text(&whole), header(&whole, "content-length")), ("0123456789", "10"));
    assert_eq!(header(&whole, "content-type"), "video/mp4");
    assert!(header(&whole, "cache-control").contains("immutable"));
    for (range, status, body, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
        ("bytes=0-1,4-5", 200, "0123456789", ""),
    ] {
        let part = client.ask(Request::get("/live/v0/1.m4s").header("range", range)).await;
        assert_eq!((part.status().as_u16(), text(&part)), (status, body), "{range}");
        assert_eq!(header(&part, "content-range"), content_range, "{range}");
    }
}

#[tokio::test]
async fn media_that_a_cache_has_is_not_sent_again_and_ranges_go_on_only_of_the_same() {
    let play = Scene::default().begin().await;
    let mut client = play.client().await;
    let tag = header(&client.get("/live/v0/1.m4s").await, "etag").to_owned();
    let again = client.ask(Request::get("/live/v0/1.m4s").header("if-none-match", &tag)).await;
    assert_eq!((again.status().as_u16(), text(&again), header(&again, "etag")), (304, "", tag.as_str()));
    assert!(header(&again, "cache-control").contains("immutable"));
    let other = client.ask(Request::get("/live/v0/1.m4s").header("if-none-match", "\"x\"")).await;
    assert_eq!((other.status().as_u16(), text(&other)), (200, "0123456789"));
    let none = client.ask(Request::get("/nosuch/v0/1.m4s").header("if-none-match", "*")).await;
    assert_eq!(none.status().as_u16(), 404, "* names only what there is");
    let head = client.ask(Request::head("/live/v0/1.m4s").header("if-none-match", &tag)).await;
    assert_eq!(
        (head.status().as_u16(), header(&head, "content-length")),
        (304, ""),
        "no length but the media's"
    );
    for (if_range, status) in [(tag.as_str(), 206), ("\"x\"", 200), ("Thu, 26 Nov 2026 00:00:00 GMT", 200)] {
        let part = Request::get("/live/v0/1.m4s").header("range", "bytes=0-0").header("if-range", if_range);
        assert_eq!(client.ask(part).await.status().as_u16(), status, "{if_range}");
    }
}

#[tokio::test]
async fn a_head_has_the_length_and_no_body() {
    let play = Scene::default().begin().await;
    let mut client = play.client().await;
    let media = client.ask(Request::head("/live/v0/1.m4s")).await;
    assert_eq!((header(&media, "content-length"), text(&media)), ("10", ""));
    let part = client.ask(Request::head("/live/v0/1.m4s").header("range", "bytes=2-4")).await;
    assert_eq!((part.status().as_u16(), header(&part, "content-length")), (200, "10"), "ranges are for GET");
    let list = client.ask(Request::head("/live/v0/live.m3u8")).await;
    assert_eq!(header(&list, "content-length"), LIST.len().to_string());
}

#[tokio::test]
async fn bytes_are_handed_on_before_the_object_is_complete() {
    let play = Scene::default().begin().await;
    play.pieces.send(Ok(Bytes::from_static(b"first"))).await.unwrap();
    let mut client = play.client().await;
    let request = Request::get("/live/v0/2.m4s").header("host", "test").body(Full::default()).unwrap();
    let mut answer = client.begin(request).await;
    let piece = soon(answer.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(piece.into_data().unwrap(), "first");
    play.pieces.send(Ok(Bytes::from_static(b"last"))).await.unwrap();
    drop(play.pieces);
    assert_eq!(soon(answer.into_body().collect()).await.unwrap().to_bytes(), "last");
}

#[tokio::test]
async fn an_upstream_that_fails_is_a_502_and_what_it_does_not_have_a_404() {
    let play = Scene::default().begin().await;
    let failed = play.get("/live/v0/4.m4s").await;
    assert_eq!(failed.status(), http::StatusCode::BAD_GATEWAY);
    assert!(text(&failed).contains("status 500"));
    assert_eq!(play.get("/live/v0/9.m4s").await.status(), http::StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_changes_something_is_refused() {
    let play = Scene::default().begin().await;
    let answer = play.client().await.ask(Request::delete("/live/v0/1.m4s")).await;
    assert_eq!(answer.status(), http::StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(&answer, "allow"), "GET, HEAD, OPTIONS");
}

#[tokio::test]
async fn a_programs_own_route_gets_a_bounded_body() {
    let routes = super::super::Routes::default().with(http::Method::POST, "/.fleet/echo", |request| async {
        http::Response::new(Request::into_body(request))
    });
    let http = super::super::Config { max_body_bytes: 4, ..Default::default() };
    let play = Scene { routes, http, ..Scene::default() }.begin().await;
    let post = |body: &'static str| {
        Request::post("/.fleet/echo").header("host", "t").body(Full::from(body)).unwrap()
    };
    assert_eq!(text(&play.client().await.send(post("ping")).await), "ping");
    let refused = play.client().await.send(post("too long")).await;
    assert_eq!(refused.status(), http::StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_player_that_steers_gets_its_server_first_and_the_primary_always() {
    let play = Scene::relay().in_fleet().begin().await;
    let mut viewer = session("a", Class::Steers);
    viewer.server = ServerId::of_relay("127.0.0.2").unwrap();
    let token = play.token(&viewer);
    let index = play.get(&format!("/live/index.m3u8?s={token}")).await;
    let expected =
        format!("SERVER-URI=\"http://127.0.0.1:7000/steer?s={token}\",PATHWAY-ID=\"relay-127-0-0-2\"");
    assert!(text(&index).contains(&expected), "{}", text(&index));
    let uris: Vec<&str> = text(&index).lines().filter(|line| line.starts_with("http")).collect();
    let uri = |host: &str| format!("http://{host}:8080/live/v0/live.m3u8?s={token}");
    assert_eq!(uris, [uri("127.0.0.2"), uri("127.0.0.1")]);
}

#[tokio::test]
async fn a_player_that_does_not_steer_gets_the_primarys_playlists_alone() {
    let play = Scene::relay().in_fleet().begin().await;
    let index = play.get("/live/index.m3u8").await;
    assert!(!text(&index).contains("STEERING") && !text(&index).contains("PATHWAY"), "{}", text(&index));
    let uris: Vec<&str> = text(&index).lines().filter(|line| !line.starts_with('#')).collect();
    assert!(uris.len() == 1 && uris[0].starts_with("http://127.0.0.1:8080/live/v0/live.m3u8?s="), "{uris:?}");
}

#[tokio::test]
async fn shaka_is_told_of_every_slot_near_it() {
    let mut scene = Scene::default().in_fleet();
    let slot = |host: &str, region: Option<&str>| Pathway {
        slot: Slot { id: ServerId::of_relay(host).unwrap(), base_url: format!("http://{host}:8080").into() },
        regions: region.map(|region| region.parse().unwrap()).into_iter().collect(),
    };
    scene.situation.pathways =
        vec![slot("127.0.0.2", Some("eu")), slot("127.0.0.3", Some("us")), slot("127.0.0.4", None)];
    let play = scene.begin().await;
    let token = play.token(&session("a", Class::Steers));
    let index = play.get(&format!("/live/index.m3u8?s={token}&player=shaka")).await;
    for (host, listed) in
        [("127.0.0.1", true), ("127.0.0.2", true), ("127.0.0.3", false), ("127.0.0.4", true)]
    {
        assert_eq!(text(&index).contains(&format!("http://{host}:8080/live/")), listed, "{host}");
    }
    let plain = play.get(&format!("/live/index.m3u8?s={token}")).await;
    assert!(!text(&plain).contains("127.0.0.2"), "{}", text(&plain));
}
