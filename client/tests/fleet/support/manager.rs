//! A traffic manager that says what a test tells it to.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, extract::State, http::HeaderMap, routing::get};
use futures::{Stream, StreamExt as _};
use hls::steering::{Manifest, PathwayClone};
use proto::v1::{
    LocateRequest, LocateResponse, Placement, WatchRequest, WatchResponse,
    viewers_server::{Viewers, ViewersServer},
};
use tokio::{runtime::Runtime, sync::watch};
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use super::origin::Origin;

/// A running traffic manager. Dropped, it is dead with all its connections.
pub(crate) struct Manager {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
    desk: Arc<Desk>,
}

struct Desk {
    /// Name and base URL of each server, in order of preference.
    servers: Vec<(String, String)>,
    /// Index of the server that everybody shall play from.
    preferred: watch::Sender<usize>,
    full: bool,
    /// The session that it gives everybody, and the only one that it knows.
    token: &'static str,
    asked: Mutex<Vec<WatchRequest>>,
    refused: AtomicUsize,
    address: SocketAddr,
}

impl Manager {
    /// Its servers are called a, b, c …
    pub(crate) fn start(servers: &[&Origin]) -> Self {
        Self::with(servers, false, "token")
    }

    /// One that has no room.
    pub(crate) fn full() -> Self {
        Self::with(&[], true, "token")
    }

    /// One that has keys of its own.
    pub(crate) fn with_token(servers: &[&Origin], token: &'static str) -> Self {
        Self::with(servers, false, token)
    }

    fn with(servers: &[&Origin], full: bool, token: &'static str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let names = ('a'..='z').map(String::from);
        let servers = names.zip(servers.iter().map(|server| server.base_url())).collect();
        let (preferred, asked, refused) = (watch::channel(0).0, Mutex::default(), AtomicUsize::new(0));
        let desk = Arc::new(Desk { servers, preferred, full, token, asked, refused, address });
        let router = tonic::service::Routes::new(ViewersServer::from_arc(Arc::clone(&desk)))
            .into_axum_router()
            .merge(pages(Arc::clone(&desk)));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, runtime: Some(runtime), desk }
    }

    /// Tells everybody to play from the nth server.
    pub(crate) fn move_to(&self, server: usize) {
        self.desk.preferred.send_replace(server);
    }

    /// What was asked over gRPC.
    pub(crate) fn asked(&self) -> Vec<WatchRequest> {
        self.desk.asked.lock().unwrap().clone()
    }

    /// How often it has refused somebody for want of room.
    pub(crate) fn refused(&self) -> usize {
        self.desk.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.runtime.take().expect("it runs until it is dropped").shutdown_background();
    }
}

impl Desk {
    fn check(&self, stream: &str, region: &str) -> Result<(), Status> {
        if stream != "live" {
            return Err(Status::not_found(format!("there is no stream {stream}; known are: live")));
        }
        if !matches!(region, "" | "eu" | "us") {
            return Err(Status::invalid_argument(format!("there is no region {region}; known are: eu, us")));
        }
        if self.full {
            self.refused.fetch_add(1, Ordering::Relaxed);
            super::was_asked();
            let mut status = Status::resource_exhausted("there is no room for another viewer of live");
            status.metadata_mut().insert("retry-after-ms", "1500".parse().unwrap());
            return Err(status);
        }
        Ok(())
    }

    fn place(&self, preferred: usize, avoid: &[String], region: &str) -> Placement {
        let wanted = self.servers.iter().cycle().skip(preferred).take(self.servers.len());
        let (server, base_url) =
            wanted.clone().find(|(name, _)| !avoid.contains(name)).or(wanted.clone().next()).unwrap();
        Placement {
            stream: "live".into(),
            server: server.clone(),
            base_url: base_url.clone(),
            playlist_url: format!("{base_url}/live/index.m3u8?s={}", self.token),
            session: self.token.into(),
            region: region.to_owned(),
            watch_url: format!("http://{}/watch/live.m3u8", self.address),
            explanation: "because the test says so".into(),
            ..Placement::default()
        }
    }
}

#[tonic::async_trait]
impl Viewers for Desk {
    async fn locate(&self, request: Request<LocateRequest>) -> Result<Response<LocateResponse>, Status> {
        let request = request.into_inner();
        self.check(&request.stream, &request.region)?;
        let placement = self.place(*self.preferred.borrow(), &request.avoid, &request.region);
        Ok(Response::new(LocateResponse { placement: Some(placement) }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let request = request.into_inner();
        self.check(&request.stream, &request.region)?;
        if !request.session.is_empty() && request.session != self.token {
            return Err(Status::invalid_argument("the token is signed with a key that is not valid now"));
        }
        self.asked.lock().unwrap().push(request.clone());
        super::was_asked();
        let choices = WatchStream::new(self.preferred.subscribe());
        let placements: Vec<Placement> =
            (0..self.servers.len()).map(|at| self.place(at, &request.avoid, &request.region)).collect();
        let answers = choices.map(move |at| Ok(WatchResponse { placement: placements.get(at).cloned() }));
        Ok(Response::new(Box::pin(answers)))
    }
}

/// What players ask for over HTTP. Server b is a clone of a.
fn pages(desk: Arc<Desk>) -> Router {
    Router::new().route("/watch/live.m3u8", get(watch_page)).route("/steer", get(steer)).with_state(desk)
}

async fn watch_page(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> String {
    let base = &desk.servers[0].1;
    let steers = headers.get("sec-fetch-dest").is_some_and(|value| value == "empty");
    let steering =
        format!("#EXT-X-CONTENT-STEERING:SERVER-URI=\"http://{}/steer\",PATHWAY-ID=\"a\"\n", desk.address);
    format!(
        "#EXTM3U\n{}#EXT-X-STREAM-INF:BANDWIDTH=40000,PATHWAY-ID=\"a\"\n{base}/live/low/live.m3u8?s=token\n",
        if steers { &steering } else { "" }
    )
}

async fn steer(State(desk): State<Arc<Desk>>) -> String {
    let preferred = &desk.servers[*desk.preferred.borrow()].0;
    let priority = vec![preferred.clone(), "a".to_owned()];
    let mut manifest = Manifest::new(1, format!("http://{}/steer", desk.address), priority);
    if desk.servers.len() > 1 {
        manifest.pathway_clones = vec![PathwayClone::at_host("a", "b", "127.0.0.2")];
    }
    manifest.render()
}
