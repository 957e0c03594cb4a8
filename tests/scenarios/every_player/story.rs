//! One player's way through its story: a relay comes, drains, is replaced, dies, and at last the manager dies.

use std::{net::IpAddr, time::Duration};

use proto::v1::{Phase, ServerStatus};
use tests::{
    Fleet, Player, eventually,
    fleet::relays_in,
    player::{Playing, Summary},
    program::kill,
    sightings::Sightings,
    stays,
    wait::unix_ms,
};

use crate::{
    SETTLES,
    row::{Again, Chapter, KILLED, MANAGER_KILLED, Row},
};

/// More than any story takes.
const WHOLE_STORY: Duration = Duration::from_secs(600);

/// How long the player has to go on well after each event.
const GOES_ON: Duration = Duration::from_secs(8);

/// How long a relay serves at most when a player starts "as it becomes ready".
const JUST_NOW_MS: u64 = 1_000;

/// One player's way.
pub(crate) struct Story {
    player: Player,
    fleet: Fleet,
    playing: Playing,
    sightings: Sightings,
    chapters: Vec<Chapter>,
    at_ready: Summary,
    /// What was seen of the player until it ended with its relay, and how long after the relay's death that was.
    ended: Option<(Summary, u64)>,
}

fn host_of(server: &ServerStatus) -> IpAddr {
    let address = server.base_url.strip_prefix("http://").unwrap();
    address.rsplit_once(':').unwrap().0.parse().unwrap()
}

/// A relay that serves, another than `not`.
pub(crate) async fn relay(fleet: &Fleet, not: Option<&ServerStatus>) -> ServerStatus {
    let is_another = |server: &&ServerStatus| not.is_none_or(|not| not.id != server.id);
    eventually("a relay serves", SETTLES, async || {
        let status = fleet.status().await?;
        let relay = relays_in(&status, Phase::Serving).into_iter().find(is_another).cloned();
        relay.ok_or_else(|| format!("{status:?}"))
    })
    .await
}

/// What a viewer sees who comes in the second in which a relay becomes ready.
pub(crate) async fn starts_as_a_relay_becomes_ready(player: Player) -> Summary {
    let (fleet, relay) = just_ready().await;
    let sightings = Sightings::of(&fleet);
    let playing = player.start(&fleet, WHOLE_STORY);
    let wanted = if player.moves() { host_of(&relay) } else { fleet.subnet.host(1).into() };
    eventually(&format!("{player}: plays from {wanted}"), SETTLES, async || {
        at(&sightings, |host| host == wanted)
    })
    .await;
    stays(&format!("{player}: plays on"), GOES_ON, async || at(&sightings, |host| host == wanted)).await;
    playing.stop().await
}

/// A fleet whose relay has just become ready: on a busy machine that may be seen too late, and again.
async fn just_ready() -> (Fleet, ServerStatus) {
    for _ in 0..3 {
        let config = "[regions.default]\nmin_relays = 1";
        let fleet = Fleet::builder().threshold(0).manager_config(config).start().await;
        let relay = relay(&fleet, None).await;
        if relay.phase_ms <= JUST_NOW_MS {
            return (fleet, relay);
        }
    }
    panic!("three times a relay was seen only when it had served for more than {JUST_NOW_MS} ms");
}

fn at(sightings: &Sightings, wanted: impl Fn(IpAddr) -> bool) -> Result<(), String> {
    match sightings.server() {
        Some(host) if wanted(host) => Ok(()),
        host => Err(format!("media come from {host:?}")),
    }
}

impl Story {
    pub(crate) async fn begin(player: Player, at_ready: Summary) -> Self {
        let fleet = Fleet::builder().threshold(0).start().await;
        let sightings = Sightings::of(&fleet);
        let playing = player.start(&fleet, WHOLE_STORY);
        let chapters = vec![Chapter::begins("start")];
        Self { player, fleet, playing, sightings, chapters, at_ready, ended: None }
    }

    pub(crate) async fn tell(mut self) -> Row {
        self.moves(|_| true).await;

        let first = relay(&self.fleet, None).await;
        self.chapters.push(Chapter::begins("relay comes"));
        let at_first = self.expected(&first);
        self.moves(|host| host == at_first).await;
        self.goes_on(|host| host == at_first).await;

        self.chapters.push(Chapter::begins("relay drains"));
        self.drain(&first).await;
        self.moves(|host| host != host_of(&first)).await;
        self.is_gone(&first).await;

        let second = relay(&self.fleet, Some(&first)).await;
        self.chapters.push(Chapter::begins("second relay"));
        let at_second = self.expected(&second);
        self.moves(|host| host == at_second).await;
        self.goes_on(|host| host == at_second).await;

        self.chapters.push(Chapter::begins(KILLED));
        kill(self.fleet.relay_pid(&second).unwrap());
        let dead = host_of(&second);
        if self.player.outlives_its_relay() {
            self.moves(|host| host != dead).await;
        } else {
            self.starts_again(dead).await;
        }
        self.goes_on(|host| host != dead).await;

        self.chapters.push(Chapter::begins(MANAGER_KILLED));
        self.fleet.manager.kill();
        self.goes_on(|host| host != dead).await;
        self.end().await
    }

    /// Where the player is to be when a relay serves.
    fn expected(&self, relay: &ServerStatus) -> IpAddr {
        if self.player.moves() { host_of(relay) } else { self.fleet.subnet.host(1).into() }
    }

    /// Waits until media come from where `wanted` says, and notes how long after the last event that was.
    async fn moves(&mut self, wanted: impl Fn(IpAddr) -> bool) {
        let what = format!("{}: {}: moves", self.player, self.chapters.last().unwrap().name);
        eventually(&what, SETTLES, async || at(&self.sightings, &wanted)).await;
        let (moved_at, _) = *self.sightings.so_far().moves.last().unwrap();
        self.chapters.last_mut().unwrap().moved_at = Some(moved_at);
    }

    /// Lets it play on where it is.
    async fn goes_on(&mut self, wanted: impl Fn(IpAddr) -> bool) {
        let what = format!("{}: {}: plays on", self.player, self.chapters.last().unwrap().name);
        stays(&what, GOES_ON, async || at(&self.sightings, &wanted)).await;
        assert_eq!(self.playing.program().ended(), None, "{what}");
    }

    async fn drain(&self, relay: &ServerStatus) {
        let drain = self.fleet.start_client("drain", &["drain", &relay.id]).end().await;
        assert!(drain.success(), "{}: the relay can be drained", self.player);
    }

    async fn is_gone(&self, relay: &ServerStatus) {
        eventually("the drained relay retires before its deadline", Duration::from_secs(25), async || {
            match self.fleet.relay_pid(relay) {
                None => Ok(()),
                Some(pid) => Err(format!("{pid} still runs")),
            }
        })
        .await;
    }

    /// Waits until the player ends with its relay, and starts it with the same URL; or sees it go on.
    async fn starts_again(&mut self, dead: IpAddr) {
        let (player, killed_at) = (self.player, unix_ms());
        let ended = eventually(&format!("{player}: ends or goes on"), SETTLES, async || {
            if self.playing.program().ended().is_some() {
                return Ok(true);
            }
            at(&self.sightings, |host| host != dead).map(|()| false)
        })
        .await;
        if ended {
            let after_ms = unix_ms() - killed_at;
            let again = player.start(&self.fleet, WHOLE_STORY);
            self.ended = Some((std::mem::replace(&mut self.playing, again).summary(), after_ms));
        }
        self.moves(|host| host != dead).await;
    }

    async fn end(self) -> Row {
        let Self { player, playing, sightings, chapters, at_ready, ended, fleet: _fleet } = self;
        let seen = sightings.so_far();
        let last = playing.stop().await;
        let (summary, again) = match ended {
            Some((first, ended_after_ms)) => (first, Some(Again { ended_after_ms, summary: last })),
            None => (last, None),
        };
        Row { player, at_ready, chapters, summary, again, seen }
    }
}
