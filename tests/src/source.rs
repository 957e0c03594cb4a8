//! A live source as an operator would have one: ffmpeg encodes a ladder in real time into a folder that a web server serves.

use std::{
    net::SocketAddr,
    path::{Component, Path, PathBuf},
    process::Command,
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
}

impl LiveSource {
    /// Starts ffmpeg with three rungs of a test picture and a tone, and serves them at `address`.
    pub async fn start(address: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("ffmpeg");
        command.args(LADDER).current_dir(folder.path());
        let ffmpeg = Program::start("ffmpeg", command, folder.path());
        serve(address, folder.path().to_owned()).await;
        let source = Self { url: format!("http://{address}/master.m3u8"), ffmpeg, folder };
        source.first_playlists().await;
        source
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
    "-hls_segment_filename", "%v-%d.ts", "%v.m3u8",
];

/// Serves a folder until the runtime ends.
async fn serve(address: SocketAddr, folder: PathBuf) {
    let listener = tokio::net::TcpListener::bind(address).await.expect("the source's address is free");
    let router = Router::new().fallback(file).with_state(folder);
    tokio::spawn(async move { axum::serve(listener, router).await });
}

async fn file(State(folder): State<PathBuf>, uri: Uri) -> Result<Vec<u8>, StatusCode> {
    let path = Path::new(uri.path().trim_start_matches('/'));
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain {
        return Err(StatusCode::NOT_FOUND);
    }
    tokio::fs::read(folder.join(path)).await.map_err(|_| StatusCode::NOT_FOUND)
}
