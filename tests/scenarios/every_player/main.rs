//! Browser players through everything that can happen to a relay: one story for each engine, told by the real programs, and a
//! table of what a viewer saw. It takes minutes, so it runs with `tests/run --players` alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fmt::Write as _, net::IpAddr, time::Duration};

use proto::v1::{Phase, ServerStatus};
use tests::{
    Fleet,
    browser::{Browser, Engine, Summary},
    eventually,
    fleet::relays_in,
    program::kill,
    stays,
    wait::unix_ms,
};

/// What may take a busy machine long: a browser that starts, a relay that comes.
const SETTLES: Duration = Duration::from_secs(60);

/// More than any story takes.
const WHOLE_STORY: Duration = Duration::from_secs(600);

/// How long the player has to go on well after each event.
const GOES_ON: Duration = Duration::from_secs(8);

/// The longest time to live of a steering answer in these tests (2 s and a fifth), the target duration, and two looks: how long a
/// move may take.
const MOVES: Duration = Duration::from_millis(2_400 + 2_000 + 1_000);

fn host_of(server: &ServerStatus) -> IpAddr {
    let address = server.base_url.strip_prefix("http://").unwrap();
    address.rsplit_once(':').unwrap().0.parse().unwrap()
}

/// One engine's way through its story.
struct Story {
    engine: Engine,
    fleet: Fleet,
    browser: Browser,
    /// What happened, and when it began.
    chapters: Vec<(&'static str, u64)>,
    /// How long each move took, in milliseconds.
    moves: Vec<(&'static str, u64)>,
}

impl Story {
    async fn begin(engine: Engine) -> Self {
        let fleet = Fleet::builder().threshold(0).start().await;
        let browser = Browser::start(&fleet, engine, &url(&fleet, engine), WHOLE_STORY);
        Self { engine, fleet, browser, chapters: vec![("start", unix_ms())], moves: Vec::new() }
    }

    fn chapter(&mut self, name: &'static str) {
        self.chapters.push((name, unix_ms()));
    }

    /// A relay that serves, another than `not`.
    async fn relay(&self, not: Option<&ServerStatus>) -> ServerStatus {
        let serves = |server: &&ServerStatus| not.is_none_or(|not| not.id != server.id);
        let what = format!("{}: a relay serves", self.engine);
        eventually(&what, SETTLES, async || {
            let status = self.fleet.status().await?;
            let relay = relays_in(&status, Phase::Serving).into_iter().find(serves).cloned();
            relay.ok_or_else(|| format!("{status:?}"))
        })
        .await
    }

    /// Waits until media come from where `wanted` says, and notes how long after the last event that was.
    async fn moves(&mut self, what: &'static str, wanted: impl Fn(IpAddr) -> bool) {
        let (browser, engine) = (&self.browser, self.engine);
        eventually(&format!("{engine}: {what}"), SETTLES, async || match browser.host() {
            Some(host) if wanted(host) => Ok(()),
            host => Err(format!("media come from {host:?}")),
        })
        .await;
        let event = self.chapters.last().unwrap().1;
        self.moves.push((what, self.browser.moves().pop().unwrap().at.saturating_sub(event)));
    }

    /// Lets it play on where it is.
    async fn goes_on(&self, what: &str, wanted: impl Fn(IpAddr) -> bool) {
        stays(&format!("{}: {what}", self.engine), GOES_ON, async || match self.browser.host() {
            Some(host) if wanted(host) => Ok(()),
            host => Err(format!("media come from {host:?}")),
        })
        .await;
    }

    async fn tell(mut self) -> Row {
        self.moves("it plays", |_| true).await;

        let first = self.relay(None).await;
        self.chapter("relay");
        let at_first = host_of(&first);
        self.moves("moved to the relay that came", |host| host == at_first).await;
        self.goes_on("stays at the relay", |host| host == at_first).await;

        self.chapter("drain");
        let drain = self.fleet.start_client("drain", &["drain", &first.id]).end().await;
        assert!(drain.success(), "{}: the relay can be drained", self.engine);
        self.moves("left the relay that drained", |host| host != at_first).await;
        let fleet = &self.fleet;
        eventually("the drained relay retires before its deadline", Duration::from_secs(25), async || {
            match fleet.relay_pid(&first) {
                None => Ok(()),
                Some(pid) => Err(format!("{pid} still runs")),
            }
        })
        .await;

        self.chapter("second relay");
        let second = self.relay(Some(&first)).await;
        let at_second = host_of(&second);
        self.moves("moved to the second relay", |host| host == at_second).await;
        self.goes_on("stays at the second relay", |host| host == at_second).await;

        self.chapter("kill -9");
        kill(self.fleet.relay_pid(&second).unwrap());
        self.moves("left the relay that died", |host| host != at_second).await;
        self.goes_on("plays elsewhere", |host| host != at_second).await;

        self.chapter("manager killed");
        self.fleet.manager.kill();
        self.goes_on("plays without a manager", |host| host != at_second).await;
        self.end().await
    }

    async fn end(mut self) -> Row {
        self.browser.program().stop().await;
        let summary = self.browser.summary();
        let ends = self.chapters.iter().skip(1).map(|(_, at)| *at).chain([u64::MAX]);
        let stalls = self.chapters.iter().zip(ends);
        let stalls = stalls.map(|((name, at), end)| (*name, summary.longest_stall(*at..end))).collect();
        Row { engine: self.engine, summary, stalls, moves: self.moves }
    }
}

fn url(fleet: &Fleet, engine: Engine) -> String {
    match engine {
        // Its release build cannot match clones, and says so by nothing in its requests.
        Engine::Shaka => format!("{}?player=shaka", fleet.watch_url()),
        _ => fleet.watch_url(),
    }
}

/// What one engine's viewer saw.
#[derive(Debug)]
struct Row {
    engine: Engine,
    summary: Summary,
    stalls: Vec<(&'static str, u64)>,
    moves: Vec<(&'static str, u64)>,
}

impl Row {
    /// What is not as it should be.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.summary.fatal.is_empty() {
            faults.push(format!("fatal errors {:?}", self.summary.fatal));
        }
        for (chapter, ms) in &self.stalls {
            let most = if self.engine == Engine::VideoJs && *chapter == "kill -9" { 1_500 } else { 500 };
            if *ms > most {
                faults.push(format!("stood still for {ms} ms at {chapter}"));
            }
        }
        for (what, ms) in self.moves.iter().skip(1) {
            if u128::from(*ms) > MOVES.as_millis() {
                faults.push(format!("{what} only after {ms} ms"));
            }
        }
        faults.into_iter().map(|fault| format!("{}: {fault}", self.engine)).collect()
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from("| player | start-up |");
    let seconds = |ms: u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
    for (what, _) in rows.iter().take(1).flat_map(|row| row.moves.iter().skip(1)) {
        let _ = write!(text, " {what} |");
    }
    for (chapter, _) in rows.iter().take(1).flat_map(|row| &row.stalls) {
        let _ = write!(text, " longest stall, {chapter} |");
    }
    text += " frames dropped | segments by server |\n";
    let columns = text.matches('|').count() - 1;
    text += &format!("|{}\n", "---|".repeat(columns));
    for row in rows {
        let start_up = row.summary.started_at.map_or_else(|| "never".to_owned(), |ms| format!("{ms:.0} ms"));
        let _ = write!(text, "| {} | {start_up} |", row.engine);
        for (_, ms) in row.moves.iter().skip(1) {
            let _ = write!(text, " {} |", seconds(*ms));
        }
        for (_, ms) in &row.stalls {
            let _ = if *ms == 0 { write!(text, " none |") } else { write!(text, " {ms} ms |") };
        }
        let hosts: Vec<String> = row.summary.hosts.values().map(ToString::to_string).collect();
        let _ = writeln!(text, " {} | {} |", row.summary.dropped, hosts.join(" + "));
    }
    text
}

#[tokio::test]
#[ignore = "takes minutes and all of the machine: tests/run --players"]
async fn browsers_follow_every_move_without_a_visible_stall() {
    let mut rows = Vec::new();
    for engine in Engine::ALL {
        rows.push(Story::begin(engine).await.tell().await);
        println!("{:?}", rows.last());
    }
    println!("{}", table(&rows));
    let faults: Vec<String> = rows.iter().flat_map(Row::faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
