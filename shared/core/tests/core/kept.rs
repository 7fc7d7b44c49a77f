//! Sick instances that are kept for somebody to look at: out of service, one at a time, and never in the way.

use ghostnet_core::decide::Decision;
use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::TargetHealth;
use ghostnet_core::operator::Wish;
use ghostnet_core::reason::Finding;
use ghostnet_core::refresh::RefreshRequest;
use ghostnet_core::state::DrainReason;
use ghostnet_core::unit::Seconds;

use crate::support::*;

fn pool_of(instances: u32, max: u32) -> World {
    World::serving(instances, keeping(max))
}

fn keeping(max: u32) -> Value {
    json!({
        "policies": [],
        "defaults": {
            "capacity": { "max": max },
            "drain": { "timeout": "60s" },
            "health": { "when_unhealthy": { "maintenance": { "keep": "1h" } } },
        },
    })
}

fn sicken(world: &mut World, n: usize) -> InstanceId {
    let id = InstanceId::new(format!("i-blue-{n:03}"));
    world.health("blue", &id, TargetHealth::Unhealthy);
    id
}

fn drains(decisions: &[Decision]) -> Vec<(InstanceId, DrainReason)> {
    let of = |finding: &Finding| match finding {
        Finding::Drains { instance, why } => Some((instance.clone(), *why)),
        _ => None,
    };
    decisions
        .iter()
        .flat_map(|decision| &blue(decision).findings)
        .filter_map(of)
        .collect()
}

#[test]
fn a_sick_instance_leaves_its_group_is_replaced_and_stays_for_its_time() {
    let mut world = pool_of(4, 10);
    let id = sicken(&mut world, 1);
    world.look();
    let mut decisions = world.minutes(30);
    assert_eq!(drains(&decisions), [(id.clone(), DrainReason::Kept)]);
    assert!(!world.targets["blue"].contains_key(&id), "out of its group");
    assert!(world.alive().contains(&id.as_str()));
    assert_eq!(
        (world.alive().len(), counts(&decisions.pop().unwrap()).in_service),
        (5, 4),
        "and replaced"
    );
    world.minutes(35);
    assert!(!world.alive().contains(&id.as_str()), "its hour is over");
    assert_eq!(world.alive().len(), 4);
}

#[test]
fn one_at_a_time_is_kept() {
    let mut world = pool_of(8, 20);
    let (first, second) = (sicken(&mut world, 1), sicken(&mut world, 2));
    world.look();
    let decisions = world.minutes(20);
    assert_eq!(drains(&decisions), [(first, DrainReason::Kept), (second, DrainReason::Unhealthy)]);
    assert_eq!(world.alive().len(), 9);
}

/// At the maximum the kept one fills the surge: the next that needs a replacement gets its place.
#[test]
fn one_that_is_kept_is_never_in_the_way() {
    let mut world = pool_of(4, 4);
    let first = sicken(&mut world, 1);
    world.look();
    world.minutes(10);
    assert!(world.alive().contains(&first.as_str()));
    sicken(&mut world, 2);
    let decisions = world.minutes(12);
    assert!(!world.alive().contains(&first.as_str()));
    assert_eq!(counts(decisions.last().unwrap()).in_service, 4);
}

/// A sick one is replaced and kept for its hour; meanwhile an operator asks for a refresh.
#[test]
fn one_that_is_kept_holds_up_no_refresh() {
    let mut world = pool_of(4, 10);
    let id = sicken(&mut world, 1);
    world.look();
    world.minutes(5);
    let refresh = RefreshRequest::Start {
        reason: "a new image".into(),
        checkpoints: Vec::new(),
        bake: Seconds(0),
        drifted: false,
    };
    world.ask("ada", Wish::Refresh(refresh));
    let decisions = world.minutes(45);
    assert!(decisions.iter().all(|decision| counts(decision).in_service >= 4));
    let ended = world.inputs.state.pools[&pool("blue")].refresh.clone().unwrap().ended;
    assert!(ended.is_some_and(|ended| ended.complete), "{ended:?}");
    assert!(world.alive().contains(&id.as_str()), "its hour is not over");
}

#[test]
fn one_that_is_kept_holds_up_no_warm_stock() {
    let mut world = pool_of(4, 10);
    let id = sicken(&mut world, 1);
    world.look();
    world.minutes(10);
    let mut stocks = keeping(10);
    merge(&mut stocks, json!({ "defaults": { "warm": { "size": 2 } } }));
    world.spec = spec(stocks);
    let decisions = world.minutes(15);
    assert_eq!(counts(decisions.last().unwrap()).warm, 2);
    assert!(world.alive().contains(&id.as_str()), "its hour is not over");
}

#[test]
fn a_fleet_that_is_deleted_keeps_nobody() {
    let mut world = pool_of(3, 10);
    let id = sicken(&mut world, 1);
    world.look();
    world.minutes(5);
    assert!(world.alive().contains(&id.as_str()));
    world.inputs.retiring = true;
    world.minutes(5);
    assert_eq!(world.alive(), [""; 0]);
}

#[test]
fn who_never_served_is_not_kept() {
    let mut world = World::new(json!({
        "policies": [],
        "defaults": { "capacity": { "min": 1, "initial": 1 }, "health": { "registration_deadline": "5m", "when_unhealthy": { "maintenance": { "keep": "1h" } } } },
    }));
    world.look();
    let mut decisions = Vec::new();
    for _ in 0..10 {
        world.pass(60);
        for health in world.targets.entry("blue".into()).or_default().values_mut() {
            *health = TargetHealth::Unhealthy;
        }
        decisions.push(world.look());
    }
    assert_eq!(drains(&decisions)[0].1, DrainReason::NeverHealthy);
}

#[test]
fn what_cannot_be_read_is_told_on_its_field() {
    let told = |rule: Value| problems(json!({ "defaults": { "health": { "when_unhealthy": rule } } }));
    assert_eq!(told(json!("replace")), [""; 0]);
    assert_eq!(
        told(json!("repair")),
        ["defaults.health.when_unhealthy: `repair` is none of the known words"]
    );
    assert_eq!(
        told(json!({ "maintenance": { "keep": "2d" } })),
        ["defaults.health.when_unhealthy.maintenance.keep: `2d` is more than `1d`"]
    );
}
