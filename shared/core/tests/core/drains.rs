//! Who leaves, in which order, and when it is over. Ten of `blue` serve, budgets allow any removal.

use ghostnet_core::decide::Decision;
use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::plan::StepOutcome;
use ghostnet_core::reason::Finding;
use ghostnet_core::state::{DrainReason, Holder};
use ghostnet_core::unit::Seconds;

use crate::support::*;

/// Nothing but the load keeps anybody from leaving.
fn eager(change: Value) -> Value {
    let mut spec = json!({ "guards": { "stabilisation": { "in": "0s" }, "cooldown": { "out": "0s", "in": "0s" }, "budgets": { "removal": { "per_tick": 100 } } } });
    spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    spec
}

/// A world that has begun to drain: six were asked for, five are enough.
fn draining() -> (World, Vec<InstanceId>) {
    let mut world = World::serving(6, eager(json!({})));
    world.read("requests", 80.0);
    let decision = world.look();
    let leaving = drained(&decision);
    assert_eq!(steps(&decision), [format!("deregister {}", leaving[0])]);
    (world, leaving)
}

fn drained(decision: &Decision) -> Vec<InstanceId> {
    let drains = |finding: &Finding| {
        if let Finding::Drains { instance, .. } = finding {
            Some(instance.clone())
        } else {
            None
        }
    };
    blue(decision).findings.iter().filter_map(drains).collect()
}

#[test]
fn first_drained_then_terminated_by_a_later_look() {
    let (mut world, leaving) = draining();
    let began = world.now();
    world.wait(10);
    assert_eq!(steps(&world.look()), Vec::<String>::new(), "still finishing requests");
    world.pass(60);
    assert_eq!(steps(&world.look()), [format!("terminate {}", leaving[0])]);
    world.pass(60);
    world.look();
    assert!(!world.alive().contains(&leaving[0].as_str()));
    world.targets.get_mut("blue").unwrap().remove(&leaving[0]);
    world.wait(60);
    world.look();
    assert_eq!(
        world.inputs.state.pools[&pool("blue")].members.len(),
        5,
        "seen gone and in no group: forgotten"
    );
    assert_eq!(
        world.inputs.state.pools[&pool("blue")].last_drain,
        Some(began.into()),
        "but what was measured before still counts it"
    );
}

#[test]
fn who_is_still_registered_is_not_terminated_however_late_it_is() {
    let (mut world, leaving) = draining();
    world.wait(3_600);
    world.health("blue", &leaving[0], TargetHealth::Healthy);
    assert_eq!(steps(&world.look()), [format!("deregister {}", leaving[0])]);
}

#[test]
fn past_the_deadline_nobody_waits_for_requests() {
    let (mut world, leaving) = draining();
    world.wait(299);
    assert!(world.look().plan.steps.is_empty());
    world.wait(1);
    assert_eq!(steps(&world.look()), [format!("terminate {}", leaving[0])]);
}

#[test]
fn a_group_that_cannot_be_read_stops_terminations() {
    let (mut world, leaving) = draining();
    world.pass(600);
    world.unreadable.insert("blue".into());
    let decision = world.look();
    assert!(decision.plan.steps.is_empty());
    assert!(finds(&decision, |finding| matches!(finding, Finding::GroupUnknown { .. })));
    world.unreadable.clear();
    assert_eq!(steps(&world.look()), [format!("terminate {}", leaving[0])]);
}

#[test]
fn the_look_that_drains_is_not_the_second_look() {
    let (mut world, _) = draining();
    // the same observation, decided again at once
    world
        .targets
        .get_mut("blue")
        .unwrap()
        .retain(|_, health| *health != TargetHealth::Draining);
    assert!(world.look().plan.steps.is_empty());
}

#[test]
fn without_a_group_the_whole_time_is_given() {
    let mut world = World::serving(
        6,
        eager(
            json!({ "pools": [{ "id": "blue" }], "policies": [{ "type": "target_tracking", "id": "requests", "metric": busy(), "target": 100.0 }] }),
        ),
    );
    world.read("requests", 80.0);
    let leaving = drained(&world.look());
    world.wait(299);
    assert!(world.look().plan.steps.is_empty());
    world.wait(1);
    assert_eq!(steps(&world.look()), [format!("terminate {}", leaving[0])]);
}

#[test]
fn a_termination_that_did_nothing_is_repeated() {
    let (mut world, leaving) = draining();
    world.pass(60);
    let decision = world.die();
    world.tell(&decision.plan.steps[0], StepOutcome::Done);
    world.wait(299);
    assert!(world.look().plan.steps.is_empty(), "EC2 takes its time");
    world.wait(1);
    assert_eq!(steps(&world.look()), [format!("terminate {}", leaving[0])]);
}

#[test]
fn an_instance_that_could_not_be_terminated_is_tried_again() {
    let (mut world, leaving) = draining();
    world.pass(60);
    let decision = world.die();
    let failed = [(leaving[0].clone(), "OperationNotPermitted".to_owned())].into();
    world.tell(&decision.plan.steps[0], StepOutcome::DoneExcept { failed });
    world.wait(60);
    assert_eq!(steps(&world.look()), [format!("terminate {}", leaving[0])]);
}

#[test]
fn a_spike_takes_draining_instances_back_before_it_launches() {
    let (mut world, leaving) = draining();
    world.read("requests", 150.0);
    world.wait(10);
    let decision = world.look();
    assert_eq!(blue(&decision).after, 9, "six served while 150 was measured");
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::TakenBack { instance } if *instance == leaving[0])
    ));
    let steps = steps(&decision);
    assert!(steps.contains(&format!("register {}", leaving[0])), "{steps:?}");
    assert_eq!(
        decision.plan.steps.iter().filter(|step| step.action.kind() == "launch").count(),
        3,
        "{steps:?}"
    );
}

#[test]
fn a_committed_terminate_is_never_taken_back() {
    let (mut world, leaving) = draining();
    world.pass(60);
    world.die();
    world.read("requests", 150.0);
    let decision = world.look();
    assert!(!finds(&decision, |finding| matches!(finding, Finding::TakenBack { .. })));
    assert!(steps(&decision).iter().all(|step| !step.contains(leaving[0].as_str())));
}

#[test]
fn the_order_of_the_spec() {
    // put() spreads over zones a, b, c in turn; the higher the number, the older
    for (order, leaving) in [
        (json!(["oldest"]), ["i-blue-005", "i-blue-004"]),
        (json!(["newest"]), ["i-blue-000", "i-blue-001"]),
        (json!(["zone_balance", "newest"]), ["i-blue-000", "i-blue-001"]),
        (json!(["zone_balance", "oldest"]), ["i-blue-005", "i-blue-004"]),
        (json!([]), ["i-blue-000", "i-blue-001"]),
    ] {
        let mut world = World::serving(6, eager(json!({ "defaults": { "scale_in": { "order": order } } })));
        world.read("requests", 60.0);
        assert_eq!(drained(&world.look()), leaving.map(InstanceId::new), "{order}");
    }
}

#[test]
fn whom_an_address_leads_to_leaves_last() {
    let mut world = World::serving(6, eager(json!({ "defaults": { "scale_in": { "order": ["newest"] } } })));
    world.inputs.traffic.holder = Some(Holder {
        instance: InstanceId::new("i-blue-000"),
        execute_until: at(0),
    });
    world.read("requests", 60.0);
    assert_eq!(drained(&world.look()), ["i-blue-001", "i-blue-002"].map(InstanceId::new));
}

/// A policy that reads each instance, and a table of prices.
fn by_load_or_price(order: Value) -> World {
    let prices = json!({ "c7a.large": 0.1, "m7a.large": 0.14 });
    let mut world = World::serving(
        6,
        eager(json!({
            "defaults": { "scale_in": { "order": order }, "launch": { "instance_types": ["c7a.large", "m7a.large"] } },
            "guards": {
                "stabilisation": { "in": "0s" }, "cooldown": { "out": "0s", "in": "0s" },
                "budgets": { "removal": { "per_tick": 100 }, "spend": { "per_day": 1_000, "currency": "USD", "prices": prices } },
            },
            "policies": [tracking(), { "id": "cpu", "type": "step", "metric": "cpu", "source": "instances", "out": [{ "from": 90, "add": 1 }] }],
        })),
    );
    world.read("requests", 60.0);
    world.read("cpu", 50.0);
    world
}

fn carry(world: &mut World, loads: [Option<f64>; 6]) {
    let ids = world.instances.keys().cloned();
    world.carried = ids.zip(loads).filter_map(|(id, load)| Some((id, load?))).collect();
}

#[test]
fn who_carries_least_leaves_first_and_unknown_is_not_idle() {
    for (situation, order, loads, leaving, unknown) in [
        (
            "all are known",
            json!(["least_loaded", "oldest"]),
            [Some(50.0), Some(20.0), Some(90.0), Some(10.0), Some(60.0), Some(70.0)],
            ["i-blue-003", "i-blue-001"],
            0,
        ),
        (
            "one says nothing: it may be the busiest",
            json!(["least_loaded", "oldest"]),
            [Some(50.0), Some(20.0), Some(90.0), None, Some(60.0), Some(70.0)],
            ["i-blue-001", "i-blue-000"],
            1,
        ),
        (
            "equally loaded: the next criterion",
            json!(["least_loaded", "oldest"]),
            [Some(50.0), Some(20.0), Some(20.0), Some(20.0), Some(60.0), Some(70.0)],
            ["i-blue-003", "i-blue-002"],
            0,
        ),
        (
            "nobody measures",
            json!(["least_loaded", "oldest"]),
            [None; 6],
            ["i-blue-005", "i-blue-004"],
            6,
        ),
        (
            "the zones come first",
            json!(["zone_balance", "least_loaded"]),
            [Some(50.0), Some(20.0), Some(90.0), Some(10.0), Some(60.0), Some(70.0)],
            ["i-blue-003", "i-blue-001"],
            0,
        ),
    ] {
        let mut world = by_load_or_price(order);
        carry(&mut world, loads);
        let decision = world.look();
        assert_eq!(drained(&decision), leaving.map(InstanceId::new), "{situation}");
        let mut findings = blue(&decision).findings.iter();
        let told = findings.find_map(|finding| match finding {
            Finding::LoadUnknown { count } => Some(*count),
            _ => None,
        });
        assert_eq!(told.unwrap_or(0), unknown, "{situation}");
    }
}

/// What an instance carried a quarter of an hour ago says nothing.
#[test]
fn an_old_load_is_unknown() {
    let mut world = by_load_or_price(json!(["least_loaded", "newest"]));
    carry(&mut world, [Some(50.0), Some(20.0), Some(90.0), Some(10.0), Some(60.0), Some(70.0)]);
    world.decide(ghostnet_core::signal::Signal::Tick);
    let mut loads = world.inputs.observation.loads.get_mut(&pool("blue")).unwrap();
    for (age, leaving) in [(15, ["i-blue-003", "i-blue-001"]), (16, ["i-blue-000", "i-blue-001"])] {
        loads.at = Seconds::minutes(5 + age).before(world.inputs.now);
        assert_eq!(drained(&world.again()), leaving.map(InstanceId::new), "{age} minutes");
        loads = world.inputs.observation.loads.get_mut(&pool("blue")).unwrap();
    }
}

#[test]
fn whose_type_costs_most_leaves_first() {
    for (situation, dear, leaving) in [
        ("two dear ones", ["i-blue-001", "i-blue-004"], ["i-blue-001", "i-blue-004"]),
        (
            "a type without a price counts as the dearest",
            ["i-blue-002", "x"],
            ["i-blue-002", "i-blue-000"],
        ),
    ] {
        let mut world = by_load_or_price(json!(["most_expensive", "newest"]));
        for (id, instance) in &mut world.instances {
            let name = if !dear.contains(&id.as_str()) {
                "c7a.large"
            } else if dear.contains(&"x") {
                "z1d.large"
            } else {
                "m7a.large"
            };
            instance.instance_type = ghostnet_core::id::InstanceType::new(name);
        }
        let mut gone = drained(&world.look());
        gone.sort();
        let mut leaving = leaving.map(InstanceId::new);
        leaving.sort();
        assert_eq!(gone, leaving, "{situation}");
    }
}

/// By what has passed of the hour that began with its launch, or with a later full hour: who is furthest leaves first.
#[test]
fn whose_next_hour_begins_soonest_leaves_first() {
    let hour = 3_600;
    for (situation, order, ages, leaving) in [
        (
            "neither the oldest nor the newest, but nearest to a full hour",
            json!(["closest_to_billing"]),
            [9 * hour + 60, 2 * hour + 3_500, 3_400, 5 * hour + 1_800, 600, 120],
            ["i-blue-001", "i-blue-002"],
        ),
        (
            "a full hour has just begun: it is paid for",
            json!(["closest_to_billing"]),
            [hour - 1, hour, 2 * hour, 2 * hour + 1, 3 * hour + 30, hour + 10],
            ["i-blue-000", "i-blue-004"],
        ),
        (
            "a launch that lies in the future counts as one of now",
            json!(["closest_to_billing"]),
            [-3_500, 0, 5, 4, 3, -1],
            ["i-blue-002", "i-blue-003"],
        ),
        (
            "equally far: the next criterion",
            json!(["closest_to_billing", "oldest"]),
            [900, hour + 900, 2 * hour + 900, 899, 7 * hour, 5 * hour + 900],
            ["i-blue-005", "i-blue-002"],
        ),
        (
            "the zones come first: a and c have no more than b",
            json!(["zone_balance", "closest_to_billing"]),
            [100, 200, 300, 3_000, 3_100, 3_200],
            ["i-blue-005", "i-blue-004"],
        ),
        (
            "then the zones, where it comes first",
            json!(["closest_to_billing", "zone_balance"]),
            [3_000, 200, 300, 3_000, 100, 100],
            ["i-blue-000", "i-blue-003"],
        ),
    ] {
        let mut world = by_load_or_price(order);
        // or nobody would leave while one is young
        world.spec.pools[0].warmup = Seconds(0);
        let now = world.now();
        for (instance, age) in world.instances.values_mut().zip(ages) {
            instance.launched_at = now - jiff::SignedDuration::from_secs(age);
        }
        assert_eq!(drained(&world.look()), leaving.map(InstanceId::new), "{situation}");
    }
}

#[test]
fn the_fullest_zone_gives_first() {
    let mut world = World::serving(7, eager(json!({})));
    world.read("requests", 70.0);
    let zones: Vec<String> = drained(&world.look())
        .iter()
        .map(|id| world.instances[id].zone.to_string())
        .collect();
    // a has three of the seven, the others two; then age decides
    assert_eq!(zones, ["eu-west-1a", "eu-west-1c"]);
}

#[test]
fn a_protected_instance_never_leaves() {
    let mut world = World::serving(6, eager(json!({})));
    for (n, instance) in world.instances.values_mut().enumerate() {
        instance.protected = n != 2;
    }
    world.read("requests", 10.0);
    assert_eq!(drained(&world.look()), [InstanceId::new("i-blue-002")]);
}

/// It took work and said so after the look that chose it: nobody cuts it off, whatever its deadline.
#[test]
fn one_that_is_protected_once_it_drains_leaves_when_it_is_protected_no_longer() {
    let mut world = World::serving(6, eager(json!({})));
    world.read("requests", 10.0);
    let id = drained(&world.look()).remove(0);
    if let Some(instance) = world.instances.get_mut(&id) {
        instance.protected = true;
    }
    world.minutes(30);
    assert!(world.alive().contains(&id.as_str()), "{:?}", world.alive());
    if let Some(instance) = world.instances.get_mut(&id) {
        instance.protected = false;
    }
    world.minutes(2);
    assert!(!world.alive().contains(&id.as_str()));
}

#[test]
fn a_pool_over_a_lowered_maximum_shrinks_within_its_budget() {
    let mut world = World::serving(
        9,
        json!({ "defaults": { "capacity": { "max": 5 } }, "guards": { "budgets": { "removal": { "per_tick": 2 } } } }),
    );
    let decision = world.look();
    assert_eq!((blue(&decision).after, drained(&decision).len()), (5, 2));
    world.pass(60);
    assert_eq!(drained(&world.look()).len(), 2);
    world.pass(60);
    assert_eq!(drained(&world.look()).len(), 0);
}

#[test]
fn serving_instances_do_not_make_room_for_ones_that_only_come() {
    let mut world = World::serving(6, eager(json!({ "defaults": { "capacity": { "max": 5 } } })));
    for id in ["i-blue-000", "i-blue-001", "i-blue-002"].map(InstanceId::new) {
        world.health("blue", &id, TargetHealth::Initial);
    }
    let leaving = drained(&world.look());
    assert_eq!(leaving.len(), 1);
    assert!(
        ["i-blue-000", "i-blue-001", "i-blue-002"].contains(&leaving[0].as_str()),
        "one that does not serve leaves first"
    );
}

#[test]
fn an_interrupted_instance_leaves_at_once_and_is_replaced() {
    let mut world = World::serving(4, json!({}));
    let id = InstanceId::new("i-blue-001");
    let notice = spot_notice(&world, &id, 5);
    let decision = world.look_at(notice);
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::Drains { instance, why: DrainReason::Interrupted } if *instance == id)
    ));
    assert_eq!(steps(&decision), ["launch 1 in eu-west-1b".to_owned(), format!("deregister {id}")]);
    let again = spot_notice(&world, &id, 10);
    world.wait(5);
    assert!(world.look_at(again).plan.steps.is_empty(), "the same notice again changes nothing");
}

#[test]
fn an_old_notice_only_wakes() {
    let mut world = World::serving(4, json!({}));
    let notice = spot_notice(&world, &InstanceId::new("i-blue-001"), 601);
    let decision = world.look_at(notice);
    assert_eq!((counts(&decision).in_service, decision.plan.steps.len()), (4, 0));
}

#[test]
fn a_rebalance_hint_is_only_noted() {
    use ghostnet_core::signal::{Interruption, InterruptionKind, Signal};
    let mut world = World::serving(4, json!({}));
    let hint = Interruption {
        instance: InstanceId::new("i-blue-001"),
        kind: InterruptionKind::Rebalance,
        at: world.now(),
    };
    let decision = world.look_at(Signal::Interruption(hint));
    assert!(decision.plan.steps.is_empty());
    assert!(finds(&decision, |finding| matches!(finding, Finding::RebalanceHint { .. })));
}

#[test]
fn a_notice_for_a_stranger_is_nobodys_business() {
    let mut world = World::serving(4, json!({}));
    let notice = spot_notice(&world, &InstanceId::new("i-other"), 5);
    assert!(world.look_at(notice).plan.steps.is_empty());
}

#[test]
fn one_that_is_stopped_while_it_drains_is_out_when_its_group_says_so() {
    let (mut world, leaving) = draining();
    world.wait(10);
    world.instances.get_mut(&leaving[0]).unwrap().state = InstanceState::Stopped;
    world.health("blue", &leaving[0], TargetHealth::InvalidState);
    assert_eq!(steps(&world.look()), [format!("deregister {}", leaving[0])]);
    world.pass(60);
    assert_eq!(steps(&world.look()), [format!("terminate {}", leaving[0])]);
}
