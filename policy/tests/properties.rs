//! What holds whatever happens: random histories, sensible or not, are told to the fleet controller, and after every step
//! the invariants are audited and the picture for placement is asked for places.

mod places;

use std::{collections::BTreeMap, time::Duration};

use policy::{
    Action, Class, Command, Decision, Fleet, Observation, Phase, Reason, Region, ServerId, Settings, Time,
    adaptation::Mode,
    audit,
    fleet::{Count, Hello, Inventory, LaunchSpec, Offer, Report, Server, StreamState},
    routing::Kind,
};
use proptest::{collection::vec, prelude::*, sample::select};

const HOSTS: [&str; 5] = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];
const REGIONS: [&str; 3] = ["default", "eu", "us"];
const CAPACITY: u32 = 50;

/// One thing that happens; servers and regions by number.
#[derive(Debug, Clone)]
enum Act {
    Attach(Newcomer),
    Report {
        server: usize,
        phase: Phase,
        viewers: Vec<(usize, usize, u32)>,
        quiet: bool,
        opened: u64,
        stale: bool,
    },
    Goodbye(usize),
    Disconnect(usize),
    LaunchStarted(usize),
    LaunchFailed(usize),
    Listed {
        slots: usize,
        running: Vec<usize>,
    },
    Exited(usize),
    Drain(usize),
    Resume(usize),
    Move(usize),
    Tick,
    /// Everybody who is attached reports what was reported last, for so many seconds.
    Quiet(u8),
}

/// A server as it attaches.
#[derive(Debug, Clone)]
struct Newcomer {
    server: usize,
    phase: Phase,
    launched: bool,
    incarnation: u64,
    region: usize,
    capacity: u32,
}

fn newcomer() -> impl Strategy<Value = Newcomer> {
    let phase = select(vec![Phase::Standby, Phase::Warming, Phase::Serving, Phase::Draining]);
    let capacity = select(vec![CAPACITY, CAPACITY, 1, u32::MAX]);
    (0..HOSTS.len(), phase, any::<bool>(), 0..3_u64, 0..REGIONS.len(), capacity).prop_map(
        |(server, phase, launched, incarnation, region, capacity)| Newcomer {
            server,
            phase,
            launched,
            incarnation,
            region,
            capacity,
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let phase = select(vec![Phase::Standby, Phase::Warming, Phase::Serving, Phase::Draining]);
    let count = prop_oneof![20 => 0..80_u32, 1 => Just(u32::MAX)];
    let viewers = vec((0..REGIONS.len(), 0..Class::ALL.len(), count), 0..4);
    let server = || 0..HOSTS.len();
    prop_oneof![
        4 => newcomer().prop_map(Act::Attach),
        12 => (server(), phase, viewers, any::<bool>(), 0..100_u64, prop::bool::weighted(0.05)).prop_map(
            |(server, phase, viewers, quiet, opened, stale)| Act::Report { server, phase, viewers, quiet, opened, stale }
        ),
        1 => server().prop_map(Act::Goodbye),
        1 => server().prop_map(Act::Disconnect),
        1 => server().prop_map(Act::LaunchStarted),
        1 => server().prop_map(Act::LaunchFailed),
        1 => (1..HOSTS.len(), vec(1..HOSTS.len(), 0..3)).prop_map(|(slots, running)| Act::Listed { slots, running }),
        1 => server().prop_map(Act::Exited),
        1 => server().prop_map(Act::Drain),
        1 => server().prop_map(Act::Resume),
        2 => server().prop_map(Act::Move),
        2 => Just(Act::Tick),
        6 => (1..40_u8).prop_map(Act::Quiet),
    ]
}

fn history() -> impl Strategy<Value = Vec<(Act, u64)>> {
    vec((act(), select(vec![0, 100, 1_000, 1_000, 4_000, 12_000, 400_000])), 1..80)
}

fn settings(threshold: u32, backfill: bool) -> Settings {
    Settings {
        threshold,
        backfill,
        relay_capacity: CAPACITY,
        drain_deadline: Duration::from_secs(20),
        longest_steering_ttl: Duration::from_secs(12),
        fleet_budget: 3,
        ..Settings::default()
    }
}

fn region(number: usize) -> Region {
    REGIONS[number].parse().expect("a region's name")
}

fn id(server: usize) -> ServerId {
    if server == 0 { ServerId::primary() } else { ServerId::of_relay(HOSTS[server]).expect("a host") }
}

fn streams() -> Vec<StreamState> {
    let name = "live".parse().expect("a stream's name");
    vec![StreamState { name, ready: true, target_duration: Duration::from_secs(2), mode: Mode::default() }]
}

/// The fleet, what its servers said last, and everything that was ever decided.
struct Told {
    fleet: Fleet,
    now: Time,
    attachments: BTreeMap<usize, u64>,
    drawn: u64,
    last: BTreeMap<usize, Report>,
    commands: Vec<Command>,
}

impl Told {
    fn new(settings: Settings) -> Self {
        let now = Time::from_millis(1_000_000);
        Self {
            fleet: Fleet::new(settings.validated().expect("settings that can be meant"), now),
            now,
            attachments: BTreeMap::new(),
            drawn: 0,
            last: BTreeMap::new(),
            commands: Vec::new(),
        }
    }

    fn tell(&mut self, act: &Act, wait_ms: u64) -> Result<(), TestCaseError> {
        self.now = self.now + Duration::from_millis(wait_ms);
        if let Act::Quiet(seconds) = act {
            for _ in 0..*seconds {
                self.now = self.now + Duration::from_secs(1);
                for (server, report) in self.last.clone() {
                    let attachment = self.attachments.get(&server).copied().unwrap_or(0);
                    self.observe(Observation::Reported { server: id(server), attachment, report })?;
                }
                self.observe(Observation::Tick)?;
            }
            return Ok(());
        }
        if let Act::Move(server) = act {
            self.move_one(*server);
        }
        let observation = self.observation(act);
        self.observe(observation)
    }

    fn move_one(&self, server: usize) {
        let routing = self.fleet.routing();
        for route in routing.servers.iter().filter(|route| route.id == id(server)) {
            for number in 0..REGIONS.len() {
                if route.counters.told_to_leave(&region(number), self.now) {
                    assert!(
                        matches!(route.phase, Phase::Serving | Phase::Draining),
                        "{route:?} sends viewers away"
                    );
                }
                route.counters.placed(&region(number), self.now);
            }
        }
    }

    fn observation(&mut self, act: &Act) -> Observation {
        let attachments = self.attachments.clone();
        let attachment = |server: &usize| attachments.get(server).copied().unwrap_or(0);
        match act {
            Act::Attach(newcomer) => {
                let (server, phase) = (newcomer.server, newcomer.phase);
                self.drawn += 1;
                self.attachments.insert(server, self.drawn);
                self.last
                    .insert(server, Report { phase: Some(phase), streams: streams(), ..Report::default() });
                Observation::Attached(self.hello(newcomer))
            }
            Act::Report { server, phase, viewers, quiet, opened, stale } => {
                let report = self.report(*server, *phase, viewers, *quiet, *opened);
                let attachment = attachment(server).saturating_sub(u64::from(*stale));
                Observation::Reported { server: id(*server), attachment, report }
            }
            Act::Goodbye(server) => {
                Observation::Goodbye { server: id(*server), attachment: attachment(server) }
            }
            Act::Disconnect(server) => {
                Observation::Disconnected { server: id(*server), attachment: attachment(server) }
            }
            Act::LaunchStarted(server) => Observation::LaunchStarted { server: id(*server) },
            Act::LaunchFailed(server) => {
                Observation::LaunchFailed { server: id(*server), error: "no".into() }
            }
            Act::Listed { slots, running } => Observation::Listed(Inventory {
                slots: (1..=*slots).map(offer).collect(),
                running: running.iter().map(|server| id(*server)).collect(),
            }),
            Act::Exited(server) => Observation::Exited { server: id(*server) },
            Act::Drain(server) => Observation::Drain { server: id(*server) },
            Act::Resume(server) => Observation::Resume { server: id(*server) },
            Act::Move(_) | Act::Tick | Act::Quiet(_) => Observation::Tick,
        }
    }

    fn hello(&self, newcomer: &Newcomer) -> Hello {
        let primary = newcomer.server == 0;
        Hello {
            attachment: self.drawn,
            id: id(newcomer.server),
            kind: if primary { Kind::Primary } else { Kind::Relay },
            region: region(newcomer.region),
            base_url: format!("http://{}:8080", HOSTS[newcomer.server]).into(),
            capacity: if primary { newcomer.capacity.saturating_mul(10) } else { newcomer.capacity },
            incarnation: newcomer.incarnation,
            launched: newcomer.launched && !primary,
            phase: newcomer.phase,
            streams: streams(),
            version: String::new(),
            metrics_address: String::new(),
        }
    }

    fn report(
        &mut self,
        server: usize,
        phase: Phase,
        viewers: &[(usize, usize, u32)],
        quiet: bool,
        more: u64,
    ) -> Report {
        let count = |(number, class, viewers): &(usize, usize, u32)| Count {
            region: region(*number),
            class: Class::ALL[*class],
            viewers: *viewers,
        };
        let applied = self.fleet.server(&id(server)).and_then(|server| server.directive.as_ref());
        let report = Report {
            applied_generation: applied.map_or(0, |directive| directive.generation),
            phase: Some(phase),
            viewers: viewers.iter().map(count).collect(),
            opened_total: self.last.get(&server).map_or(0, |last| last.opened_total) + more,
            departed_total: self.last.get(&server).map_or(0, |last| last.departed_total) + more / 2,
            streams: streams(),
            upstream_healthy: true,
            quiet,
            ..Report::default()
        };
        self.last.insert(server, report.clone());
        report
    }

    fn observe(&mut self, observation: Observation) -> Result<(), TestCaseError> {
        let said = format!("{observation:?}");
        // Nonsense may be refused; that is no matter here.
        let _ = self.fleet.observe(observation, self.now);
        let commands: Vec<Command> = std::iter::from_fn(|| self.fleet.next_command()).collect();
        self.commands.extend(commands.iter().cloned());
        for launched in commands.iter().filter_map(launched) {
            let of_region = |server: &&Server| server.region == launched.region;
            let idle = self.fleet.servers().filter(of_region).find(|server| self.could_be_called(server));
            prop_assert!(idle.is_none(), "after {said}: {launched:?} was launched while {idle:?} was there");
        }
        let broken = audit(&self.fleet);
        prop_assert!(broken.is_empty(), "after {said}: {broken:?}");
        if let Some(deadline) = self.fleet.deadline() {
            prop_assert!(deadline > self.now, "after {said}: the deadline has passed");
        }
        let regions = (0..REGIONS.len()).map(region);
        places::ask_everywhere(&self.fleet, self.now, regions, &(0..HOSTS.len()).map(id).collect::<Vec<_>>())
            .map_err(|wrong| TestCaseError::fail(format!("after {said}: {wrong}")))
    }

    /// Whether a relay is being emptied and can be called back, or stands by; and it never died or failed to get ready.
    fn could_be_called(&self, server: &Server) -> bool {
        let of_server = |decision: &&Decision| decision.server.as_ref() == Some(&server.id);
        let mut decisions = self.decisions().filter(of_server);
        let failed = |it: &Decision| it.action == Action::Lose || matches!(it.reason, Reason::NeverReady(_));
        let called_back = server.desired == Phase::Draining && server.phase == Phase::Draining;
        let woken = server.desired == Phase::Standby && server.phase == Phase::Standby;
        !server.held && (called_back || woken) && !decisions.any(failed)
    }

    fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.commands.iter().filter_map(|command| match command {
            Command::Record(decision) => Some(decision),
            _ => None,
        })
    }
}

fn launched(command: &Command) -> Option<&LaunchSpec> {
    match command {
        Command::Launch(spec) => Some(spec),
        _ => None,
    }
}

fn offer(server: usize) -> Offer {
    let region = (server > 2).then(|| region(1));
    Offer { id: id(server), base_url: format!("http://{}:8080", HOSTS[server]).into(), region }
}

fn tell_all(history: &[(Act, u64)], threshold: u32, backfill: bool) -> Result<Told, TestCaseError> {
    let mut told = Told::new(settings(threshold, backfill));
    for (act, wait_ms) in history {
        told.tell(act, *wait_ms)?;
    }
    Ok(told)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_after_every_step(history in history(), threshold in 0..40_u32, backfill: bool) {
        tell_all(&history, threshold, backfill)?;
    }

    #[test]
    fn the_same_history_gives_the_same_commands(history in history(), threshold in 0..40_u32) {
        let (one, other) = (tell_all(&history, threshold, false)?, tell_all(&history, threshold, false)?);
        prop_assert_eq!(one.commands, other.commands);
    }

    #[test]
    fn no_region_shrinks_within_the_hold_of_its_growth(history in history(), threshold in 0..40_u32) {
        let told = tell_all(&history, threshold, false)?;
        let mut grown: BTreeMap<Region, Time> = BTreeMap::new();
        for decision in told.decisions() {
            let Some(region) = decision.region.clone() else { continue };
            let by_operator = decision.reason == Reason::Operator;
            match decision.action {
                Action::Launch | Action::Warm | Action::CallBack if !by_operator => {
                    grown.insert(region, decision.at);
                }
                Action::Drain if matches!(decision.reason, Reason::BelowThreshold { .. } | Reason::FewerWanted { .. }) => {
                    let since = grown.get(&region).map(|grown| decision.at.since(*grown));
                    prop_assert!(since.is_none_or(|since| since >= told.fleet.settings().hold), "{:?}", decision);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn generations_only_grow_and_only_with_the_content(history in history(), threshold in 0..40_u32) {
        let told = tell_all(&history, threshold, false)?;
        let mut last: BTreeMap<ServerId, std::sync::Arc<policy::Directive>> = BTreeMap::new();
        for command in &told.commands {
            let Command::Direct { server, directive, .. } = command else { continue };
            if let Some(before) = last.insert(server.clone(), directive.clone()) {
                let same = before.content == directive.content;
                prop_assert!(directive.generation > before.generation || same);
                prop_assert!(!same || directive.generation >= before.generation);
            }
        }
    }

    #[test]
    fn every_command_has_a_decision(history in history(), threshold in 0..40_u32) {
        let told = tell_all(&history, threshold, false)?;
        for (number, command) in told.commands.iter().enumerate() {
            let (server, action) = match command {
                Command::Launch(spec) => (&spec.id, Action::Launch),
                Command::Terminate { server } => (server, Action::Terminate),
                _ => continue,
            };
            let Some(Command::Record(decision)) = number.checked_sub(1).map(|before| &told.commands[before]) else {
                return Err(TestCaseError::fail("a command without a decision"));
            };
            prop_assert_eq!((decision.server.as_ref(), decision.action), (Some(server), action));
        }
    }
}
