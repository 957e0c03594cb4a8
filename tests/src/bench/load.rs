//! Load: keep-alive connections that ask one after the other and drain what comes, and the CPU that it cost a server.

use std::{
    net::SocketAddr,
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
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(request.as_bytes()).await.expect("the server reads");
        let mut length = None;
        let mut line = String::new();
        let mut status = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).await.expect("the server answers");
            if status.is_empty() {
                status.clone_from(&line);
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
            if line == "\r\n" || line.is_empty() {
                break;
            }
        }
        assert!(status.contains(" 200 "), "{path} at {}: {status}", self.host);
        match length {
            Some(length) => self.drain(length).await,
            None => self.drain_chunks().await,
        }
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
