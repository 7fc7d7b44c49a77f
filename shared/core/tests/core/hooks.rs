//! Words between the controller and its instances, by tags: who is ready, who leaves, who has finished.

use ghostnet_core::decide::Decision;
use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{Told, Word};
use ghostnet_core::plan::{Action, Refusal, StepOutcome};
use ghostnet_core::reason::Finding;
use ghostnet_core::state::DrainReason;

use crate::support::*;

/// A pool without a load balancer that waits for its workers, and lets them go as soon as the load falls.
fn workers(timeout: &str, more: Value) -> World {
    let mut spec = json!({
        "pools": [{ "id": "blue", "target_groups": [] }],
        "policies": [{ "id": "busy", "type": "step", "metric": busy(), "out": [{ "from": 70, "add": 1 }], "in": [{ "below": 30, "remove": 1 }] }],
        "guards": { "stabilisation": { "in": "0s" }, "cooldown": { "out": "0s", "in": "0s" } },
    });
    spec["pools"][0]["drain"] = json!({ "timeout": timeout, "wait_for_tag": true });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut world = World::serving(6, spec);
    world.read("busy", 50.0);
    world
}

/// One of six leaves; the others are enough.
fn one_leaves(timeout: &str) -> (World, InstanceId) {
    let mut world = workers(timeout, json!({}));
    world.read("busy", 10.0);
    let decision = world.look();
    world.read("busy", 50.0);
    let leaving = leaving(&decision);
    assert_eq!(steps(&decision), [format!("tag {}", leaving[0])]);
    (world, leaving[0].clone())
}

fn leaving(decision: &Decision) -> Vec<InstanceId> {
    let drains = |finding: &Finding| match finding {
        Finding::Drains { instance, .. } => Some(instance.clone()),
        _ => None,
    };
    blue(decision).findings.iter().filter_map(drains).collect()
}

fn says(world: &mut World, id: &InstanceId, change: impl FnOnce(&mut Word)) {
    change(&mut world.instances.get_mut(id).unwrap().word);
}

fn told(world: &World, id: &InstanceId) -> Option<Told> {
    world.instances[id].word.told
}

#[test]
fn a_busy_instance_stays_until_it_says_that_it_has_finished() {
    let (mut world, id) = one_leaves("2h");
    assert_eq!(told(&world, &id), Some(Told::Draining));
    for decision in world.minutes(60) {
        assert_eq!(steps(&decision), [""; 0], "still at work");
    }
    says(&mut world, &id, |word| word.drained = true);
    world.pass(60);
    assert_eq!(steps(&world.look()), [format!("terminate {id}")]);
}

#[test]
fn one_that_never_answers_stays_until_its_deadline() {
    let (mut world, id) = one_leaves("10m");
    assert!(world.minutes(9).iter().all(|decision| steps(decision).is_empty()));
    world.pass(60);
    assert_eq!(steps(&world.look()), [format!("terminate {id}")]);
}

#[test]
fn behind_a_balancer_the_word_and_the_group_both_count() {
    for (situation, drained, left_the_group, ends) in [
        ("still registered and still at work", false, false, false),
        ("finished, and the balancer still drains it", true, false, false),
        ("out of the group and still at work", false, true, false),
        ("finished and out of the group", true, true, true),
    ] {
        let mut world = World::serving(
            6,
            json!({
                "guards": { "stabilisation": { "in": "0s" }, "cooldown": { "out": "0s", "in": "0s" } },
                "defaults": { "drain": { "wait_for_tag": true, "timeout": "1h" } },
            }),
        );
        world.read("requests", 80.0);
        let decision = world.look();
        let id = leaving(&decision)[0].clone();
        assert_eq!(steps(&decision), [format!("deregister {id}"), format!("tag {id}")], "{situation}");
        world.read("requests", 95.0);
        says(&mut world, &id, |word| word.drained = drained);
        if left_the_group {
            world.targets.get_mut("blue").unwrap().remove(&id);
        }
        world.wait(60);
        let expected: Vec<String> = ends.then(|| format!("terminate {id}")).into_iter().collect();
        assert_eq!(steps(&world.look()), expected, "{situation}");
    }
}

#[test]
fn a_pool_that_waits_for_nobody_tags_nobody() {
    let mut world = workers("5m", json!({ "pools": [{ "id": "blue", "target_groups": [] }] }));
    world.read("busy", 10.0);
    assert_eq!(steps(&world.look()), [""; 0]);
    world.read("busy", 50.0);
    let all: Vec<String> = world.minutes(5).iter().flat_map(steps).collect();
    assert_eq!(all.len(), 1, "the deadline alone: {all:?}");
}

#[test]
fn one_that_is_needed_again_is_told_so() {
    let (mut world, id) = one_leaves("1h");
    world.read("busy", 90.0);
    world.wait(60);
    let decision = world.look();
    assert_eq!(steps(&decision), [format!("tag {id}")], "and nothing is launched");
    assert_eq!(told(&world, &id), Some(Told::Serving));
    world.read("busy", 50.0);
    assert!(world.minutes(5).iter().all(|decision| steps(decision).is_empty()));
}

/// The last word is final: a worker that has stopped is not sent back to work.
#[test]
fn one_that_has_finished_is_not_taken_back() {
    let (mut world, id) = one_leaves("1h");
    says(&mut world, &id, |word| word.drained = true);
    world.read("busy", 90.0);
    world.wait(60);
    let decision = world.look();
    let steps = steps(&decision);
    assert!(steps[0].starts_with("launch 1"), "{steps:?}");
    assert_eq!(steps[1..], [format!("terminate {id}")]);
}

/// It was taken back and had just finished: nothing works there any more, so it is replaced instead of stranded.
#[test]
fn one_that_finishes_while_it_is_taken_back_is_replaced() {
    let (mut world, id) = one_leaves("1h");
    world.read("busy", 90.0);
    world.wait(60);
    world.look();
    says(&mut world, &id, |word| word.drained = true);
    world.read("busy", 50.0);
    world.pass(60);
    let decision = world.look();
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::GaveUp { instance } if *instance == id)
    ));
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::Drains { instance, why: DrainReason::Unhealthy } if *instance == id)
    ));
    assert_eq!(steps(&decision).iter().filter(|step| step.starts_with("launch 1")).count(), 1);
    world.pass(60);
    assert_eq!(steps(&world.look()), [format!("terminate {id}")]);
}

fn all_give_up() -> World {
    let mut world = workers("1h", json!({}));
    let ids: Vec<InstanceId> = world.instances.keys().cloned().collect();
    for id in &ids {
        says(&mut world, id, |word| word.drained = true);
    }
    world
}

/// An image whose workers finish at once must not empty the pool.
#[test]
fn when_all_give_up_at_once_the_breaker_opens() {
    let decision = all_give_up().look();
    assert!(guards_of(&decision).contains(&"circuit breaker"), "{:?}", guards_of(&decision));
    assert_eq!(leaving(&decision), []);
}

#[test]
fn behind_the_breaker_one_that_gave_up_is_replaced_and_as_the_new_one_works_the_others_follow() {
    let mut world = all_give_up();
    world.look();
    let many = world.alive().len();
    let left = |decision: &Decision| leaving(decision).len();
    let by_minute: Vec<usize> = world.minutes(15).iter().map(left).collect();
    assert!(by_minute.iter().take(4).all(|leave| *leave == 0), "{by_minute:?}");
    assert_eq!(by_minute.iter().find(|leave| **leave > 0), Some(&1), "{by_minute:?}");
    let of_old = |world: &World| world.alive().iter().filter(|id| !id.contains("new")).count();
    assert_eq!((of_old(&world), world.alive().len()), (0, many), "{by_minute:?}");
}

/// Without permission to tag the drain goes on: somebody is told, and the deadline holds.
#[test]
fn a_tag_that_cannot_be_set_is_told_and_blocks_nothing() {
    let mut world = workers("10m", json!({}));
    world.read("busy", 10.0);
    let mut leaves = Vec::new();
    let mut told = 0;
    for minute in 0..14 {
        let decision = world.decide(ghostnet_core::signal::Signal::Tick);
        world.commit(&decision);
        for step in decision.plan.steps.clone() {
            let outcome = match &step.action {
                Action::Tag { .. } => StepOutcome::Refused {
                    class: Refusal::Configuration,
                    code: "UnauthorizedOperation".into(),
                    message: "no".into(),
                },
                _ => world.execute(&step),
            };
            world.tell(&step, outcome);
        }
        leaves.extend(leaving(&decision));
        if minute == 0 {
            world.read("busy", 50.0);
        }
        told += usize::from(finds(&decision, |finding| matches!(finding, Finding::NotTold { .. })));
        world.pass(60);
    }
    assert!(told > 3, "{told}");
    assert_eq!((leaves.len(), world.alive().len()), (1, 5));
}

/// The invocation died: whether the tag was set shows in the list, not in the step.
#[test]
fn a_tag_step_without_an_outcome_is_closed_and_decided_afresh() {
    let mut world = workers("1h", json!({}));
    world.read("busy", 10.0);
    let lost = world.die();
    let id = leaving(&lost)[0].clone();
    world.read("busy", 50.0);
    world.wait(30);
    assert_eq!(steps(&world.look()), [""; 0], "its executor may still be at it");
    world.wait(60);
    assert_eq!(steps(&world.look()), [format!("tag {id}")], "not set: set again");
    assert!(world.open().is_empty());

    let mut world = workers("1h", json!({}));
    world.read("busy", 10.0);
    let lost = world.die();
    world.read("busy", 50.0);
    world.execute(&lost.plan.steps[0]);
    world.wait(90);
    assert_eq!(steps(&world.look()), [""; 0], "it was set");
    assert!(world.open().is_empty());
}

#[test]
fn who_is_not_ready_is_not_registered_and_does_not_count_as_serving() {
    let mut world = World::new(json!({
        "defaults": { "health": { "ready_tag": true, "registration_deadline": "10m" } },
        "pools": [{ "id": "blue", "capacity": { "min": 1, "max": 4, "initial": 1 }, "target_groups": [group("blue")] }],
    }));
    world.look();
    let id = world.instances.keys().next().unwrap().clone();
    for decision in world.minutes(5) {
        assert_eq!(steps(&decision), [""; 0], "it runs and is not ready");
        assert_eq!(counts(&decision).serving(), 0);
    }
    says(&mut world, &id, |word| word.ready = true);
    world.pass(60);
    assert_eq!(steps(&world.look()), [format!("register {id}")]);
    let decision = world.minutes(2).pop().unwrap();
    assert_eq!(counts(&decision).serving(), 1);
    // once it serves, its tag may go
    says(&mut world, &id, |word| word.ready = false);
    let decision = world.minutes(5).pop().unwrap();
    assert_eq!((counts(&decision).serving(), leaving(&decision)), (1, vec![]));
}

#[test]
fn who_is_never_ready_is_replaced_after_its_registration_deadline() {
    let mut world = World::new(json!({
        "defaults": { "health": { "ready_tag": true, "registration_deadline": "10m" } },
        "pools": [{ "id": "blue", "capacity": { "min": 1, "max": 4, "initial": 1 }, "target_groups": [] }],
        "policies": [],
    }));
    world.look();
    let drained: Vec<usize> = world.minutes(13).iter().map(|decision| leaving(decision).len()).collect();
    assert_eq!(drained[..10].iter().sum::<usize>(), 0, "{drained:?}");
    assert_eq!(drained.iter().sum::<usize>(), 1, "{drained:?}");
}
