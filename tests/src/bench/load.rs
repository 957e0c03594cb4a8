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

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

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

/// What a server has answered.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where it sends the client, if it does.
    pub location: Option<String>,
    /// Bytes of the body.
    pub bytes: u64,
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

struct Connection {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
    scratch: Vec<u8>,
}

impl Connection {
    async fn open(host: SocketAddr) -> Self {
        let stream = TcpStream::connect(host).await.expect("the server accepts");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream: BufReader::with_capacity(64 << 10, stream), host, scratch: vec![0; 256 << 10] }
    }

    /// Gets a path and drains the body; gives its length.
    async fn get(&mut self, path: &str) -> u64 {
        let answer = self.ask(path).await;
        assert!(answer.status == 200, "{path} at {}: {answer:?}", self.host);
        answer.bytes
    }

    /// Asks for a path and drains the body of whatever comes.
    async fn ask(&mut self, path: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(request.as_bytes()).await.expect("the server reads");
        let mut line = String::new();
        self.stream.read_line(&mut line).await.expect("the server answers");
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Answer { status: status.expect("a status line"), ..Answer::default() };
        let mut length = None;
        loop {
            line.clear();
            self.stream.read_line(&mut line).await.expect("the server answers");
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok();
            } else if name.eq_ignore_ascii_case("location") {
                answer.location = Some(value.trim().to_owned());
            }
        }
        answer.bytes = match length {
            Some(length) => self.drain(length).await,
            None => self.drain_chunks().await,
        };
        answer
    }

    async fn drain(&mut self, length: u64) -> u64 {
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.scratch.len());
            let read = self.stream.read(&mut self.scratch[..most]).await.expect("the body comes");
            assert!(read > 0, "{} closed within a body", self.host);
            left -= read as u64;
        }
        length
    }

    async fn drain_chunks(&mut self) -> u64 {
        let mut total = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).await.expect("a chunk's size comes");
            let size = u64::from_str_radix(line.trim(), 16).expect("a chunk's size is hexadecimal");
            total += self.drain(size).await;
            self.drain(2).await;
            if size == 0 {
                return total;
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
