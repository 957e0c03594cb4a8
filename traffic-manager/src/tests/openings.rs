//! How connections begin: in silence, with HTTP, or with a PROXY protocol header.

use std::{io, net::Ipv6Addr, time::Duration};

use hyper_util::rt::TokioIo;
use proto::v1::{LocateRequest, viewers_client::ViewersClient};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::transport::Endpoint;

use super::{FakeServer, Running, quick, soon, token_in};
use crate::config::{Config, RegionConfig};

const GET: &[u8] = b"GET /watch/live.m3u8 HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
const PROXY: u8 = 0x21;
const LOCAL: u8 = 0x20;
const UNSPEC: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX: u8 = 0x31;

/// The addresses of the header: a client in region eu, and this side.
const FROM_EU: [u8; 12] = [203, 0, 113, 9, 192, 0, 2, 1, 0x30, 0x39, 0x1b, 0x58];

/// A header as the specification draws it.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend(rest);
    header
}

fn from_eu_over_ipv6() -> Vec<u8> {
    let client: Ipv6Addr = "2001:db8::9".parse().unwrap();
    let rest = [&client.octets()[..], &[0; 20]].concat();
    header(PROXY, TCP6, &rest)
}

/// A manager that expects headers from `proxies`, and has the documentation's networks in region eu.
async fn manager(proxies: &str, change: impl FnOnce(&mut Config)) -> (Running, FakeServer) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = quick();
    config.regions.insert("eu".parse().unwrap(), RegionConfig::default());
    for network in ["203.0.113.0/24", "2001:db8::/32"] {
        config.region_map.networks.insert(network.to_owned(), "eu".parse().unwrap());
    }
    config.http.proxy_protocol_from = vec![proxies.parse().unwrap()];
    change(&mut config);
    let manager = Running::with(config, folder.path()).await;
    let hello = super::fake::primary();
    let primary = if proxies.starts_with("127") {
        let channel = channel(&manager, header(LOCAL, UNSPEC, b"")).await;
        FakeServer::attach_over(channel, hello).await.unwrap()
    } else {
        FakeServer::attach(&manager, hello).await.unwrap()
    };
    (manager, primary)
}

/// A gRPC channel whose connections begin with `first`.
async fn channel(manager: &Running, first: Vec<u8>) -> tonic::transport::Channel {
    let address = manager.address;
    let connector = tower::service_fn(move |_| {
        let first = first.clone();
        async move {
            let mut socket = TcpStream::connect(address).await?;
            socket.write_all(&first).await?;
            Ok::<_, io::Error>(TokioIo::new(socket))
        }
    });
    Endpoint::from_shared(manager.url("")).unwrap().connect_with_connector(connector).await.unwrap()
}

/// What comes back to whoever connects and says this, until the connection is closed.
async fn answer(manager: &Running, said: &[&[u8]]) -> String {
    let mut socket = TcpStream::connect(manager.address).await.unwrap();
    for piece in said {
        // One that is closed already does not take the rest.
        let _refused = socket.write_all(piece).await;
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    let _reset = soon(socket.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The region of a viewer whose connection begins with `first`, over gRPC.
async fn region_over_grpc(manager: &Running, first: &[u8], session: &str) -> String {
    let request =
        LocateRequest { stream: "live".to_owned(), session: session.to_owned(), ..Default::default() };
    let mut viewers = ViewersClient::new(channel(manager, first.to_vec()).await);
    viewers.locate(request).await.unwrap().into_inner().placement.unwrap().region
}

/// The same over HTTP, with further headers.
async fn region_over_http(manager: &Running, first: &[u8], headers: &str) -> String {
    let request = String::from_utf8_lossy(GET).replace("host: test", &format!("host: test{headers}"));
    let playlist = answer(manager, &[first, request.as_bytes()]).await;
    let token = token_in(&playlist);
    region_over_grpc(manager, &header(LOCAL, UNSPEC, b""), token).await
}

#[tokio::test]
async fn a_client_that_says_nothing_or_too_little_is_closed_after_the_header_timeout() {
    let whole = header(PROXY, TCP4, &FROM_EU);
    let in_pieces = [&[][..], &whole[..5], &whole[..20], &whole];
    let of_http = ["", "P", "PRI * HT", "G", "GET / HTTP/1.1\r\n"].map(str::as_bytes);
    for (proxies, beginnings) in [("10.0.0.0/8", &of_http[..]), ("127.0.0.0/8", &in_pieces[..])] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = quick();
        config.http.header_timeout = Duration::from_millis(20);
        config.http.proxy_protocol_from = vec![proxies.parse().unwrap()];
        let manager = Running::with(config, folder.path()).await;
        for said in beginnings {
            let text = answer(&manager, &[said]).await;
            assert_eq!(text, "", "{:?}", String::from_utf8_lossy(said));
        }
    }
}

#[tokio::test]
async fn a_proxy_header_says_whose_region_it_is_over_http_and_grpc() {
    let (manager, _primary) = manager("127.0.0.0/8", |_| {}).await;
    let note = [&FROM_EU[..], &[0x02, 0, 4], b"host", &[0xea, 0, 2], b"id"].concat();
    let unix = vec![b'/'; 216];
    for (what, first, region) in [
        ("IPv4", header(PROXY, TCP4, &FROM_EU), "eu"),
        ("IPv6", from_eu_over_ipv6(), "eu"),
        ("with notes", header(PROXY, TCP4, &note), "eu"),
        ("the proxy itself", header(LOCAL, UNSPEC, b""), "unknown"),
        ("the proxy itself, with addresses", header(LOCAL, TCP4, &FROM_EU), "unknown"),
        ("the proxy itself, with a family that does not fit", header(LOCAL, TCP4, b""), "unknown"),
        ("somebody unknown", header(PROXY, UNSPEC, &FROM_EU), "unknown"),
        ("a process", header(PROXY, UNIX, &unix), "unknown"),
    ] {
        assert_eq!(region_over_http(&manager, &first, "").await, region, "HTTP: {what}");
        assert_eq!(region_over_grpc(&manager, &first, "").await, region, "gRPC: {what}");
    }
}

#[tokio::test]
async fn a_proxy_header_may_come_in_pieces_and_with_the_request_behind_it() {
    let (manager, _primary) = manager("127.0.0.0/8", |_| {}).await;
    let first = header(PROXY, TCP4, &FROM_EU);
    let playlist = answer(&manager, &[&first[..3], &first[3..14], &first[14..17], &first[17..], GET]).await;
    assert!(playlist.starts_with("HTTP/1.1 200"), "{playlist}");
    let at_once = answer(&manager, &[&[&first[..], GET].concat()]).await;
    assert!(at_once.starts_with("HTTP/1.1 200"), "{at_once}");
}

#[tokio::test]
async fn who_must_send_a_proxy_header_and_does_not_is_closed() {
    let (manager, _primary) = manager("127.0.0.0/8", |config| config.http.max_proxy_header_bytes = 64).await;
    let mut wrong_version = header(PROXY, TCP4, &FROM_EU);
    wrong_version[12] = 0x11;
    let mut wrong_command = header(PROXY, TCP4, &FROM_EU);
    wrong_command[12] = 0x2f;
    for (what, first) in [
        ("HTTP", Vec::new()),
        ("version 1", b"PROXY TCP4 203.0.113.9 192.0.2.1 12345 7000\r\n".to_vec()),
        ("version 1 that is short", b"PROXY UNKNOWN\r\n".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("another version", wrong_version),
        ("another command", wrong_command),
        ("another family", header(PROXY, 0x41, &FROM_EU)),
        ("too few addresses", header(PROXY, TCP4, &FROM_EU[..8])),
        ("a header that is too long", header(PROXY, TCP4, &[0; 49])),
    ] {
        assert_eq!(answer(&manager, &[&first, GET]).await, "", "{what}");
    }
    let longest = header(PROXY, TCP4, &[&FROM_EU[..], &[0x04, 0, 33], &[0; 33]].concat());
    assert_eq!(longest.len(), 64);
    assert!(answer(&manager, &[&longest, GET]).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn who_is_not_named_is_not_believed() {
    let (manager, _primary) = manager("10.0.0.0/8", |_| {}).await;
    let text = answer(&manager, &[&header(PROXY, TCP4, &FROM_EU), GET]).await;
    assert!(text.starts_with("HTTP/1.1 400"), "it is simply bad HTTP: {text}");
    assert!(answer(&manager, &[GET]).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn forwarded_for_is_judged_by_the_address_of_the_proxy_header() {
    let trusting = |config: &mut Config| config.http.trusted_proxies = vec!["192.0.2.0/24".parse().unwrap()];
    let (manager, _primary) = manager("127.0.0.0/8", trusting).await;
    let from = |client: [u8; 4]| header(PROXY, TCP4, &[&client[..], &FROM_EU[4..]].concat());
    let claims = "\r\nx-forwarded-for: 203.0.113.9";
    for (what, client, region) in
        [("a trusted proxy", [192, 0, 2, 1], "eu"), ("anybody", [198, 51, 100, 1], "unknown")]
    {
        assert_eq!(region_over_http(&manager, &from(client), claims).await, region, "{what}");
    }
}
