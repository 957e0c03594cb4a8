//! How connections are taken and ended.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use policy::Class;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{super::Config, stage::*};
use crate::upstream::PASS_HEADER;

#[tokio::test]
async fn http2_without_tls_is_served_on_the_same_port() {
    let play = Scene::default().begin().await;
    let socket = TcpStream::connect(play.address).await.unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let head = Request::head("http://test/live/v0/1.m4s").body(Full::default()).unwrap();
    let head = soon(sender.send_request(head)).await.unwrap();
    assert_eq!(head.headers()["content-length"], "10");
    let get = Request::get("http://test/live/v0/1.m4s").body(Full::default()).unwrap();
    let answer = soon(sender.send_request(get)).await.unwrap();
    assert_eq!(soon(answer.into_body().collect()).await.unwrap().to_bytes(), "0123456789");
}

#[tokio::test]
async fn a_stop_lets_an_answer_finish_and_takes_nobody_new() {
    let play = Scene::default().begin().await;
    play.pieces.send(Ok(Bytes::from_static(b"first"))).await.unwrap();
    let mut client = play.client().await;
    let request = Request::get("/live/v0/2.m4s").header("host", "test").body(Full::default()).unwrap();
    let answer = client.begin(request).await;
    let idle = play.client().await;
    play.shutdown.stop();
    play.pieces.send(Ok(Bytes::from_static(b"last"))).await.unwrap();
    drop(play.pieces);
    assert_eq!(soon(answer.into_body().collect()).await.unwrap().to_bytes(), "firstlast");
    soon(play.served).await.unwrap().unwrap();
    assert!(TcpStream::connect(play.address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn a_hard_stop_does_not_wait_for_answers() {
    let play = Scene::default().begin().await;
    play.pieces.send(Ok(Bytes::from_static(b"first"))).await.unwrap();
    let mut client = play.client().await;
    let request = Request::get("/live/v0/2.m4s").header("host", "test").body(Full::default()).unwrap();
    let _answer = client.begin(request).await;
    play.shutdown.stop();
    play.shutdown.hard.cancel();
    soon(play.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_last_connections_are_for_relays() {
    let http = Config { max_connections: 2, relay_reserve: 1, ..Config::default() };
    let play = Scene { http, ..Scene::default() }.begin().await;
    let mut first = play.client().await;
    let viewer = play.playlist(&session("a", Class::Steers));
    assert_eq!(first.get(&viewer).await.status(), StatusCode::OK);
    let mut second = play.client().await;
    let refused = second.get("/live/v0/1.m4s").await;
    assert_eq!(
        (refused.status(), header(&refused, "connection")),
        (StatusCode::SERVICE_UNAVAILABLE, "close")
    );
    assert_eq!(first.get(&viewer).await.status(), StatusCode::OK, "who plays goes on");
    drop(second);
    let relay = || Request::get("/live/v0/live.m3u8").header(PASS_HEADER, play.pass());
    let answer = soon(async {
        loop {
            // Until the server has noticed that the refused one is gone, the relay may find all taken.
            let socket = TcpStream::connect(play.address).await.unwrap();
            let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket));
            let (mut sender, connection) = handshake.await.unwrap();
            tokio::spawn(connection);
            let request = relay().header("host", "t").body(Full::<Bytes>::default()).unwrap();
            match sender.send_request(request).await {
                Ok(answer) if answer.status() == StatusCode::OK => return answer,
                _ => tokio::task::yield_now().await,
            }
        }
    });
    assert_eq!(answer.await.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_finds_all_connections_taken_is_told_so() {
    let http = Config { max_connections: 1, relay_reserve: 0, ..Config::default() };
    let play = Scene { http, ..Scene::default() }.begin().await;
    let mut first = play.client().await;
    first.get("/live/v0/1.m4s").await;
    let mut second = TcpStream::connect(play.address).await.unwrap();
    let mut told = String::new();
    soon(second.read_to_string(&mut told)).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("Retry-After"), "{told}");
}

#[tokio::test]
async fn a_connection_that_asks_nothing_or_only_half_is_closed() {
    let http = Config { idle_timeout: Duration::from_millis(50), ..Config::default() };
    let play = Scene { http, ..Scene::default() }.begin().await;
    for half in ["", "GET /live/index.m3u8 HTTP/1.1\r\nhost: "] {
        let mut socket = TcpStream::connect(play.address).await.unwrap();
        socket.write_all(half.as_bytes()).await.unwrap();
        let mut told = Vec::new();
        let _ = soon(socket.read_to_end(&mut told)).await;
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let http = Config { idle_timeout: Duration::from_millis(50), ..Config::default() };
    let routes = super::super::Routes::default().with(http::Method::POST, "/.fleet/echo", async |request| {
        http::Response::new(Request::into_body(request))
    });
    let play = Scene { http, routes, ..Scene::default() }.begin().await;
    let mut socket = TcpStream::connect(play.address).await.unwrap();
    let half = b"POST /.fleet/echo HTTP/1.1\r\nhost: t\r\ncontent-length: 9\r\n\r\nhalf";
    socket.write_all(half).await.unwrap();
    let mut told = String::new();
    soon(socket.read_to_string(&mut told)).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_refused() {
    let play = Scene::default().begin().await;
    let long = Request::get("/live/index.m3u8").header("x-long", "x".repeat(32 << 10));
    let answer = play.client().await.ask(long).await;
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}
