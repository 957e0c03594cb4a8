//! `GET /watch/{stream}` without `.m3u8`: the page where people watch. It asks for the stream's playlist as any player does.
//!
//! Nothing is loaded from elsewhere. hls.js is not part of this program: where the config names its file it is served from
//! here, else the page plays with the browser's own HLS.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::HeaderName;

use super::Desk;
use crate::viewers::Unplaced;

const HTML: &str = include_str!("page/watch.html");
const SCRIPT: &str = include_str!("page/watch.js");

/// Media and playlists come from servers whose names change, so connections may go anywhere; scripts come from here alone.
/// hls.js makes its media and its worker of blobs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src *; \
    media-src * blob:; worker-src blob:; img-src data:; base-uri 'none'; form-action 'none'";

/// How long a browser may keep hls.js. A day: who comes back in the evening has it, and a new one reaches all by the next day.
const KEPT: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));

/// The page. The stream's name is in its address, and what is wrong is said where its picture would be; an address that never
/// plays has the status that players get. What comes right by itself does not: a proxy might put a page of its own in place of
/// this one, which tries again.
pub(super) fn page(there: Result<(), Unplaced>) -> Response {
    let status = there.err().map(|unplaced| unplaced.status()).filter(StatusCode::is_client_error);
    let policy = (header::CONTENT_SECURITY_POLICY, POLICY);
    let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8");
    (status.unwrap_or(StatusCode::OK), [kind, policy], HTML).into_response()
}

/// The page's own script.
pub(super) async fn script() -> Response {
    javascript(Bytes::from_static(SCRIPT.as_bytes()))
}

/// hls.js, where the config names its file.
pub(super) async fn hls_js(State(desk): State<Arc<Desk>>) -> Response {
    match &desk.hls_js {
        Some(script) => ([KEPT], javascript(script.clone())).into_response(),
        None => {
            (StatusCode::NOT_FOUND, "no hls.js here: name its file with hls_js in [http]\n").into_response()
        }
    }
}

fn javascript(script: Bytes) -> Response {
    const NO_SNIFFING: (HeaderName, HeaderValue) =
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    ([kind, NO_SNIFFING], script).into_response()
}
