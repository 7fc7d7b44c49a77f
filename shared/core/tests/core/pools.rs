//! Several pools under one maximum.

use ghostnet_core::decide::Decision;
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::state::Member;

use crate::support::*;

/// `blue` and `green`, each up to ten, together up to twelve; so many of each serve.
fn two(blue: u32, green: u32, change: Value) -> World {
    let mut spec = json!({ "maximum": 12, "pools": [{ "id": "blue", "target_groups": [group("blue")] }, { "id": "green", "target_groups": [group("green")] }] });
    spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let mut world = World::serving(blue, spec);
    world.inputs.state.pools.get_mut(&pool("green")).unwrap().desired = green;
    for n in 0..green {
        let id = world.put("green", n, InstanceState::Running);
        world.health("green", &id, TargetHealth::Healthy);
        let member = Member {
            served_since: Some(at(-3_600).into()),
            ..Member::new(at(-3_600))
        };
        world.inputs.state.pools.get_mut(&pool("green")).unwrap().members.insert(id, member);
    }
    world
}

fn sizes(decision: &Decision) -> (u32, u32) {
    (decision.pools[&pool("blue")].after, decision.pools[&pool("green")].after)
}

fn launched(decision: &Decision) -> usize {
    decision.plan.steps.iter().filter(|step| step.action.kind() == "launch").count()
}

#[test]
fn they_share_the_fleets_maximum_in_the_order_of_the_spec() {
    let mut world = two(4, 4, json!({}));
    world.read("requests", 300.0);
    let decision = world.look();
    assert_eq!(sizes(&decision), (8, 4), "the first takes what the second does not want yet");
    assert!(
        decision.pools[&pool("green")]
            .guards
            .iter()
            .any(|outcome| outcome.guard.name() == "fleet maximum")
    );
}

#[test]
fn each_is_sized_by_its_own_instances() {
    let mut world = two(2, 4, json!({}));
    world.read("requests", 150.0);
    assert_eq!(sizes(&world.look()), (3, 6));
}

/// What one pool no longer wants is room for the other only when it has really left.
#[test]
fn room_is_what_is_really_free() {
    let lowered = json!({ "pools": [
        { "id": "blue", "target_groups": [group("blue")], "capacity": { "max": 2 } },
        { "id": "green", "target_groups": [group("green")], "capacity": { "min": 9, "initial": 9 } },
    ], "maximum": 12 });
    let mut world = two(6, 4, lowered);
    let decision = world.look();
    assert_eq!(sizes(&decision), (2, 8), "four and four of the launch budget");
    assert_eq!(launched(&decision), 2, "two are free: {:?}", steps(&decision));
    world.minutes(12);
    assert_eq!(sizes(&world.look()), (2, 9));
    assert_eq!(world.alive().len(), 11);
}

/// The first one would be asked for all of it: none goes below its minimum for what another one has above its own.
#[test]
fn a_lowered_fleet_maximum_leaves_every_pool_its_minimum() {
    let mut world = two(
        10,
        10,
        json!({ "maximum": 20, "defaults": { "capacity": { "min": 4, "initial": 4, "max": 10 } } }),
    );
    world.spec.maximum = 10;
    let decision = world.look();
    assert_eq!(sizes(&decision), (4, 6));
}

#[test]
fn a_lowered_fleet_maximum_shrinks_without_a_launch() {
    let mut world = two(5, 5, json!({ "maximum": 10 }));
    world.spec.maximum = 7;
    let decision = world.look();
    assert_eq!(sizes(&decision), (2, 5));
    assert_eq!(launched(&decision), 0);
}

#[test]
fn tokens_differ_between_pools() {
    let mut world = World::new(json!({ "pools": [{ "id": "blue" }, { "id": "green" }], "policies": [] }));
    let decision = world.look();
    let tokens = decision.plan.steps.iter().filter_map(|step| {
        if let ghostnet_core::plan::Action::Launch(launch) = &step.action {
            Some(launch.token.as_str())
        } else {
            None
        }
    });
    let tokens: std::collections::BTreeSet<&str> = tokens.collect();
    assert_eq!((tokens.len(), decision.plan.steps.len()), (4, 4));
}

#[test]
fn a_pool_that_was_added_starts_with_its_initial_size() {
    let mut world = World::serving(3, json!({}));
    world.spec = spec(
        json!({ "pools": [{ "id": "blue", "target_groups": [group("blue")] }, { "id": "green", "role": "standby", "capacity": { "initial": 1 } }], "policies": [] }),
    );
    let decision = world.look();
    assert_eq!(sizes(&decision), (3, 1));
    assert_eq!(steps(&decision), ["launch 1 in eu-west-1a"]);
}
