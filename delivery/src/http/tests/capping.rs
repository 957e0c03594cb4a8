//! What viewers are given when the uplink gets tight: of those who play, of newcomers, and of relays.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use http::Request;
use policy::{Class, adaptation::Mode, routing::Kind, session::Session};

use super::stage::*;
use crate::{adaptation, clock::unix_now, upstream::PASS_HEADER};

/// How long sessions live by default: by this a token tells when it was made.
const LIFE_S: u64 = 24 * 3600;

/// The playlist of a rung for a session.
fn list(play: &Play, rung: &str, id: &str) -> String {
    format!("/live/{rung}/live.m3u8?s={}", play.token(&session(id, Class::Steers)))
}

/// A ladder whose cap an operator holds at the lowest rung.
async fn capped() -> Play {
    let play = Scene::with_ladder().begin().await;
    assert!(play.site.adaptation.pin("live", Some(0)));
    play.site.adapt().await;
    play
}

#[tokio::test]
async fn who_plays_is_sent_the_cap_from_the_next_segment_on() {
    let play = Scene::with_ladder().begin().await;
    let before = play.get(&list(&play, "720p", "a")).await;
    assert!(text(&before).ends_with("\n3.ts\n"));
    play.site.adaptation.pin("live", Some(0));
    play.site.adapt().await;
    assert_eq!(play.get(&list(&play, "720p", "a")).await.body(), before.body(), "what is listed stays");
    play.site.feed.newest.store(4, Relaxed);
    let after = play.get(&list(&play, "720p", "a")).await;
    assert!(text(&after).ends_with("\n3.ts\n#EXTINF:2.0,\n../240p/4.ts\n"), "{}", text(&after));
    assert!(text(&play.get(&list(&play, "240p", "c")).await).ends_with("\n4.ts\n"));
    play.site.adaptation.pin("live", Some(9));
    play.site.adapt().await;
    play.site.feed.newest.store(5, Relaxed);
    let after = play.get(&list(&play, "720p", "a")).await;
    assert!(text(&after).ends_with("../240p/4.ts\n#EXTINF:2.0,\n5.ts\n"), "{}", text(&after));
}

#[tokio::test]
async fn viewers_without_a_token_are_capped_and_relays_are_not() {
    let play = capped().await;
    assert!(text(&play.get("/live/720p/live.m3u8").await).contains("../240p/3.ts"));
    let relay = Request::get("/live/720p/live.m3u8").header(PASS_HEADER, play.pass());
    assert!(!text(&play.client().await.ask(relay).await).contains("../"));
}

#[tokio::test]
async fn a_rung_that_is_not_aligned_is_played_on_and_withheld_from_newcomers() {
    let play = capped().await;
    let told = |answer: &http::Response<bytes::Bytes>, rung: &str| text(answer).contains(rung);
    let newcomer = play.get("/live/index.m3u8").await;
    assert!(!told(&newcomer, "unaligned") && told(&newcomer, "720p"), "{}", text(&newcomer));
    assert!(!text(&play.get(&list(&play, "unaligned", "a")).await).contains("../"));
    play.site.adaptation.pin("live", Some(9));
    play.site.adapt().await;
    assert!(told(&play.get("/live/index.m3u8").await, "unaligned"));
}

#[tokio::test]
async fn where_the_server_picks_there_is_one_variant() {
    let mode = Some(Mode::Server { per_session: false });
    let play = Scene { mode, ..Scene::with_ladder() }.begin().await;
    let told = play.get("/live/index.m3u8").await;
    assert_eq!(text(&told).matches("#EXT-X-STREAM-INF").count(), 1, "{}", text(&told));
}

#[tokio::test]
async fn a_relay_follows_what_its_directive_says_of_who_picks() {
    let play = Scene { ladder: LADDER, ..Scene::relay() }.begin().await;
    let variants = |answer: &http::Response<bytes::Bytes>| text(answer).matches("#EXT-X-STREAM-INF").count();
    assert_eq!(variants(&play.get("/live/index.m3u8").await), 4);
    play.site.board.change(|situation| {
        situation.modes = [("live".parse().unwrap(), Mode::Server { per_session: false })].into();
    });
    assert_eq!(variants(&play.get("/live/index.m3u8").await), 1);
}

#[tokio::test]
async fn more_viewers_than_fit_at_any_rung_are_refused_and_those_who_play_go_on() {
    // 0.8 Mb/s for viewers: two at 300 kb/s.
    let play = Scene { uplink: Some(1_000_000), ..Scene::with_ladder() }.begin().await;
    assert_eq!(play.site.adaptation.standing().room, 2);
    for id in ["a", "b"] {
        assert_eq!(play.get(&list(&play, "720p", id)).await.status(), 200);
    }
    let refused = play.get(&list(&play, "720p", "c")).await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (503, "5"));
    assert!(text(&refused).contains("as many viewers as it takes (2)"), "{}", text(&refused));
    assert_eq!(play.get("/live/index.m3u8").await.status(), 503);
    assert_eq!(play.viewers_after(TARGET), 2);
    play.site.adapt().await;
    assert_eq!(play.site.adaptation.standing().caps[0].rendition.as_str(), "240p");
    play.site.feed.newest.store(4, Relaxed);
    assert!(text(&play.get(&list(&play, "720p", "a")).await).ends_with("../240p/4.ts\n"));
}

#[tokio::test]
async fn where_players_pick_alone_nothing_is_capped_and_nobody_refused_for_it() {
    let (uplink, mode) = (Some(1_000_000), Some(Mode::Client));
    let play = Scene { uplink, mode, ..Scene::with_ladder() }.begin().await;
    for id in ["a", "b", "c", "d"] {
        assert_eq!(play.get(&list(&play, "720p", id)).await.status(), 200);
    }
    assert_eq!(play.viewers_after(TARGET), 4);
    play.site.adapt().await;
    assert!(play.site.adaptation.standing().caps.is_empty());
}

#[tokio::test]
async fn an_operator_orders_a_cap_by_name_or_place_and_is_told_what_cannot_be() {
    let play = Scene::with_ladder().begin().await;
    let order = |query: &str| play.site.adaptation.order(query);
    let cap = || play.site.adaptation.standing().caps.first().map(|cap| cap.rendition.to_string());
    order("stream=live&rung=360p").unwrap();
    play.site.adapt().await;
    assert_eq!(cap().as_deref(), Some("360p"));
    order("stream=live&rung=0").unwrap();
    play.site.adapt().await;
    assert_eq!(cap().as_deref(), Some("240p"));
    order("stream=live&rung=auto").unwrap();
    play.site.adapt().await;
    assert_eq!(cap().as_deref(), Some("240p"), "it climbs as it always does");
    for (query, says) in [
        ("rung=0", "there are: live"),
        ("stream=live&rung=4k", "240p, 360p, 720p, unaligned"),
        ("stream=live", "or auto"),
    ] {
        let error = order(query).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn players_are_told_up_to_which_bitrate_to_ask_where_it_is_for_them_to_heed() {
    let play = Scene::with_ladder().begin().await;
    let told = play.get(&list(&play, "720p", "a")).await;
    assert_eq!(header(&told, "cmsd-dynamic"), "\"primary\";mb=2100");
    assert!(header(&told, "access-control-expose-headers").contains("CMSD-Dynamic"));
    play.site.adaptation.pin("live", Some(0));
    play.site.adapt().await;
    assert_eq!(header(&play.get(&list(&play, "240p", "b")).await, "cmsd-dynamic"), "\"primary\";mb=300;du");
    for mode in [Mode::Client, Mode::Server { per_session: false }] {
        let alone = Scene { mode: Some(mode), ..Scene::with_ladder() }.begin().await;
        assert_eq!(header(&alone.get(&list(&alone, "720p", "a")).await, "cmsd-dynamic"), "", "{mode:?}");
    }
}

#[tokio::test]
async fn where_the_server_picks_for_each_a_session_is_sent_what_its_own_line_carries() {
    let mode = Some(Mode::Server { per_session: true });
    let rung_cap = adaptation::Config { hold: Duration::ZERO, ..adaptation::Config::default() };
    let play = Scene { mode, rung_cap, ..Scene::with_ladder() }.begin().await;
    let (mut fast, mut unknown) = (play.client().await, play.client().await);
    for (client, id) in [(&mut fast, "fast"), (&mut unknown, "unknown")] {
        let first = client.get(&list(&play, "720p", id)).await;
        assert!(text(&first).ends_with("../240p/3.ts\n"), "nobody knows its line yet: {}", text(&first));
    }
    assert_eq!(fast.get("/live/720p/3.m4s").await.body().len(), 16 << 20);
    for _ in 0..3 {
        play.site.adapt().await;
    }
    play.site.feed.newest.store(4, Relaxed);
    let after = fast.get(&list(&play, "720p", "fast")).await;
    assert!(text(&after).ends_with("../240p/3.ts\n#EXTINF:2.0,\n4.ts\n"), "{}", text(&after));
    let after = unknown.get(&list(&play, "720p", "unknown")).await;
    assert!(text(&after).ends_with("../240p/3.ts\n#EXTINF:2.0,\n../240p/4.ts\n"), "{}", text(&after));
    play.site.adaptation.pin("live", Some(1));
    play.site.adapt().await;
    play.site.feed.newest.store(5, Relaxed);
    let after = fast.get(&list(&play, "720p", "fast")).await;
    assert!(text(&after).ends_with("\n4.ts\n#EXTINF:2.0,\n../360p/5.ts\n"), "nor more than the server's cap");
}

#[tokio::test]
async fn a_player_that_names_segments_of_another_rung_on_another_connection_is_one_viewer() {
    let play = capped().await;
    let session = session("a", Class::Redirects);
    let playlist = format!("/live/720p/live.m3u8?s={}", play.token(&session));
    let mut reloads = play.client().await;
    assert!(text(&reloads.get(&playlist).await).ends_with("../240p/3.ts\n"));
    // Four million bytes that nobody reads yet: the system holds what it can.
    let mut media = play.client().await;
    let request =
        Request::get("/live/240p/3.m4s").header("host", "test").body(http_body_util::Full::default());
    let answer = media.begin(request.unwrap()).await;
    assert_eq!(play.viewers_after(Duration::from_secs(4)), 1);
    let mut body = answer.into_body();
    use http_body_util::BodyExt as _;
    for _ in 0..20 {
        soon(body.frame()).await.unwrap().unwrap();
    }
    assert_eq!(play.viewers_after(Duration::from_secs(8)), 1, "it is being sent what its playlist names");
}

#[tokio::test]
async fn who_comes_when_the_cap_has_fallen_is_listed_nothing_of_before_and_soon_what_all_are() {
    let play = Scene::with_ladder().begin().await;
    play.get(&list(&play, "720p", "a")).await;
    play.site.adaptation.pin("live", Some(0));
    play.site.adapt().await;
    let fresh = Session { expires_unix: unix_now() + LIFE_S, ..session("b", Class::Steers) };
    let newcomer = format!("/live/720p/live.m3u8?s={}", play.token(&fresh));
    for newest in [3, 4] {
        play.site.feed.newest.store(newest, Relaxed);
        let given = play.get(&newcomer).await;
        assert_eq!(text(&given).matches("../240p/").count() as u64, newest, "{}", text(&given));
    }
    let all = play.get(&list(&play, "720p", "a")).await;
    assert_eq!(text(&all).matches("../240p/").count(), 1, "{}", text(&all));
    play.site.adaptation.pin("live", Some(9));
    play.site.adapt().await;
    play.site.feed.newest.store(5, Relaxed);
    let given = play.get(&newcomer).await;
    assert!(text(&given).ends_with("../240p/4.ts\n#EXTINF:2.0,\n5.ts\n"), "{}", text(&given));
}

#[tokio::test]
async fn who_comes_while_little_is_left_of_the_uplink_begins_lower_and_goes_on_as_all_do() {
    // Of 4.5 Mb/s that may be filled three segments of 360p take 2.5 at once, and of 720p more than there are.
    let uplink = Some(5_000_000);
    let play = Scene { uplink, ..Scene::with_ladder() }.begin().await;
    play.site.adapt().await;
    let fresh = Session { expires_unix: unix_now() + LIFE_S, ..session("a", Class::Redirects) };
    let newcomer = format!("/live/720p/live.m3u8?s={}", play.token(&fresh));
    let given = play.get(&newcomer).await;
    assert_eq!(text(&given).matches("../360p/").count(), 3, "{}", text(&given));
    let other = Session { id: "b".parse().unwrap(), ..fresh.clone() };
    let given = play.get(&format!("/live/720p/live.m3u8?s={}", play.token(&other))).await;
    assert_eq!(text(&given).matches("../240p/").count(), 3, "what is left is promised: {}", text(&given));
    assert!(!text(&play.get(&list(&play, "720p", "moved")).await).contains("../"), "it began elsewhere");
    play.site.feed.newest.store(4, Relaxed);
    let given = play.get(&newcomer).await;
    assert!(text(&given).ends_with("../360p/3.ts\n#EXTINF:2.0,\n4.ts\n"), "{}", text(&given));
    play.viewers_after(TARGET);
    assert_eq!(play.viewers_after(Duration::from_secs(9)), 0, "it falls silent, while its token is as new");
    let again = play.get(&format!("/live/360p/live.m3u8?s={}", play.token(&fresh))).await;
    assert!(!text(&again).contains("../"), "it may have been listed that before: {}", text(&again));
    for (mode, uplink) in [(Mode::Client, uplink), (Mode::Capped, Some(50_000_000)), (Mode::Capped, None)] {
        let play = Scene { uplink, mode: Some(mode), ..Scene::with_ladder() }.begin().await;
        play.site.adapt().await;
        let newcomer = format!("/live/720p/live.m3u8?s={}", play.token(&fresh));
        assert!(!text(&play.get(&newcomer).await).contains("../"), "{mode:?} {uplink:?}");
    }
}

#[tokio::test]
async fn who_is_sent_to_a_relay_as_he_begins_begins_lower_there_too() {
    let play = Scene { kind: Kind::Relay, uplink: Some(5_000_000), ..Scene::with_ladder() }.begin().await;
    play.site.adapt().await;
    let fresh = Session { expires_unix: unix_now() + LIFE_S, ..session("a", Class::Redirects) };
    for (viewer, lowered) in [(&fresh, 3), (&session("b", Class::Redirects), 0)] {
        let given = play.get(&format!("/live/720p/live.m3u8?s={}", play.token(viewer))).await;
        assert_eq!(text(&given).matches("../360p/").count(), lowered, "{viewer:?}: {}", text(&given));
    }
}

#[tokio::test]
async fn where_the_rung_to_begin_with_cannot_be_had_another_is_given_and_that_is_promised() {
    for (lowest, given, taken) in
        [(THERE, "\n../240p/3.ts", 0.9e6), (FAILS, "\n../360p/3.ts", 2.5e6), (SILENT, "\n3.ts", 6.3e6)]
    {
        let play = Scene { uplink: Some(1_000_000), ..Scene::with_ladder() }.begin().await;
        play.site.adapt().await;
        play.site.feed.lowest.store(lowest, Relaxed);
        let left = || play.site.adaptation.ladder("live").unwrap().uplink().unwrap().left;
        let before = left();
        let fresh = Session { expires_unix: unix_now() + LIFE_S, ..session("a", Class::Redirects) };
        let list = play.get(&format!("/live/720p/live.m3u8?s={}", play.token(&fresh))).await;
        assert!(text(&list).contains(given), "{}", text(&list));
        assert!((before - left() - taken).abs() < 0.1e6, "{} of {before} are left", left());
    }
}

#[tokio::test]
async fn a_newcomer_that_asks_twice_at_once_is_listed_the_same_twice() {
    // However late the second comes, the first waits for it.
    let rung_cap =
        adaptation::Config { interval: PATIENCE, window: PATIENCE, ..adaptation::Config::default() };
    let play = Scene { uplink: Some(1_000_000), rung_cap, ..Scene::with_ladder() }.begin().await;
    play.site.adapt().await;
    let fresh = Session { expires_unix: unix_now() + LIFE_S, ..session("a", Class::Redirects) };
    let newcomer = format!("/live/720p/live.m3u8?s={}", play.token(&fresh));
    let feed = &play.site.feed;
    feed.lowest.store(SILENT, Relaxed);
    let [mut one, mut two] = [play.client().await, play.client().await];
    let both_wait = async {
        while feed.waiting.load(Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        feed.lowest.store(THERE, Relaxed);
    };
    let (one, two, ()) =
        soon(async { tokio::join!(one.get(&newcomer), two.get(&newcomer), both_wait) }).await;
    assert!(text(&one).contains("../240p/3.ts"), "{}", text(&one));
    assert_eq!(text(&one), text(&two));
}

#[tokio::test]
async fn a_player_that_looks_at_every_rung_as_it_begins_is_promised_each_of_them() {
    let play = Scene { uplink: Some(5_000_000), ..Scene::with_ladder() }.begin().await;
    play.site.adapt().await;
    let fresh = Session { expires_unix: unix_now() + LIFE_S, ..session("a", Class::Redirects) };
    // The first two take 3.5 of 4.5 Mb/s.
    for (rung, lowered) in [("240p", 0), ("360p", 0), ("720p", 3)] {
        let given = play.get(&format!("/live/{rung}/live.m3u8?s={}", play.token(&fresh))).await;
        assert_eq!(text(&given).matches("../240p/").count(), lowered, "{rung}: {}", text(&given));
    }
}

#[tokio::test]
async fn who_comes_back_after_a_silence_is_listed_what_was_listed_before() {
    let play = Scene::with_ladder().begin().await;
    let returns = list(&play, "720p", "a");
    let before = play.get(&returns).await;
    play.viewers_after(TARGET);
    assert_eq!(play.viewers_after(Duration::from_secs(60)), 0, "it is gone from the census");
    play.site.adaptation.pin("live", Some(0));
    play.site.adapt().await;
    assert_eq!(play.get(&returns).await.body(), before.body());
}

#[tokio::test]
async fn what_one_session_alone_was_listed_is_remembered_while_it_is_silent() {
    let mode = Some(Mode::Server { per_session: true });
    let rung_cap = adaptation::Config { hold: Duration::ZERO, ..adaptation::Config::default() };
    let play = Scene { mode, rung_cap, ..Scene::with_ladder() }.begin().await;
    let playlist = list(&play, "720p", "a");
    let mut fast = play.client().await;
    fast.get(&playlist).await;
    fast.get("/live/720p/3.m4s").await;
    for _ in 0..3 {
        play.site.adapt().await;
    }
    play.site.feed.newest.store(4, Relaxed);
    let before = fast.get(&playlist).await;
    assert!(text(&before).ends_with("../240p/3.ts\n#EXTINF:2.0,\n4.ts\n"), "{}", text(&before));
    play.viewers_after(TARGET);
    assert_eq!(play.viewers_after(Duration::from_secs(20)), 0);
    assert_eq!(play.get(&playlist).await.body(), before.body());
}
