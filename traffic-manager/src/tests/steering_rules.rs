//! The rules that players force on steering, one a row, each with the player that needs it, held against what a player really
//! gets: playlists of `/watch` and answers of `/steer`, as documents.
//!
//! The scene is a region with two slots and a relay that comes to one of them, and goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use hls::multivariant::Multivariant;
use reqwest::{Response, Url};
use serde_json::Value;

use super::{FakeServer, Running, fake::relay, quick, soon};
use crate::config::{Config, ProvisionerKind};

/// The relay that comes, and its slot.
const RELAY: &str = "relay-127-0-0-2";

/// How often a player asks, to see that it is not told the same time each time: with five whole seconds to draw from, the odds of
/// that are 1 to 10^13.
const ASKS: usize = 20;

/// One rule.
struct Rule {
    says: &'static str,
    /// Who breaks without it.
    player: &'static str,
    holds: fn(&Scene) -> bool,
}

const RULES: &[Rule] = &[
    Rule {
        says: "every slot is a clone from the first answer on, whether a relay runs there or not",
        player: "video.js, which reads clones once",
        holds: |scene| scene.told().all(|told| told.clones() == ["relay-127-0-0-2", "relay-127-0-0-3"]),
    },
    Rule {
        says: "the priority names only those that serve, the viewer's own first, the primary last",
        player: "video.js, which goes to whoever is named",
        holds: |scene| {
            scene.at_primary.first.priority() == ["primary"]
                && scene.at_relay.first.priority() == [RELAY, "primary"]
                && scene.at_relay.later.priority() == [RELAY, "primary"]
        },
    },
    Rule {
        says: "a relay that has gone is out of the priority",
        player: "video.js, which flaps back to it",
        holds: |scene| scene.gone.priority() == ["primary"],
    },
    Rule {
        says: "an id names one host for ever, also when its relay has gone",
        player: "hls.js, which shuns a failed pathway and remembers it by id",
        holds: |scene| scene.told().all(|told| told.hosts() == ["127.0.0.2", "127.0.0.3"]),
    },
    Rule {
        says: "there is always a time to live, a second at least",
        player: "all, which else ask every five minutes, or without a pause",
        holds: |scene| scene.told().all(|told| told.ttl_s() >= 1),
    },
    Rule {
        says: "the time to live differs from answer to answer",
        player: "hls.js and Shaka, which else ask in step",
        holds: |scene| scene.ttls_s.len() > 1,
    },
    Rule {
        says: "RELOAD-URI is absolute, and carries the session and what the player was told",
        player: "all: Shaka names its pathway late, others not at all",
        holds: |scene| {
            let (first, later) = (scene.at_relay.first.reload_uri(), scene.at_relay.later.reload_uri());
            let told = |uri: &Url| uri.query_pairs().any(|pair| pair == ("current".into(), RELAY.into()));
            told(&first) && told(&later) && scene.told().all(|told| told.session() == session_in(&told.asked))
        },
    },
    Rule {
        says: "a clone replaces HOST, without a port, and has PARAMS",
        player: "video.js, which throws without PARAMS; hls.js and Shaka, which ignore ports",
        holds: |scene| {
            let replaces = |clone: &Value| {
                let (host, params) = (&clone["URI-REPLACEMENT"]["HOST"], &clone["URI-REPLACEMENT"]["PARAMS"]);
                host.as_str().is_some_and(|host| !host.contains(':')) && params.is_object()
            };
            scene.told().all(|told| told.list("PATHWAY-CLONES").iter().all(replaces))
        },
    },
    Rule {
        says: "the base of every clone is the primary, which every playlist declares",
        player: "all that clone",
        holds: |scene| {
            let base = |clone: &Value| clone["BASE-ID"] == "primary";
            scene.told().all(|told| told.list("PATHWAY-CLONES").iter().all(base))
                && scene.playlists().all(|playlist| pathways(playlist).contains(&"primary"))
        },
    },
    Rule {
        says: "the playlist's PATHWAY-ID is the first of the first answer",
        player: "hls.js 1.7, whose source buffers loop where they differ",
        holds: |scene| {
            let agree = |way: &Way| begins(&way.playlist) == way.first.priority().first().copied();
            agree(&scene.at_primary) && agree(&scene.at_relay)
        },
    },
    Rule {
        says: "whoever is placed on the primary gets its pathway alone, whoever is placed on a relay both, the relay's first",
        player: "video.js, which begins with the first that is listed",
        holds: |scene| {
            pathways(&scene.at_primary.playlist) == ["primary"]
                && pathways(&scene.at_relay.playlist) == [RELAY, "primary"]
        },
    },
    Rule {
        says: "who asks for it gets every slot declared as a pathway",
        player: "Shaka, whose release build cannot match clones and steers between two or more",
        holds: |scene| {
            let declared: BTreeSet<&str> = pathways(&scene.shaka).into_iter().collect();
            declared == BTreeSet::from(["primary", "relay-127-0-0-2", "relay-127-0-0-3"])
        },
    },
    Rule {
        says: "no group of renditions is in two pathways",
        player: "Shaka, which stays where it is",
        holds: |scene| scene.playlists().all(groups_belong_to_one_pathway),
    },
    Rule {
        says: "every rendition has a URI",
        player: "Shaka, which plays nothing",
        holds: |scene| {
            scene.playlists().all(|playlist| playlist.media.iter().all(|media| media.uri.is_some()))
        },
    },
    Rule {
        says: "a player that does not steer gets one pathway, the primary's, and is told of no other",
        player: "ffmpeg, which fetches all rungs of both; Chromium's own HLS, which freezes when the last one dies",
        holds: |scene| {
            let alone = |playlist: &Multivariant| {
                playlist.steering.is_none()
                    && playlist.variants.iter().all(|variant| variant.uri.host_str() == Some("127.0.0.1"))
                    && playlist
                        .media
                        .iter()
                        .flat_map(|media| &media.uri)
                        .all(|uri| uri.host_str() == Some("127.0.0.1"))
            };
            alone(&scene.redirects) && alone(&scene.fixed)
        },
    },
    Rule {
        says: "_HLS_pathway is understood quoted, bare and missing",
        player: "hls.js and Shaka, which quote it, and others, which do not",
        holds: |scene| scene.ways_to_say.iter().all(|told| told.priority() == [RELAY, "primary"]),
    },
    Rule {
        says: "a player that asks is answered with 200, whatever its token and its stream are",
        player: "hls.js, which never steers again after a 404, a 410 or a 429",
        holds: |scene| {
            scene.strangers.iter().all(|told| told.status == 200 && told.priority() == ["primary"])
        },
    },
    Rule {
        says: "answers are JSON of version 1, for pages of any origin, and nobody keeps them",
        player: "all in pages",
        holds: |scene| {
            scene.told().all(|told| {
                told.json["VERSION"] == 1
                    && told.header("content-type") == "application/json"
                    && told.header("access-control-allow-origin") == "*"
                    && told.header("cache-control") == "no-store"
            })
        },
    },
];

#[tokio::test]
async fn players_get_what_they_need() {
    let scene = Scene::play().await;
    let broken = RULES.iter().filter(|rule| !(rule.holds)(&scene));
    let broken: Vec<String> =
        broken.map(|rule| format!("{}; needed by {}", rule.says, rule.player)).collect();
    assert!(broken.is_empty(), "broken:\n{}\nin {scene:?}", broken.join("\n"));
}

/// What players were given.
#[derive(Debug)]
struct Scene {
    at_primary: Way,
    at_relay: Way,
    shaka: Multivariant,
    redirects: Multivariant,
    fixed: Multivariant,
    /// What a player at the relay is told, however it says where it plays.
    ways_to_say: Vec<Told>,
    /// What those are told who are not ours.
    strangers: Vec<Told>,
    /// What a player at the relay is told when that has gone.
    gone: Told,
    ttls_s: BTreeSet<u64>,
}

/// A steering player's way: its playlist, its first answer, and one after that.
#[derive(Debug)]
struct Way {
    playlist: Multivariant,
    first: Told,
    later: Told,
}

/// An answer of `/steer`.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: reqwest::header::HeaderMap,
    json: Value,
    /// What was asked.
    asked: Url,
}

impl Scene {
    async fn play() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manager = Running::with(with_slots(), folder.path()).await;
        let _primary = manager.primary().await;
        let at_primary = Way::begin(&manager, "primary").await;

        let server = FakeServer::attach(&manager, relay(2)).await.unwrap();
        server.report(1).await;
        let at_relay = Way::begin(&manager, RELAY).await;
        let steer = at_relay.steer();
        let mut ways_to_say = Vec::new();
        for says in
            ["", "&_HLS_pathway=\"{}\"&_HLS_throughput=\"1000\"", "&_HLS_pathway={}&_HLS_throughput=1000.5"]
        {
            ways_to_say.push(Told::by(&manager, &format!("{steer}{}", says.replace("{}", RELAY))).await);
        }
        let mut ttls_s = BTreeSet::new();
        for _ in 0..ASKS {
            ttls_s.insert(Told::by(&manager, &steer).await.ttl_s());
        }
        let mut strangers = Vec::new();
        for query in
            ["", "?s=", "?s=forged", "?s=a&current=%00&moved=x", "?s=forged&_HLS_pathway=relay-127-0-0-9"]
        {
            strangers.push(Told::by(&manager, &manager.url(&format!("/steer{query}"))).await);
        }
        let shaka = playlist(manager.fetch("/watch/live.m3u8?player=shaka").await).await;
        let redirects = playlist(manager.get("/watch/live.m3u8").await).await;
        let fixed = playlist(manager.get("/watch/live.m3u8?player=vlc").await).await;

        server.goodbye().await;
        let reload = at_relay.later.reload_uri();
        let gone = Told::when_gone(&manager, reload.as_str()).await;
        Self { at_primary, at_relay, shaka, redirects, fixed, ways_to_say, strangers, gone, ttls_s }
    }

    /// All that steering players of the fleet's own were told.
    fn told(&self) -> impl Iterator<Item = &Told> {
        let ways = [&self.at_primary, &self.at_relay];
        let ways = ways.into_iter().flat_map(|way| [&way.first, &way.later]);
        ways.chain(&self.ways_to_say).chain([&self.gone])
    }

    /// Playlists of players that steer.
    fn playlists(&self) -> impl Iterator<Item = &Multivariant> {
        [&self.at_primary.playlist, &self.at_relay.playlist, &self.shaka].into_iter()
    }
}

impl Way {
    /// Asks for playlists until one begins with `pathway`; then asks twice where to play.
    async fn begin(manager: &Running, pathway: &str) -> Self {
        let playlist = soon(async {
            loop {
                let playlist = playlist(manager.fetch("/watch/live.m3u8").await).await;
                if begins(&playlist) == Some(pathway) {
                    return playlist;
                }
            }
        })
        .await;
        let steer = playlist.steering.as_ref().unwrap().server.clone();
        let first = Told::by(manager, &format!("{steer}&_HLS_pathway=\"{pathway}\"")).await;
        let later = Told::by(manager, first.reload_uri().as_str()).await;
        Self { playlist, first, later }
    }

    /// Where its player asks.
    fn steer(&self) -> String {
        self.later.reload_uri().into()
    }
}

impl Told {
    async fn by(manager: &Running, url: &str) -> Self {
        let asked: Url = url.parse().unwrap();
        let answer = manager.http.get(asked.clone()).header("sec-fetch-dest", "empty").send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let json = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        Self { status, headers, json, asked }
    }

    /// Asks until the relay is not named any more.
    async fn when_gone(manager: &Running, url: &str) -> Self {
        soon(async {
            loop {
                let told = Self::by(manager, url).await;
                if !told.priority().contains(&RELAY) {
                    return told;
                }
            }
        })
        .await
    }

    fn list(&self, name: &str) -> &[Value] {
        self.json[name].as_array().map_or(&[], Vec::as_slice)
    }

    fn priority(&self) -> Vec<&str> {
        self.list("PATHWAY-PRIORITY").iter().filter_map(Value::as_str).collect()
    }

    fn clones(&self) -> Vec<&str> {
        self.list("PATHWAY-CLONES").iter().filter_map(|clone| clone["ID"].as_str()).collect()
    }

    fn hosts(&self) -> Vec<&str> {
        let hosts = self.list("PATHWAY-CLONES").iter();
        hosts.filter_map(|clone| clone["URI-REPLACEMENT"]["HOST"].as_str()).collect()
    }

    fn ttl_s(&self) -> u64 {
        self.json["TTL"].as_u64().unwrap_or(0)
    }

    fn reload_uri(&self) -> Url {
        self.json["RELOAD-URI"].as_str().unwrap().parse().expect("absolute")
    }

    fn session(&self) -> String {
        session_in(&self.reload_uri())
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A region with two slots, where nothing can be launched; every viewer is to be moved to a relay.
fn with_slots() -> Config {
    let mut config = Config { threshold: 0, ..quick() };
    config.provisioner.kind = ProvisionerKind::Process;
    config.provisioner.addresses = ["127.0.0.2", "127.0.0.3"].map(|ip| ip.parse::<IpAddr>().unwrap()).into();
    config
}

async fn playlist(answer: Response) -> Multivariant {
    let url = answer.url().clone();
    Multivariant::parse(&answer.bytes().await.unwrap(), &url).unwrap()
}

fn session_in(url: &Url) -> String {
    url.query_pairs().find(|(name, _)| name == "s").map(|(_, token)| token.into_owned()).unwrap_or_default()
}

/// Where the playlist has its player begin.
fn begins(playlist: &Multivariant) -> Option<&str> {
    playlist.steering.as_ref()?.pathway.as_deref()
}

/// The pathways that a playlist declares, in the order of their first variants.
fn pathways(playlist: &Multivariant) -> Vec<&str> {
    let mut pathways = Vec::new();
    for variant in &playlist.variants {
        if !pathways.contains(&variant.pathway()) {
            pathways.push(variant.pathway());
        }
    }
    pathways
}

fn groups_belong_to_one_pathway(playlist: &Multivariant) -> bool {
    let mut of_group = BTreeMap::new();
    playlist.variants.iter().all(|variant| {
        let Some(group) = variant.attributes.value("AUDIO") else { return false };
        *of_group.entry(group).or_insert(variant.pathway()) == variant.pathway()
    })
}
