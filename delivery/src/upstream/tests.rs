//! The pull side against an origin in this process.

mod origin;

use std::{future::Future, sync::Arc, time::Duration};

use hls::Resource;
use policy::{Phase, session::Keys};
use service::BackoffConfig;
use tokio::time::timeout;

use self::origin::{AGE_S, OBJECT, Origin, SWITCHING_SET};
use super::*;
use crate::situation::Situation;

const PATIENCE: Duration = Duration::from_secs(10);

/// A relay that was told to pull `live` from `origin`.
fn relay_of(origin: &Origin) -> Arc<Upstream> {
    service::program::install_tls();
    let board = Arc::new(Board::new(Situation::at_start(Phase::Serving)));
    board.change(|situation| {
        situation.streams = vec!["live".parse().unwrap()];
        situation.upstream = Some(Arc::clone(&origin.base_url));
        situation.keys = Some(Arc::new(Keys::derive(b"secret", 1)));
    });
    let retry = BackoffConfig { first: Duration::from_millis(5), longest: Duration::from_millis(20) };
    let config = Config { retry, ..Config::default() };
    let id = "relay-127-0-0-2".parse().unwrap();
    Arc::new(Upstream::new(id, board, config, object::Config::default()).unwrap())
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it happens in time")
}

async fn until(happened: impl Fn() -> bool) {
    soon(async {
        while !happened() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn segment(path: &str) -> Resource<'_> {
    Resource::parse(path).unwrap()
}

#[tokio::test]
async fn a_crowd_at_a_cold_relay_is_one_request_for_each_thing() {
    let origin = Origin::listing(Some(7)).await;
    let relay = relay_of(&origin);
    let viewers: Vec<_> = (0..200)
        .map(|_| {
            let relay = Arc::clone(&relay);
            tokio::spawn(async move {
                relay.multivariant("live").await.unwrap();
                let playlist = relay.media_playlist("live", "360p", None).await.unwrap();
                let object = relay.object(&segment("/live/360p/7.m4s")).await.unwrap();
                (playlist.newest, object.read().await.unwrap())
            })
        })
        .collect();
    for viewer in viewers {
        assert_eq!(soon(viewer).await.unwrap(), (Some(7), OBJECT.into()));
    }
    assert_eq!(origin.asked("/live/index.m3u8"), 1);
    assert_eq!(origin.asked("/live/360p/7.m4s"), 1);
    until(|| origin.asked("/live/360p/live.m3u8?_HLS_msn=8") == 1).await;
    assert_eq!(origin.asked("/live/360p/live.m3u8"), 2, "one at once, one that is held");
    assert_eq!(origin.asked("720p"), 0, "nobody watches it");
}

#[tokio::test]
async fn a_playlist_is_as_old_as_its_upstream_says() {
    let relay = relay_of(&Origin::listing(Some(7)).await);
    let playlist = soon(relay.media_playlist("live", "720p", None)).await.unwrap();
    assert!(playlist.given_at.unwrap().elapsed() >= Duration::from_secs(AGE_S));
}

#[tokio::test]
async fn what_may_stand_for_a_rendition_is_what_its_upstream_says() {
    let relay = relay_of(&Origin::listing(Some(7)).await);
    let playlist = soon(relay.media_playlist("live", "720p", None)).await.unwrap();
    assert_eq!(playlist.switching_set.unwrap().to_string(), SWITCHING_SET);
}

#[tokio::test]
async fn a_new_segment_is_here_as_soon_as_it_is_listed() {
    let origin = Origin::listing(Some(7)).await;
    let relay = relay_of(&origin);
    soon(relay.media_playlist("live", "720p", None)).await.unwrap();
    until(|| origin.asked("_HLS_msn=8") == 1).await;
    origin.lists(8);
    let playlist = soon(relay.media_playlist("live", "720p", Some(8))).await.unwrap();
    assert_eq!(playlist.newest, Some(8));
    assert!(playlist.body.ends_with(b"8.m4s\n"), "byte for byte what the origin sent");
    until(|| origin.asked("/live/720p/8.m4s") == 1).await;
    until(|| origin.asked("_HLS_msn=9") == 1).await;
}

#[tokio::test]
async fn while_the_upstream_fails_the_last_playlist_is_served_and_its_return_is_noticed() {
    let origin = Origin::listing(Some(7)).await;
    let relay = relay_of(&origin);
    soon(relay.media_playlist("live", "360p", None)).await.unwrap();
    origin.fails(true);
    until(|| !relay.health().healthy).await;
    let stale = soon(relay.media_playlist("live", "360p", None)).await.unwrap();
    assert_eq!(stale.newest, Some(7));
    origin.lists(9);
    origin.fails(false);
    until(|| relay.health().healthy).await;
    let playlist = soon(relay.media_playlist("live", "360p", Some(9))).await.unwrap();
    assert_eq!(playlist.newest, Some(9));
    assert!(relay.health().failures_total >= 1);
}

#[tokio::test]
async fn an_object_that_breaks_in_the_middle_goes_on_from_the_byte_reached() {
    let origin = Origin::listing(Some(7)).await;
    let relay = relay_of(&origin);
    origin.breaks_once();
    let object = soon(relay.object(&segment("/live/360p/5.m4s"))).await.unwrap();
    assert_eq!(soon(object.read()).await.unwrap(), OBJECT);
    assert_eq!(origin.asked("/live/360p/5.m4s bytes=5-"), 1);
    assert_eq!(origin.asked("/live/360p/5.m4s"), 2);
}

#[tokio::test]
async fn only_the_server_that_the_directive_names_is_asked_with_a_pass() {
    let (origin, other) = (Origin::listing(Some(7)).await, Origin::listing(Some(20)).await);
    let relay = relay_of(&origin);
    soon(relay.media_playlist("live", "360p", None)).await.unwrap();
    relay.board.change(|situation| situation.upstream = Some(Arc::clone(&other.base_url)));
    let playlist = soon(async {
        loop {
            let playlist = relay.media_playlist("live", "360p", None).await.unwrap();
            if playlist.newest == Some(20) {
                break playlist;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!playlist.ended);
    let keys = Keys::derive(b"secret", 1);
    for pass in origin.passes().into_iter().chain(other.passes()) {
        assert_eq!(keys.verify_pass(&pass.unwrap(), 0).unwrap().as_str(), "relay-127-0-0-2");
    }
}

#[tokio::test]
async fn what_there_is_not_is_named() {
    let origin = Origin::listing(Some(7)).await;
    let relay = relay_of(&origin);
    let stream = soon(relay.media_playlist("liev", "360p", None)).await.unwrap_err().to_string();
    assert!(stream.contains("liev") && stream.contains("live"), "{stream}");
    let rendition = soon(relay.media_playlist("live", "4k", None)).await.unwrap_err().to_string();
    assert!(rendition.contains("4k") && rendition.contains("360p, 720p"), "{rendition}");
    let segment = hls::Resource::parse("/live/4k/7.m4s").unwrap();
    let object = soon(relay.object(&segment)).await.unwrap_err();
    assert!(object.to_string().contains("360p, 720p"), "{object}");
    assert_eq!(origin.asked("4k"), 0, "the upstream is not asked for it");
    let far = soon(relay.media_playlist("live", "360p", Some(99))).await.unwrap_err();
    assert_eq!(far, Error::TooFarAhead { asked: 99, newest: 7 });
}

#[tokio::test]
async fn before_a_directive_no_stream_is_said_not_to_exist() {
    let relay = relay_of(&Origin::listing(Some(7)).await);
    relay.board.change(|situation| situation.streams.clear());
    let error = soon(relay.multivariant("live")).await.unwrap_err();
    assert_eq!(error, Error::NotReady("live".parse().unwrap()));
    assert!(soon(relay.warm()).await.is_err());
}

#[tokio::test]
async fn a_rendition_that_the_upstream_lacks_keeps_no_relay_from_serving_the_others() {
    for (lacking, warmed) in [("360p", "720p"), ("720p", "360p")] {
        let origin = Origin::listing(Some(7)).await;
        origin.lacks(lacking);
        soon(relay_of(&origin).warm()).await.unwrap();
        assert_eq!(origin.asked(&format!("/live/{warmed}/7.m4s")), 1);
    }
}

#[tokio::test]
async fn a_relay_is_warm_when_every_rendition_lists_a_segment_and_the_lowest_can_be_had() {
    let origin = Origin::listing(None).await;
    let relay = relay_of(&origin);
    assert_eq!(soon(relay.warm()).await, Err(Error::NotReady("live".parse().unwrap())));
    origin.lists(7);
    soon(relay.warm()).await.unwrap();
    assert_eq!(origin.asked("/live/360p/7.m4s"), 1);
    assert_eq!(origin.asked("/live/720p/7.m4s"), 0);
    assert_eq!(origin.asked("_HLS_msn"), 0, "warming leaves nothing running behind");
}
