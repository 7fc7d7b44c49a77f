//! From nothing to in service: what is launched, where, and what becomes of it.

use ghostnet_core::decide::CapacityCount;
use ghostnet_core::id::InstanceType;
use ghostnet_core::observation::{ExhaustedOffering, InstanceState, Market, Offering, TargetHealth};
use ghostnet_core::plan::{Action, Refusal, StepOutcome};
use ghostnet_core::reason::Finding;

use crate::support::*;

#[test]
fn a_new_fleet_launches_its_initial_size_across_the_zones() {
    let mut world = World::new(json!({ "defaults": { "capacity": { "initial": 4 } } }));
    let decision = world.look();
    assert_eq!(
        steps(&decision),
        ["launch 2 in eu-west-1a", "launch 1 in eu-west-1b", "launch 1 in eu-west-1c"]
    );
    assert_eq!(
        world.inputs.state.pools[&pool("blue")].members.len(),
        4,
        "told instances are members at once"
    );
    assert!(world.open().is_empty());
}

#[test]
fn an_instance_is_registered_when_it_runs_and_in_service_when_it_is_warm() {
    let mut world = World::new(json!({ "defaults": { "capacity": { "initial": 1 } } }));
    world.look();
    let seen = |decision: &ghostnet_core::decide::Decision| (counts(decision), steps(decision));
    let none = Vec::<String>::new();

    world.wait(10);
    assert_eq!(
        seen(&world.look()),
        (
            CapacityCount {
                pending: 1,
                ..CapacityCount::default()
            },
            none.clone()
        ),
        "it boots"
    );
    world.pass(20);
    assert_eq!(
        seen(&world.look()),
        (
            CapacityCount {
                warming: 1,
                ..CapacityCount::default()
            },
            vec!["register i-new-001".into()]
        )
    );
    world.wait(10);
    assert_eq!(
        seen(&world.look()),
        (
            CapacityCount {
                warming: 1,
                ..CapacityCount::default()
            },
            none.clone()
        ),
        "first checks run"
    );
    world.pass(20);
    assert_eq!(
        seen(&world.look()),
        (
            CapacityCount {
                warming_serving: 1,
                ..CapacityCount::default()
            },
            none.clone()
        )
    );
    world.wait(120);
    assert_eq!(
        seen(&world.look()),
        (
            CapacityCount {
                in_service: 1,
                ..CapacityCount::default()
            },
            none
        ),
        "three minutes old"
    );
}

#[test]
fn an_instance_that_is_not_listed_yet_is_counted() {
    let mut world = World::new(json!({}));
    world.look();
    let hidden = std::mem::take(&mut world.instances);
    world.wait(60);
    let decision = world.look();
    assert_eq!((counts(&decision).pending, decision.plan.steps.len()), (2, 0), "EC2 lists it late");
    world.instances = hidden;
    world.pass(60);
    assert_eq!(counts(&world.look()).warming, 2);
}

#[test]
fn a_member_that_stays_unlisted_is_replaced_after_ten_minutes() {
    let mut world = World::serving(3, json!({}));
    let id = world.instances.pop_first().unwrap().0;
    world.targets.get_mut("blue").unwrap().remove(&id);
    let decision = world.look();
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::Vanished { instance } if *instance == id)
    ));
    assert_eq!(steps(&decision), ["launch 1 in eu-west-1a"]);
}

#[test]
fn a_spike_is_answered_at_once() {
    let mut world = World::serving(4, json!({}));
    world.read("requests", 190.0);
    let decision = world.look();
    assert_eq!((blue(&decision).before, blue(&decision).after), (4, 8));
    assert_eq!(
        steps(&decision),
        ["launch 1 in eu-west-1a", "launch 2 in eu-west-1b", "launch 1 in eu-west-1c"]
    );
    world.pass(60);
    let decision = world.look();
    assert_eq!(blue(&decision).after, 8, "what comes is enough");
    assert_eq!(
        decision.plan.steps.len(),
        1,
        "they are registered and nothing else: {:?}",
        steps(&decision)
    );
}

/// A datapoint is a minute or two old. Instances that boot faster than that must not be multiplied with it.
#[test]
fn a_spike_that_fast_instances_have_answered_is_not_answered_again() {
    let mut world = World::serving(
        4,
        json!({ "guards": { "cooldown": { "out": "0s" } }, "defaults": { "capacity": { "max": 40 } } }),
    );
    world.read("requests", 200.0);
    assert_eq!(blue(&world.look()).after, 8);
    for _ in 0..3 {
        world.pass(15);
        assert_eq!(blue(&world.look()).after, 8, "the value is still that of four");
    }
    assert_eq!(counts(&world.look()).serving(), 8);
}

#[test]
fn the_launch_budget_spreads_a_spike_over_minutes() {
    let mut world = World::serving(
        4,
        json!({ "guards": { "budgets": { "launch": { "per_tick": 2 } }, "cooldown": { "out": "0s" } } }),
    );
    world.read("requests", 400.0);
    let sizes: Vec<u32> = (0..4)
        .map(|_| {
            let decision = world.look();
            world.pass(60);
            blue(&decision).after
        })
        .collect();
    assert_eq!(sizes, [6, 8, 10, 10]);
}

fn ran_out(world: &mut World, zone: &str, instance_type: &str) {
    let offering = Offering {
        zone: ghostnet_core::id::Zone::new(format!("eu-west-1{zone}")),
        instance_type: Some(InstanceType::new(instance_type)),
        market: Market::OnDemand,
        reservation: None,
    };
    world.exhausted.push(ExhaustedOffering { offering, until: at(180) });
}

#[test]
fn an_offering_that_ran_out_is_gone_around() {
    let mut world = World::new(json!({ "defaults": { "launch": { "instance_types": ["c7a.large", "m7a.large"] } } }));
    let decision = world.decide(ghostnet_core::signal::Signal::Tick);
    world.commit(&decision);
    for step in decision.plan.steps {
        world.tell(
            &step,
            StepOutcome::NoCapacity {
                code: "InsufficientInstanceCapacity".into(),
            },
        );
    }
    ran_out(&mut world, "a", "c7a.large");
    let decision = world.look();
    let offerings: Vec<String> = decision
        .plan
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Launch(launch) => Some(format!("{} {}", launch.place.zone, launch.offering.instance_type.as_ref()?)),
            _ => None,
        })
        .collect();
    assert_eq!(offerings, ["eu-west-1a m7a.large", "eu-west-1b c7a.large"]);
}

#[test]
fn when_everything_ran_out_it_says_so() {
    let mut world = World::new(json!({}));
    for zone in ["a", "b", "c"] {
        ran_out(&mut world, zone, "c7a.large");
    }
    let decision = world.look();
    assert!(decision.plan.steps.is_empty());
    assert!(finds(&decision, |finding| *finding == Finding::NoOffering { count: 2 }));
}

#[test]
fn a_refusal_stops_launches_for_a_while() {
    let mut world = World::new(json!({ "defaults": { "capacity": { "min": 2 } } }));
    let decision = world.die();
    for step in &decision.plan.steps {
        world.tell(
            step,
            StepOutcome::Refused {
                class: Refusal::Quota,
                code: "VcpuLimitExceeded".into(),
                message: "ask for more".into(),
            },
        );
    }
    world.wait(299);
    let decision = world.look();
    assert_eq!((decision.plan.steps.len(), guards_of(&decision)), (0, vec!["launch refused"]));
    world.wait(1);
    assert_eq!(world.look().plan.steps.len(), 2);
}

#[test]
fn a_subnet_without_a_zone_is_told_and_left_out() {
    let mut world = World::new(json!({}));
    world.inputs.resolved.zones.pop_first();
    let decision = world.look();
    assert_eq!(steps(&decision), ["launch 1 in eu-west-1b", "launch 1 in eu-west-1c"]);
    assert!(finds(&decision, |finding| matches!(finding, Finding::ZoneUnknown { .. })));
}

#[test]
fn without_a_target_group_running_is_serving() {
    let mut world = World::new(json!({ "pools": [{ "id": "blue" }], "policies": [] }));
    world.look();
    world.pass(60);
    assert_eq!(counts(&world.look()).warming_serving, 2);
    world.wait(180);
    assert_eq!(counts(&world.look()).in_service, 2);
}

/// An unused target group checks nobody: being registered is all that can be asked.
#[test]
fn an_unused_group_counts_who_is_registered() {
    let mut world = World::serving(2, json!({}));
    let ids: Vec<_> = world.instances.keys().cloned().collect();
    for id in ids {
        world.health("blue", &id, TargetHealth::Unchecked);
    }
    assert_eq!(counts(&world.look()).in_service, 2);
}

#[test]
fn an_instance_that_somebody_stopped_is_told_and_replaced() {
    let mut world = World::serving(3, json!({}));
    let id = world.instances.keys().next().unwrap().clone();
    world.instances.get_mut(&id).unwrap().state = InstanceState::Stopped;
    world.health("blue", &id, TargetHealth::InvalidState);
    let decision = world.look();
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::Stopped { instance } if *instance == id)
    ));
    assert_eq!(steps(&decision), ["launch 1 in eu-west-1a"], "left alone, not counted");
}
