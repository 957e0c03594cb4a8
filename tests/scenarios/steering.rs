//! What a player that steers is told, by the rules that players hold a manager to: always an answer, the first of them what the
//! playlist says, every slot from the first on, a dead relay soon left out, readable by any page.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use futures::future::join_all;
use hls::steering::Manifest;
use proto::v1::Phase;
use reqwest::{Method, Response};
use tests::{Fleet, eventually, fleet::relays_in, holds_for, http::http};
use url::Url;

const SETTLES: Duration = Duration::from_secs(60);

/// How soon a relay that died is no player's place any more, and what looking from outside adds.
const LEFT_OUT: Duration = Duration::from_millis(2_000 + 1_000);

/// A fleet whose only viewers' place is the relay on host 2; that on host 3 stands by.
async fn fleet(config: &str) -> Fleet {
    let standby = "[provisioner]\nkind = \"standby\"\n[regions.default]\nmin_relays = 1\nmax_relays = 1";
    let fleet = Fleet::builder()
        .threshold(0)
        .standby(2, &[])
        .manager_config(standby)
        .manager_config(config)
        .start()
        .await;
    fleet.until("a relay serves", SETTLES, |status| relays_in(status, Phase::Serving).len() == 1).await;
    fleet
}

/// The id of the relay on a host.
fn relay(fleet: &Fleet, host: u8) -> String {
    format!("relay-{}", fleet.subnet.host(host).to_string().replace('.', "-"))
}

/// A request as a script of some page sends it.
async fn ask(method: Method, url: &str) -> Response {
    let request = http().request(method, url).header("origin", "http://page.example");
    request.header("sec-fetch-dest", "empty").send().await.unwrap()
}

/// The first value of an attribute that is a quoted string.
fn attribute(playlist: &str, name: &str) -> Option<String> {
    let rest = playlist.split_once(&format!("{name}=\""))?.1;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The multivariant playlist of a new viewer that steers.
async fn multivariant(fleet: &Fleet) -> String {
    ask(Method::GET, &fleet.watch_url()).await.text().await.unwrap()
}

/// The steering URL of a new viewer.
async fn steering_url(fleet: &Fleet) -> String {
    attribute(&multivariant(fleet).await, "SERVER-URI").expect("players that steer are told where to ask")
}

async fn steered(url: &str) -> Manifest {
    let answer = ask(Method::GET, url).await;
    assert_eq!(answer.status().as_u16(), 200, "{url}");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*", "{url}");
    let manifest = Manifest::parse(&answer.bytes().await.unwrap()).unwrap();
    assert!(manifest.ttl_s >= 1, "{url}: {manifest:?}");
    assert!(manifest.pathway_priority.iter().any(|id| id == "primary"), "{url}: {manifest:?}");
    manifest
}

#[tokio::test]
async fn the_first_answer_begins_with_the_playlists_pathway_and_has_every_slot() {
    let fleet = fleet("").await;
    let _stands_by = fleet.start_relay(3, &[]);
    fleet.until("another stands by", SETTLES, |status| relays_in(status, Phase::Standby).len() == 1).await;
    let (serving, standing_by) = (relay(&fleet, 2), relay(&fleet, 3));
    for reported in
        [format!("&_HLS_pathway=%22{serving}%22"), format!("&_HLS_pathway={serving}"), String::new()]
    {
        let playlist = multivariant(&fleet).await;
        // The pathway to begin with stands beside SERVER-URI.
        let begins = playlist.lines().find(|line| line.starts_with("#EXT-X-CONTENT-STEERING")).unwrap();
        assert_eq!(attribute(begins, "PATHWAY-ID"), Some(serving.clone()), "{playlist}");
        assert!(
            playlist.contains("PATHWAY-ID=\"primary\""),
            "the base of all clones is declared: {playlist}"
        );
        let url = attribute(begins, "SERVER-URI").unwrap();
        let first = steered(&format!("{url}{reported}&_HLS_throughput=5140000")).await;
        assert_eq!(first.pathway_priority, [serving.as_str(), "primary"], "{reported}");
        let mut slots: Vec<&str> = first.pathway_clones.iter().map(|clone| clone.id.as_str()).collect();
        slots.sort_unstable();
        assert_eq!(slots, [serving.as_str(), standing_by.as_str()], "{reported}");
        let next = steered(&first.reload_uri.expect("a RELOAD-URI, absolute")).await;
        assert_eq!(next.pathway_priority[0], serving, "it is sticky");
    }
}

#[tokio::test]
async fn a_viewers_playlist_is_the_same_at_the_manager_and_at_every_server() {
    let fleet = fleet("").await;
    for player in ["hls.js", "shaka", "ffmpeg", "vlc"] {
        let given = fleet.get(&format!("{}?player={player}", fleet.watch_url())).await.unwrap();
        let uri: Url = given.1.lines().rfind(|line| line.starts_with("http")).unwrap().parse().unwrap();
        for host in [1, 2] {
            let server = fleet.subnet.viewers(host);
            let index = format!("http://{server}/live/index.m3u8?{}&player={player}", uri.query().unwrap());
            assert_eq!(fleet.get(&index).await.unwrap(), given, "{player} at {server}");
        }
    }
}

#[tokio::test]
async fn a_clone_of_the_primarys_playlist_is_the_relays_and_any_page_may_read_all_of_it() {
    let fleet = fleet("").await;
    let playlist = multivariant(&fleet).await;
    let at_primary = format!("http://{}/", fleet.subnet.viewers(1));
    let of_primary: Url =
        playlist.lines().find(|line| line.starts_with(&at_primary)).unwrap().parse().unwrap();
    let manifest = steered(&attribute(&playlist, "SERVER-URI").unwrap()).await;
    let cloned = manifest.pathway_clones[0].uri(&of_primary).unwrap();
    assert_eq!(cloned.host_str(), Some(fleet.subnet.host(2).to_string().as_str()));
    // A segment may come between the two answers.
    let media = eventually("byte for byte the same", SETTLES, async || {
        let (relays, primarys) = (ask(Method::GET, cloned.as_str()), ask(Method::GET, of_primary.as_str()));
        let (relays, primarys) = tokio::join!(relays, primarys);
        assert_eq!((relays.status().as_u16(), primarys.status().as_u16()), (200, 200));
        let (relays, primarys) = (relays.text().await.unwrap(), primarys.text().await.unwrap());
        if relays == primarys { Ok(relays) } else { Err(format!("{relays}\n{primarys}")) }
    })
    .await;
    let segment = media.lines().rfind(|line| line.ends_with(".m4s")).unwrap();
    let steering = attribute(&playlist, "SERVER-URI").unwrap();
    let pages = [fleet.watch_url(), steering, cloned.to_string(), cloned.join(segment).unwrap().to_string()];
    for url in pages.iter().chain([&of_primary.to_string()]) {
        let preflight = ask(Method::OPTIONS, url).await;
        assert!(preflight.status().is_success(), "{url}: {preflight:?}");
        for answer in [preflight, ask(Method::GET, url).await, ask(Method::HEAD, url).await] {
            assert!(answer.status().is_success(), "{url}: {answer:?}");
            assert_eq!(answer.headers()["access-control-allow-origin"], "*", "{url}");
        }
    }
}

#[tokio::test]
async fn whoever_asks_is_answered_whatever_it_shows_and_however_many_ask() {
    let fleet = fleet("[session]\nlife = \"1s\"\n[steering]\nanswers_per_second = 1").await;
    let steer = fleet.at_manager("/steer");
    let expires = steering_url(&fleet).await;
    let unknown = steered(&format!("{expires}&_HLS_pathway=nowhere")).await;
    assert_eq!(unknown.pathway_priority[0], relay(&fleet, 2), "a pathway that there is not is left at once");
    for query in
        ["", "?s=", "?s=forged", "?s=forged&_HLS_pathway=nowhere", "?s=%00%ff&current=%22", "?_HLS_pathway="]
    {
        steered(&format!("{steer}{query}")).await;
    }
    // It expires after one second and nobody knows its key any more after two.
    let plays = format!("{expires}&_HLS_pathway={}", relay(&fleet, 2));
    holds_for(
        "with a token that grows old it goes on where it plays",
        Duration::from_secs(3),
        SETTLES,
        async || {
            let answer = steered(&plays).await;
            if answer.pathway_priority[0] == relay(&fleet, 2) { Ok(()) } else { Err(format!("{answer:?}")) }
        },
    )
    .await;
    join_all((0..200).map(|_| steered(&expires))).await;
}

#[tokio::test]
async fn a_dead_relay_is_out_of_everybodys_priority_within_two_seconds() {
    let mut fleet = fleet("").await;
    let url = steering_url(&fleet).await;
    let dead = relay(&fleet, 2);
    let left_it = format!("{url}&current={dead}&_HLS_pathway=primary");
    let knows_nothing = format!("{url}&current={dead}&_HLS_pathway={dead}");
    for url in [&left_it, &knows_nothing] {
        assert!(steered(url).await.pathway_priority.contains(&dead), "{url}");
    }
    fleet.relays[0].kill();
    let killed = Instant::now();
    for url in [&left_it, &knows_nothing] {
        let within = LEFT_OUT.saturating_sub(killed.elapsed());
        eventually("it has left the priority", within, async || {
            let manifest = steered(url).await;
            if manifest.pathway_priority.contains(&dead) { Err(format!("{manifest:?}")) } else { Ok(()) }
        })
        .await;
    }
}
