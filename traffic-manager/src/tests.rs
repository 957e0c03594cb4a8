//! The whole manager in one process, on ports that the system gives, with servers that are not there: what it answers to
//! servers, viewers and operators.

mod fake;
mod invitation;
mod openings;
mod operators;
mod page;
mod servers;
mod steering_rules;
mod viewers;

use std::{net::SocketAddr, path::Path, time::Duration};

use service::{Readiness, Shutdown, Tasks};
use tokio::net::TcpListener;
use tonic::transport::Channel;

use self::fake::FakeServer;
use crate::{
    app::Manager,
    config::{Config, ProvisionerKind},
};

/// Longer than anything that is waited for takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);

/// A manager that runs until it is dropped.
struct Running {
    address: SocketAddr,
    http: reqwest::Client,
    shutdown: Shutdown,
}

impl Running {
    /// A manager without a config of its own.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::with(quick(), folder.path()).await
    }

    async fn with(config: Config, state: &Path) -> Self {
        service::program::install_tls();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let shutdown = Shutdown::default();
        let manager = Manager::build(&config, &socket, state, shutdown.soft.clone()).unwrap();
        let mut tasks = Tasks::new(shutdown.clone());
        let latch = Readiness::default().latch("primary", "");
        manager.start(&config, &mut tasks, socket, latch, shutdown.clone()).await.unwrap();
        tokio::spawn(tasks.run());
        Self { address, http: reqwest::Client::builder().no_proxy().build().unwrap(), shutdown }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    /// As a script in a browser asks.
    async fn fetch(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).header("sec-fetch-dest", "empty").send().await.unwrap()
    }

    async fn channel(&self) -> Channel {
        Channel::from_shared(self.url("")).unwrap().connect().await.unwrap()
    }

    /// A primary that serves `live`.
    async fn primary(&self) -> FakeServer {
        FakeServer::attach(self, fake::primary()).await.unwrap()
    }

    /// Waits until a request is answered as `wanted` says.
    async fn until(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
        tokio::time::timeout(PATIENCE, async {
            loop {
                let answer = self.get(path).await;
                let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
                if wanted(status, &text) {
                    return text;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{path} was not answered as it should"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.soft.cancel();
        self.shutdown.hard.cancel();
    }
}

/// A manager that acts at once and starts nothing.
fn quick() -> Config {
    let mut config = Config { secret: Some("of the tests".into()), ..Config::default() };
    config.liveness.first_start_window = Duration::ZERO;
    config.scaling.ramp = Duration::ZERO;
    config.provisioner.kind = ProvisionerKind::Standby;
    config
}

/// The value of `name="…"` in a playlist.
fn attribute(playlist: &str, name: &str) -> Option<String> {
    let rest = playlist.split_once(&format!("{name}=\""))?.1;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The session token of a playlist: that of its last variant.
fn token_in(playlist: &str) -> &str {
    playlist.trim_end().rsplit_once("?s=").expect("its URIs carry the session").1
}

/// Whoever is told something waits for it, but not for ever.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it comes soon")
}

#[tokio::test]
async fn tokens_outlive_the_manager_that_signed_them() {
    let folder = tempfile::tempdir().unwrap();
    let config = || Config { secret: None, ..quick() };
    let first = Running::with(config(), folder.path()).await;
    let _primary = first.primary().await;
    let playlist = first.fetch("/watch/live.m3u8").await.text().await.unwrap();
    let steering = attribute(&playlist, "SERVER-URI").unwrap();
    let query = steering.split_once("?s=").unwrap().1.to_owned();
    drop(first);

    let second = Running::with(config(), folder.path()).await;
    let _primary = second.primary().await;
    let mut viewers = proto::v1::viewers_client::ViewersClient::new(second.channel().await);
    let go_on = |session: String| proto::v1::LocateRequest { session, ..Default::default() };
    let placed = viewers.locate(go_on(query)).await.unwrap().into_inner().placement.unwrap();
    assert_eq!(placed.stream, "live", "the token says which stream");

    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = Running::with(config(), elsewhere.path()).await;
    let _primary = stranger.primary().await;
    let mut viewers = proto::v1::viewers_client::ViewersClient::new(stranger.channel().await);
    let refused = viewers.locate(go_on(placed.session)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "another fleet's token is not ours");
}
