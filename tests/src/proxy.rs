//! A reverse proxy before a primary: it writes down what relays ask of it, and answers late, badly or in part when told to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::stream;
use tokio::sync::watch;

/// The header by which relays prove themselves.
const PASS: &str = "spillway-relay";

/// What an answer carries on from the primary's.
const CARRIED: [header::HeaderName; 4] =
    [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_RANGE, header::ACCEPT_RANGES];

/// How the first answer to a held path goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// As the primary's.
    Whole,
    /// 500 instead.
    Failed,
    /// Half of the primary's, then the connection breaks.
    Broken,
}

/// A proxy that runs until the runtime ends.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Its base URL: what the primary advertises.
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    origin: String,
    http: reqwest::Client,
    asked: Mutex<Vec<Asked>>,
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Asked {
    path: String,
    range: Option<String>,
}

#[derive(Debug)]
struct Held {
    path: String,
    answer: Answer,
    released: watch::Receiver<bool>,
}

/// Holds a path back until it is released.
#[derive(Debug)]
pub struct Hold(watch::Sender<bool>);

impl Hold {
    /// Lets the answer go.
    pub fn release(self) {
        self.0.send_replace(true);
    }
}

impl Proxy {
    /// Listens at `address` for the primary at `origin`.
    pub async fn start(address: SocketAddr, origin: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            origin: format!("http://{origin}"),
            http: crate::http::http(),
            asked: Mutex::default(),
            held: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind(address).await.expect("the proxy's address is free");
        let router = Router::new().fallback(pass_on).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: format!("http://{address}"), shared }
    }

    /// Holds the next answer to `path` back until it is released, and lets it go as `answer` says.
    #[must_use]
    pub fn hold(&self, path: &str, answer: Answer) -> Hold {
        let (release, released) = watch::channel(false);
        *lock(&self.shared.held) = Some(Held { path: path.to_owned(), answer, released });
        Hold(release)
    }

    /// The requests of relays for a path, by their Range.
    #[must_use]
    pub fn asked(&self, path: &str) -> Vec<Option<String>> {
        let asked = lock(&self.shared.asked);
        asked.iter().filter(|asked| asked.path == path).map(|asked| asked.range.clone()).collect()
    }

    /// How many requests relays have sent in all.
    #[must_use]
    pub fn asked_in_all(&self) -> usize {
        lock(&self.shared.asked).len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pass_on(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let headers = request.headers();
    if headers.contains_key(PASS) {
        let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).map(str::to_owned);
        lock(&shared.asked).push(Asked { path: path.clone(), range });
    }
    let held = lock(&shared.held).take_if(|held| held.path == path);
    let answer = match held {
        Some(Held { answer, mut released, .. }) => {
            let _test_is_over = released.wait_for(|released| *released).await;
            answer
        }
        None => Answer::Whole,
    };
    match answer {
        Answer::Failed => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Answer::Whole | Answer::Broken => shared.forward(request, answer == Answer::Broken).await,
    }
}

impl Shared {
    async fn forward(&self, request: Request, breaks: bool) -> Response {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let mut asked = self.http.request(request.method().clone(), format!("{}{target}", self.origin));
        for (name, value) in request.headers().iter().filter(|(name, _)| *name != header::HOST) {
            asked = asked.header(name, value);
        }
        let Ok(answer) = asked.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
        let mut passed = Response::builder().status(answer.status());
        for name in CARRIED {
            if let Some(value) = answer.headers().get(&name) {
                passed = passed.header(name, value);
            }
        }
        let body = if breaks {
            half(&answer.bytes().await.unwrap_or_default())
        } else {
            Body::from_stream(answer.bytes_stream())
        };
        passed.body(body).expect("a passed answer is one")
    }
}

/// The first half of a body, and a break once that is on its way.
fn half(body: &Bytes) -> Body {
    let first = body.slice(..body.len() / 2);
    Body::from_stream(stream::unfold(Some(first), async |first| match first {
        Some(first) if !first.is_empty() => Some((Ok(first), Some(Bytes::new()))),
        _ => {
            // The connection writes what it has while it waits for more.
            tokio::task::yield_now().await;
            Some((Err(std::io::Error::other("told to break")), None))
        }
    }))
}
