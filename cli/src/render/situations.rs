//! Eight situations that an operator asks `plan` about, decided by the core and shown as `plan` shows them.

#![expect(
    unreachable_pub,
    dead_code,
    unused_imports,
    reason = "support is shared with the tests of the core"
)]

#[path = "../../../shared/core/tests/core/support/mod.rs"]
mod support;

use ghostnet_core::id::{InstanceType, Zone};
use ghostnet_core::observation::{ExhaustedOffering, InstanceState, Market, Offering, TargetHealth};
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::Reservation;
use ghostnet_core::state::{Member, Warm, WarmPhase};

use support::{Value, World, at, json, merge, pool};

/// Twelve instances that carry what they should, seen once, so that nothing of their first look is part of the plan.
fn twelve(change: Value) -> World {
    twelve_and(change, |_| {})
}

fn twelve_and(change: Value, more: fn(&mut World)) -> World {
    let mut spec = json!({
        "defaults": { "capacity": { "min": 2, "max": 40 } },
        "guards": { "stabilisation": { "in": "0s" } },
    });
    merge(&mut spec, change);
    let mut world = World::serving(12, spec);
    more(&mut world);
    world.look();
    world.wait(60);
    world
}

fn plan(mut world: World) -> String {
    let decision = world.decide(Signal::Tick);
    super::plan::text(&decision, &[], world.now())
}

fn spike(mut world: World) -> World {
    world.read("requests", 130.0);
    world
}

fn quiet(mut world: World) -> World {
    world.read("requests", 60.0);
    world
}

#[test]
fn more_load_than_twelve_carry() {
    insta::assert_snapshot!(plan(spike(twelve(json!({})))));
}

#[test]
fn less_load_in_its_first_minute() {
    insta::assert_snapshot!(plan(quiet(twelve(json!({ "guards": { "stabilisation": { "in": "10m" } } })))));
}

#[test]
fn less_load_for_long() {
    insta::assert_snapshot!(plan(quiet(twelve(json!({})))));
}

#[test]
fn a_metric_that_says_nothing() {
    let mut world = twelve(json!({}));
    world.decide(Signal::Tick);
    let nothing = support::minutes(world.now(), &[]);
    let series = world
        .inputs
        .observation
        .series
        .get_mut(&pool("blue"))
        .expect("its metrics were asked");
    series.insert(support::policy("requests"), nothing);
    let decision = world.again();
    insta::assert_snapshot!(super::plan::text(&decision, &[], world.now()));
}

#[test]
fn no_capacity_in_two_zones() {
    let mut world = spike(twelve(json!({})));
    for zone in ["a", "b"] {
        let offering = Offering {
            zone: Zone::new(format!("eu-west-1{zone}")),
            instance_type: Some(InstanceType::new("c7a.large")),
            market: Market::OnDemand,
            reservation: None,
        };
        let until = at(300);
        world.exhausted.push(ExhaustedOffering { offering, until });
    }
    insta::assert_snapshot!(plan(world));
}

#[test]
fn reservations_that_are_full_in_two_zones() {
    let reservations = json!({ "reservations": "open" });
    let mut world = spike(twelve(json!({ "defaults": { "launch": { "market": reservations } } })));
    for zone in ["a", "b"] {
        let offering = Offering {
            zone: Zone::new(format!("eu-west-1{zone}")),
            instance_type: Some(InstanceType::new("c7a.large")),
            market: Market::Reserved,
            reservation: Some(Reservation::Open),
        };
        let until = at(300);
        world.exhausted.push(ExhaustedOffering { offering, until });
    }
    insta::assert_snapshot!(plan(world));
}

#[test]
fn half_of_the_instances_sick() {
    let mut world = twelve(json!({}));
    let ids: Vec<_> = world.instances.keys().take(6).cloned().collect();
    for id in &ids {
        world.health("blue", id, TargetHealth::Unhealthy);
    }
    world.look();
    world.wait(60);
    insta::assert_snapshot!(plan(world));
}

#[test]
fn warm_instances_at_hand() {
    let warm = json!({ "pools": [{ "id": "blue", "target_groups": [support::group("blue")], "warm": { "size": 3 } }] });
    insta::assert_snapshot!(plan(spike(twelve_and(warm, three_warm))));
}

fn three_warm(world: &mut World) {
    for n in 20..23 {
        let id = world.put("blue", n, InstanceState::Stopped);
        let known_since = at(-7_200);
        let kept = Warm {
            phase: WarmPhase::Kept,
            since: known_since.into(),
        };
        let member = Member {
            warm: Some(kept),
            ..Member::new(known_since)
        };
        let blue = world.inputs.state.pools.get_mut(&pool("blue")).expect("the pool has a state");
        blue.members.insert(id, member);
    }
}

#[test]
fn on_demand_and_spot_at_the_launch_budget() {
    let world = spike(twelve(json!({
        "defaults": { "launch": { "market": { "on_demand_base": 4, "spot_percent": 50 } } },
        "guards": { "budgets": { "launch": { "per_hour": 3 } } },
    })));
    insta::assert_snapshot!(plan(world));
}
