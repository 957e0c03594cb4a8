//! What players say of how it plays, and whose region it counts for.

use http::Request;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use policy::{
    Class, ServerId,
    redirects::{RedirectQuota, RelayQuota},
    routing::Slot,
};

use super::stage::*;
use crate::upstream::PASS_HEADER;

/// Everything at once: 4.1 s held, 25 Mb/s measured, stalled, in need.
const ALL: &str = "CMCD=bl%3D4100%2Cbs%2Cmtp%3D25000%2Csid%3D%22bl%3D9%22%2Csu";

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().build_recorder()
}

/// What `/metrics` says of viewers in `region`: seconds held, bytes a second measured, stalls, start-ups.
fn told(recorder: &PrometheusRecorder, region: &str) -> [f64; 4] {
    let shown = recorder.handle().render();
    let sum = |name: &str| -> f64 {
        let start = format!("spillway_viewer_{name}{{region=\"{region}\"}} ");
        let value = shown.lines().find_map(|line| line.strip_prefix(&start));
        value.map_or(-1.0, |value| value.parse().unwrap())
    };
    let names = ["buffer_seconds_sum", "throughput_bytes_per_second_sum", "stalls_total", "startups_total"];
    names.map(sum)
}

/// Nobody there has said anything.
const UNHEARD: [f64; 4] = [-1.0; 4];
/// Shown from the start, so that the first stall is seen as a step.
const SILENT: [f64; 4] = [0.0; 4];

#[tokio::test]
async fn what_a_player_says_counts_for_the_region_of_its_session_with_playlists_and_with_media() {
    let recorder = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let play = Scene::default().begin().await;
    assert_eq!((told(&recorder, "default"), told(&recorder, "eu")), (SILENT, UNHEARD));
    let playlist = play.playlist(&session("a", Class::Steers));
    let mut client = play.client().await;
    client.get(&playlist).await;
    assert_eq!(told(&recorder, "eu"), UNHEARD, "it says nothing");
    client.get(&format!("{playlist}&{ALL}")).await;
    assert_eq!(told(&recorder, "eu"), [4.1, 3_125e3, 1.0, 1.0]);
    let segment = Request::get("/live/v0/1.m4s").header("cmcd-request", "bl=1000,mtp=5000,su");
    client.ask(segment.header("cmcd-status", "rtp=900").header("cmcd-status", "bs")).await;
    client.get(&format!("/live/v0/1.m4s?{ALL}")).await;
    assert_eq!(told(&recorder, "eu"), [4.1 + 1.0 + 4.1, 6_875e3, 3.0, 1.0], "a session starts up once");
    assert_eq!(told(&recorder, "default"), SILENT);
}

#[tokio::test]
async fn a_header_is_taken_before_the_query_key_by_key() {
    let recorder = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let play = Scene::default().begin().await;
    let path = format!("{}&{ALL}", play.playlist(&session("a", Class::Steers)));
    let request = Request::get(path).header("CMCD-Request", "bl=1000,su=?0").header("CMCD-Object", "d=\"");
    play.client().await.ask(request).await;
    assert_eq!(told(&recorder, "eu"), [1.0, 3_125e3, 1.0, 0.0]);
}

#[tokio::test]
async fn what_belongs_to_no_session_counts_for_the_region_of_the_server_and_starts_none_up() {
    let recorder = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let play = Scene::default().begin().await;
    for path in ["/live/v0/live.m3u8?s=forged&", "/live/v0/1.m4s?"] {
        play.get(&format!("{path}{ALL}")).await;
    }
    assert_eq!(told(&recorder, "default"), [8.2, 6_250e3, 2.0, 0.0]);
}

#[tokio::test]
async fn a_session_that_comes_in_the_midst_of_playing_and_seeks_later_has_not_started_up() {
    let recorder = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let play = Scene::default().begin().await;
    let playlist = play.playlist(&session("a", Class::Steers));
    let mut client = play.client().await;
    for said in ["bl%3D2000", "su"] {
        client.get(&format!("{playlist}&CMCD={said}")).await;
    }
    assert_eq!(told(&recorder, "eu"), [2.0, 0.0, 0.0, 0.0]);
}

#[tokio::test]
async fn nothing_is_heard_from_who_only_looks_is_a_relay_is_refused_or_is_sent_on() {
    let recorder = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let play = Scene::default().in_fleet().begin().await;
    let asked = |class| format!("{}&{ALL}", play.playlist(&session("a", class)));
    play.client().await.ask(Request::head(asked(Class::Steers))).await;
    play.client().await.ask(Request::get(asked(Class::Steers)).header(PASS_HEADER, play.pass())).await;
    play.get(&format!("/live/v0/9.m4s?{ALL}")).await;
    let relay =
        Slot { id: ServerId::of_relay("127.0.0.2").unwrap(), base_url: "http://127.0.0.2:8080".into() };
    let relays = vec![RelayQuota { relay, viewers: 1 }];
    play.site.redirects.follow(&[RedirectQuota { region: "eu".parse().unwrap(), keep: 0, relays }]);
    let sent_on = play.get(&asked(Class::Redirects)).await;
    assert!(header(&sent_on, "location").ends_with(ALL), "it is told where it is sent");
    assert_eq!((told(&recorder, "default"), told(&recorder, "eu")), (SILENT, UNHEARD));
    play.get(&asked(Class::Steers)).await;
    assert_eq!(told(&recorder, "eu"), [4.1, 3_125e3, 1.0, 1.0], "but from who is answered");
}
