//! How fast connections are sent media, as the kernel was told.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use metrics_exporter_prometheus::PrometheusBuilder;
use policy::{Class, adaptation::Mode};
use tokio::net::TcpStream;

use super::{
    super::{Config, PacingConfig},
    stage::*,
};
use crate::{sys, upstream::PASS_HEADER};

/// A rung of 2 Mb/s, one of 6 Mb/s above it, and sound.
const LADDER: &str = "#EXTM3U\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"a0/live.m3u8\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2000000,AUDIO=\"a\"\nv0/live.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=6000000,AUDIO=\"a\"\nv1/live.m3u8\n";

/// Bytes per second: twice the next rung's rate, which is more than four times its own.
const V0: u64 = 1_500_000;

/// Four times its rate.
const V1: u64 = 3_000_000;

/// The floor.
const SOUND: u64 = 125_000;

/// Four times 16 MiB in a target duration of 2 s.
const LARGE: u64 = (16 << 20) / 2 * 4;

const UNLIMITED: u64 = u64::MAX;

fn scene(burst: Duration) -> Scene {
    paced(PacingConfig { burst, ..PacingConfig::default() })
}

fn paced(pacing: PacingConfig) -> Scene {
    Scene { http: Config { pacing, ..Config::default() }, ladder: LADDER, ..Scene::default() }
}

impl Play {
    /// Bytes per second that a client is sent at most.
    fn pace_at(&self, client: std::net::SocketAddr) -> u64 {
        let sockets = self.site.census.lines().into_iter().filter_map(|line| line.socket());
        let at_other_end = |socket: &std::sync::Arc<TcpStream>| socket.peer_addr().ok() == Some(client);
        sys::tcp_info(&sockets.into_iter().find(at_other_end).unwrap()).unwrap().max_pacing_rate
    }

    fn pace(&self, client: &Client) -> u64 {
        self.pace_at(client.address)
    }

    /// The pace of a connection of its own at which a client is sent a segment.
    async fn pace_of(&self, path: &str) -> u64 {
        let mut client = self.client().await;
        assert!(client.get(path).await.status().is_success());
        self.pace(&client)
    }
}

#[tokio::test]
async fn a_connection_is_paced_by_the_rung_whose_segments_it_is_sent() {
    let play = scene(Duration::ZERO).begin().await;
    let mut client = play.client().await;
    client.get(&play.playlist(&session("a", Class::Steers))).await;
    assert_eq!(play.pace(&client), UNLIMITED, "playlists are not media");
    for (path, pace) in [
        ("/live/v0/1.m4s", V0),
        ("/live/v1/1.m4s", V1),
        ("/live/a0/1.m4s", SOUND),
        ("/live/v1/3.m4s", LARGE),
        ("/live/a0/3.m4s", LARGE),
        ("/live/v0/1.m4s", V0),
    ] {
        assert!(client.get(path).await.status().is_success());
        assert_eq!(play.pace(&client), pace, "{path}");
    }
    client.ask(Request::head("/live/a0/1.m4s")).await;
    assert_eq!(play.pace(&client), V0, "nothing of it is sent");
}

#[tokio::test]
async fn a_burst_belongs_to_the_session_however_many_connections_it_has() {
    // Two segments of 2 s, one after the other, spend it.
    let play = scene(Duration::from_secs(3)).begin().await;
    let mut playlists = play.client().await;
    playlists.get(&play.playlist(&session("a", Class::Steers))).await;
    for pace in [UNLIMITED, UNLIMITED, LARGE, LARGE] {
        assert_eq!(play.pace_of("/live/v0/3.m4s").await, pace);
    }
    playlists.get("/live/v0/3.m4s").await;
    assert_eq!(play.pace(&playlists), LARGE);
    let mut another = play.client().await;
    another.get(&play.playlist(&session("b", Class::Steers))).await;
    another.get("/live/v0/3.m4s").await;
    assert_eq!(play.pace(&another), UNLIMITED, "another session has its own");
}

#[tokio::test]
async fn a_connection_of_nobody_in_particular_has_a_burst_of_its_own() {
    let play = scene(Duration::from_secs(3)).begin().await;
    for _ in 0..2 {
        let mut client = play.client().await;
        for pace in [UNLIMITED, UNLIMITED, LARGE] {
            client.get("/live/v0/3.m4s").await;
            assert_eq!(play.pace(&client), pace);
        }
    }
}

#[tokio::test]
async fn only_what_is_sent_spends_a_burst() {
    let play = scene(Duration::from_secs(3)).begin().await;
    let mut client = play.client().await;
    for _ in 0..9 {
        client.ask(Request::head("/live/v0/3.m4s")).await;
        client.ask(Request::get("/live/v0/3.m4s").header("range", "bytes=0-99")).await;
    }
    client.get("/live/v0/3.m4s").await;
    assert_eq!(play.pace(&client), UNLIMITED);
}

#[tokio::test]
async fn a_relays_pass_lifts_the_pace() {
    let play = scene(Duration::ZERO).begin().await;
    let mut client = play.client().await;
    client.get("/live/v0/1.m4s").await;
    assert_eq!(play.pace(&client), V0);
    client.ask(Request::get("/live/v0/1.m4s").header(PASS_HEADER, "forged")).await;
    assert_eq!(play.pace(&client), V0);
    client.ask(Request::get("/live/v0/1.m4s").header(PASS_HEADER, play.pass())).await;
    assert_eq!(play.pace(&client), UNLIMITED);
}

#[tokio::test]
async fn caches_and_load_balancers_that_the_config_names_are_not_paced_and_nobody_else_who_says_that_he_is_one()
 {
    let via = || Request::get("/live/v0/1.m4s").header("via", "1.1 cache");
    for (networks, pace) in [("127.0.0.0/8", UNLIMITED), ("10.0.0.0/8", V0)] {
        let proxies = vec![networks.parse().unwrap()];
        let play = paced(PacingConfig { burst: Duration::ZERO, proxies, ..Default::default() }).begin().await;
        let mut client = play.client().await;
        client.ask(via()).await;
        assert_eq!(play.pace(&client), pace, "{networks}");
    }
}

#[tokio::test]
async fn where_the_server_picks_a_tight_uplink_is_shared_out_and_where_somebody_measures_it_is_not() {
    // Two viewers at the lower rung leave hardly more than a quarter of what they take.
    let (least, tight) = (312_500, 5_300_000);
    for (mode, paces) in [
        (Mode::Server { per_session: false }, least..=least * 101 / 100),
        (Mode::Server { per_session: true }, V0..=V0),
        (Mode::Capped, V0..=V0),
        (Mode::Client, V0..=V0),
    ] {
        let scene = Scene { mode: Some(mode), uplink: Some(tight), ..scene(Duration::ZERO) };
        let play = scene.begin().await;
        let [mut one, mut other] = [play.client().await, play.client().await];
        for (client, id) in [(&mut one, "a"), (&mut other, "b")] {
            client.get(&play.playlist(&session(id, Class::Steers))).await;
            client.get("/live/v0/1.m4s").await;
        }
        play.viewers_after(TARGET);
        play.site.adapt().await;
        one.get("/live/v0/1.m4s").await;
        let pace = play.pace(&one);
        assert!(paces.contains(&pace), "{mode:?}: {pace}");
    }
}

#[tokio::test]
async fn a_burst_is_paced_by_what_is_left_of_the_uplink_where_that_is_known_and_matters() {
    // Nobody plays yet; then somebody does, who takes 2 Mb/s or, for a moment, all that there is.
    let first = 6_000_000 / 8..=7_200_000 / 8;
    let large = 90_000_000 / 8..=1_800_000_000 / 8;
    let free = UNLIMITED..=UNLIMITED;
    for (mode, mbps, paces) in [
        (Mode::Server { per_session: false }, 8, [&first, &(2_500_000 / 8..=6_000_000 / 8)]),
        (Mode::Server { per_session: false }, 2_000, [&large, &large]),
        (Mode::Server { per_session: true }, 8, [&free, &free]),
        (Mode::Capped, 8, [&first, &(4_000_000 / 8..=6_000_000 / 8)]),
        (Mode::Capped, 2_000, [&large, &large]),
        (Mode::Client, 8, [&free, &free]),
    ] {
        let burst = PacingConfig::default().burst;
        let play = Scene { mode: Some(mode), uplink: Some(mbps * 1_000_000), ..scene(burst) }.begin().await;
        play.site.adapt().await;
        for (id, paces) in [("a", paces[0]), ("b", paces[1])] {
            let mut client = play.client().await;
            client.get(&play.playlist(&session(id, Class::Steers))).await;
            client.get("/live/v0/1.m4s").await;
            let pace = play.pace(&client);
            assert!(paces.contains(&pace), "{mode:?} {mbps} {id}: {pace}");
            play.viewers_after(TARGET);
            play.site.adapt().await;
        }
    }
}

#[tokio::test]
async fn with_a_multiple_of_zero_nobody_is_paced() {
    let multiple = 0.0.try_into().unwrap();
    let play = paced(PacingConfig { multiple, burst: Duration::ZERO, ..Default::default() }).begin().await;
    assert_eq!(play.pace_of("/live/v0/1.m4s").await, UNLIMITED);
}

#[tokio::test]
async fn a_picture_over_http2_is_not_slowed_by_the_sound_that_is_asked_for_with_it() {
    let play = scene(Duration::ZERO).begin().await;
    let socket = TcpStream::connect(play.address).await.unwrap();
    let address = socket.local_addr().unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    for (path, pace) in [
        ("/live/a0/1.m4s", SOUND),
        ("/live/v1/1.m4s", V1),
        ("/live/a0/1.m4s", V1),
        ("/live/v0/1.m4s", V1),
        ("/live/a0/1.m4s", V1),
        ("/live/a0/1.m4s", V0),
    ] {
        let request = Request::get(format!("http://test{path}")).body(Full::default()).unwrap();
        soon(sender.send_request(request)).await.unwrap();
        assert_eq!(play.pace_at(address), pace, "{path}");
    }
}

#[tokio::test]
async fn the_gauge_has_the_connections_whose_pace_is_limited() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let play = scene(Duration::ZERO).begin().await;
    let paced = |connections: u32| {
        let shown = format!("spillway_paced_connections {connections}");
        recorder.handle().render().lines().any(|line| line == shown)
    };
    assert!(paced(0));
    let mut client = play.client().await;
    client.get("/live/v0/1.m4s").await;
    client.get("/live/a0/1.m4s").await;
    assert!(paced(1));
    client.ask(Request::get("/live/v0/1.m4s").header(PASS_HEADER, play.pass())).await;
    assert!(paced(0));
    let mut another = play.client().await;
    another.get("/live/v0/1.m4s").await;
    assert!(paced(1));
    drop(another);
    soon(async {
        // The server sees a moment later that it is closed.
        while !paced(0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
