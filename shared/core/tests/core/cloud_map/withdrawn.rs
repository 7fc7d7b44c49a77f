//! Out of the service: before it ends, with the time that clients need, and ghosts after that.

use super::*;

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
fn a_fleet_that_is_deleted_takes_everybody_out_and_nobody_in() {
    let mut world = serving(2, alone(json!({ "drain": { "timeout": "60s" } })));
    world.inputs.retiring = true;
    let all: Vec<String> = world.minutes(10).iter().flat_map(about_service).collect();
    assert_eq!(all, ["withdraw i-blue-000 i-blue-001"]);
    assert_eq!(world.alive(), [""; 0]);
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
