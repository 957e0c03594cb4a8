//! Load: keep-alive connections that ask one after the other and drain what comes, and the CPU that it cost a server.

use std::{
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::connection::{Answer, Connection};

/// Ticks of a second in /proc (`USER_HZ`, 100 on Linux wherever Rust runs).
const TICKS_PER_SECOND: f64 = 100.0;

/// What a round of load has got.
#[derive(Debug, Clone, Copy, Default)]
pub struct Got {
    /// Requests answered with 200.
    pub requests: u64,
    /// Bytes of bodies.
    pub bytes: u64,
}

/// Asks for `paths` in turn over `connections` for `time`.
///
/// # Panics
/// When a server answers otherwise than with 200.
pub async fn ask(server: SocketAddr, paths: &[String], connections: usize, time: Duration) -> Got {
    let end = Instant::now() + time;
    let mut tasks = tokio::task::JoinSet::new();
    for offset in 0..connections {
        let paths = paths.to_vec();
        tasks.spawn(async move {
            let mut connection = Connection::open(server).await;
            let mut got = Got::default();
            for path in paths.iter().cycle().skip(offset) {
                if Instant::now() >= end {
                    break;
                }
                got.bytes += connection.get(path).await;
                got.requests += 1;
            }
            got
        });
    }
    tasks.join_all().await.into_iter().fold(Got::default(), |sum, got| Got {
        requests: sum.requests + got.requests,
        bytes: sum.bytes + got.bytes,
    })
}

/// Asks for each of a part of `paths` once, over `connections`; how many answers were as `expected`.
pub async fn ask_once(
    server: SocketAddr,
    paths: &Arc<[String]>,
    part: Range<usize>,
    connections: usize,
    expected: Expected,
) -> usize {
    let next = Arc::new(AtomicUsize::new(part.start));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (paths, next) = (Arc::clone(paths), Arc::clone(&next));
        tasks.spawn(async move {
            let mut connection = Connection::open(server).await;
            let mut found = 0;
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= part.end {
                    return found;
                }
                found += usize::from(expected.is(&connection.ask(&paths[at]).await));
            }
        });
    }
    tasks.join_all().await.into_iter().sum()
}

/// Asks for one object from `clients` at the same moment; how long each waited for the last byte.
pub async fn crowd(server: SocketAddr, path: &str, clients: usize) -> Vec<Duration> {
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(Connection::open(server).await);
    }
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for mut connection in connections {
        let path = path.to_owned();
        tasks.spawn(async move {
            connection.get(&path).await;
            start.elapsed()
        });
    }
    tasks.join_all().await
}

/// What a server is to answer.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// 200, and a body.
    Document,
    /// 307 to another server.
    RedirectTo(SocketAddr),
}

impl Expected {
    fn is(self, answer: &Answer) -> bool {
        match self {
            Self::Document => answer.status == 200 && answer.bytes > 0,
            Self::RedirectTo(server) => {
                let location = answer.location.as_deref().unwrap_or_default();
                answer.status == 307 && location.starts_with(&format!("http://{server}/live/"))
            }
        }
    }
}

/// CPU seconds that a process and its children have used.
#[must_use]
pub fn cpu_seconds(pid: u32) -> f64 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let family = children.split_whitespace().filter_map(|child| child.parse().ok()).chain([pid]);
    family.map(own_ticks).sum::<f64>() / TICKS_PER_SECOND
}

/// User and system ticks of one process: fields 14 and 15 of /proc/PID/stat (proc(5)).
fn own_ticks(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum()
}

/// Private memory of a process and its children, in bytes: `Private_*` of `smaps_rollup`.
#[must_use]
pub fn private_bytes(pid: u32) -> u64 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let family = children.split_whitespace().filter_map(|child| child.parse().ok()).chain([pid]);
    family.map(own_private_bytes).sum()
}

fn own_private_bytes(pid: u32) -> u64 {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let private = maps.lines().filter(|line| line.starts_with("Private_"));
    private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>() * 1024
}
