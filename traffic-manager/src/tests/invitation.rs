//! Calling on the primary: one that comes, one that is not there yet, somebody else, and one that declines.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Json, Router, http::StatusCode, routing::post};
use policy::{
    Phase, Region, ServerId,
    routing::{Kind, Route, Routing},
};
use service::BackoffConfig;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

use super::soon;
use crate::{
    invite::Inviter,
    picture::{Gallery, Picture},
};

fn inviter(primary: SocketAddr, gallery: &Arc<Gallery>) -> Inviter {
    service::program::install_tls();
    Inviter {
        primary: format!("http://{primary}/live/index.m3u8").parse().unwrap(),
        manager_url: "http://127.0.0.1:7000".to_owned(),
        join_secret: "s3".into(),
        backoff: BackoffConfig { first: Duration::from_millis(5), longest: Duration::from_millis(20) },
        patience: Duration::from_secs(10),
        max_answer_bytes: 1_000,
        gallery: Arc::clone(gallery),
    }
}

async fn serve(listener: TcpListener, router: Router) {
    axum::serve(listener, router).await.unwrap();
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A picture with a primary, or without.
fn hang(gallery: &Gallery, attached: bool) {
    let primary = Route {
        id: ServerId::primary(),
        kind: Kind::Primary,
        region: Region::fallback(),
        base_url: "http://127.0.0.1:8080".into(),
        phase: Phase::Serving,
        streams: Vec::new(),
        capacity: 1,
        seen: [].into(),
        target: [].into(),
        counters: Arc::default(),
    };
    let servers = if attached { vec![primary] } else { Vec::new() };
    let routing = Arc::new(Routing { servers, ..Routing::default() });
    gallery.hang(Picture { routing, catalogue: Arc::default() });
}

/// A primary that says what it was told.
fn introducing(told: mpsc::Sender<serde_json::Value>) -> Router {
    let answer = move |Json(invitation): Json<serde_json::Value>| async move {
        told.send(invitation).await.unwrap();
        Json(serde_json::json!({ "id": "primary", "kind": "primary", "version": "1", "streams": ["live"] }))
    };
    Router::new().route("/.fleet/invite", post(answer))
}

#[tokio::test]
async fn a_primary_is_called_until_it_comes_and_again_when_it_is_lost() {
    let (held, address) = listener().await;
    drop(held);
    let gallery = Arc::new(Gallery::default());
    let stop = CancellationToken::new();
    let calling = tokio::spawn(inviter(address, &gallery).run(stop.clone()));

    // Nobody was there; now somebody is.
    let (told, mut hears) = mpsc::channel(8);
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(serve(listener, introducing(told)));
    let invitation = soon(hears.recv()).await.unwrap();
    assert_eq!(
        invitation,
        serde_json::json!({ "manager_url": "http://127.0.0.1:7000", "join_secret": "s3" })
    );

    hang(&gallery, true);
    while hears.try_recv().is_ok() {}
    tokio::task::yield_now().await;
    hang(&gallery, false);
    soon(hears.recv()).await.expect("it is called again when it is lost");
    stop.cancel();
    calling.await.unwrap().unwrap();
}

async fn ends_with(router: Router) -> anyhow::Error {
    let (listener, address) = listener().await;
    tokio::spawn(serve(listener, router));
    let gallery = Arc::new(Gallery::default());
    soon(inviter(address, &gallery).run(CancellationToken::new())).await.unwrap_err()
}

#[tokio::test]
async fn what_is_no_primary_ends_the_program_with_what_to_run() {
    let page = || async { axum::response::Html("<h1>It works!</h1>") };
    let endless = || async {
        let zeros = futures::stream::repeat(Ok::<_, std::convert::Infallible>(vec![0; 100]));
        axum::body::Body::from_stream(zeros)
    };
    let files_only = || async { StatusCode::NOT_IMPLEMENTED };
    let routers = [
        Router::new(),
        Router::new().route("/.fleet/invite", post(page)),
        Router::new().route("/.fleet/invite", post(files_only)),
        Router::new().route("/.fleet/invite", post(endless)),
    ];
    for router in routers {
        let error = ends_with(router).await;
        assert!(error.is::<service::Usage>(), "exit code 2");
        assert!(error.to_string().contains("run `primary ADDRESS http://"), "{error}");
    }
}

#[tokio::test]
async fn a_primary_that_declines_is_quoted() {
    let decline = || async {
        (StatusCode::FORBIDDEN, Json(serde_json::json!({ "error": "the join secret is not this primary's" })))
    };
    let error = ends_with(Router::new().route("/.fleet/invite", post(decline))).await;
    assert!(error.is::<service::Usage>(), "exit code 2");
    assert!(error.to_string().contains("the join secret is not this primary's"), "{error}");
}
