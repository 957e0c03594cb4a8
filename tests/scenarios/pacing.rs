//! Viewers who share an uplink: each is sent the multiple of the media's bitrate, whatever another one asks.
//!
//! The uplink carries the multiple for all of them. Less would measure how the kernel's congestion control shares a line, which is
//! not ours: on one that is too narrow for so many paces, it decides.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, http::Uri};
use tests::{Fleet, SlowLine, Subnet, connection::Connection};
use tokio::{net::TcpListener, sync::Barrier, task::JoinSet};

/// Bits per second of the stream.
const BITRATE: f64 = 1_000_000.0;

/// The default of `http.pacing.multiple`.
const MULTIPLE: f64 = 4.0;

/// Of 4 s each; viewers begin again from the first.
const SEGMENTS: usize = 10;

/// Segments in the default of `http.pacing.burst`, 20 s; and one more, so that what is measured begins after it.
const BURST: usize = 5 + 1;

/// 4 s at the bitrate.
const SEGMENT_BYTES: usize = 500_000;

const VIEWERS: usize = 6;

/// Room for the multiple of all viewers, the greedy one, and what TCP and IP add; too little for one without a pace more.
const UPLINK_KBIT_PER_S: u32 = 35_000;

/// Eight segments at the multiple.
const MEASURED: Duration = Duration::from_secs(8);

/// Of what a new connection is sent, the kernel does not pace the first ten packets (tcp_update_skb_after_send): 14,600 bytes of a
/// segment. A little on top for the clock.
const TOLERANCE: f64 = 1.05;

/// A recording in one rung: every segment can be asked for at any time.
async fn serve_source(address: SocketAddr) -> String {
    let segment = Bytes::from(transport_stream());
    let answer = async move |uri: Uri| match uri.path() {
        "/master.m3u8" => Bytes::from_static(b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nmedia.m3u8\n"),
        "/media.m3u8" => {
            let segments: String = (0..SEGMENTS).map(|n| format!("#EXTINF:4,\n{n}.ts\n")).collect();
            let head = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n";
            format!("{head}{segments}#EXT-X-ENDLIST\n").into()
        }
        _ => Bytes::clone(&segment),
    };
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    format!("http://{address}/master.m3u8")
}

/// Null packets of an MPEG transport stream (ISO/IEC 13818-1).
fn transport_stream() -> Vec<u8> {
    let mut packet = [0xff; 188];
    packet[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
    packet.iter().copied().cycle().take(SEGMENT_BYTES).collect()
}

/// A primary whose uplink to all viewers is one line.
struct Shared {
    fleet: Fleet,
    uplink: SlowLine,
    /// Paths of the segments.
    segments: Vec<String>,
}

/// Somebody who asks for segments, one after the other without a pause.
struct Viewer {
    /// The connection of its playlists, and of its segments unless it is greedy.
    connection: Connection,
    /// Opens a connection for each segment, as if that would make it another viewer.
    greedy: bool,
    /// The URL of its own playlist, with its session.
    playlist: String,
    next: usize,
}

impl Shared {
    async fn with(server_config: &str) -> Self {
        let source = serve_source(Subnet::unused().source()).await;
        let fleet = Fleet::builder().source(source).threshold(100).server_config(server_config).start().await;
        let uplink = SlowLine::to(&fleet.subnet, UPLINK_KBIT_PER_S);
        let url = format!("http://{}/live/1000k/live.m3u8", fleet.subnet.viewers(1));
        let (_, playlist) = fleet.get(&url).await.unwrap();
        let names = playlist.lines().filter(|line| !line.starts_with('#'));
        let segments = names.map(|name| format!("/live/1000k/{name}")).collect();
        Self { fleet, uplink, segments }
    }

    fn connect(&self) -> Connection {
        let server = self.fleet.subnet.viewers(1);
        Connection::over(self.uplink.connect(server), server)
    }

    async fn viewer(&self, greedy: bool) -> Viewer {
        let server = format!("http://{}", self.fleet.subnet.viewers(1));
        let (_, text) = self.fleet.get(&format!("{server}/live/index.m3u8")).await.unwrap();
        let playlist = text.lines().find_map(|line| line.strip_prefix(&server)).unwrap().to_owned();
        let mut connection = self.connect();
        connection.get(&playlist).await;
        Viewer { connection, greedy, playlist, next: 0 }
    }

    /// The next segment of a viewer; its bytes.
    async fn next(&self, viewer: &mut Viewer) -> u64 {
        let path = &self.segments[viewer.next % self.segments.len()];
        viewer.next += 1;
        if !viewer.greedy {
            return viewer.connection.get(path).await;
        }
        // Of those at one address, its connections are told by who reloaded last.
        viewer.connection.get(&viewer.playlist).await;
        self.connect().get(path).await
    }

    /// Lets all of them spend their bursts, and then measures what each is sent, in multiples of the bitrate.
    async fn shares(self: &Arc<Self>, viewers: Vec<Viewer>) -> Vec<f64> {
        let bursts_are_spent = Arc::new(Barrier::new(viewers.len()));
        let mut tasks = JoinSet::new();
        for (number, mut viewer) in viewers.into_iter().enumerate() {
            let (shared, bursts_are_spent) = (Arc::clone(self), Arc::clone(&bursts_are_spent));
            tasks.spawn(async move {
                for _ in 0..BURST {
                    shared.next(&mut viewer).await;
                }
                bursts_are_spent.wait().await;
                (number, shared.share(&mut viewer).await)
            });
        }
        let mut shares = tasks.join_all().await;
        shares.sort_by_key(|(number, _)| *number);
        shares.into_iter().map(|(_, share)| share).collect()
    }

    async fn share(&self, viewer: &mut Viewer) -> f64 {
        let (start, mut bytes) = (Instant::now(), 0);
        while start.elapsed() < MEASURED {
            bytes += self.next(viewer).await;
        }
        #[expect(clippy::cast_precision_loss, reason = "megabytes")]
        let bits = bytes as f64 * 8.0;
        bits / start.elapsed().as_secs_f64() / BITRATE
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paced_viewers_share_an_uplink_equally_and_who_asks_for_more_gets_the_multiple() {
    let shared = Arc::new(Shared::with("").await);
    let mut viewers = Vec::new();
    for number in 0..=VIEWERS {
        viewers.push(shared.viewer(number == VIEWERS).await);
    }
    let shares = shared.shares(viewers).await;
    let (greedy, others) = shares.split_last().unwrap();
    let most = others.iter().copied().fold(0.0, f64::max);
    let least = others.iter().copied().fold(f64::INFINITY, f64::min);
    println!("greedy {greedy:.3}, others {others:.3?}");
    assert!(least > most * 0.9, "others {others:.3?}");
    assert!(
        shares.iter().all(|share| *share <= MULTIPLE * TOLERANCE),
        "others {others:.3?}, greedy {greedy:.3}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_pacing_one_viewer_takes_the_uplink() {
    let shared = Arc::new(Shared::with("[http.pacing]\nmultiple = 0.0").await);
    let greedy = shared.viewer(true).await;
    let share = shared.shares(vec![greedy]).await[0];
    println!("greedy {share:.3}");
    assert!(share > MULTIPLE * 3.0, "{share:.3}");
}
