//! One fleet: a primary with segments of 1 MB, a manager and a relay; and nginx beside each of them, as a cache of the same
//! primary and as a server of constants.

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc, time::Duration};

use axum::{Router, body::Bytes, extract::State, http::Uri};
use policy::{Class, ServerId};
use proto::v1::Phase;

use super::{sessions, steering::steering_query};
use crate::{
    fleet::{Fleet, relays_in},
    network::Subnet,
    program::Program,
    wait::eventually,
};

/// Segments of the stream. As many as a two-minute window of 4 s segments has.
pub const SEGMENTS: usize = 30;

/// Size of a segment.
const SEGMENT_BYTES: usize = 1 << 20;

const STARTS: Duration = Duration::from_secs(60);

/// Where nginx answers with a constant steering manifest.
pub const STEER_AT_NGINX: &str = "/constant/steer";

/// Where nginx answers with a constant 307.
pub const REDIRECT_AT_NGINX: &str = "/constant/redirect";

/// All that a case needs.
#[derive(Debug)]
pub struct Stage {
    /// The programs.
    pub fleet: Fleet,
    /// The relay's id.
    pub relay_id: ServerId,
    nginx: Option<Program>,
}

/// A program that is measured.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// Where it serves.
    pub address: SocketAddr,
    /// Its processes' ancestor.
    pub pid: u32,
}

impl Stage {
    /// Starts the source, the primary, the manager, the relay and nginx.
    pub async fn set() -> Self {
        let source = serve_source(Subnet::unused().source()).await;
        let fleet = Fleet::builder()
            .threshold(0)
            .source(source)
            .primary_arguments(&["--capacity", "1000000"])
            // nginx beside it paces nobody.
            .server_config("[http.pacing]\nmultiple = 0.0")
            .manager_config("[provisioner]\nkind = \"standby\"\n[regions.default]\nmin_relays = 1")
            .standby(2, &["--capacity", "1000000"])
            .start()
            .await;
        let serves = |status: &_| !relays_in(status, Phase::Serving).is_empty();
        let status = fleet.until("the relay serves", STARTS, serves).await;
        let relay_id = relays_in(&status, Phase::Serving)[0].id.parse().expect("an id");
        let mut stage = Self { fleet, relay_id, nginx: None };
        let manifest = stage.manifest().await;
        stage.nginx = Some(start_nginx(stage.fleet.subnet, &stage.fleet.file(""), &manifest));
        stage.nginx_answers().await;
        stage
    }

    /// A steering answer, as large as any.
    async fn manifest(&self) -> String {
        let token = &sessions::mint(self, Class::Steers, &self.relay_id, 1)[0];
        let url = self.fleet.at_manager(&format!("/steer?{}", steering_query(token, &self.relay_id)));
        let (status, manifest) = self.fleet.get(&url).await.expect("the manager answers");
        assert!(status == 200 && manifest.contains(self.relay_id.as_str()), "{status}: {manifest}");
        manifest
    }

    /// The traffic manager.
    #[must_use]
    pub fn manager(&self) -> Server {
        Server { address: self.fleet.subnet.manager(), pid: self.fleet.manager.pid() }
    }

    /// The primary.
    #[must_use]
    pub fn primary(&self) -> Server {
        Server { address: self.fleet.subnet.viewers(1), pid: self.fleet.primary.pid() }
    }

    /// Our relay.
    #[must_use]
    pub fn relay(&self) -> Server {
        Server { address: self.fleet.subnet.viewers(2), pid: self.fleet.relays[0].pid() }
    }

    /// nginx.
    #[must_use]
    pub fn nginx(&self) -> Server {
        let pid = self.nginx.as_ref().map_or(0, Program::pid);
        Server { address: self.fleet.subnet.viewers(3), pid }
    }

    /// Paths of the segments, as the primary numbered them.
    pub async fn segments(&self) -> Vec<String> {
        let url = format!("http://{}/live/2000k/live.m3u8", self.fleet.subnet.viewers(1));
        let (_, playlist) = self.fleet.get(&url).await.expect("the primary answers");
        let names = playlist.lines().filter(|line| !line.starts_with('#'));
        names.map(|name| format!("/live/2000k/{name}")).collect()
    }

    async fn nginx_answers(&self) {
        let url = format!("http://{}/live/index.m3u8", self.nginx().address);
        eventually("nginx serves", STARTS, async || match self.fleet.get(&url).await {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }
}

/// A finished recording in one rendition: every segment stays, so that both caches can be asked for any at any time.
async fn serve_source(address: SocketAddr) -> String {
    let listener = tokio::net::TcpListener::bind(address).await.expect("the source's address is free");
    let segment = Bytes::from(transport_stream());
    let router = Router::new().fallback(answer).with_state(Arc::new(segment));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/master.m3u8")
}

async fn answer(State(segment): State<Arc<Bytes>>, uri: Uri) -> Bytes {
    match uri.path() {
        "/master.m3u8" => Bytes::from_static(b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2000000\nmedia.m3u8\n"),
        "/media.m3u8" => {
            let segments: String = (0..SEGMENTS).map(|n| format!("#EXTINF:4,\n{n}.ts\n")).collect();
            let head = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n";
            format!("{head}{segments}#EXT-X-ENDLIST\n").into()
        }
        _ => Bytes::clone(&segment),
    }
}

/// Null packets of an MPEG transport stream (ISO/IEC 13818-1): bytes that a cache has no reason to look into.
fn transport_stream() -> Vec<u8> {
    const PACKET: usize = 188;
    let mut packet = [0xff; PACKET];
    packet[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
    packet.iter().copied().cycle().take(SEGMENT_BYTES).collect()
}

fn start_nginx(subnet: Subnet, folder: &Path, manifest: &str) -> Program {
    let prefix = folder.join("nginx");
    std::fs::create_dir_all(prefix.join("cache")).expect("a folder can be made");
    let config = include_str!("nginx.conf")
        .replace("{listen}", &subnet.viewers(3).to_string())
        .replace("{primary}", &subnet.viewers(1).to_string())
        .replace("{relay}", &subnet.viewers(2).to_string())
        .replace("{steer}", STEER_AT_NGINX)
        .replace("{redirect}", REDIRECT_AT_NGINX)
        .replace("{manifest}", manifest);
    std::fs::write(prefix.join("nginx.conf"), config).expect("a config file");
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&prefix).args(["-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]);
    Program::start_with_workers("nginx", command, folder)
}
