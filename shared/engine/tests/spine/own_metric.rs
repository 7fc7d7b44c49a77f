//! The metric of each instance's own is read where a spec asks, of whom it can tell something, and once.

use std::cell::RefCell;
use std::rc::Rc;

use crate::run::*;
use crate::world::World;
use ghostnet_core::id::InstanceId;
use ghostnet_core::signal::Signal;
use serde_json::{Value, json};

fn errors(datapoints: u8) -> Value {
    json!({ "metric": { "namespace": "Shop", "name": "JobErrors" }, "above": 20, "datapoints": datapoints })
}

/// A fleet of three that has served for a while; with a policy that reads each instance, or without.
fn settled(metric: Value, reads_each: bool) -> Rc<RefCell<World>> {
    let mut raw = serde_json::to_value(spec(3)).unwrap();
    if reads_each {
        raw["policies"].as_array_mut().unwrap().push(json!({
            "id": "network", "type": "target_tracking", "metric": "network_in", "source": "instances", "target": 5_000.0,
        }));
    }
    raw["defaults"]["health"] = json!({ "metric": metric });
    let world = World::new(serde_json::from_value(raw).unwrap(), 3_000.0);
    ticks(&world, "settle", 30);
    world
}

/// How many datapoints each query asks for, when somebody has it read.
fn asked(world: &Rc<RefCell<World>>) -> Vec<u32> {
    let signal = Signal::Evaluate {
        fleet: fleet(),
        by: "test".to_owned(),
    };
    look(world, "asked", &signal).unwrap();
    world.borrow().asked.clone()
}

#[test]
fn each_instance_is_asked_once() {
    let network = json!({ "metric": "network_in", "below": 1, "datapoints": 4 });
    for (situation, metric, reads_each, expected) in [
        ("no spec asks", Value::Null, true, vec![1, 1, 1, 1]),
        ("what no policy reads", errors(3), true, vec![1, 1, 1, 1, 3, 3, 3]),
        ("what a policy reads too", network.clone(), true, vec![1, 4, 4, 4]),
        ("what no policy reads of each", network, false, vec![1, 4, 4, 4]),
    ] {
        assert_eq!(asked(&settled(metric, reads_each)), expected, "{situation}");
    }
}

/// Who has just come cannot be told by so many datapoints yet, so none is paid for.
#[test]
fn one_that_has_just_come_is_not_asked() {
    let world = settled(errors(5), false);
    world.borrow_mut().load = 3_900.0;
    let grows = |tick: usize| {
        wait(&world, 60);
        world.borrow_mut().asked.clear();
        look(&world, &format!("grow-{tick}"), &Signal::Tick).unwrap();
        let asked = asked(&world);
        asked.iter().filter(|points| **points == 5).count()
    };
    let of_each: Vec<usize> = (0..12).map(grows).collect();
    let (first, last) = (of_each.iter().take(6), of_each.last());
    assert!(first.clone().all(|count| *count == 3) && last == Some(&4), "{of_each:?}");
}

/// A quiet fleet is read every five minutes, one with somebody sick every minute; and so the sick one leaves.
#[test]
fn one_whose_own_metric_says_so_leaves() {
    let world = settled(errors(3), false);
    let sick = world.borrow().instances[0].id.clone();
    let minute = |tick: usize| {
        wait(&world, 60);
        world.borrow_mut().asked.clear();
        look(&world, &format!("minute-{tick}"), &Signal::Tick).unwrap();
        !world.borrow().asked.is_empty()
    };
    let quiet = (0..10).filter(|tick| minute(*tick)).count();
    assert_eq!(quiet, 2);
    let ended = |id: &InstanceId| {
        let world = world.borrow();
        let mut machines = world.instances.iter();
        machines.any(|machine| machine.id == *id && machine.terminated_at.is_some())
    };
    world.borrow_mut().errors.insert(sick.clone(), 30.0);
    let read: Vec<bool> = (10..30).map(minute).skip_while(|read| !read).collect();
    assert!(read.iter().take(5).all(|read| *read), "every minute once it is told: {read:?}");
    let others: Vec<InstanceId> = world.borrow().instances.iter().map(|machine| machine.id.clone()).collect();
    let gone: Vec<InstanceId> = others.into_iter().filter(ended).collect();
    assert_eq!(gone, [sick]);
}
