//! Instances and targets that no state explains: adopted, held, told; never terminated, never deregistered.

use ghostnet_core::id::{InstanceId, PlanId, StepNumber};
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::reason::Finding;
use ghostnet_core::unit::Seconds;

use crate::support::*;

#[test]
fn one_unknown_instance_is_adopted_and_counted() {
    let mut world = World::serving(4, json!({}));
    let id = world.put("blue", 9, InstanceState::Running);
    world.read("requests", 115.0);
    let decision = world.look();
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::Adopted { instance } if *instance == id)
    ));
    assert_eq!(steps(&decision), [format!("register {id}")], "the fifth is there already");
    assert_eq!(counts(&decision).capacity(), 5);
}

#[test]
fn an_adopted_instance_too_many_leaves_in_two_steps_like_any_other() {
    let mut world = World::serving(4, json!({}));
    let id = world.put("blue", 9, InstanceState::Running);
    assert_eq!(steps(&world.look()), Vec::<String>::new(), "drained: it is in no group");
    assert!(world.inputs.state.pools[&pool("blue")].members[&id].drain.is_some());
    world.pass(60);
    assert_eq!(steps(&world.look()), [format!("terminate {id}")]);
}

#[test]
fn many_unknown_instances_hold_the_pool() {
    for (unknown, held) in [(1, false), (2, true)] {
        let mut world = World::serving(4, json!({}));
        for n in 0..unknown {
            world.put("blue", 10 + n, InstanceState::Running);
        }
        world.read("requests", 190.0);
        let decision = world.look();
        assert_eq!(
            finds(&decision, |finding| matches!(finding, Finding::UnknownInstances { .. })),
            held,
            "{unknown}"
        );
        assert_eq!(blue(&decision).after == 4, held);
        assert_eq!(guards_of(&decision).contains(&"staleness"), held);
    }
}

#[test]
fn a_young_state_adopts_nobody() {
    let mut world = World::serving(30, json!({ "defaults": { "capacity": { "max": 40 } } }));
    world.put("blue", 50, InstanceState::Running);
    world.inputs.state.created_at = Seconds(3_599).before(world.now());
    assert!(finds(&world.look(), |finding| matches!(finding, Finding::UnknownInstances { .. })));
    world.wait(1);
    assert!(finds(&world.look(), |finding| matches!(finding, Finding::Adopted { .. })));
}

#[test]
fn whoever_a_recorded_plan_launched_is_known() {
    let mut world = World::serving(4, json!({}));
    for n in 0..4 {
        let id = world.put("blue", 10 + n, InstanceState::Running);
        let instance = world.instances.get_mut(&id).unwrap();
        (instance.plan, instance.step) = (Some(PlanId::new("plan-before")), Some(StepNumber(0)));
    }
    world.inputs.state.created_at = world.now();
    assert!(finds(&world.look(), |finding| matches!(finding, Finding::UnknownInstances { .. })));
    world.recorded.insert(PlanId::new("plan-before"));
    let decision = world.look();
    assert_eq!(counts(&decision).capacity(), 8);
    assert!(!finds(&decision, |finding| matches!(
        finding,
        Finding::UnknownInstances { .. } | Finding::Adopted { .. }
    )));
}

#[test]
fn an_incomplete_list_holds_the_size_and_forgets_nobody() {
    let mut world = World::serving(4, json!({}));
    world.read("requests", 200.0);
    world.instances_known = false;
    let decision = world.look();
    assert!(finds(&decision, |finding| *finding == Finding::InstancesUnknown));
    assert_eq!((blue(&decision).after, decision.plan.steps.len()), (4, 0));
    assert_eq!(world.inputs.state.pools[&pool("blue")].members.len(), 4);
}

#[test]
fn a_foreign_target_is_told_and_left_alone() {
    let mut world = World::serving(4, json!({}));
    let foreign = InstanceId::new("i-of-somebody");
    for health in [TargetHealth::Healthy, TargetHealth::Unhealthy, TargetHealth::InvalidState] {
        world.health("blue", &foreign, health);
        let decision = world.look();
        assert!(finds(
            &decision,
            |finding| matches!(finding, Finding::ForeignTarget { instance, .. } if *instance == foreign)
        ));
        assert!(decision.plan.steps.is_empty());
    }
}

#[test]
fn a_ghost_is_deregistered() {
    let mut world = World::serving(4, json!({}));
    let id = InstanceId::new("i-blue-000");
    world.instances.get_mut(&id).unwrap().state = InstanceState::Terminated;
    world.health("blue", &id, TargetHealth::InvalidState);
    let decision = world.look();
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::Ghost { instance, .. } if *instance == id)
    ));
    assert!(steps(&decision).contains(&format!("deregister {id}")));
    world.pass(60);
    world.look();
    world.wait(300);
    world.look();
    assert!(
        !world.inputs.state.pools[&pool("blue")].members.contains_key(&id),
        "in no group, and no average knows it: forgotten"
    );
}

#[test]
fn a_ghost_that_no_state_knows_is_deregistered_if_it_was_ours() {
    let mut world = World::serving(4, json!({}));
    let id = world.put("blue", 9, InstanceState::Terminated);
    world.health("blue", &id, TargetHealth::InvalidState);
    assert_eq!(steps(&world.look()), [format!("deregister {id}")]);
}

#[test]
fn an_instance_of_a_pool_that_the_spec_does_not_name_is_told() {
    let mut world = World::serving(4, json!({}));
    let id = world.put("green", 0, InstanceState::Running);
    let decision = world.look();
    assert_eq!((counts(&decision).capacity(), decision.plan.steps.len()), (4, 0));
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::NoPool { instances } if *instances == [id.clone()])
    ));
    world.instances.get_mut(&id).unwrap().state = InstanceState::Terminated;
    assert!(!finds(&world.look(), |finding| matches!(finding, Finding::NoPool { .. })));
}

#[test]
fn a_group_that_the_spec_no_longer_names_is_left() {
    let mut world = World::serving(2, json!({}));
    world.look();
    world.spec = spec(json!({ "pools": [{ "id": "blue", "target_groups": [group("green")] }] }));
    let decision = world.look();
    let state = &world.inputs.state.pools[&pool("blue")];
    assert_eq!(state.former_groups.iter().collect::<Vec<_>>(), [&group("blue")]);
    assert!(steps(&decision).iter().all(|step| !step.starts_with("terminate")));
}
