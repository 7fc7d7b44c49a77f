//! What the owner allows: modes, pauses, deletion; and holds that say nothing new.

use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::state::{DrainReason, Pause};

use crate::support::*;

fn pause(world: &mut World, seconds: i64) {
    let pause = Pause {
        by: "me".into(),
        reason: "a migration".into(),
        since: at(0),
        until: at(seconds),
    };
    world.inputs.state.pause = Some(pause);
}

#[test]
fn quiet_modes_decide_and_send_nothing() {
    for mode in ["recommend_only", "paused"] {
        let mut world = World::serving(4, json!({ "mode": mode }));
        world.read("requests", 200.0);
        world.health("blue", &InstanceId::new("i-blue-000"), TargetHealth::Unhealthy);
        for _ in 0..5 {
            let decision = world.look();
            assert!(decision.plan.steps.is_empty());
            assert_eq!((blue(&decision).recommended.is_some(), blue(&decision).after), (true, 4));
            assert!(guards_of(&decision).contains(&"mode"));
            world.wait(60);
        }
    }
}

#[test]
fn a_pause_ends_by_itself() {
    let mut world = World::serving(4, json!({}));
    world.read("requests", 200.0);
    pause(&mut world, 60);
    let decision = world.look();
    assert_eq!((decision.plan.steps.len(), guards_of(&decision)), (0, vec!["pause"]));
    world.wait(60);
    assert_eq!(blue(&world.look()).after, 8);
    assert_eq!(world.inputs.state.pause, None);
}

#[test]
fn a_pause_stops_even_an_interruption() {
    let mut world = World::serving(4, json!({}));
    pause(&mut world, 600);
    let notice = spot_notice(&world, &InstanceId::new("i-blue-000"), 1);
    assert!(world.look_at(notice).plan.steps.is_empty());
}

#[test]
fn out_only_adds_and_never_drains() {
    let mut world = World::serving(6, json!({ "mode": "out_only", "guards": { "stabilisation": { "in": "0s" } } }));
    world.read("requests", 10.0);
    for decision in world.minutes(10) {
        assert!(decision.plan.steps.is_empty(), "{:?}", steps(&decision));
    }
    // one more than wanted is there, and stays
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 5;
    world.read("requests", 80.0);
    assert!(world.look().plan.steps.is_empty());
    world.read("requests", 160.0);
    assert_eq!(blue(&world.look()).after, 10);
}

#[test]
fn out_only_above_a_lowered_maximum_replaces_nobody() {
    let mut world = World::serving(8, json!({ "mode": "out_only", "defaults": { "capacity": { "max": 5 } } }));
    let id = world.instances.pop_first().unwrap().0;
    world.targets.get_mut("blue").unwrap().remove(&id);
    let decision = world.look();
    assert_eq!((blue(&decision).after, decision.plan.steps.len()), (8, 0));
    assert!(guards_of(&decision).contains(&"range"), "{:?}", guards_of(&decision));
}

#[test]
fn out_only_still_replaces_the_sick() {
    let mut world = World::serving(4, json!({ "mode": "out_only" }));
    world.health("blue", &InstanceId::new("i-blue-001"), TargetHealth::Unhealthy);
    world.look();
    world.wait(60);
    assert_eq!(steps(&world.look()), ["launch 1 in eu-west-1b", "deregister i-blue-001"]);
}

#[test]
fn a_deleted_fleet_is_drained_whole() {
    let mut world = World::serving(
        5,
        json!({ "mode": "out_only", "defaults": { "capacity": { "min": 3, "initial": 3 } } }),
    );
    let of = |n: u32| InstanceId::new(format!("i-blue-{n:03}"));
    world.health("blue", &of(0), TargetHealth::Unhealthy);
    world.look();
    world.wait(60);
    world.instances.get_mut(&of(1)).unwrap().state = InstanceState::Stopped;
    world.instances.get_mut(&of(2)).unwrap().state = InstanceState::Pending;
    world.instances.get_mut(&of(4)).unwrap().protected = true;
    world.inputs.retiring = true;
    let decision = world.look();
    assert_eq!(blue(&decision).after, 0);
    let members = &world.inputs.state.pools[&pool("blue")].members;
    let leaving = members
        .iter()
        .filter(|(_, member)| member.drain.is_some_and(|drain| drain.why == DrainReason::ScaleIn));
    let leaving: Vec<&InstanceId> = leaving.map(|(id, _)| id).collect();
    assert_eq!(
        leaving,
        [&of(0), &of(1), &of(2), &of(3)],
        "sick, stopped, starting and serving; the protected one is busy"
    );
    world.instances.get_mut(&of(4)).unwrap().protected = false;
    world.minutes(8);
    assert_eq!(world.alive(), Vec::<&str>::new());
}

#[test]
fn the_breaker_does_not_keep_a_deleted_fleet() {
    let mut world = World::serving(6, json!({}));
    for n in 0..6 {
        world.health("blue", &InstanceId::new(format!("i-blue-{n:03}")), TargetHealth::Unhealthy);
    }
    world.look();
    world.wait(60);
    world.inputs.retiring = true;
    world.look();
    world.minutes(8);
    assert_eq!(world.alive(), Vec::<&str>::new());
}

#[test]
fn an_unchanged_hold_changes_nothing() {
    let mut world = World::serving(4, json!({}));
    let first = world.look();
    assert!(
        first.changes(&ghostnet_core::state::CapacityState {
            generation: first.state.generation,
            ..world.inputs.state.clone()
        }) == first.plan.steps.len().gt(&0)
    );
    for value in [95.0, 96.0, 104.0, 109.0] {
        world.wait(60);
        world.read("requests", value);
        let decision = world.decide(ghostnet_core::signal::Signal::Tick);
        assert!(!decision.changes(&world.inputs.state), "{value}: {:?}", blue(&decision));
        assert_eq!(
            decision.state.last_hold, first.state.last_hold,
            "it counts up on the first one's record"
        );
    }
    world.read("requests", 111.0);
    let decision = world.decide(ghostnet_core::signal::Signal::Tick);
    assert!(decision.changes(&world.inputs.state));
}

#[test]
fn a_hold_for_another_reason_is_a_new_one() {
    let mut world = World::serving(10, json!({}));
    let first = world.look();
    world.read("requests", 200.0);
    let capped = world.look();
    assert_eq!((capped.plan.steps.len(), guards_of(&capped)), (0, vec!["range"]));
    assert_ne!(capped.state.last_hold, first.state.last_hold);
    assert_eq!(capped.state.generation, first.state.generation.next());
}
