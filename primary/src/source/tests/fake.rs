//! An upstream on loopback whose documents a test sets, changes and takes away.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    ops::Range,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use url::Url;

/// The server; it lives as long as the test's runtime.
#[derive(Clone)]
pub(crate) struct FakeUpstream {
    base: Url,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    documents: BTreeMap<String, Bytes>,
    asked: Vec<String>,
    down: bool,
}

impl FakeUpstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let fake = Self { base, state: Arc::default() };
        let served = fake.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let fake = served.clone();
                let service = hyper::service::service_fn(move |request| {
                    std::future::ready(Ok::<_, Infallible>(fake.answer(&request)))
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service),
                );
            }
        });
        fake
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }

    /// Sets what is at `path`, without its leading slash.
    pub(crate) fn put(&self, path: &str, document: impl Into<Bytes>) {
        self.state.lock().unwrap().documents.insert(path.to_owned(), document.into());
    }

    pub(crate) fn remove(&self, path: &str) {
        self.state.lock().unwrap().documents.remove(path);
    }

    /// While down, everything is answered by 503.
    pub(crate) fn set_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// How often `path` was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.state.lock().unwrap().asked.iter().filter(|asked| *asked == path).count()
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let mut state = self.state.lock().unwrap();
        let path = request.uri().path().trim_start_matches('/').to_owned();
        state.asked.push(path.clone());
        if state.down {
            return status(StatusCode::SERVICE_UNAVAILABLE);
        }
        let Some(document) = state.documents.get(&path).cloned() else {
            return status(StatusCode::NOT_FOUND);
        };
        let range = request
            .headers()
            .get(header::RANGE)
            .map(|value| byte_range(value.to_str().unwrap(), document.len()));
        match range {
            None => Response::new(Full::new(document)),
            Some(range) => Response::builder()
                .status(StatusCode::PARTIAL_CONTENT)
                .header(
                    header::CONTENT_RANGE,
                    format!("bytes {}-{}/{}", range.start, range.end - 1, document.len()),
                )
                .body(Full::new(document.slice(range)))
                .unwrap(),
        }
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).unwrap()
}

fn byte_range(header: &str, len: usize) -> Range<usize> {
    let (first, last) = header.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    first.parse().unwrap()..last.parse::<usize>().map_or(len, |last| last + 1)
}
