//! What the servers and the manager see of one player: from which server its media come, and as how many it is counted.
//!
//! Players differ in what they tell; servers see them all in the same way.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use proto::v1::StatusResponse;
use tokio::task::JoinHandle;

use crate::{Fleet, Subnet, http, wait::unix_ms};

/// How often it is looked: a tenth of what may not be seen as a stall matters little.
const LOOK: Duration = Duration::from_millis(100);

/// Hosts of a subnet that serve viewers: the primary and the relays.
const SERVERS: std::ops::RangeInclusive<u8> = 1..=9;

/// Looks on while a player plays alone on a fleet.
#[derive(Debug)]
pub struct Sightings {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// What has been seen.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Segments and parts of them that each server was asked for by the player.
    pub media: BTreeMap<IpAddr, u64>,
    /// Playlists that each server answered, redirects included.
    pub playlists: BTreeMap<IpAddr, u64>,
    /// When media came from another server than before, and from which: milliseconds since the Unix epoch.
    pub moves: Vec<(u64, IpAddr)>,
    /// What the manager said of how many there are, and when.
    pub counts: Vec<(u64, u32)>,
}

impl Sightings {
    /// Begins to look.
    #[must_use]
    pub fn of(fleet: &Fleet) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let looks = look(fleet.subnet, fleet.at_manager("/api/v1/status"), Arc::clone(&seen));
        Self { seen, task: tokio::spawn(looks) }
    }

    /// What has been seen so far.
    #[must_use]
    pub fn so_far(&self) -> Seen {
        self.seen.lock().expect("nobody panics while it is held").clone()
    }

    /// The server that was asked for media last.
    #[must_use]
    pub fn server(&self) -> Option<IpAddr> {
        self.so_far().moves.last().map(|(_, server)| *server)
    }
}

impl Drop for Sightings {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    /// The least and the most that the player was counted as between two moments, and for how long at once, in milliseconds, it was
    /// counted as more than one; none where nobody looked then.
    #[must_use]
    pub fn counted(&self, moments: &Range<u64>) -> Option<(u32, u32, u64)> {
        let counts = || self.counts.iter().filter(|(at, _)| moments.contains(at));
        let (least, most) = (counts().map(|(_, n)| *n).min()?, counts().map(|(_, n)| *n).max()?);
        let (mut since, mut longest) = (None, 0);
        for (at, count) in counts() {
            since = (*count > 1).then(|| since.unwrap_or(*at));
            longest = longest.max(since.map_or(0, |since| at - since));
        }
        Some((least, most, longest))
    }
}

async fn look(subnet: Subnet, status: String, seen: Arc<Mutex<Seen>>) {
    let http = http::http();
    let text = async |url: String| http.get(url).send().await.ok()?.text().await.ok();
    let mut last: BTreeMap<IpAddr, (u64, u64)> = BTreeMap::new();
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let count =
            text(status.clone()).await.and_then(|text| serde_json::from_str::<StatusResponse>(&text).ok());
        if let Some(status) = count {
            seen.lock().expect("nobody panics while it is held").counts.push((unix_ms(), status.viewers));
        }
        for host in SERVERS {
            let Some(metrics) = text(format!("http://{}/metrics", subnet.admin(host))).await else {
                continue;
            };
            let asked = (answers(&metrics, "media"), answers(&metrics, "playlist"));
            let server = subnet.host(host).into();
            let before = last.insert(server, asked).unwrap_or_default();
            let mut seen = seen.lock().expect("nobody panics while it is held");
            *seen.playlists.entry(server).or_default() += asked.1.saturating_sub(before.1);
            if asked.0 > before.0 {
                *seen.media.entry(server).or_default() += asked.0 - before.0;
                if seen.moves.last().is_none_or(|(_, last)| *last != server) {
                    seen.moves.push((unix_ms(), server));
                }
            }
        }
    }
}

/// How many requests for a resource a server has answered, by its metrics.
fn answers(metrics: &str, resource: &str) -> u64 {
    let name = format!("spillway_request_seconds_count{{resource=\"{resource}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}
