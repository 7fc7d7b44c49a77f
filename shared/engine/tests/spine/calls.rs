//! How many AWS calls a quiet minute costs: few, the same for few and many instances, and none more for another fleet.

use crate::run::*;
use crate::world::{Hand, World};
use futures::FutureExt;
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::Attribute;
use ghostnet_core::spec::RawFleetSpec;
use ghostnet_core::spec::raw::RawBalancing;
use ghostnet_engine::invocation::Invocation;
use ghostnet_engine::reconcile::preview;

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

const READS: &str = "elasticloadbalancing:DescribeTargetGroupAttributes";
const SETS: &str = "elasticloadbalancing:ModifyTargetGroupAttributes";

/// Attributes are read once an hour, in a minute that costs no more calls than another; a change by somebody else is put right then.
#[test]
fn an_hour_with_attributes_to_keep_costs_five_calls_a_minute() {
    let mut raw = spec(3);
    let balancing = serde_json::json!({ "algorithm": "least_outstanding_requests" });
    raw.defaults.as_mut().unwrap().balancing = serde_json::from_value::<Option<RawBalancing>>(balancing).unwrap();
    let world = World::new(raw, 3_000.0);
    ticks(&world, "settle", 15);
    let algorithm = || world.borrow().attributes.get(&Attribute::Algorithm).cloned();
    let wanted = Some("least_outstanding_requests".to_owned());
    assert_eq!(algorithm(), wanted, "set as soon as it was applied");
    let hour = |name: &str| {
        let quiet = |tick: u32| {
            wait(&world, 60);
            world.borrow_mut().calls.clear();
            look(&world, &format!("{name}-{tick}"), &Signal::Tick).unwrap();
            world.borrow().calls.clone()
        };
        (0..60).map(quiet).collect::<Vec<_>>()
    };
    let count = |hour: &[Vec<&str>], call: &str| hour.iter().flatten().filter(|made| **made == call).count();
    let quiet = hour("quiet");
    // the list of fleets is the fifth
    assert!(quiet.iter().all(|tick| tick.len() <= 4), "{quiet:#?}");
    assert_eq!((count(&quiet, READS), count(&quiet, SETS)), (1, 0));
    world.borrow_mut().attributes.insert(Attribute::Algorithm, "round_robin".to_owned());
    let mended = hour("mended");
    assert_eq!((count(&mended, SETS), algorithm()), (1, wanted));
}

/// Whoever only looks sees what would be set, at any minute; a function that may not set does not read.
#[test]
fn a_preview_shows_what_differs_and_other_functions_do_not_read() {
    let mut raw = spec(3);
    let balancing = serde_json::json!({ "deregistration_delay": "30s" });
    raw.defaults.as_mut().unwrap().balancing = serde_json::from_value::<Option<RawBalancing>>(balancing).unwrap();
    let world = World::new(raw, 3_000.0);
    ticks(&world, "settle", 15);
    world
        .borrow_mut()
        .attributes
        .insert(Attribute::DeregistrationDelay, "300".to_owned());
    let reads = |function: &'static str| {
        world.borrow_mut().calls.clear();
        let (hand, invocation) = (Hand::new(&world, None), invocation(&world, "look"));
        let invocation = Invocation { function, ..invocation };
        let signal = Signal::Evaluate {
            fleet: fleet(),
            by: "test".to_owned(),
        };
        let looked = preview(&hand, &invocation, &fleet(), &signal).now_or_never().unwrap().unwrap();
        let read = world.borrow().calls.contains(&READS);
        (read, looked.decision.plan.steps.len())
    };
    assert_eq!(reads("cli"), (true, 1));
    assert_eq!(reads("alarm"), (false, 0));
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

/// One question for a service, however many instances and pools it has; nothing is sent while all is as it should be.
#[test]
fn a_cloud_map_service_costs_one_call_a_minute() {
    let mut raw = spec(3);
    raw.pools[0].cloud_map = serde_json::from_value(serde_json::json!({ "service": "srv-web" })).unwrap();
    let calls = quiet_calls_of(raw, 3);
    let of = |tick: &Vec<&str>| tick.iter().filter(|call| call.starts_with("servicediscovery:")).count();
    assert_eq!(calls.iter().map(of).collect::<Vec<_>>(), [1; 10]);
    assert!(calls.iter().all(|tick| tick.len() <= 6), "{calls:#?}");
}
