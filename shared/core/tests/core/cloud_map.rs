//! Service discovery: whoever serves is registered in the pool's Cloud Map service, and is out of it before it ends.

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
fn one_that_leaves_is_withdrawn_first_and_ends_only_when_its_time_is_over() {
    let mut world = serving(3, alone(json!({ "drain": { "timeout": "150s" } })));
    world.read("requests", 60.0);
    let decided: Vec<_> = std::iter::repeat_with(|| {
        let decision = world.look();
        world.pass(60);
        steps(&decision)
    })
    .skip_while(Vec::is_empty)
    .take(4)
    .collect();
    let [withdraw, .., terminate] = &decided[..] else { panic!() };
    assert_eq!(withdraw.len(), 1, "{decided:?}");
    let leaver = withdraw[0].strip_prefix("withdraw ").unwrap();
    assert_eq!(
        decided[1..3],
        [Vec::<String>::new(), Vec::new()],
        "its clients have not forgotten it"
    );
    assert_eq!(*terminate, [format!("terminate {leaver}")]);
}

/// Behind a target group it would end as soon as it has left the group.
#[test]
fn beside_a_target_group_clients_are_given_the_time_of_their_records() {
    for (ttl, ends_after) in [(None, 2), (Some(120), 4)] {
        let mut world = serving(3, beside(json!({ "drain": { "timeout": "10m" } })));
        world.inputs.resolved.record_ttls.extend(ttl.map(|ttl| (service(), Seconds(ttl))));
        world.look_at(spot_notice(&world, &id(0), 0));
        let member = |world: &mut World| {
            let members = &mut world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members;
            members.get_mut(&id(0)).unwrap().drain.as_mut().map(|drain| {
                drain.deadline = Seconds(600).after(drain.since.at()).into();
            })
        };
        member(&mut world).unwrap();
        let ends = (1..20).find(|_| {
            world.pass(60);
            steps(&world.look()).contains(&format!("terminate {}", id(0)))
        });
        assert_eq!(ends, Some(ends_after), "{ttl:?}");
    }
}

#[test]
fn one_that_has_said_its_last_word_still_waits_for_clients_and_never_past_its_deadline() {
    for (deadline, ends_after) in [("10m", 4), ("2m", 2)] {
        let mut world = serving(3, alone(json!({ "drain": { "wait_for_tag": true, "timeout": deadline } })));
        world.inputs.resolved.record_ttls.insert(service(), Seconds(120));
        world.read("requests", 60.0);
        while !steps(&world.look()).iter().any(|step| step.starts_with("withdraw")) {
            world.pass(60);
        }
        for instance in world.instances.values_mut() {
            instance.word.drained = true;
        }
        // only the one that leaves has said it
        let draining: Vec<InstanceId> = world.inputs.state.pools[&pool("blue")]
            .members
            .iter()
            .filter(|(_, member)| member.drain.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for (id, instance) in &mut world.instances {
            instance.word.drained = draining.contains(id);
        }
        let ends = (1..20).find(|_| {
            world.pass(60);
            steps(&world.look()).iter().any(|step| step.starts_with("terminate"))
        });
        assert_eq!(ends, Some(ends_after), "{deadline}");
    }
}

#[test]
fn nobody_ends_while_the_service_lists_it_or_cannot_be_read() {
    let late = |world: &mut World| {
        let decisions = world.minutes(30);
        decisions.iter().flat_map(steps).any(|step| step.starts_with("terminate"))
    };
    let mut world = serving(3, alone(json!({})));
    world.read("requests", 60.0);
    world.unreadable_services.insert(service());
    assert!(!late(&mut world));
    assert!(finds(
        &world.look(),
        |finding| matches!(finding, Finding::ServiceUnknown { service: unknown } if *unknown == service())
    ));
    world.unreadable_services.clear();
    // whatever is withdrawn, it stays listed
    for _ in 0..30 {
        world.look();
        world.operations.clear();
        world.pass(60);
    }
    assert_eq!(world.alive().len(), 3);
    assert!(late(&mut world), "once it is withdrawn");
}

#[test]
fn a_sick_one_is_withdrawn_at_once_but_not_while_nobody_else_serves_or_too_many_are_sick() {
    for (sick, withdrawn) in [(1, 1), (2, 2), (4, 0), (8, 0)] {
        let mut world = serving(8, beside(json!({})));
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 8;
        for n in 0..sick {
            world.health("blue", &id(n), TargetHealth::Unhealthy);
        }
        let mut steps: Vec<String> = Vec::new();
        for _ in 0..3 {
            steps.extend(about_service(&world.look()));
            for n in 0..sick {
                world.health("blue", &id(n), TargetHealth::Unhealthy);
            }
            world.wait(60);
        }
        let first = steps.first().map_or(0, |step| step.split(' ').count() - 1);
        assert_eq!(first, withdrawn, "{sick}: {steps:?}");
    }
}

#[test]
fn one_that_a_person_stopped_is_withdrawn_and_comes_back_when_it_runs() {
    let mut world = serving(3, alone(json!({})));
    world.instances.get_mut(&id(1)).unwrap().state = InstanceState::Stopped;
    assert!(about_service(&world.look()).contains(&"withdraw i-blue-001".to_owned()));
    world.pass(60);
    world.instances.get_mut(&id(1)).unwrap().state = InstanceState::Running;
    world.read("requests", 130.0);
    let announced = about_service(&world.look());
    assert!(
        announced.iter().any(|step| step.starts_with("announce i-blue-001")),
        "{announced:?}"
    );
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

#[test]
fn a_ghost_is_withdrawn_and_others_are_told_and_left_alone() {
    let gone = InstanceState::Terminated;
    for (situation, by, state, steps, foreign) in [
        (
            "ours, and gone",
            Some(("web", "blue")),
            Some(gone),
            vec!["withdraw i-blue-009"],
            false,
        ),
        (
            "of a pool that is no more",
            Some(("web", "red")),
            Some(gone),
            vec!["withdraw i-blue-009"],
            false,
        ),
        ("not listed is not gone", Some(("web", "blue")), None, vec![], false),
        ("another fleet's", Some(("api", "blue")), Some(gone), vec![], false),
        ("somebody's", None, Some(gone), vec![], true),
        ("nobody knows it", None, None, vec![], true),
    ] {
        let mut world = serving(3, alone(json!({})));
        if let Some(state) = state {
            world.put("blue", 9, state);
        }
        list(&mut world, registered(&id(9), by));
        let decision = world.look();
        assert_eq!(about_service(&decision), steps, "{situation}");
        let told = finds(
            &decision,
            |finding| matches!(finding, Finding::ForeignRegistrations { instances, .. } if *instances == [id(9)]),
        );
        assert_eq!(told, foreign, "{situation}");
    }
}

/// Both pools see the registration: the one that the instance belongs to, and the one that once made it.
#[test]
fn a_ghost_in_a_service_that_two_pools_share_is_withdrawn_once() {
    let green = json!({ "id": "green", "cloud_map": { "service": "srv-blue" } });
    let mut change = alone(json!({}));
    change["pools"].as_array_mut().unwrap().push(green);
    let mut world = serving(3, change);
    world.instances.get_mut(&id(0)).unwrap().state = InstanceState::Terminated;
    list(&mut world, registered(&id(0), Some(("web", "green"))));
    let withdrawn = about_service(&world.look()).into_iter().filter(|step| step.starts_with("withdraw"));
    assert_eq!(withdrawn.collect::<Vec<_>>(), ["withdraw i-blue-000"]);
}

#[test]
fn one_that_ended_by_itself_is_remembered_until_it_is_withdrawn() {
    let mut world = serving(3, alone(json!({})));
    world.instances.get_mut(&id(0)).unwrap().state = InstanceState::Terminated;
    let decision = world.look();
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::GhostRegistration { instance, .. } if *instance == id(0))
    ));
    world.operations.clear();
    world.instances.remove(&id(0));
    world.pass(900);
    assert_eq!(
        about_service(&world.look())[0],
        "withdraw i-blue-000",
        "though EC2 lists it no more"
    );
    world.pass(60);
    world.look();
    assert!(!world.inputs.state.pools[&pool("blue")].members.contains_key(&id(0)));
}

#[test]
fn an_announcement_that_takes_effect_after_its_instance_is_gone_is_taken_back() {
    for (minutes, withdrawn) in [(5, true), (11, false)] {
        let mut world = serving(3, alone(json!({ "drain": { "timeout": "60s" } })));
        world.instances.get_mut(&id(0)).unwrap().state = InstanceState::Terminated;
        world.minutes(2);
        assert_eq!(world.found_in(&service()).iter().filter(|found| **found == "i-blue-000").count(), 0);
        // EC2 lists it no more: only the table knows whose it was
        world.instances.remove(&id(0));
        world.minutes(minutes);
        list(&mut world, registered(&id(0), Some(("web", "blue"))));
        let told = about_service(&world.look());
        assert_eq!(told.contains(&"withdraw i-blue-000".to_owned()), withdrawn, "{minutes}: {told:?}");
    }
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
fn a_service_that_the_spec_no_longer_names_is_left() {
    for (named, announces) in [(Some("srv-green"), 1), (None, 0)] {
        let mut world = serving(2, alone(json!({})));
        let cloud_map = named.map(|service| json!({ "service": service }));
        world.spec = spec(alone(json!({ "cloud_map": cloud_map })));
        let decision = world.look();
        let of = |word: &str| about_service(&decision).iter().filter(|step| step.starts_with(word)).count();
        assert_eq!((of("withdraw"), of("announce")), (1, announces), "{named:?}");
        world.pass(60);
        assert_eq!(world.found_in(&service()), [""; 0]);
        // an announcement from before the change may come late
        let late = registered(&id(0), Some(("web", "blue")));
        list(&mut world, late);
        assert_eq!(about_service(&world.look())[0], "withdraw i-blue-000", "{named:?}");
        world.pass(60);
        // also that of one which is gone and forgotten by then
        let gone = world.put("blue", 9, InstanceState::Terminated);
        list(&mut world, registered(&gone, Some(("web", "blue"))));
        assert_eq!(about_service(&world.look())[0], "withdraw i-blue-009", "{named:?}");
        world.minutes(11);
        let state = &world.inputs.state.pools[&pool("blue")];
        assert!(state.former_services.is_empty(), "{named:?}");
        assert_eq!(state.service, named.map(ServiceId::new));
    }
}

#[test]
fn one_that_ended_before_the_service_was_changed_is_withdrawn_from_the_old_one() {
    let mut world = serving(3, alone(json!({})));
    world.look();
    world.instances.get_mut(&id(0)).unwrap().state = InstanceState::Terminated;
    world.look();
    world.operations.clear();
    world.pass(600);
    world.spec = spec(alone(json!({ "cloud_map": { "service": "srv-green" } })));
    let decision = world.look();
    assert!(
        about_service(&decision).contains(&"withdraw i-blue-000 i-blue-001 i-blue-002".to_owned()),
        "{:?}",
        steps(&decision)
    );
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
fn a_fleet_that_is_deleted_takes_everybody_out_and_nobody_in() {
    let mut world = serving(2, alone(json!({ "drain": { "timeout": "60s" } })));
    world.inputs.retiring = true;
    let all: Vec<String> = world.minutes(10).iter().flat_map(about_service).collect();
    assert_eq!(all, ["withdraw i-blue-000 i-blue-001"]);
    assert_eq!(world.alive(), [""; 0]);
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

/// What is remembered of those that leave must not grow a state that is nearly full.
#[test]
fn since_when_one_is_withdrawn_costs_a_few_bytes() {
    let bytes = |change: Value| {
        let mut world = World::serving(1_000, change);
        world.inputs.retiring = true;
        world.look();
        world.pass(60);
        world.look();
        world.inputs.state.open.clear();
        serde_json::to_string(&world.inputs.state).unwrap().len()
    };
    let many = json!({ "capacity": { "max": 1000 }, "drain": { "timeout": "5m" } });
    let with = bytes(alone(many.clone()));
    let mut without = alone(many);
    without["pools"][0].as_object_mut().unwrap().remove("cloud_map");
    let most = bytes(without) + 10_000;
    assert!(with < most, "{with} of {most}");
}
