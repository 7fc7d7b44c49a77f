//! Steps whose outcome never came: the invocation died, or its answer was lost. `world.die()` commits and sends nothing.

use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::TargetHealth;
use ghostnet_core::plan::{Action, OpenStep};
use ghostnet_core::reason::Finding;

use crate::support::*;

/// One zone, so that a launch is one step.
fn one_zone(initial: u32) -> World {
    World::new(json!({ "defaults": { "capacity": { "initial": initial }, "launch": { "subnets": ["subnet-a"] } } }))
}

/// Windows last 30 s here; 30 s later they may be taken over.
const TAKE_OVER: u32 = 60;

#[test]
fn inside_its_window_a_launch_is_happening() {
    let mut world = one_zone(3);
    world.die();
    world.wait(TAKE_OVER - 1);
    let decision = world.look();
    assert_eq!((counts(&decision).in_flight, decision.plan.steps.len()), (3, 0));
}

#[test]
fn what_it_launched_and_what_may_still_come_is_counted_once() {
    let mut world = one_zone(3);
    let decision = world.die();
    let step = &decision.plan.steps[0];
    for launched in 1..=3 {
        world.launch(step);
        let decision = world.look();
        assert_eq!((counts(&decision).pending, counts(&decision).in_flight), (launched, 3 - launched));
        assert_eq!(counts(&decision).capacity(), 3);
    }
    assert_eq!(
        world.open().len(),
        1,
        "only its own outcome closes it while its executor may be at it"
    );
    world.wait(TAKE_OVER);
    world.look();
    assert!(world.open().is_empty(), "all were found");
}

#[test]
fn a_take_over_sends_the_same_token_in_a_new_window() {
    let mut world = one_zone(2);
    let first = world.die();
    world.wait(TAKE_OVER);
    let again = world.die();
    assert_eq!(again.plan.steps, first.plan.steps);
    assert!(again.plan.id != first.plan.id);
    assert_eq!(world.open()[0].execute_until, world.inputs.execute_until);
    world.wait(TAKE_OVER - 1);
    assert!(world.look().plan.steps.is_empty(), "the new window is a window");
}

#[test]
fn one_that_was_found_in_part_is_not_sent_again() {
    let mut world = one_zone(3);
    let step = world.die().plan.steps[0].clone();
    world.launch(&step);
    world.wait(TAKE_OVER);
    let decision = world.look();
    assert!(
        decision.plan.steps.iter().all(|step| step.action.kind() != "launch"),
        "{:?}",
        steps(&decision)
    );
    assert_eq!(counts(&decision).in_flight, 2, "what was not found may still appear");
}

#[test]
fn one_that_is_not_wanted_any_more_is_not_sent_but_counted() {
    let mut world = World::serving(3, json!({ "defaults": { "launch": { "subnets": ["subnet-a"] } } }));
    world.read("requests", 180.0);
    assert_eq!(steps(&world.die()), ["launch 3 in eu-west-1a"]);
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 3;
    world.read("requests", 100.0);
    world.wait(TAKE_OVER);
    let decision = world.look();
    assert_eq!((decision.plan.steps.len(), counts(&decision).in_flight), (0, 3));
}

#[test]
fn one_that_is_wanted_in_part_is_sent_again() {
    let mut world = World::serving(3, json!({ "defaults": { "launch": { "subnets": ["subnet-a"] } } }));
    world.read("requests", 180.0);
    world.die();
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 4;
    world.read("requests", 100.0);
    world.wait(TAKE_OVER);
    assert_eq!(
        steps(&world.look()),
        ["launch 3 in eu-west-1a"],
        "the size is not reached without it"
    );
}

#[test]
fn one_that_no_longer_fits_the_maximum_is_not_sent_again() {
    let mut world = World::serving(3, json!({ "defaults": { "launch": { "subnets": ["subnet-a"] } } }));
    world.read("requests", 180.0);
    world.die();
    world.spec = spec(json!({ "defaults": { "capacity": { "max": 5 }, "launch": { "subnets": ["subnet-a"] } } }));
    world.wait(TAKE_OVER);
    let decision = world.look();
    assert_eq!((blue(&decision).after, decision.plan.steps.len()), (5, 0));
}

#[test]
fn of_two_only_as_many_as_are_wanted_are_sent_again() {
    let mut world = World::serving(2, json!({}));
    world.read("requests", 200.0);
    assert_eq!(world.die().plan.steps.len(), 2);
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 3;
    world.read("requests", 100.0);
    world.wait(TAKE_OVER);
    assert_eq!(world.look().plan.steps.len(), 1);
}

#[test]
fn one_that_is_never_found_is_given_up() {
    let mut world = one_zone(2);
    world.die();
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 1;
    world.inputs.state.open[0].committed_at = at(-600);
    world.wait(379);
    let decision = world.look();
    assert_eq!(
        (counts(&decision).in_flight, decision.plan.steps.len()),
        (2, 0),
        "too old to be sent, too young to be forgotten"
    );
    world.wait(1);
    let decision = world.look();
    assert!(finds(&decision, |finding| *finding == Finding::LaunchGivenUp { count: 2 }));
    assert_eq!(
        steps(&decision),
        ["launch 1 in eu-west-1a"],
        "a launch of its own, for what is wanted now"
    );
    assert_ne!(
        ids(&decision)[0],
        ghostnet_core::id::StepId {
            plan: ghostnet_core::id::PlanId::new("plan-001"),
            number: ghostnet_core::id::StepNumber(0)
        }
    );
}

/// Nobody takes it over any more, and an instance that came of it is told as one without a pool.
#[test]
fn one_of_a_pool_that_the_spec_no_longer_names_is_dropped_once_a_launch_would_be_given_up() {
    let mut world = one_zone(2);
    world.die();
    world.inputs.state.open[0].step.pool = pool("green");
    let of_green = |world: &World| world.open().iter().filter(|open| open.step.pool == pool("green")).count();
    world.wait(379);
    world.look();
    assert_eq!(of_green(&world), 1);
    world.wait(1);
    world.look();
    assert_eq!(of_green(&world), 0);
}

#[test]
fn a_late_decision_gives_up_nothing_that_its_look_was_too_early_for() {
    let mut world = one_zone(2);
    world.die();
    world.inputs.state.open[0].committed_at = at(-600);
    world.wait(379);
    world.decide(ghostnet_core::signal::Signal::Tick);
    world.wait(30);
    let decision = world.again();
    assert_eq!((counts(&decision).in_flight, decision.plan.steps.len()), (2, 0));
}

#[test]
fn nothing_is_given_up_while_instances_cannot_be_listed() {
    let mut world = one_zone(2);
    world.die();
    world.wait(3_600);
    world.instances_known = false;
    let decision = world.look();
    assert_eq!(
        (counts(&decision).in_flight, world.open().len(), decision.plan.steps.len()),
        (2, 1, 0)
    );
}

#[test]
fn an_open_registration_holds_its_target() {
    let mut world = one_zone(1);
    world.look();
    world.pass(60);
    let decision = world.die();
    assert_eq!(steps(&decision), ["register i-new-001"]);
    world.wait(TAKE_OVER - 1);
    assert!(world.look().plan.steps.is_empty());
    world.wait(1);
    assert_eq!(
        steps(&world.look()),
        ["register i-new-001"],
        "a step of its own: membership is decided afresh"
    );
}

#[test]
fn who_begins_to_drain_while_its_registration_is_open_waits_for_it() {
    let mut world = one_zone(1);
    world.look();
    world.pass(60);
    let registration = world.die();
    let id = InstanceId::new("i-new-001");
    let notice = spot_notice(&world, &id, 1);
    let decision = world.look_at(notice);
    assert!(finds(&decision, |finding| matches!(finding, Finding::Drains { .. })));
    assert!(
        steps(&decision).iter().all(|step| !step.contains(id.as_str())),
        "{:?}",
        steps(&decision)
    );
    world.execute(&registration.plan.steps[0]);
    world.wait(TAKE_OVER);
    assert!(steps(&world.look()).contains(&format!("deregister {id}")));
}

fn terminating() -> World {
    let guards = json!({ "stabilisation": { "in": "0s" }, "cooldown": { "in": "0s" } });
    let mut world = World::serving(3, json!({ "guards": guards }));
    world.read("requests", 50.0);
    world.look();
    world.read("requests", 100.0);
    world.pass(60);
    assert_eq!(world.die().plan.steps[0].action.kind(), "terminate");
    world
}

#[test]
fn a_terminate_is_never_dropped() {
    let mut world = terminating();
    for _ in 0..20 {
        world.wait(TAKE_OVER);
        assert_eq!(world.die().plan.steps.len(), 1);
    }
    let decision = world.look();
    assert!(decision.plan.steps.is_empty(), "inside the last window");
    assert!(matches!(world.open(), [OpenStep { step, .. }] if matches!(step.action, Action::Terminate { .. })));
}

#[test]
fn a_terminate_is_over_when_its_instances_are_gone() {
    let mut world = terminating();
    let id = world.open()[0].step.action.instances()[0].clone();
    world.instances.remove(&id);
    world.wait(3_600);
    world.look();
    assert!(world.open().is_empty(), "no longer listed, long since");
}

#[test]
fn a_terminate_of_one_that_is_not_listed_is_sent_again_until_it_is_ten_minutes_old() {
    let mut world = terminating();
    let id = world.open()[0].step.action.instances()[0].clone();
    world.instances.remove(&id);
    let known_since = world.inputs.now.into();
    let members = &mut world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members;
    members.get_mut(&id).unwrap().known_since = known_since;
    for waited in 1..10 {
        world.wait(TAKE_OVER);
        assert_eq!(steps(&world.die()), [format!("terminate {id}")], "after {waited} minutes");
    }
    world.wait(TAKE_OVER);
    let decision = world.look();
    assert!(finds(&decision, |finding| *finding == Finding::Vanished { instance: id.clone() }));
    assert!(world.open().is_empty());
}

#[test]
fn one_unknown_outcome_blocks_nobody_else() {
    let mut world = terminating();
    let id = InstanceId::new("i-blue-000");
    world.health("blue", &id, TargetHealth::Draining);
    world.wait(10);
    assert_eq!(steps(&world.look()), [format!("register {id}")]);
}

#[test]
fn a_pause_sends_nothing_again() {
    let mut world = one_zone(2);
    world.die();
    let until = at(10_000);
    world.inputs.state.pause = Some(ghostnet_core::state::Pause {
        by: "me".into(),
        reason: "no".into(),
        since: at(0),
        until,
    });
    world.wait(TAKE_OVER);
    let decision = world.look();
    assert_eq!((decision.plan.steps.len(), counts(&decision).in_flight), (0, 2));
}
