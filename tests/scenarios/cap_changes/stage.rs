//! What the players play from: a ladder that is replayed, a primary alone or with two relays, and the handle of each server's cap.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proto::v1::{Phase, ServerStatus};
use tests::{
    Fleet, StandIn, Subnet,
    caps::{Caps, by_stand_in},
    eventually,
    fleet::{brief, relays_in},
    ladder::{Container, Ladder},
    list_watch::{ListWatch, Listed},
    replay::Replay,
};

use crate::audience::VIEWERS;

/// What may take a busy machine long.
const SETTLES: Duration = Duration::from_secs(60);

/// For starts and ends of programs and players, on top of what is played.
const SPARE: Duration = Duration::from_secs(240);

/// How long the moves of a run take.
const MOVES: Duration = Duration::from_secs(360);

/// Hosts of the two relays.
const RELAYS: [u8; 2] = [2, 3];

/// How far a server's stand-in lies from it.
const STAND_IN: u8 = 5;

/// Servers, and how they are told what to allow.
pub(crate) struct Stage {
    pub(crate) fleet: Fleet,
    caps: Vec<Caps>,
    list: Option<ListWatch>,
    _source: Replay,
}

impl Stage {
    /// A primary that serves everybody.
    pub(crate) async fn with_a_primary(container: Container, length: Duration) -> Self {
        let subnet = Subnet::unused();
        let caps = caps_of(subnet, 1).await;
        let source = source(container, length + SPARE).await;
        let fleet = Fleet::builder()
            .on(subnet)
            .threshold(1000)
            .source(&source.url)
            .primary_arguments(&arguments(&caps))
            .manager_config("[provisioner]\nkind = \"standby\"")
            .start()
            .await;
        Self { list: Some(watch(&fleet).await), fleet, caps: vec![caps], _source: source }
    }

    /// A primary whose viewers are all at one of two relays.
    pub(crate) async fn with_two_relays(container: Container) -> Self {
        let subnet = Subnet::unused();
        let source = source(container, MOVES + SPARE).await;
        let [first, second] = [caps_of(subnet, RELAYS[0]).await, caps_of(subnet, RELAYS[1]).await];
        let standby = "[provisioner]\nkind = \"standby\"\n[regions.default]\nmin_relays = 1\nmax_relays = 1";
        let fleet = Fleet::builder()
            .on(subnet)
            .threshold(0)
            .source(&source.url)
            .manager_config(standby)
            .standby(RELAYS[0], &arguments(&first))
            .standby(RELAYS[1], &arguments(&second))
            .start()
            .await;
        fleet
            .until("one relay serves and one stands by", SETTLES, |status| {
                let count = |phase| relays_in(status, phase).len();
                count(Phase::Serving) == 1 && count(Phase::Standby) == 1
            })
            .await;
        Self { list: None, fleet, caps: vec![first, second], _source: source }
    }

    pub(crate) fn primary_caps(&self) -> &Caps {
        &self.caps[0]
    }

    /// What the primary's list of the highest rung has listed so far.
    pub(crate) fn listed(&self) -> Listed {
        self.list.as_ref().map(ListWatch::listed).unwrap_or_default()
    }

    /// Which relay serves.
    pub(crate) async fn serving(&self) -> usize {
        eventually("a relay serves", SETTLES, async || {
            let status = self.fleet.status().await?;
            let serving = relays_in(&status, Phase::Serving).first().map(|server| self.relay(server));
            serving.ok_or_else(|| brief(&status))
        })
        .await
    }

    /// Drains a relay; when everybody has gone to the other, which allows another rung and is told, it is given back.
    pub(crate) async fn everybody_moves_from(&self, relay: usize, cap: usize) -> Result<usize, String> {
        let id = format!("relay-{}", self.host(relay).replace('.', "-"));
        let ordered = async |order: &str| {
            let ended = self.fleet.start_client(order, &[order, &id]).end().await;
            assert!(ended.success(), "{order} {id}");
        };
        ordered("drain").await;
        let other = 1 - relay;
        self.caps[other].set(cap).await;
        let since = Instant::now();
        // Who has ended is seen by what players say: so it is no panic here.
        let missing = eventually("everybody moves or is missed", SETTLES * 2, async || {
            match self.everybody_is_at(other).await {
                Ok(()) => Ok(None),
                Err(missing) if since.elapsed() > SETTLES => Ok(Some(missing)),
                Err(missing) => Err(missing),
            }
        })
        .await;
        ordered("resume").await;
        missing.map_or(Ok(other), |missing| Err(format!("not everybody moved: {missing}")))
    }

    /// Whether one relay has all viewers.
    async fn everybody_is_at(&self, relay: usize) -> Result<(), String> {
        let status = self.fleet.status().await?;
        let here = |server: &&ServerStatus| server.base_url.contains(&format!("//{}:", self.host(relay)));
        match status.servers.iter().find(here) {
            Some(server) if server.viewers == VIEWERS && status.viewers == VIEWERS => Ok(()),
            _ => Err(brief(&status)),
        }
    }

    /// As how many everybody counts, with the one who watches the list.
    pub(crate) fn viewers(&self) -> u32 {
        VIEWERS + u32::from(self.list.is_some())
    }

    /// The address that a relay's viewers know.
    fn host(&self, relay: usize) -> String {
        let offset = if by_stand_in() { STAND_IN } else { 0 };
        self.fleet.subnet.host(RELAYS[relay] + offset).to_string()
    }

    fn relay(&self, server: &ServerStatus) -> usize {
        usize::from(!server.base_url.contains(&format!("//{}:", self.host(0))))
    }
}

async fn source(container: Container, length: Duration) -> Replay {
    let ladder = Arc::new(Ladder::encode(container, Replay::length(length)).await);
    Replay::start(Subnet::unused().source(), ladder).await
}

/// The handle of the cap of the server on a host.
async fn caps_of(subnet: Subnet, host: u8) -> Caps {
    if by_stand_in() {
        Caps::StandIn(StandIn::start(subnet.viewers(host + STAND_IN), subnet.viewers(host)).await)
    } else {
        Caps::Server(subnet.admin(host))
    }
}

/// What a server is started with: the address of its stand-in, or a line so wide that it caps nothing by itself.
fn arguments(caps: &Caps) -> [&str; 2] {
    match caps {
        Caps::StandIn(stand_in) => ["--advertise", &stand_in.url],
        Caps::Server(_) => ["--uplink", "1000Mbps"],
    }
}

/// Watches the highest rung's list where viewers read it, as one of them.
async fn watch(fleet: &Fleet) -> ListWatch {
    let (_, multivariant) = fleet.get(&fleet.watch_url()).await.unwrap();
    let highest = multivariant.lines().rfind(|line| line.contains("/live.m3u8")).unwrap();
    ListWatch::of(highest.parse().unwrap())
}
