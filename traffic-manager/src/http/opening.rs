//! How a connection begins, before HTTP has it: with a PROXY protocol header where one must come, then with bytes that say which
//! HTTP it speaks. All of that has to come within the time that a request's headers may take, or a client that connects and says
//! nothing would keep its place for ever.
//!
//! The header is that of HAProxy's PROXY protocol, version 2. Whether one comes is configured and never guessed (its section 2):
//! else whoever connects could say whose address he has.

use std::{
    io::{self, Cursor},
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use ipnet::IpNet;
use ppp::{
    PartialResult as _,
    v2::{Addresses, Header, ParseError},
};
use tokio::{
    io::{AsyncReadExt as _, Chain, Join},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use crate::metrics;

/// What every client of HTTP/2 sends first (RFC 9113 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a PROXY header that every one has: signature, version and command, family, length of the rest.
const FIXED: usize = 16;

/// Where version and command stand in it, and the family of its addresses.
const COMMAND: usize = 12;
const FAMILY: usize = 13;

/// Version 2, command LOCAL: the proxy speaks for itself, and what follows is to be skipped, its family unread.
const LOCAL: u8 = 0x20;

/// How often at most the log says that headers are missing: a balancer that is set up wrong does it with each connection.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// How connections must begin.
#[derive(Debug)]
pub(crate) struct Opening {
    /// Whose connections begin with a PROXY header.
    pub(crate) proxied: Vec<IpNet>,
    /// Bytes of one at most.
    pub(crate) max_header_bytes: usize,
    /// How long all of it may take.
    pub(crate) patience: Duration,
    /// When the log last said that a header is missing.
    pub(crate) warned: Mutex<Option<Instant>>,
}

/// A connection that has begun as it must.
pub(super) struct Opened {
    /// Whose it is: the peer's, or whom a PROXY header names.
    pub(super) client: SocketAddr,
    /// What it says, from the first byte of HTTP on.
    pub(super) stream: Join<Chain<Cursor<Vec<u8>>, OwnedReadHalf>, OwnedWriteHalf>,
}

/// Why a connection is closed before it had an answer.
#[derive(Debug, thiserror::Error)]
enum Unopened {
    #[error("it ended: {0}")]
    Ended(#[from] io::Error),
    #[error("it does not begin with a PROXY protocol header of version 2: {0}")]
    NoHeader(#[from] ParseError),
    #[error("its PROXY protocol header has {bytes} bytes, and max_proxy_header_bytes allows {max}")]
    LongHeader { bytes: usize, max: usize },
    #[error("it said too little in time")]
    Silent,
}

impl Unopened {
    /// The word in metrics; none where the client simply went.
    const fn as_str(&self) -> Option<&'static str> {
        match self {
            Self::Ended(_) => None,
            Self::NoHeader(_) => Some("no-proxy-header"),
            Self::LongHeader { .. } => Some("long-proxy-header"),
            Self::Silent => Some("silent"),
        }
    }
}

impl Opening {
    /// Reads how a connection begins; none if it is to be closed.
    pub(super) async fn open(&self, mut stream: TcpStream, peer: SocketAddr) -> Option<Opened> {
        let proxied = self.must_name_its_client(peer.ip());
        let beginning = timeout(self.patience, self.beginning(&mut stream, peer, proxied)).await;
        match beginning.unwrap_or(Err(Unopened::Silent)) {
            Ok((client, said)) => {
                let (reader, writer) = stream.into_split();
                let reader = Cursor::new(said).chain(reader);
                Some(Opened { client, stream: tokio::io::join(reader, writer) })
            }
            Err(problem) => {
                self.complain(peer, proxied, &problem);
                None
            }
        }
    }

    fn must_name_its_client(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.proxied.iter().any(|network| network.contains(&peer))
    }

    /// Whose connection it is, and what it has said of HTTP.
    async fn beginning(
        &self,
        stream: &mut TcpStream,
        peer: SocketAddr,
        proxied: bool,
    ) -> Result<(SocketAddr, Vec<u8>), Unopened> {
        let client = if proxied { self.named(stream).await?.unwrap_or(peer) } else { peer };
        Ok((client, version_of(stream).await?))
    }

    /// The client that a PROXY header names; none where the proxy speaks for itself or does not know. Nothing behind the header is
    /// read.
    async fn named(&self, stream: &mut TcpStream) -> Result<Option<SocketAddr>, Unopened> {
        let mut header = vec![0; FIXED];
        let mut filled = 0;
        while filled < FIXED {
            filled += some(stream.read(&mut header[filled..]).await?)?;
            if filled > FAMILY && header[COMMAND] == LOCAL {
                header[FAMILY] = 0;
            }
            let parsed = Header::try_from(&header[..filled]);
            if parsed.is_complete() {
                parsed?;
            }
        }
        let bytes = FIXED + usize::from(u16::from_be_bytes([header[FIXED - 2], header[FIXED - 1]]));
        if bytes > self.max_header_bytes {
            return Err(Unopened::LongHeader { bytes, max: self.max_header_bytes });
        }
        header.resize(bytes, 0);
        stream.read_exact(&mut header[FIXED..]).await?;
        if header[COMMAND] == LOCAL {
            return Ok(None);
        }
        Ok(match Header::try_from(header.as_slice())?.addresses {
            Addresses::IPv4(ends) => Some((ends.source_address, ends.source_port).into()),
            Addresses::IPv6(ends) => Some((ends.source_address, ends.source_port).into()),
            Addresses::Unspecified | Addresses::Unix(_) => None,
        })
    }

    fn complain(&self, peer: SocketAddr, proxied: bool, problem: &Unopened) {
        if let Some(reason) = problem.as_str() {
            metrics::connection_unopened(reason);
        }
        let wrong = proxied && !matches!(problem, Unopened::Ended(_));
        if wrong && self.may_warn() {
            tracing::warn!(
                %peer, %problem,
                "a connection is closed; have the load balancer send the PROXY protocol, version 2 (HAProxy: send-proxy-v2), or take \
                 its network out of proxy_protocol_from in [http]"
            );
        } else {
            tracing::debug!(%peer, %problem, "a connection is closed before it had an answer");
        }
    }

    fn may_warn(&self) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let due = warned.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if due {
            *warned = Some(Instant::now());
        }
        due
    }
}

/// Reads until it is sure which HTTP this is. What was read is still to be handed to it.
async fn version_of(stream: &mut TcpStream) -> Result<Vec<u8>, Unopened> {
    let mut said = [0; HTTP2_PREFACE.len()];
    let mut filled = 0;
    while filled < said.len() && HTTP2_PREFACE.starts_with(&said[..filled]) {
        filled += some(stream.read(&mut said[filled..]).await?)?;
    }
    Ok(said[..filled].to_vec())
}

/// As many bytes as were read, if it is not the end.
fn some(read: usize) -> io::Result<usize> {
    if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
}
