//! How many AWS calls a quiet minute costs: few, the same for few and many instances, and none more for another fleet.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    dead_code,
    reason = "a test that cannot build its world should stop there; the world is shared with another test"
)]

#[path = "world/run.rs"]
mod run;
mod world;

use ghostnet_core::signal::Signal;
use ghostnet_core::spec::RawFleetSpec;
use run::*;
use world::World;

/// Calls of ten consecutive quiet ticks, the list of fleets included, which the tick function reads before it reconciles.
fn quiet_calls(instances: u32) -> Vec<Vec<&'static str>> {
    quiet_calls_of(spec(instances), instances)
}

fn quiet_calls_of(mut raw: RawFleetSpec, instances: u32) -> Vec<Vec<&'static str>> {
    raw.defaults.as_mut().unwrap().capacity.as_mut().unwrap().max = Some(200);
    let world = World::new(raw, 1_000.0 * f64::from(instances));
    ticks(&world, "settle", 15);
    assert_eq!(world.borrow().alive().len(), usize::try_from(instances).unwrap());
    let quiet = |tick: usize| {
        wait(&world, 60);
        world.borrow_mut().calls.clear();
        look(&world, &format!("quiet-{tick}"), &Signal::Tick).unwrap();
        let mut calls = vec!["dynamodb:Query"];
        calls.extend(world.borrow().calls.iter());
        calls
    };
    (0..10).map(quiet).collect()
}

#[test]
fn a_quiet_minute_costs_five_calls() {
    let calls = quiet_calls(3);
    assert!(calls.iter().all(|tick| tick.len() <= 5), "{calls:#?}");
}

#[test]
fn a_hundred_instances_cost_no_more_than_three() {
    assert_eq!(quiet_calls(100), quiet_calls(3));
}

/// Nobody pays for a report that no spec asks for; for all fleets of a region together it is one question.
#[test]
fn status_checks_are_asked_for_only_where_a_spec_asks() {
    let asked = |calls: &[Vec<&str>]| -> Vec<usize> {
        let of = |tick: &Vec<&str>| tick.iter().filter(|call| **call == "ec2:DescribeInstanceStatus").count();
        calls.iter().map(of).collect()
    };
    assert_eq!(asked(&quiet_calls(3)), [0; 10]);
    let mut raw = spec(3);
    raw.defaults.as_mut().unwrap().health = serde_json::from_value(serde_json::json!({ "status_checks": "5m" })).unwrap();
    let calls = quiet_calls_of(raw, 3);
    assert_eq!(asked(&calls), [1; 10]);
    assert!(calls.iter().all(|tick| tick.len() <= 6), "{calls:#?}");
}
