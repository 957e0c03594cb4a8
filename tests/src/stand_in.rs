//! Stands in for a server that caps rungs: a proxy before one that does not, which rewrites viewers' media playlists.
//!
//! With it, players and what is measured of them can be tried where no server caps, and a fault be told apart: of the lists, or of the
//! server.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use tokio::sync::OnceCell;

use crate::capped_list::{Change, List};

/// The header by which relays prove themselves: they get the lists as they are.
const PASS: &str = "spillway-relay";

/// What concerns one connection, or a body that is rewritten.
const NOT_CARRIED: [header::HeaderName; 5] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::ETAG, header::HOST];

/// What a viewer's question must not say, so that the list comes whole and plain.
const NOT_ASKED: [header::HeaderName; 3] = [header::HOST, header::ACCEPT_ENCODING, header::IF_NONE_MATCH];

/// A stand-in that runs until the runtime ends.
#[derive(Debug, Clone)]
pub struct StandIn {
    /// Its base URL: what the server advertises.
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    origin: String,
    http: reqwest::Client,
    /// Names of the rungs, lowest first.
    rungs: OnceCell<Vec<String>>,
    caps: Mutex<Caps>,
}

#[derive(Debug, Default)]
struct Caps {
    changes: Vec<Change>,
    /// The newest number that was listed under any URL.
    newest: u64,
}

impl StandIn {
    /// Listens at `address` for the server at `origin`.
    pub async fn start(address: SocketAddr, origin: SocketAddr) -> Self {
        service::program::install_tls();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        let shared = Arc::new(Shared {
            origin: format!("http://{origin}"),
            http: http.expect("a client can be built"),
            rungs: OnceCell::new(),
            caps: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind(address).await.expect("the stand-in's address is free");
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: format!("http://{address}"), shared }
    }

    /// Allows no rung above `rung` from the next segment on that nobody has seen listed.
    pub fn cap(&self, rung: usize) {
        let mut caps = self.shared.caps();
        let from = caps.newest + 1;
        caps.changes.push(Change { from, cap: rung });
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (request, _no_body) = request.into_parts();
    let for_viewers = !request.headers.contains_key(PASS);
    let rendition = rendition_of(request.uri.path()).filter(|_| for_viewers);
    let Some(asked) = shared.ask(&request).await else { return StatusCode::BAD_GATEWAY.into_response() };
    match rendition {
        Some(rendition) if asked.status().is_success() => {
            shared.rewritten(&rendition, request.uri.query().unwrap_or_default(), asked).await
        }
        _ => carried(&asked, true).body(Body::from_stream(asked.bytes_stream())).expect("an answer"),
    }
}

/// An answer's beginning.
fn carried(asked: &reqwest::Response, whole: bool) -> axum::http::response::Builder {
    let mut answer = Response::builder().status(asked.status());
    for (name, value) in asked.headers() {
        let is_whole = whole && [header::CONTENT_LENGTH, header::ETAG].contains(name);
        if is_whole || !NOT_CARRIED.contains(name) {
            answer = answer.header(name, value);
        }
    }
    answer
}

impl Shared {
    fn caps(&self) -> MutexGuard<'_, Caps> {
        self.caps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, request: &Parts) -> Option<reqwest::Response> {
        let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut asked = self.http.request(request.method.clone(), format!("{}{target}", self.origin));
        for (name, value) in request.headers.iter().filter(|(name, _)| !NOT_ASKED.contains(name)) {
            asked = asked.header(name, value);
        }
        asked.send().await.ok()
    }

    /// The list of a rendition under the caps that hold by now. Lower ones are asked for in the name of the same session.
    async fn rewritten(&self, rendition: &str, query: &str, asked: reqwest::Response) -> Response {
        let begun = carried(&asked, false);
        let text = asked.text().await.unwrap_or_default();
        let Some(rungs) = self.rungs().await else { return StatusCode::BAD_GATEWAY.into_response() };
        let Some(own) = rungs.iter().position(|name| name == rendition) else {
            return begun.body(Body::from(text)).expect("an answer");
        };
        let list = List::parse(&text);
        let mut lower = BTreeMap::new();
        let changes = self.caps().changes.clone();
        for rung in list.needs(own, &changes) {
            let path = format!("/live/{}/live.m3u8?{query}", rungs[rung]);
            lower.insert(rung, List::parse(&self.text(&path).await.unwrap_or_default()));
        }
        let mut caps = self.caps();
        // A cap that came meanwhile begins behind what was listed then: it changes nothing that is in this list, or cuts it off.
        let of = |rung: usize| Some((rungs[rung].as_str(), lower.get(&rung)?));
        let (text, newest) = list.capped(own, &caps.changes, of);
        caps.newest = caps.newest.max(newest.unwrap_or(0));
        drop(caps);
        begun.body(Body::from(text)).expect("an answer")
    }

    async fn rungs(&self) -> Option<&Vec<String>> {
        let found = self.rungs.get_or_try_init(async || {
            let multivariant = self.text("/live/index.m3u8").await.ok_or(())?;
            let names: Vec<String> = multivariant.lines().filter_map(rendition_of).collect();
            if names.is_empty() { Err(()) } else { Ok(names) }
        });
        found.await.ok()
    }

    async fn text(&self, path: &str) -> Option<String> {
        let answer = self.http.get(format!("{}{path}", self.origin)).send().await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }
}

/// The rendition that a line of a multivariant playlist names; ours are listed lowest first.
fn rendition_of(line: &str) -> Option<String> {
    let path = line.split('?').next()?.strip_suffix("/live.m3u8").filter(|_| !line.starts_with('#'))?;
    Some(path.rsplit('/').next()?.to_owned())
}
