//! What viewers, operators and Prometheus ask over HTTP, on the port that also speaks gRPC.
//!
//! Everything has CORS: players ask from pages of other origins, and nothing here depends on cookies.

mod api;
mod listener;
mod opening;
mod page;
mod steer;
mod watch;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;
use policy::{placement::Refusal, proxies::Proxies};
use tonic::Status;
use tower::ServiceExt as _;

pub(crate) use self::{
    listener::{Listener, ListenerLimits},
    opening::Opening,
};
use crate::{
    grpc::operator::OperatorService,
    viewers::{Unplaced, Viewers},
};

/// How long a browser may remember that it may ask: a day, which browsers shorten as they like.
const PREFLIGHT_LIFE_S: &str = "86400";

/// Whom a request comes from, as proxies say.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where players that steer ask.
const STEER: &str = "/steer";

/// What the handlers need.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Where viewers ask.
    pub(crate) viewers: Arc<Viewers>,
    /// What an operator may ask.
    pub(crate) operator: OperatorService,
    /// The script that the watch page plays with, where there is one.
    pub(crate) hls_js: Option<Bytes>,
}

/// All routes but those of gRPC.
pub(crate) fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/watch/{file}", get(watch::watch))
        .route("/play/{stream}", get(watch::play))
        .route("/assets/watch.js", get(page::script))
        .route("/assets/hls.js", get(page::hls_js))
        .route(STEER, get(steer::steer))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/servers", get(api::servers))
        .route("/api/v1/regions", get(api::regions))
        .route("/api/v1/decisions", get(api::decisions))
        .route("/api/v1/targets", get(api::targets))
        .with_state(Arc::new(desk))
        .method_not_allowed_fallback(async || {
            (StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS are answered here\n")
        })
        .layer(middleware::from_fn(open_and_fresh))
}

/// All that is answered on the port.
#[derive(Debug)]
pub(crate) struct Front {
    /// Where viewers ask.
    pub(crate) viewers: Arc<Viewers>,
    /// Every route, those of gRPC too.
    pub(crate) router: Router,
    /// Those whose word on their clients counts.
    pub(crate) proxies: Proxies,
}

impl Front {
    /// The answer to a request of `peer`'s. What every viewer that steers asks again and again goes past the router, and is the same
    /// wherever he is.
    pub(crate) async fn answer(&self, mut request: http::Request<Incoming>, peer: SocketAddr) -> Response {
        if request.method() == Method::GET && request.uri().path() == STEER {
            return fresh(open(steer::answer(&self.viewers, request.uri())));
        }
        let said = request.headers().get_all(FORWARDED_FOR).iter();
        let client = self.proxies.client(peer.ip(), said.filter_map(|value| value.to_str().ok()));
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(client, peer.port())));
        self.router.clone().oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {})
    }
}

/// Answers whatever has no route, in the words of who asks.
pub(crate) async fn unknown(request: Request) -> Response {
    let path = request.uri().path();
    if text_of(request.headers(), header::CONTENT_TYPE)
        .is_some_and(|kind| kind.starts_with("application/grpc"))
    {
        return Status::unimplemented(format!("there is no method {path}")).into_http();
    }
    let text = "there is nothing here; a stream is at /watch/STREAM.m3u8, a page that plays it at /watch/STREAM, the fleet's state at \
         /api/v1/status\n";
    (StatusCode::NOT_FOUND, text).into_response()
}

/// Answers preflights, lets every page read every answer, and no cache keep one that does not say that it may.
async fn open_and_fresh(request: Request, next: Next) -> Response {
    if request.method() != Method::OPTIONS {
        return fresh(open(next.run(request).await));
    }
    let mut response = open(StatusCode::NO_CONTENT.into_response());
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS");
    set(header::ACCESS_CONTROL_ALLOW_HEADERS, "*");
    set(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_LIFE_S);
    response
}

/// An answer that every page may read.
fn open(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    response
}

/// An answer that no cache keeps unless it says that it may.
fn fresh(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn document(content_type: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

impl Unplaced {
    /// The one place where a viewer's refusal becomes an HTTP status.
    const fn status(&self) -> StatusCode {
        match self {
            Self::UnknownStream { .. } => StatusCode::NOT_FOUND,
            Self::UnknownRegion { .. } | Self::Token(_) => StatusCode::BAD_REQUEST,
            Self::NoPrimary { .. }
            | Self::NotReady { .. }
            | Self::Refused(Refusal::NoRoom { .. } | Refusal::NoServer { .. }) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

impl axum::response::IntoResponse for Unplaced {
    fn into_response(self) -> Response {
        let mut response = document("text/plain; charset=utf-8", format!("{self}\n"));
        *response.status_mut() = self.status();
        if let Some(retry_after) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after.as_secs().max(1).into());
        }
        response
    }
}

fn text_of(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
