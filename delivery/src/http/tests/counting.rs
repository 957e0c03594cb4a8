//! Whom it counts, refuses, redirects and exempts.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use policy::{
    Class, Phase, Region, ServerId,
    redirects::{RedirectQuota, RelayQuota},
    routing::Slot,
};

use super::stage::*;
use crate::upstream::{PASS_HEADER, SWITCHING_SET_HEADER};

/// Nothing, later.
const NOW: Duration = Duration::ZERO;

#[tokio::test]
async fn a_newcomer_beyond_the_capacity_is_told_when_to_come_again_and_who_plays_goes_on() {
    let play = Scene { capacity: 1, ..Scene::relay() }.begin().await;
    let (first, second) = (session("a", Class::Steers), session("b", Class::Steers));
    let mut client = play.client().await;
    assert_eq!(client.get(&play.playlist(&first)).await.status(), StatusCode::OK);
    for path in [play.playlist(&second), "/live/index.m3u8".to_owned()] {
        let refused = play.get(&path).await;
        assert_eq!(
            (refused.status(), header(&refused, "retry-after")),
            (StatusCode::SERVICE_UNAVAILABLE, "5")
        );
    }
    assert_eq!(client.get(&play.playlist(&first)).await.status(), StatusCode::OK);
    let relay = Request::get(play.playlist(&second)).header(PASS_HEADER, play.pass());
    assert_eq!(play.client().await.ask(relay).await.status(), StatusCode::OK);
    assert_eq!((play.viewers_after(NOW), play.site.census.refused_total()), (1, 2));
}

#[tokio::test]
async fn a_relay_that_stands_by_says_so_and_drains_for_whoever_still_asks() {
    let play = Scene::relay().begin().await;
    let viewer = session("a", Class::Steers);
    for (phase, expected) in [
        (Phase::Standby, StatusCode::SERVICE_UNAVAILABLE),
        (Phase::Serving, StatusCode::OK),
        (Phase::Draining, StatusCode::OK),
    ] {
        play.site.board.change(|situation| situation.phase = phase);
        let answer = play.get(&play.playlist(&viewer)).await;
        assert_eq!(answer.status(), expected, "{phase}");
    }
    assert_eq!(play.site.census.refused_total(), 1);
}

#[tokio::test]
async fn a_relay_may_wait_for_a_segment_and_is_not_counted() {
    let play = Scene::default().begin().await;
    let relay = Request::get("/live/v0/live.m3u8?_HLS_msn=4").header(PASS_HEADER, play.pass());
    let answer = play.client().await.ask(relay).await;
    assert!(text(&answer).ends_with("#waited for 4\n"));
    assert_eq!(answer.headers()[SWITCHING_SET_HEADER], "00000000000000a1");
    assert_eq!(text(&play.get("/live/v0/live.m3u8?_HLS_msn=4").await), LIST, "viewers may not");
    assert_eq!(play.viewers_after(NOW), 1);
    let forged = Request::get("/live/v0/live.m3u8?_HLS_msn=4").header(PASS_HEADER, "forged");
    assert_eq!(text(&play.client().await.ask(forged).await), LIST);
}

#[tokio::test]
async fn a_primary_that_has_just_been_started_again_does_not_take_its_relays_for_viewers() {
    let mut scene = Scene::default();
    let keys = scene.situation.keys.take();
    let play = scene.begin().await;
    let ask = || Request::get("/live/v0/live.m3u8?_HLS_msn=4").header(PASS_HEADER, "of the fleet");
    assert!(text(&play.client().await.ask(ask()).await).ends_with("#waited for 4\n"));
    assert_eq!(play.viewers_after(NOW), 0);
    play.site.board.change(|situation| situation.keys.clone_from(&keys));
    assert_eq!(text(&play.client().await.ask(ask()).await), LIST, "from now on it can be told");
}

#[tokio::test]
async fn the_playlist_is_the_same_bytes_for_every_session_and_a_head_does_not_count() {
    let play = Scene::default().begin().await;
    let viewer = session("a", Class::Steers);
    for _ in 0..3 {
        play.client().await.ask(Request::head(play.playlist(&viewer))).await;
    }
    assert_eq!(play.viewers_after(Duration::from_secs(3)), 0);
    for id in ["a", "b"] {
        assert_eq!(text(&play.get(&play.playlist(&session(id, Class::Fixed))).await), LIST);
    }
    assert_eq!(play.viewers_after(Duration::from_secs(3)), 2);
}

#[tokio::test]
async fn an_expired_forged_or_foreign_token_plays_as_anonymous() {
    let play = Scene::default().begin().await;
    let mut expired = session("a", Class::Steers);
    expired.expires_unix = 1;
    let mut foreign = session("b", Class::Steers);
    foreign.stream = "other".parse().unwrap();
    for path in [play.playlist(&expired), play.playlist(&foreign), "/live/v0/live.m3u8?s=forged".into()] {
        assert_eq!(play.get(&path).await.status(), StatusCode::OK, "{path}");
    }
    // Three reloads in 5 s, at 2 s each, are the traces of one viewer.
    assert_eq!(play.viewers_after(NOW), 1);
    assert_eq!(play.site.census.count().viewers[0].class, Class::Fixed);
}

#[tokio::test]
async fn with_require_token_nobody_plays_without() {
    let http = super::super::Config { require_token: true, ..Default::default() };
    let play = Scene { http, ..Scene::default() }.begin().await;
    for path in ["/live/index.m3u8", "/live/v0/live.m3u8?s=forged"] {
        assert_eq!(play.get(path).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let path = play.playlist(&session("a", Class::Steers));
    assert_eq!(play.get(&path).await.status(), StatusCode::OK);
    play.site.board.change(|situation| situation.keys = None);
    let before_the_keys = play.get(&path).await;
    assert_eq!(before_the_keys.status(), StatusCode::SERVICE_UNAVAILABLE, "who plays is not told to go");
    assert_eq!(header(&before_the_keys, "retry-after"), "5");
}

#[tokio::test]
async fn a_viewer_beyond_what_the_primary_keeps_is_sent_to_the_relay_and_counted_there_alone() {
    let play = Scene::default().in_fleet().begin().await;
    let relay =
        Slot { id: ServerId::of_relay("127.0.0.2").unwrap(), base_url: "http://127.0.0.2:8080".into() };
    let region: Region = "eu".parse().unwrap();
    let quota = |keep, viewers| {
        [RedirectQuota {
            region: region.clone(),
            keep,
            relays: vec![RelayQuota { relay: relay.clone(), viewers }],
        }]
    };
    let (kept, sent) = (session("a", Class::Redirects), session("b", Class::Redirects));
    for viewer in [&kept, &kept, &sent, &sent] {
        assert_eq!(play.get(&play.playlist(viewer)).await.status(), StatusCode::OK);
    }
    assert_eq!(play.viewers_after(NOW), 2);
    play.site.redirects.follow(&quota(1, 1));
    let mut redirected = Vec::new();
    for viewer in [&kept, &sent, &kept, &sent] {
        let path = play.playlist(viewer);
        let answer = play.get(&path).await;
        if answer.status() == StatusCode::TEMPORARY_REDIRECT {
            assert_eq!(header(&answer, "location"), format!("http://127.0.0.2:8080{path}"));
            assert_eq!(header(&answer, "cache-control"), "no-store");
            redirected.push(viewer.id.clone());
        }
    }
    assert_eq!(redirected.len(), 2, "one of them, at each of its reloads: {redirected:?}");
    assert!(redirected[0] == redirected[1]);
    assert_eq!(play.viewers_after(NOW), 1);
    assert_eq!(play.site.redirects.tallies(play.site.clock.now())[0].viewers, 1);
    play.site.redirects.follow(&[]);
    assert_eq!(play.get(&play.playlist(&sent)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_book_remembers_who_was_sent_on_as_long_as_the_census_would() {
    let census = crate::census::Config { min_life: Duration::from_secs(30), ..Default::default() };
    let play = Scene { census, ..Scene::default() }.in_fleet().begin().await;
    let relay =
        Slot { id: ServerId::of_relay("127.0.0.2").unwrap(), base_url: "http://127.0.0.2:8080".into() };
    let relays = vec![RelayQuota { relay, viewers: 1 }];
    play.site.redirects.follow(&[RedirectQuota { region: "eu".parse().unwrap(), keep: 0, relays }]);
    play.get(&play.playlist(&session("a", Class::Redirects))).await;
    let tallies = |later| play.site.redirects.tallies(play.site.clock.now() + Duration::from_secs(later));
    assert_eq!((tallies(20).len(), tallies(40).len()), (1, 0));
}

#[tokio::test]
async fn a_relay_never_redirects() {
    let play = Scene::relay().in_fleet().begin().await;
    let relay =
        Slot { id: ServerId::of_relay("127.0.0.3").unwrap(), base_url: "http://127.0.0.3:8080".into() };
    play.site.redirects.follow(&[RedirectQuota {
        region: "eu".parse().unwrap(),
        keep: 0,
        relays: vec![RelayQuota { relay, viewers: 9 }],
    }]);
    assert_eq!(play.get(&play.playlist(&session("a", Class::Redirects))).await.status(), StatusCode::OK);
    assert_eq!(play.viewers_after(NOW), 1);
}

#[tokio::test]
async fn a_slow_reader_stays_counted_while_it_takes_bytes_and_is_gone_when_it_takes_none() {
    let play = Scene::default().begin().await;
    let mut client = play.client().await;
    client.get(&play.playlist(&session("a", Class::Steers))).await;
    let request = Request::get("/live/v0/3.m4s").header("host", "test").body(Full::default()).unwrap();
    let mut segment = client.begin(request).await.into_body();
    play.viewers_after(NOW);
    let mut later = NOW;
    for _ in 0..3 {
        let mut read = 0;
        while read < 3 << 20 {
            read += soon(segment.frame()).await.unwrap().unwrap().into_data().unwrap().len();
        }
        later += Duration::from_secs(4);
        assert_eq!(play.viewers_after(later), 1, "after {later:?}");
    }
    drop((segment, client));
    assert_eq!(play.viewers_after(later + Duration::from_secs(6)), 0);
}
