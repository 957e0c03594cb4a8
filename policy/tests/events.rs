//! Random events in simulated time: whatever comes, leaves, dies or is drained, once it is quiet everybody plays, the manager
//! knows how many they are, and every region is where its threshold says.

mod simulator;

use std::time::Duration;

use policy::{Class, Phase, Settings, routing::Kind, target::relay_deadband};
use proptest::{collection::vec, prelude::*, sample::select};
use simulator::World;

const HOSTS: [&str; 8] =
    ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8", "127.0.0.9"];

/// Something that happens to the event.
#[derive(Debug, Clone)]
enum Turn {
    Arrive(u32, Class),
    Leave(usize),
    Kill(usize),
    RestartManager(u64),
    Hiccup(usize),
    Drain(usize),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        6 => (1..40_u32, select(Class::ALL.to_vec())).prop_map(|(viewers, class)| Turn::Arrive(viewers, class)),
        4 => (1..60_usize).prop_map(Turn::Leave),
        1 => (0..HOSTS.len()).prop_map(Turn::Kill),
        1 => (0..20_u64).prop_map(Turn::RestartManager),
        1 => (0..HOSTS.len()).prop_map(Turn::Hiccup),
        1 => (0..HOSTS.len()).prop_map(Turn::Drain),
    ]
}

fn play(world: &mut World, turns: &[(Turn, u64)]) {
    let mut kills = 0;
    for (turn, seconds) in turns {
        match turn {
            Turn::Arrive(viewers, class) => world.arrive(*viewers, *class, "default", Duration::from_secs(3)),
            Turn::Leave(viewers) => world.leave(*viewers, "default"),
            // A slot rests after a death: the event must not run out of them.
            Turn::Kill(host) if kills < 2 => {
                kills += 1;
                world.kill(HOSTS[*host]);
            }
            Turn::Kill(_) => {}
            Turn::Hiccup(host) => world.hiccup(HOSTS[*host]),
            Turn::Drain(host) if world.phase(HOSTS[*host]) == Some(Phase::Serving) => {
                world.drain(HOSTS[*host]);
            }
            Turn::Drain(_) => {}
            Turn::RestartManager(down) => {
                world.kill_manager();
                world.run(*down);
                world.start_manager();
            }
        }
        world.run(*seconds);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn once_it_is_quiet_every_region_is_where_its_threshold_says(
        turns in vec((turn(), 1..30_u64), 1..8),
        threshold in 0..30_u32,
        standby in 0..3_usize,
    ) {
        let settings = Settings {
            threshold,
            relay_capacity: 30,
            drain_deadline: Duration::from_secs(40),
            longest_steering_ttl: Duration::from_secs(12),
            ..Settings::default()
        };
        let mut world = World::with_slots(settings, &HOSTS[standby..]);
        for host in &HOSTS[..standby] {
            world.start_relay(host, 30);
        }
        world.run(1);
        play(&mut world, &turns);
        world.run(240);
        check(&world, threshold)?;
    }
}

fn check(world: &World, threshold: u32) -> Result<(), TestCaseError> {
    let story = world.story();
    let viewers = world.viewers.len();
    for viewer in world.viewers.values() {
        let there = viewer.server.as_ref().and_then(|server| world.servers.get(server));
        prop_assert!(there.is_some(), "viewer {} plays from nowhere\n{story}", viewer.id);
        prop_assert!(there.is_some_and(|server| server.phase == Phase::Serving), "{story}");
    }
    let fleet = world.fleet.as_ref().ok_or_else(|| TestCaseError::fail("no manager"))?;
    let seen: u32 = fleet.regions().map(|(_, region)| region.demand.high).sum();
    prop_assert_eq!(seen as usize, viewers, "{}", story);
    let fixed = world.viewers.values().filter(|viewer| viewer.session.class == Class::Fixed).count();
    let most = fixed.max((threshold + threshold / 50) as usize);
    let there = world.at_primary("default");
    prop_assert!(there <= most, "{there} at the primary, not {most}\n{story}");
    for relay in fleet.servers().filter(|server| server.kind == Kind::Relay && server.is_active()) {
        let (has, target) = (relay.viewers.total(), relay.target_total());
        let most = target + relay_deadband(target);
        prop_assert!(
            has <= most,
            "{} has {has}, and should have {target}, at most {most}\n{story}",
            relay.id
        );
    }
    let serving = fleet.servers().filter(|server| server.kind == Kind::Relay && server.is_active());
    let wanted: u32 = fleet.regions().map(|(_, region)| region.wanted()).sum();
    prop_assert_eq!(serving.count(), wanted as usize, "{}", story);
    let little =
        f64::from(u32::try_from(viewers).unwrap_or(u32::MAX)) < 0.7 * f64::from(threshold) || viewers == 0;
    prop_assert!(!little || wanted == 0, "{story}");
    Ok(())
}
