//! Sources as an operator would have them: ffmpeg encodes a ladder in real time, or has encoded a recording, into a folder that
//! a web server serves.

use std::{
    net::SocketAddr,
    path::{Component, Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
};
use tempfile::TempDir;

use crate::{program::Program, wait::eventually};

/// How long ffmpeg may take to its first playlist on a busy machine.
const FIRST_PLAYLIST: Duration = Duration::from_secs(40);

/// A source that runs.
#[derive(Debug)]
pub struct LiveSource {
    /// Its multivariant playlist.
    pub url: String,
    /// The encoder.
    pub ffmpeg: Program,
    folder: TempDir,
    down: Arc<AtomicBool>,
}

/// How a source's ladder is encoded.
#[derive(Debug, Clone, Copy)]
pub enum Encoding {
    /// In transport streams.
    Ts,
    /// The same, but one rung has other groups of pictures.
    Unaligned,
    /// In fragmented MPEG-4, with parameter sets in the initialization section alone.
    Fragments,
}

/// A recording of one encoding, of five segments.
#[derive(Debug)]
pub struct Recording {
    /// Its media playlist.
    pub url: String,
    folder: TempDir,
}

impl LiveSource {
    /// Starts ffmpeg with three aligned rungs of a test picture and a tone, and serves them at `address`.
    pub async fn start(address: SocketAddr) -> Self {
        Self::start_as(address, Encoding::Ts).await
    }

    /// The same, encoded in one of several ways.
    pub async fn start_as(address: SocketAddr, encoding: Encoding) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("ffmpeg");
        command.args(LADDER).args(encoding.arguments()).arg("%v.m3u8").current_dir(folder.path());
        let ffmpeg = Program::start("ffmpeg", command, folder.path());
        let down = serve(address, folder.path().to_owned()).await;
        let source = Self { url: format!("http://{address}/master.m3u8"), ffmpeg, folder, down };
        source.first_playlists().await;
        source
    }

    /// Whether the web server answers nothing but 503; the encoder goes on.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    async fn first_playlists(&self) {
        eventually("ffmpeg writes its playlists", FIRST_PLAYLIST, async || {
            let missing = ["master.m3u8", "0.m3u8", "1.m3u8", "2.m3u8"]
                .into_iter()
                .find(|name| !self.folder.path().join(name).is_file());
            missing.map_or(Ok(()), |name| Err(format!("no {name} yet")))
        })
        .await;
    }
}

/// Three rungs that share their sound, in 2 s segments.
#[rustfmt::skip]
const LADDER: &[&str] = &[
    "-nostdin", "-hide_banner", "-loglevel", "warning", "-re",
    "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25",
    "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
    "-filter_complex", "[0:v]split=3[a][b][c];[a]scale=256:144[v0];[b]scale=426:240[v1];[c]copy[v2]",
    "-map", "[v0]", "-map", "1:a", "-map", "[v1]", "-map", "1:a", "-map", "[v2]", "-map", "1:a",
    "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-sc_threshold", "0", "-pix_fmt", "yuv420p",
    "-b:v:0", "150k", "-b:v:1", "300k", "-b:v:2", "600k", "-c:a", "aac", "-b:a", "48k",
    "-f", "hls", "-hls_time", "2", "-hls_list_size", "8", "-hls_flags", "delete_segments+independent_segments",
    "-hls_delete_threshold", "4", "-master_pl_name", "master.m3u8",
    "-var_stream_map", "v:0,a:0 v:1,a:1 v:2,a:2",
];

impl Encoding {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Ts => &["-hls_segment_filename", "%v-%d.ts"],
            // The highest rung has a group of pictures of 2.4 s.
            Self::Unaligned => &["-g:v:2", "60", "-hls_segment_filename", "%v-%d.ts"],
            Self::Fragments => &["-hls_segment_type", "fmp4", "-hls_segment_filename", "%v-%d.m4s"],
        }
    }
}

impl Recording {
    /// Makes the recording and serves it at `address`.
    pub async fn start(address: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("ffmpeg");
        command.args(RECORDING).current_dir(folder.path());
        let mut ffmpeg = Program::start("ffmpeg", command, folder.path());
        assert!(ffmpeg.ends_within(FIRST_PLAYLIST).await.success(), "{}", ffmpeg.log());
        let _never_down = serve(address, folder.path().to_owned()).await;
        Self { url: format!("http://{address}/recording.m3u8"), folder }
    }

    /// All its segments, one after the other.
    #[must_use]
    pub fn segments(&self) -> Vec<u8> {
        let read = |name: String| std::fs::read(self.folder.path().join(name)).expect("five segments");
        (0..5).flat_map(|number| read(format!("{number}.ts"))).collect()
    }
}

/// Ten seconds in segments of two.
#[rustfmt::skip]
const RECORDING: &[&str] = &[
    "-nostdin", "-hide_banner", "-loglevel", "warning",
    "-f", "lavfi", "-i", "testsrc2=size=256x144:rate=25",
    "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", "10",
    "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-sc_threshold", "0", "-pix_fmt", "yuv420p",
    "-b:v", "150k", "-c:a", "aac", "-b:a", "48k",
    "-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod", "-hls_segment_filename", "%d.ts", "recording.m3u8",
];

/// What the web server serves, and whether it does.
#[derive(Clone)]
struct Site {
    folder: PathBuf,
    down: Arc<AtomicBool>,
}

/// Serves a folder until the runtime ends.
async fn serve(address: SocketAddr, folder: PathBuf) -> Arc<AtomicBool> {
    let listener = tokio::net::TcpListener::bind(address).await.expect("the source's address is free");
    let down = Arc::new(AtomicBool::new(false));
    let router = Router::new().fallback(file).with_state(Site { folder, down: Arc::clone(&down) });
    tokio::spawn(async move { axum::serve(listener, router).await });
    down
}

async fn file(State(site): State<Site>, uri: Uri) -> Result<Vec<u8>, StatusCode> {
    if site.down.load(Ordering::Relaxed) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let path = Path::new(uri.path().trim_start_matches('/'));
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain {
        return Err(StatusCode::NOT_FOUND);
    }
    tokio::fs::read(site.folder.join(path)).await.map_err(|_| StatusCode::NOT_FOUND)
}
