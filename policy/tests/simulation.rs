//! The main job, end to end, in simulated time: a crowd comes, a relay takes what is beyond the threshold, the crowd leaves,
//! the relay goes. And what breaks on the way.

mod simulator;

use std::time::Duration;

use policy::{Action, Class, Phase, Region, ServerId, Settings, settings::RegionSettings};
use simulator::World;

const A: &str = "127.0.0.2";
const B: &str = "127.0.0.3";

fn settings(threshold: u32) -> Settings {
    Settings { threshold, drain_deadline: Duration::from_secs(40), ..Settings::default() }
}

/// Every viewer is where the threshold says.
fn settled_at(world: &World, primary: usize, relays: usize) -> bool {
    let away = world.viewers.len() - world.at_primary("default");
    world.at_primary("default") == primary && away == relays
}

#[test]
fn exactly_the_threshold_stays_at_the_primary_and_the_rest_moves_to_the_relay_that_stands_by() {
    for threshold in [0, 1, 3] {
        let mut world = World::with_standby(settings(threshold), &[A]);
        let keep = threshold as usize;
        world.arrive(threshold, Class::Steers, "default", Duration::from_secs(2));
        world.run(20);
        assert_eq!(world.at_primary("default"), keep, "so few stay");
        world.arrive(4, Class::Steers, "default", Duration::from_secs(3));
        world.run_until(40, "the crowd has spilled over", |world| settled_at(world, keep, 4));
        world.run(60);
        assert!(settled_at(&world, keep, 4), "threshold {threshold}\n{}", world.story());
        assert_eq!(world.stalls(), 0);
    }
}

#[test]
fn a_crowd_that_leaves_sends_its_relay_back_and_a_second_crowd_wakes_it_again() {
    let mut world = World::with_standby(settings(3), &[A]);
    for crowd in 1..=3 {
        world.arrive(8, Class::Steers, "default", Duration::from_secs(2));
        world.run_until(40, "the crowd has spilled over", |world| settled_at(world, 3, 5));
        world.leave(8, "default");
        world.run_until(60, "the relay stands by again", |world| world.phase(A) == Some(Phase::Standby));
        assert_eq!(world.decided(Action::Warm), crowd);
        assert_eq!(world.decided(Action::Drain), crowd);
    }
    assert_eq!(world.decided(Action::Launch), 0);
    assert_eq!(world.decided(Action::CallBack), 0);
}

#[test]
fn a_launched_relay_goes_with_its_crowd_and_a_second_crowd_gets_one_again() {
    let mut world = World::with_slots(settings(3), &[A, B]);
    for crowd in 1..=3 {
        world.arrive(8, Class::Steers, "default", Duration::from_secs(2));
        world.run_until(40, "the crowd has spilled over", |world| settled_at(world, 3, 5));
        world.leave(8, "default");
        world.run_until(90, "the relay is gone", |world| world.servers.len() == 1);
        world.run(20);
        assert_eq!(world.fleet.as_ref().unwrap().servers().count(), 1, "nothing is remembered of it");
        assert_eq!(world.decided(Action::Launch), crowd);
        assert_eq!(world.decided(Action::Retire), crowd);
    }
    assert_eq!(world.decided(Action::Lose), 0);
    assert_eq!(world.decided(Action::Terminate), 0);
}

#[test]
fn viewers_that_are_left_are_moved_to_the_primary_before_their_relay_goes() {
    for class in [Class::Steers, Class::Watches, Class::Redirects] {
        let mut world = World::with_slots(settings(10), &[A]);
        world.arrive(30, class, "default", Duration::from_secs(2));
        world.run_until(60, "the crowd has spilled over", |world| settled_at(world, 10, 20));
        world.leave(24, "default");
        world.run_until(120, "the relay is gone", |world| world.servers.len() == 1);
        assert!(settled_at(&world, 6, 0), "{class}\n{}", world.story());
        assert_eq!(world.stalls(), 0, "{class}");
        assert!(
            world.decisions.iter().any(|it| it.action == Action::Retire && it.reason.as_str() == "empty")
        );
        assert_eq!(world.decided(Action::CallBack), 0, "{class}\n{}", world.story());
    }
}

#[test]
fn a_crowd_that_comes_back_while_its_relay_drains_has_it_called_back() {
    let mut world = World::with_slots(settings(10), &[A, B]);
    world.arrive(30, Class::Steers, "default", Duration::from_secs(2));
    world.run_until(60, "the crowd has spilled over", |world| settled_at(world, 10, 20));
    world.run(30);
    world.leave(27, "default");
    world.run_until(60, "the relay drains", |world| world.relays(Phase::Draining) == 1);
    world.arrive(27, Class::Steers, "default", Duration::from_secs(1));
    world.run_until(60, "the relay serves", |world| settled_at(world, 10, 20));
    assert_eq!((world.decided(Action::CallBack), world.decided(Action::Launch)), (1, 1));
}

#[test]
fn fixed_viewers_stay_then_those_that_redirect_and_those_that_steer_move_first() {
    let mut world = World::with_standby(settings(6), &[A]);
    world.arrive(2, Class::Fixed, "default", Duration::from_secs(1));
    world.arrive(3, Class::Redirects, "default", Duration::from_secs(1));
    world.arrive(6, Class::Steers, "default", Duration::from_secs(1));
    world.run_until(60, "the crowd has spilled over", |world| settled_at(world, 6, 5));
    world.run(30);
    assert!(settled_at(&world, 6, 5));
    let at_primary = |world: &World, class: Class| {
        let here = world.viewers.values().filter(|viewer| viewer.server == Some(ServerId::primary()));
        here.filter(|viewer| viewer.session.class == class).count()
    };
    assert_eq!(
        [Class::Fixed, Class::Redirects, Class::Steers].map(|class| at_primary(&world, class)),
        [2, 3, 1]
    );
    world.arrive(4, Class::Redirects, "default", Duration::from_secs(1));
    world.run(60);
    assert!(settled_at(&world, 6, 9));
    assert_eq!(
        [Class::Fixed, Class::Redirects, Class::Steers].map(|class| at_primary(&world, class)),
        [2, 4, 0]
    );
}

#[test]
fn viewers_of_a_relay_that_dies_play_from_another_relay_and_a_new_one_comes() {
    let mut world = World::with_slots(Settings { relay_capacity: 20, ..settings(3) }, &[A, B, "127.0.0.4"]);
    world.arrive(28, Class::Steers, "default", Duration::from_secs(5));
    world.run_until(60, "two relays have the rest", |world| {
        settled_at(world, 3, 25) && world.relays(Phase::Serving) == 2
    });
    world.run(30);
    let before = world.playing(&ServerId::of_relay(A).unwrap(), "default");
    assert!(before > 5);
    world.kill(A);
    world.run(3);
    assert_eq!(world.playing(&ServerId::of_relay(A).unwrap(), "default"), 0);
    assert_eq!(world.phase(A), Some(Phase::Lost), "the provisioner saw it end");
    world.run_until(60, "a third relay serves", |world| world.phase("127.0.0.4") == Some(Phase::Serving));
    world.run_until(60, "all is level", |world| settled_at(world, 3, 25));
    let seen = world.fleet.as_ref().unwrap().regions().next().unwrap().1.demand.high;
    assert_eq!(seen, 28);
    assert_eq!(world.decided(Action::Launch), 3, "not in the slot that rests\n{}", world.story());
}

#[test]
fn a_manager_that_comes_back_finds_its_fleet_and_neither_launches_nor_drains() {
    for (down, settings) in [(0, settings(10)), (3, settings(10)), (60, settings(10))] {
        let mut world = World::with_slots(settings, &[A, B]);
        world.arrive(50, Class::Steers, "default", Duration::from_secs(2));
        world.run_until(60, "the crowd has spilled over", |world| settled_at(world, 10, 40));
        world.run(10);
        world.decisions.clear();
        world.kill_manager();
        world.run(down);
        world.start_manager();
        world.run(60);
        let story = world.story();
        assert!(settled_at(&world, 10, 40), "{story}");
        assert_eq!(world.stalls(), 0);
        for action in [Action::Launch, Action::Drain, Action::Terminate, Action::Warm, Action::Lose] {
            assert_eq!(world.decided(action), 0, "{story}");
        }
    }
}

#[test]
fn a_relay_that_an_earlier_manager_launched_and_that_never_attaches_is_ended() {
    let mut world =
        World::with_slots(Settings { launch_timeout: Duration::from_secs(20), ..settings(3) }, &[A, B]);
    world.arrive(8, Class::Steers, "default", Duration::from_secs(2));
    world.run_until(40, "the crowd has spilled over", |world| settled_at(world, 3, 5));
    world.kill_manager();
    world.leave(8, "default");
    let relay = world.servers.values_mut().find(|server| server.launched).unwrap();
    relay.mute = true;
    world.start_manager();
    world.run(40);
    assert_eq!(world.servers.len(), 1, "{}", world.story());
    assert_eq!(world.decided(Action::Terminate), 1);
}

#[test]
fn two_regions_have_thresholds_and_relays_of_their_own() {
    let region = |threshold| RegionSettings { threshold: Some(threshold), ..RegionSettings::default() };
    let regions = [("eu".parse().unwrap(), region(50)), ("us".parse().unwrap(), region(100))].into();
    let mut world = World::with_slots(Settings { regions, ..settings(3) }, &[A, B, "127.0.0.4"]);
    world.arrive(150, Class::Steers, "eu", Duration::from_secs(20));
    world.arrive(150, Class::Watches, "us", Duration::from_secs(20));
    let near = |count: usize, target: usize| count.abs_diff(target) <= target / 50;
    world.run_until(90, "both have spilled over", |world| {
        near(world.at_primary("eu"), 50) && near(world.at_primary("us"), 100)
    });
    assert_eq!(world.decided(Action::Launch), 2, "{}", world.story());
    world.leave(150, "eu");
    world.leave(150, "us");
    world.run_until(90, "the relays are gone", |world| world.servers.len() == 1);
    assert_eq!(world.stalls(), 0);
}

#[test]
fn a_region_without_a_relay_of_its_own_overflows_to_its_neighbours() {
    let eu = RegionSettings { neighbours: vec![Region::fallback()], ..RegionSettings::default() };
    let mut world =
        World::with_standby(Settings { regions: [("eu".parse().unwrap(), eu)].into(), ..settings(3) }, &[A]);
    world.arrive(8, Class::Steers, "default", Duration::from_secs(2));
    world.run_until(40, "the relay serves its own region", |world| world.at_primary("default") == 3);
    world.arrive(10, Class::Steers, "eu", Duration::from_secs(2));
    world.run_until(40, "it serves its neighbours too", |world| world.at_primary("eu") == 3);
    world.run(5);
    assert!(world.decisions.iter().any(|it| it.reason.as_str() == "no-provisioner"), "{}", world.story());
    world.leave(8, "default");
    world.run_until(90, "its own region does not need it", |world| world.phase(A) == Some(Phase::Standby));
    assert_eq!(world.at_primary("eu"), 10);
    assert_eq!(world.stalls(), 0);
}

#[test]
fn viewers_that_redirect_do_not_swing_between_the_primary_and_a_relay() {
    let mut world = World::with_standby(settings(17), &[A]);
    world.arrive(27, Class::Redirects, "default", Duration::from_secs(3));
    world.run_until(40, "the crowd has spilled over", |world| settled_at(world, 17, 10));
    for _ in 0..30 {
        world.run(1);
        assert!(settled_at(&world, 17, 10));
    }
}

#[test]
fn an_operators_drain_empties_a_relay_and_holds_it_until_it_is_given_back() {
    let mut world = World::with_standby(settings(3), &[A, B]);
    world.arrive(8, Class::Steers, "default", Duration::from_secs(2));
    world.run_until(40, "the crowd has spilled over", |world| settled_at(world, 3, 5));
    let (busy, idle) = if world.phase(A) == Some(Phase::Serving) { (A, B) } else { (B, A) };
    world.drain(busy);
    world.run_until(90, "the other has its viewers", |world| {
        world.phase(idle) == Some(Phase::Serving) && world.phase(busy) == Some(Phase::Standby)
    });
    assert!(settled_at(&world, 3, 5));
    world.drain(idle);
    world.run_until(90, "nobody serves", |world| world.phase(idle) == Some(Phase::Standby));
    world.run(30);
    assert!(settled_at(&world, 8, 0), "{}", world.story());
    world.resume(busy);
    world.run_until(60, "it serves again", |world| settled_at(world, 3, 5));
    assert_eq!(world.stalls(), 0);
}

#[test]
fn with_backfill_viewers_come_back_to_the_primary_and_without_it_they_stay() {
    for (backfill, at_primary) in [(true, 10), (false, 2)] {
        let mut world = World::with_standby(Settings { backfill, ..settings(10) }, &[A]);
        world.arrive(30, Class::Steers, "default", Duration::from_secs(2));
        world.run_until(60, "the crowd has spilled over", |world| settled_at(world, 10, 20));
        world.leave_from(&ServerId::primary(), 8);
        world.run(60);
        assert_eq!(world.at_primary("default"), at_primary, "backfill {backfill}");
    }
}

#[test]
fn viewers_move_no_faster_than_the_pace_of_the_fleets_room() {
    let settings = Settings { drain_pace: 0.01, relay_capacity: 2_000, ..settings(10) };
    let mut world = World::with_slots(settings, &[A]);
    world.arrive(1500, Class::Watches, "default", Duration::from_secs(1));
    world.run_until(60, "the relay serves", |world| world.relays(Phase::Serving) == 1);
    for _ in 0..5 {
        let before = world.at_primary("default");
        world.run(1);
        let moved = before - world.at_primary("default");
        assert!(moved <= 122, "{moved} of a room of 12000 moved in a second");
    }
    world.run_until(60, "all have moved", |world| world.at_primary("default") == 10);
}
