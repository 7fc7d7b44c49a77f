//! Service discovery: whoever serves is registered in the pool's Cloud Map service, and is out of it before it ends.

mod withdrawn;

use std::net::Ipv4Addr;

use ghostnet_core::audit::audit;
use ghostnet_core::decide::Decision;
use ghostnet_core::id::{InstanceId, PoolId, ServiceId};
use ghostnet_core::observation::{InstanceState, Registrar, Registration, TargetHealth};
use ghostnet_core::plan::{Action, REGISTRATIONS_PER_LOOK_MAX, REGISTRATIONS_PER_STEP_MAX, Refusal, StepOutcome};
use ghostnet_core::reason::Finding;
use ghostnet_core::state::DrainReason;
use ghostnet_core::unit::Seconds;

use crate::support::*;

fn service() -> ServiceId {
    ServiceId::new("srv-blue")
}

/// A pool that is found by its service, and by nothing else.
fn alone(more: Value) -> Value {
    let mut pool = json!({ "id": "blue", "cloud_map": { "service": "srv-blue", "port": 8080 } });
    merge(&mut pool, more);
    let cpu = json!({ "type": "target_tracking", "id": "requests", "metric": busy(), "target": 100.0 });
    json!({ "pools": [pool], "policies": [cpu] })
}

/// A pool that is found by its service, and behind a target group too.
fn beside(more: Value) -> Value {
    let mut pool = json!({ "id": "blue", "target_groups": [group("blue")], "cloud_map": { "service": "srv-blue" } });
    merge(&mut pool, more);
    json!({ "pools": [pool] })
}

/// So many instances that serve, all of them registered.
fn serving(instances: u32, change: Value) -> World {
    let mut world = World::serving(instances, change);
    world.look();
    world.pass(60);
    assert_eq!(world.found_in(&service()).len(), usize::try_from(instances).unwrap());
    world
}

fn id(n: u32) -> InstanceId {
    InstanceId::new(format!("i-blue-{n:03}"))
}

fn registered(id: &InstanceId, by: Option<(&str, &str)>) -> Registration {
    Registration {
        instance: id.clone(),
        by: by.map(|(fleet, pool)| Registrar {
            fleet: fleet.parse().unwrap(),
            pool: pool.parse::<PoolId>().unwrap(),
        }),
        address: Some(Ipv4Addr::new(10, 0, 0, 9)),
        port: None,
    }
}

fn list(world: &mut World, registration: Registration) {
    let there = world.registered.entry(service()).or_default();
    there.insert(registration.instance.clone(), registration);
}

/// Words of the steps about the service.
fn about_service(decision: &Decision) -> Vec<String> {
    let all = steps(decision).into_iter();
    all.filter(|step| step.starts_with("announce") || step.starts_with("withdraw"))
        .collect()
}

#[test]
fn whoever_serves_is_registered_with_its_address_and_port_and_nobody_twice() {
    let mut world = World::serving(2, alone(json!({})));
    let decision = world.look();
    let Action::Announce {
        service: to,
        addresses,
        port,
    } = &decision.plan.steps[0].action
    else {
        panic!("{decision:#?}")
    };
    assert_eq!((to, *port), (&service(), Some(8080)));
    let addresses: Vec<_> = addresses.iter().map(|(id, address)| (id.as_str(), address.octets()[3])).collect();
    assert_eq!(addresses, [("i-blue-000", 1), ("i-blue-001", 2)]);
    world.pass(60);
    assert_eq!(world.found_in(&service()), ["i-blue-000", "i-blue-001"]);
    assert_eq!(about_service(&world.look()), [""; 0]);
}

#[test]
fn one_without_an_address_is_told() {
    let mut world = World::serving(2, alone(json!({})));
    world.instances.get_mut(&id(0)).unwrap().address = None;
    let decision = world.look();
    assert_eq!(about_service(&decision), ["announce i-blue-001"]);
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::NoAddress { instance } if *instance == id(0))
    ));
}

#[test]
fn a_service_is_named_by_its_id_or_its_arn() {
    let named = |service: &str, port: Value| spec(alone(json!({ "cloud_map": { "service": service, "port": port } })));
    let arn = "arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-blue";
    for (service, port) in [("srv-blue", Some(8080)), (arn, Some(8080)), ("srv-blue", None)] {
        let checked = named(service, json!(port));
        let cloud_map = checked.pools[0].cloud_map.clone().unwrap();
        assert_eq!((cloud_map.service, cloud_map.port), (ServiceId::new("srv-blue"), port), "{service}");
    }
    assert_eq!(spec(json!({})).pools[0].cloud_map, None);
    for (service, port, problem) in [
        (
            "blue",
            1,
            "pools[0].cloud_map.service: `blue` is neither the id nor the ARN of a Cloud Map service",
        ),
        (
            "srv-",
            1,
            "pools[0].cloud_map.service: `srv-` is neither the id nor the ARN of a Cloud Map service",
        ),
        (
            "arn:aws:servicediscovery:eu-west-1:123456789012:namespace/ns-1",
            1,
            "pools[0].cloud_map.service: `arn:aws:servicediscovery:eu-west-1:123456789012:namespace/ns-1` is neither the id nor the ARN of a \
             Cloud Map service",
        ),
        ("srv-blue", 0, "pools[0].cloud_map.port: `0` is no port"),
    ] {
        let change = alone(json!({ "cloud_map": { "service": service, "port": port } }));
        assert_eq!(problems(change), [problem], "{service} {port}");
    }
}

#[test]
fn what_cloud_map_does_not_show_yet_is_asked_for_again() {
    let mut world = World::serving(1, alone(json!({})));
    for _ in 0..2 {
        assert_eq!(about_service(&world.look()), ["announce i-blue-000"]);
        // the operation is lost
        world.operations.clear();
        world.pass(60);
    }
}

#[test]
fn who_does_not_serve_yet_is_not_registered() {
    for (situation, state, health) in [
        ("pending", InstanceState::Pending, TargetHealth::Healthy),
        ("first checks", InstanceState::Running, TargetHealth::Initial),
        ("stopped by somebody", InstanceState::Stopped, TargetHealth::InvalidState),
    ] {
        let mut world = World::serving(2, beside(json!({})));
        world.instances.get_mut(&id(1)).unwrap().state = state;
        world.health("blue", &id(1), health);
        let members = &mut world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members;
        members.get_mut(&id(1)).unwrap().served_since = None;
        assert_eq!(about_service(&world.look()), ["announce i-blue-000"], "{situation}");
    }
}

#[test]
fn who_is_not_ready_or_kept_warm_is_not_registered() {
    let mut world = World::new(alone(
        json!({ "health": { "ready_tag": true }, "warm": { "size": 1 }, "capacity": { "initial": 1 } }),
    ));
    world.read("requests", 95.0);
    world.look();
    world.pass(200);
    assert_eq!(about_service(&world.look()), [""; 0]);
    for instance in world.instances.values_mut() {
        instance.word.ready = true;
    }
    world.minutes(20);
    assert_eq!(world.alive().len(), 2, "one of them warm");
    assert_eq!(world.found_in(&service()).len(), 1);
}

#[test]
fn one_that_is_taken_back_is_registered_again() {
    let mut world = serving(4, alone(json!({ "drain": { "timeout": "10m" } })));
    world.read("requests", 60.0);
    while !steps(&world.look()).iter().any(|step| step.starts_with("withdraw")) {
        world.pass(60);
    }
    world.pass(60);
    world.read("requests", 250.0);
    let decision = world.look();
    assert!(finds(&decision, |finding| matches!(finding, Finding::TakenBack { .. })));
    assert_eq!(about_service(&decision).len(), 1, "{:?}", steps(&decision));
    assert!(about_service(&decision)[0].starts_with("announce"));
    world.look();
    let members = &world.inputs.state.pools[&pool("blue")].members;
    assert!(members.values().all(|member| member.withdrawn_after.is_none()));
}

/// A registration under a member's id may be the application's own, with attributes of its own.
#[test]
fn what_a_member_registered_itself_stays_until_it_leaves() {
    let mut world = serving(3, alone(json!({ "drain": { "timeout": "60s" } })));
    for n in 0..3 {
        list(&mut world, registered(&id(n), None));
    }
    let decision = world.look();
    assert_eq!(about_service(&decision), [""; 0]);
    assert!(!finds(&decision, |finding| matches!(finding, Finding::ForeignRegistrations { .. })));
    world.read("requests", 60.0);
    let all: Vec<String> = world.minutes(30).iter().flat_map(about_service).collect();
    assert!(all.iter().any(|step| step.starts_with("withdraw")), "{all:?}");
}

#[test]
fn another_port_is_told_to_everybody() {
    let mut world = serving(2, alone(json!({})));
    world.spec = spec(alone(json!({ "cloud_map": { "port": 9090 } })));
    assert_eq!(about_service(&world.look()), ["announce i-blue-000 i-blue-001"]);
    world.pass(60);
    assert_eq!(about_service(&world.look()), [""; 0]);
}

#[test]
fn many_are_registered_some_at_a_time() {
    let change = alone(json!({ "capacity": { "max": 100 } }));
    let mut world = World::serving(90, change);
    let sizes = |decision: &Decision| -> Vec<usize> {
        let of = |step: &ghostnet_core::plan::Step| step.action.instances().len();
        decision.plan.steps.iter().map(of).collect()
    };
    let first = sizes(&world.look());
    assert_eq!(first.iter().sum::<usize>(), REGISTRATIONS_PER_LOOK_MAX);
    assert!(first.iter().all(|size| *size <= REGISTRATIONS_PER_STEP_MAX));
    world.pass(60);
    assert_eq!(sizes(&world.look()).iter().sum::<usize>(), 40);
}

#[test]
fn what_is_under_way_is_not_asked_for_again_and_is_closed_by_a_later_look() {
    let mut world = World::serving(1, alone(json!({})));
    let decision = world.die();
    assert_eq!(about_service(&decision), ["announce i-blue-000"]);
    world.pass(20);
    assert_eq!(steps(&world.look()), [""; 0], "somebody may be at it");
    world.pass(60);
    assert_eq!(about_service(&world.look()), ["announce i-blue-000"], "it did not happen");
}

#[test]
fn a_refusal_is_tried_again_by_the_next_look() {
    let mut world = World::serving(1, alone(json!({})));
    let decision = world.die();
    let refused = StepOutcome::Refused {
        class: Refusal::Throttled,
        code: "RequestLimitExceeded".into(),
        message: "later".into(),
    };
    world.tell(&decision.plan.steps[0], refused);
    world.pass(60);
    assert_eq!(about_service(&world.look()), ["announce i-blue-000"]);
}

#[test]
fn audit_refuses_what_no_decision_may_do() {
    let fault = |change: fn(&mut World, &mut Decision)| {
        let mut world = serving(3, alone(json!({})));
        let mut decision = world.die();
        world.commit(&decision);
        decision = world.decide(ghostnet_core::signal::Signal::Tick);
        change(&mut world, &mut decision);
        let found = audit(&world.inputs.situation(&world.spec), &decision);
        found.into_iter().map(|violation| violation.invariant).collect::<Vec<_>>()
    };
    fn step(world: &World, decision: &mut Decision, action: Action) {
        let mut plan = ghostnet_core::plan::PlanBuilder::new(world.inputs.plan_id.clone());
        plan.add(&pool("blue"), action);
        decision.state.open.extend(plan.open(world.inputs.now, world.inputs.execute_until));
        decision.plan = plan.build(Vec::new(), world.inputs.execute_until);
        decision.state.generation = world.inputs.state.generation.next();
    }
    fn announce(to: &str, n: u32, host: u8) -> Action {
        Action::Announce {
            service: ServiceId::new(to),
            addresses: [(id(n), Ipv4Addr::new(10, 0, 0, host))].into(),
            port: Some(8080),
        }
    }
    type Change = fn(&mut World, &mut Decision);
    let rows: [(&str, Change, &[&str]); 6] = [
        ("as it is", |world, decision| step(world, decision, announce("srv-blue", 0, 1)), &[]),
        (
            "another service",
            |world, decision| step(world, decision, announce("srv-other", 0, 1)),
            &["I25", "I25"],
        ),
        (
            "another address",
            |world, decision| step(world, decision, announce("srv-blue", 0, 7)),
            &["I25"],
        ),
        (
            "a stranger",
            |world, decision| step(world, decision, announce("srv-blue", 9, 1)),
            &["I17", "I25", "I25"],
        ),
        (
            "one that leaves",
            |world, decision| {
                let members = &mut decision.state.pools.get_mut(&pool("blue")).unwrap().members;
                members.get_mut(&id(0)).unwrap().drain = Some(ghostnet_core::state::Drain {
                    since: world.inputs.now.into(),
                    deadline: world.inputs.now.into(),
                    why: DrainReason::Interrupted,
                });
                step(world, decision, announce("srv-blue", 0, 1));
            },
            &["I25"],
        ),
        (
            "one that is listed ends",
            |world, decision| {
                for state in [&mut world.inputs.state, &mut decision.state] {
                    let members = &mut state.pools.get_mut(&pool("blue")).unwrap().members;
                    members.get_mut(&id(0)).unwrap().drain = Some(ghostnet_core::state::Drain {
                        since: at(-600).into(),
                        deadline: at(-300).into(),
                        why: DrainReason::ScaleIn,
                    });
                }
                step(world, decision, Action::Terminate { instances: vec![id(0)] });
            },
            &["I4"],
        ),
    ];
    for (situation, change, invariants) in rows {
        assert_eq!(fault(change), invariants, "{situation}");
    }
}
