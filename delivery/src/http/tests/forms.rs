//! In which form a media playlist is sent, and to whom it is not sent again.

use std::io::Read as _;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use policy::Class;

use super::stage::*;

/// A scene in which every playlist is worth compressing.
fn any_size() -> Scene {
    let mut scene = Scene::default();
    scene.http.gzip_above_bytes = 0;
    scene
}

fn unpacked(answer: &Response<Bytes>) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(&answer.body()[..]).read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn a_playlist_comes_in_gzip_to_whoever_takes_it() {
    let play = any_size().begin().await;
    let path = play.playlist(&session("a", Class::Steers));
    let mut client = play.client().await;
    let plain = client.get(&path).await;
    assert_eq!((text(&plain), header(&plain, "content-encoding")), (LIST, ""));
    let packed = client.ask(Request::get(&path).header("accept-encoding", "br, gzip")).await;
    assert_eq!((unpacked(&packed).as_str(), header(&packed, "content-encoding")), (LIST, "gzip"));
    assert_ne!(header(&packed, "etag"), header(&plain, "etag"), "two forms are two things to a cache");
    let refused = client.ask(Request::get(&path).header("accept-encoding", "gzip;q=0")).await;
    assert_eq!((text(&refused), header(&refused, "etag")), (LIST, header(&plain, "etag")));
    for answer in [&plain, &packed, &refused] {
        assert_eq!(header(answer, "vary"), "accept-encoding");
        assert_eq!(header(answer, "cache-control"), "max-age=1");
        assert_eq!(header(answer, "age"), "", "an origin's own answer has none");
    }
}

#[tokio::test]
async fn what_fits_into_a_packet_is_not_compressed() {
    let play = Scene::default().begin().await;
    let path = play.playlist(&session("a", Class::Steers));
    let answer = play.client().await.ask(Request::get(&path).header("accept-encoding", "gzip")).await;
    assert_eq!((text(&answer), header(&answer, "content-encoding")), (LIST, ""));
}

#[tokio::test]
async fn whoever_has_the_playlist_is_told_so_and_counts_all_the_same() {
    let play = any_size().begin().await;
    let path = play.playlist(&session("a", Class::Steers));
    let mut client = play.client().await;
    for coding in ["identity", "gzip"] {
        let ask = || Request::get(&path).header("accept-encoding", coding);
        let first = client.ask(ask()).await;
        let tag = header(&first, "etag").to_owned();
        let again = client.ask(ask().header("if-none-match", format!("\"x\", W/{tag}"))).await;
        assert_eq!((again.status(), text(&again)), (StatusCode::NOT_MODIFIED, ""), "{coding}");
        for name in ["etag", "cache-control", "vary", "access-control-allow-origin"] {
            assert_eq!(header(&again, name), header(&first, name), "{coding}: {name}");
        }
        let other = client.ask(ask().header("if-none-match", "\"x\"")).await;
        assert_eq!((other.status(), other.body()), (StatusCode::OK, first.body()), "{coding}");
    }
    assert_eq!(play.viewers_after(std::time::Duration::ZERO), 1);
}

#[tokio::test]
async fn who_only_reloads_what_he_has_goes_on_counting() {
    let play = Scene::default().begin().await;
    let path = play.playlist(&session("a", Class::Steers));
    let mut client = play.client().await;
    for _ in 0..2 {
        let answer = client.ask(Request::get(&path).header("if-none-match", "*")).await;
        assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
    }
    assert_eq!(play.viewers_after(std::time::Duration::ZERO), 1);
}

#[tokio::test]
async fn head_says_of_a_playlist_what_get_says() {
    let play = any_size().begin().await;
    let path = play.playlist(&session("a", Class::Steers));
    let mut client = play.client().await;
    let mut ask = async |method: Method| {
        let request = Request::builder().method(method).uri(&path).header("accept-encoding", "gzip");
        client.ask(request).await
    };
    let (get, head) = (ask(Method::GET).await, ask(Method::HEAD).await);
    assert!(head.body().is_empty());
    for name in ["etag", "content-encoding", "content-length", "content-type", "cache-control", "vary"] {
        assert_eq!(header(&head, name), header(&get, name), "{name}");
        assert_ne!(header(&head, name), "", "{name}");
    }
}

#[tokio::test]
async fn a_playlist_that_came_from_an_upstream_says_how_old_it_is() {
    let given_at = std::time::Instant::now().checked_sub(std::time::Duration::from_secs(3));
    assert!(given_at.is_some(), "the machine has run for three seconds");
    let play = Scene { given_at, ..Scene::default() }.begin().await;
    let answer = play.get(&play.playlist(&session("a", Class::Steers))).await;
    let age: u64 = header(&answer, "age").parse().unwrap();
    assert!(age >= 3, "{age} s");
}
