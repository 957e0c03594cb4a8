//! `/watch/STREAM` for people, `/play/STREAM` for players that only take a URL, and requests that only look.

use proto::v1::Hello;
use reqwest::{Method, redirect::Policy};

use super::{
    FakeServer, Running,
    fake::{primary, relay},
    quick,
};

#[tokio::test]
async fn people_get_a_page_that_loads_nothing_from_elsewhere_and_players_a_playlist() {
    let manager = Running::start().await;
    let _primary = manager.primary().await;
    let page = manager.get("/watch/live").await;
    assert_eq!(page.status().as_u16(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self';") && policy.contains("default-src 'none'"), "{policy}");
    let text = page.text().await.unwrap();
    assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("src=\"//"), "{text}");
    let script = manager.get("/assets/watch.js").await;
    assert_eq!(script.headers()["content-type"], "text/javascript; charset=utf-8");
    let playlist = manager.get("/watch/live.m3u8").await.text().await.unwrap();
    assert!(playlist.starts_with("#EXTM3U"), "{playlist}");
}

#[tokio::test]
async fn hls_js_is_served_where_the_config_names_it() {
    let without = Running::start().await.get("/assets/hls.js").await;
    assert_eq!(without.status().as_u16(), 404);
    assert!(without.text().await.unwrap().contains("hls_js"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hls.min.js");
    std::fs::write(&file, "class Hls {}").unwrap();
    let mut config = quick();
    config.http.hls_js = Some(file);
    let manager = Running::with(config, folder.path()).await;
    let script = manager.get("/assets/hls.js").await;
    assert_eq!(script.headers()["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(script.headers()["cache-control"], "public, max-age=86400");
    assert_eq!(script.text().await.unwrap(), "class Hls {}");
}

#[test]
fn an_hls_js_that_is_not_there_is_said_at_the_start_with_what_to_do() {
    let mut config = quick();
    config.http.hls_js = Some("nowhere/hls.min.js".into());
    let error = crate::setup::hls_js(&config).unwrap_err().to_string();
    assert!(error.contains("nowhere/hls.min.js") && error.contains("npm install hls.js"), "{error}");
}

#[tokio::test]
async fn a_page_that_never_plays_has_the_status_that_players_get_and_one_that_will_has_not() {
    let manager = Running::start().await;
    assert_eq!(manager.get("/watch/live").await.status().as_u16(), 200, "it waits for a primary");
    let _primary = manager.primary().await;
    for (path, status) in [("/watch/other", 404), ("/watch/live?region=mars", 400), ("/watch/live", 200)] {
        let page = manager.get(path).await;
        assert_eq!(page.status().as_u16(), status, "{path}");
        assert_eq!(page.headers()["cache-control"], "no-store");
        assert!(page.text().await.unwrap().starts_with("<!doctype html>"), "{path}");
    }
}

#[tokio::test]
async fn play_sends_on_to_the_sessions_own_playlist() {
    let manager = Running::start().await;
    let _primary = manager.primary().await;
    let _relay = FakeServer::attach(&manager, relay(2)).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    for (path, ends) in
        [("/play/live", ""), ("/play/live.m3u8", ""), ("/play/live?player=shaka", "&player=shaka")]
    {
        let answer = http.get(manager.url(path)).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["cache-control"]),
            (307, &"no-store".parse().unwrap())
        );
        let location = answer.headers()["location"].to_str().unwrap();
        assert!(location.starts_with("http://127.0.0.1:8080/live/index.m3u8?s="), "{location}");
        assert_eq!(location.split_once('&').map_or("", |(_, more)| more), ends.trim_start_matches('&'));
    }
    let unknown = http.get(manager.url("/play/other")).send().await.unwrap();
    assert_eq!(unknown.status().as_u16(), 404);
    assert!(unknown.text().await.unwrap().contains("live"));
}

#[tokio::test]
async fn who_only_looks_is_no_viewer_and_is_told_what_is_not_there() {
    let manager = Running::start().await;
    let _primary = manager.primary().await;
    for (path, status) in [
        ("/watch/live.m3u8", 200),
        ("/play/live", 200),
        ("/watch/other.m3u8", 404),
        ("/play/live?region=mars", 400),
    ] {
        let head = manager.http.request(Method::HEAD, manager.url(path)).send().await.unwrap();
        assert_eq!(head.status().as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn who_only_looks_takes_no_room() {
    let manager = Running::start().await;
    let _primary = FakeServer::attach(&manager, Hello { capacity: 1, ..primary() }).await.unwrap();
    manager.get("/watch/live").await;
    for path in ["/watch/live.m3u8", "/play/live"] {
        manager.http.request(Method::HEAD, manager.url(path)).send().await.unwrap();
    }
    assert_eq!(manager.get("/watch/live.m3u8").await.status().as_u16(), 200);
    assert_eq!(manager.get("/play/live").await.status().as_u16(), 503, "one viewer is all that it takes");
}
