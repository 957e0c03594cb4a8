//! Who is alive by what his connections carry: lines over real sockets.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

async fn sockets() -> (Arc<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (peer, accepted) = tokio::join!(connecting, listener.accept());
    (Arc::new(accepted.unwrap().0), peer.unwrap())
}

#[tokio::test]
async fn a_slow_reader_is_alive_for_as_long_as_it_takes_bytes_and_no_longer() {
    let (census, viewer) = (census(), session("a", Class::Steers));
    let (socket, mut peer) = sockets().await;
    let connected = Connected::new(&census, &socket, LOOPBACK);
    asks_on(&census, &viewer, "v0", connected.line(), 0).unwrap();
    // Write until the system takes no more: the peer reads nothing yet.
    let chunk = vec![0_u8; 1 << 20];
    socket.writable().await.unwrap();
    while let Ok(written) = socket.try_write(&chunk) {
        connected.line().wrote(written);
    }
    let queued = || crate::sys::unacknowledged(&socket).unwrap();
    let mut now = 4_000;
    assert_eq!(viewers(&census, now), 1);
    let mut piece = vec![0_u8; 64 << 10];
    for _ in 0..3 {
        let before = queued();
        assert!(before > 0, "the system has taken more than the peer will read");
        while queued() == before {
            peer.read_exact(&mut piece).await.unwrap();
        }
        now += 4_000;
        assert_eq!(viewers(&census, now), 1, "it takes bytes at {now}");
    }
    assert_eq!(viewers(&census, now + 5_001), 0, "it takes none any more");
}

#[tokio::test]
async fn a_reader_that_waits_for_our_upstream_is_alive() {
    let (census, viewer) = (census(), session("a", Class::Steers));
    let (socket, _peer) = sockets().await;
    let connected = Connected::new(&census, &socket, LOOPBACK);
    asks_on(&census, &viewer, "v0", connected.line(), 0).unwrap();
    let waiting = connected.line().wait();
    assert_eq!(viewers(&census, 30_000), 1);
    drop(waiting);
    assert_eq!(viewers(&census, 35_001), 0);
}

#[tokio::test]
async fn a_connection_that_is_closed_leaves_nothing_behind() {
    let (census, viewer) = (census(), session("a", Class::Steers));
    let (socket, mut peer) = sockets().await;
    let connected = Connected::new(&census, &socket, LOOPBACK);
    asks_on(&census, &viewer, "v0", connected.line(), 0).unwrap();
    peer.shutdown().await.unwrap();
    drop((connected, socket));
    assert_eq!(census.lines.len(), 0);
    assert_eq!(viewers(&census, 5_001), 0);
}

#[tokio::test]
async fn a_player_with_a_connection_for_segments_alone_is_alive_while_that_one_and_its_own_are_there() {
    let (census, viewer) = (census(), session("a", Class::Redirects));
    let ((first, _peer), (second, _other_peer)) = (sockets().await, sockets().await);
    let playlists = Connected::new(&census, &first, LOOPBACK);
    let segments = Connected::new(&census, &second, LOOPBACK);
    asks(&census, &viewer, "v0", 0).unwrap();
    asks_on(&census, &viewer, "v0", playlists.line(), 0).unwrap();
    census.media_asked("live", "v0", segments.line());
    let waiting = segments.line().wait();
    assert_eq!(viewers(&census, 30_000), 1);
    census.media_asked("live", "v1", segments.line());
    assert_eq!(viewers(&census, 35_001), 0, "it is somebody else's rendition now");
    asks_on(&census, &viewer, "v0", playlists.line(), 36_000).unwrap();
    asks_on(&census, &viewer, "v0", playlists.line(), 36_000).unwrap();
    census.media_asked("live", "v0", segments.line());
    assert_eq!(viewers(&census, 40_000), 1);
    drop(playlists);
    assert_eq!(viewers(&census, 45_001), 0, "its own connection is closed");
    drop(waiting);
    assert!(census.reloaders.is_empty());
}

#[tokio::test]
async fn a_player_that_closes_the_connection_of_its_first_reload_is_alive_while_its_first_segment_arrives() {
    let (census, viewer) = (census(), session("a", Class::Redirects));
    let (socket, _peer) = sockets().await;
    let segments = Connected::new(&census, &socket, LOOPBACK);
    asks(&census, &viewer, "v0", 0).unwrap();
    census.media_asked("live", "v0", segments.line());
    let waiting = segments.line().wait();
    assert_eq!(viewers(&census, 30_000), 1);
    drop(waiting);
    assert_eq!(viewers(&census, 35_001), 0);
}

#[tokio::test]
async fn a_player_that_says_it_runs_out_falls_behind_once_it_has_begun() {
    let (census, viewer) = (census(), session("a", Class::Steers));
    let (socket, mut peer) = sockets().await;
    let connected = Connected::new(&census, &socket, LOOPBACK);
    let line = connected.line();
    let short = hls::cmcd::Report { buffer_ms: Some(900), ..Default::default() };
    let behind = |ms: u64| {
        asks_on(&census, &viewer, "v0", line, ms).unwrap();
        line.tells(short, at(ms));
        line.wrote(socket.try_write(b"media").unwrap());
        census.sweep(at(ms));
        census.count().behind
    };
    assert_eq!(behind(0), 0, "everybody begins with nothing");
    assert_eq!(behind(6_000), 1);
    let mut read = [0; 10];
    peer.read_exact(&mut read).await.unwrap();
}
