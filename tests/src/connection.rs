//! One HTTP/1.1 connection, as plain as can be: it asks one question after the other and drains what comes, so that a measure is of the
//! server and not of a client.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

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

/// One keep-alive connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
    scratch: Vec<u8>,
}

impl Connection {
    /// Opens one.
    pub async fn open(host: SocketAddr) -> Self {
        Self::over(TcpStream::connect(host).await.expect("the server accepts"), host)
    }

    /// Takes one that is open already.
    #[must_use]
    pub fn over(stream: TcpStream, host: SocketAddr) -> Self {
        stream.set_nodelay(true).expect("a socket option");
        Self { stream: BufReader::with_capacity(64 << 10, stream), host, scratch: vec![0; 256 << 10] }
    }

    /// Gets a path and drains the body; gives its length.
    pub async fn get(&mut self, path: &str) -> u64 {
        let answer = self.ask(path).await;
        assert!(answer.status == 200, "{path} at {}: {answer:?}", self.host);
        answer.bytes
    }

    /// Asks for a path and drains the body of whatever comes.
    pub async fn ask(&mut self, path: &str) -> Answer {
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
