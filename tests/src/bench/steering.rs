//! What viewers cost the traffic manager: answers to players that steer, from hundreds of thousands of sessions, and first
//! placements.
//!
//! Every answer is made for its viewer: token checked, placed by the newest counts, a lifetime and an address of its own. nginx
//! answers a constant of the same size, which is as cheap as an answer over HTTP can be had.

use std::sync::Arc;

use policy::{Class, ServerId};
use proto::v1::{self, LocateRequest, viewers_client::ViewersClient};

use super::{
    load::{Expected, cpu_seconds, private_bytes},
    sessions::{Questions, mint, side_by_side},
    stage::{STEER_AT_NGINX, Stage},
    table::Row,
};

/// Viewers that steer, each with a session of its own.
const VIEWERS: usize = 500_000;

/// Numbers of viewers after which memory is looked at, before the last.
const FIRST: usize = 10_000;
const THEN: usize = 100_000;

/// What [`VIEWERS`] ask in a second at a time to live of 10 s.
const ANSWERS_PER_SECOND: f64 = 50_000.0;

/// First placements of a measure.
const PLACEMENTS: usize = 30_000;

/// Tasks that ask over gRPC, and the connections that they share.
const ASKERS: usize = 64;
const CHANNELS: usize = 8;

/// All measures, one after the other.
pub async fn all(stage: &Stage, rounds: usize) -> Vec<Row> {
    let (ours, peer) = questions(stage);
    let mut memory = vec![memory_after(stage, &ours, 0..FIRST).await];
    memory.push(memory_after(stage, &ours, FIRST..THEN).await);
    let (manager, nginx) = side_by_side(&ours, &peer, THEN..VIEWERS, rounds).await;
    memory.push(megabytes(stage));
    let cores = |cost: f64| cost * ANSWERS_PER_SECOND / 1e6;
    let mut rows = vec![
        Row::less("manager: CPU of a steering answer", "µs", manager, nginx),
        Row::less(
            "manager: cores for 500,000 viewers at a TTL of 10 s, 50,000 answers/s",
            "cores",
            cores(manager),
            cores(nginx),
        ),
    ];
    for (viewers, megabytes) in ["10,000", "100,000", "500,000"].into_iter().zip(memory) {
        let measure = format!("manager: private memory after {viewers} distinct viewers");
        rows.push(Row::alone(measure, "MB", megabytes));
    }
    rows.push(watch_page(stage).await);
    rows.push(locate(stage).await);
    rows
}

/// What players say that play from the relay where they were told to, as hls.js says it.
fn questions(stage: &Stage) -> (Questions, Questions) {
    let relay = &stage.relay_id;
    let tokens = mint(stage, Class::Steers, relay, VIEWERS);
    let query = |token: &String| steering_query(token, relay);
    let ours: Arc<[String]> = tokens.iter().map(|token| format!("/steer?{}", query(token))).collect();
    let theirs: Arc<[String]> =
        tokens.iter().map(|token| format!("{STEER_AT_NGINX}?{}", query(token))).collect();
    (
        Questions { server: stage.manager(), paths: ours, expected: Expected::Document },
        Questions { server: stage.nginx(), paths: theirs, expected: Expected::Document },
    )
}

/// The query of a player that has been told to play from `server`, and does.
#[must_use]
pub fn steering_query(token: &str, server: &ServerId) -> String {
    format!("s={token}&current={server}&_HLS_pathway=%22{server}%22&_HLS_throughput=12345678")
}

async fn memory_after(stage: &Stage, ours: &Questions, part: std::ops::Range<usize>) -> f64 {
    ours.cost(part).await;
    megabytes(stage)
}

#[expect(clippy::cast_precision_loss, reason = "megabytes")]
fn megabytes(stage: &Stage) -> f64 {
    private_bytes(stage.manager().pid) as f64 / 1e6
}

/// First placements by `GET /watch/live.m3u8`.
async fn watch_page(stage: &Stage) -> Row {
    let paths = std::iter::repeat_n("/watch/live.m3u8?player=steers".to_owned(), PLACEMENTS).collect();
    let questions = Questions { server: stage.manager(), paths, expected: Expected::Document };
    let cost = questions.cost(0..PLACEMENTS).await;
    Row::alone("manager: /watch playlists per CPU-second", "k", 1.0 / cost / 1e3)
}

/// First placements by `Viewers.Locate`.
async fn locate(stage: &Stage) -> Row {
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        let url = stage.fleet.at_manager("");
        channels.push(ViewersClient::connect(url).await.expect("the manager speaks gRPC"));
    }
    let before = cpu_seconds(stage.manager().pid);
    let mut tasks = tokio::task::JoinSet::new();
    for asker in 0..ASKERS {
        let mut client = channels[asker % CHANNELS].clone();
        tasks.spawn(async move {
            for _ in 0..PLACEMENTS / ASKERS {
                let class = v1::Class::Steers.into();
                let request = LocateRequest { stream: "live".into(), class, ..LocateRequest::default() };
                client.locate(request).await.expect("a placement");
            }
        });
    }
    tasks.join_all().await;
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let placements = (PLACEMENTS / ASKERS * ASKERS) as f64;
    let cpu = cpu_seconds(stage.manager().pid) - before;
    Row::alone("manager: Viewers.Locate per CPU-second", "k", placements / cpu / 1e3)
}
