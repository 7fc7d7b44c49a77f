//! Who leaves, and when: drained, looked at twice, out of service (I3, I4, I23, I24).

use super::*;

#[test]
fn i4_drained_out_and_looked_at_twice() {
    let case = Case::terminating();
    let leaving = drained_member(&case.world);
    let member = |world: &mut World, change: fn(&mut Member)| {
        change(
            world
                .inputs
                .state
                .pools
                .get_mut(&pool("blue"))
                .unwrap()
                .members
                .get_mut(&leaving)
                .unwrap(),
        );
    };
    let unrecorded = case.after(|world, _| member(world, |member| member.drain = None));
    assert!(unrecorded.contains(&"I4".to_owned()), "{unrecorded:?}");
    let just_now: fn(&mut Member) = |member| member.drain.as_mut().unwrap().since = at(60).into();
    assert_eq!(
        Case::terminating().after(|world, _| member(world, just_now)),
        ["I4"],
        "the look that drains is not the second"
    );
    for (health, found) in [
        (TargetHealth::Healthy, vec!["I4"]),
        (TargetHealth::Unhealthy, vec!["I4"]),
        (TargetHealth::Initial, vec!["I4"]),
        (TargetHealth::Unchecked, vec!["I4"]),
        (TargetHealth::Unavailable, vec!["I4"]),
        (TargetHealth::Draining, vec![]),
        (TargetHealth::InvalidState, vec![]),
    ] {
        let listed = |world: &mut World, _: &mut Decision| {
            let target = ghostnet_core::observation::Target {
                instance: leaving.clone(),
                health,
                shifted: false,
            };
            world.inputs.observation.targets.get_mut(&group("blue")).unwrap().push(target);
        };
        assert_eq!(Case::terminating().after(listed), found, "{health:?}");
    }
    let unread = |world: &mut World, _: &mut Decision| world.inputs.observation.targets.clear();
    assert_eq!(Case::terminating().after(unread), ["I4"], "a group that was not read may list it");
}

#[test]
fn i4_not_before_the_word_that_is_waited_for() {
    let waits: fn(&mut World) = |world| world.spec.pools[0].wait_for_tag = true;
    assert_eq!(Case::terminating().after(|world, _| waits(world)), ["I4"]);
    let finished = |world: &mut World, _: &mut Decision| {
        waits(world);
        let listed = world.inputs.observation.instances.as_mut().unwrap();
        listed.iter_mut().for_each(|instance| instance.word.drained = true);
    };
    assert_eq!(Case::terminating().after(finished), [""; 0]);
    let kept = |world: &mut World, _: &mut Decision| {
        let members = &mut world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members;
        let drains = members.values_mut().filter_map(|member| member.drain.as_mut());
        drains.for_each(|drain| drain.why = DrainReason::Kept);
    };
    assert_eq!(Case::terminating().after(kept), ["I4"], "kept for inspection");
}

#[test]
fn i3_who_is_well_leaves_only_once_it_is_replaced() {
    assert_eq!(
        Case::calm().after(|_, decision| drain(decision, 1, DrainReason::Renewed)),
        ["I3"],
        "four serve, and four are wanted"
    );
    let spare = |_: &mut World, decision: &mut Decision| {
        drain(decision, 1, DrainReason::Renewed);
        decision.pools.get_mut(&pool("blue")).unwrap().counts.in_service = 5;
    };
    assert_eq!(Case::calm().after(spare), [""; 0]);
}

#[test]
fn i23_one_that_leaves_as_sick_without_a_report() {
    let leaves = |health: Value, accused: fn(&mut World)| {
        let world = World::serving(4, json!({ "defaults": { "health": health } }));
        Case::of(world).after(|world, decision| {
            accused(world);
            drain(decision, 1, DrainReason::Unhealthy);
        })
    };
    let all = || json!({ "status_checks": "5m", "heartbeat": "5m" });
    let id = || InstanceId::new("i-blue-001");
    let beat = |world: &mut World, minutes: u32| {
        let last = Seconds::minutes(minutes).before(world.now());
        let instances = world.inputs.observation.instances.as_mut().unwrap();
        instances.iter_mut().find(|instance| instance.id == id()).unwrap().word.beat = Some(last);
    };
    assert_eq!(leaves(all(), |_| {}), ["I23"]);
    assert_eq!(leaves(all(), |world| accuse(world, 1)), Vec::<String>::new());
    assert_eq!(leaves(all(), |world| accuse(world, 2)), ["I23"], "another one");
    let impaired: fn(&mut World) = |world| {
        let since = Seconds::minutes(9).before(world.now());
        world.inputs.observation.impaired = Some([(InstanceId::new("i-blue-001"), since)].into());
    };
    assert_eq!(leaves(all(), impaired), Vec::<String>::new());
    assert_eq!(leaves(json!({}), impaired), ["I23"], "no spec asks");
    for (situation, values, found) in [
        ("three above", vec![Some(30.0); 3], Vec::<String>::new()),
        ("two above", vec![Some(30.0); 2], vec!["I23".to_owned()]),
        ("a gap", vec![Some(30.0), None, Some(30.0)], vec!["I23".to_owned()]),
        ("all well", vec![Some(5.0); 3], vec!["I23".to_owned()]),
    ] {
        let metric = json!({ "metric": { "metric": { "namespace": "Shop", "name": "JobErrors" }, "above": 20 } });
        let world = World::serving(4, json!({ "defaults": { "health": metric } }));
        let told = Case::of(world).after(|world, decision| {
            let series = vec![(id(), minutes(world.now(), &values))];
            let readings = Readings::of(series, Seconds::minutes(1), 3, world.now());
            world.inputs.observation.readings.insert(pool("blue"), readings);
            drain(decision, 1, DrainReason::Unhealthy);
        });
        assert_eq!(told, found, "{situation}");
    }
    for (minutes, found) in [(9, Vec::<String>::new()), (4, vec!["I23".to_owned()])] {
        let world = World::serving(4, json!({ "defaults": { "health": all() } }));
        let told = Case::of(world).after(|world, decision| {
            beat(world, minutes);
            drain(decision, 1, DrainReason::Unhealthy);
        });
        assert_eq!(told, found, "silent for {minutes} minutes");
    }
}

#[test]
fn i24_one_that_leaves_while_a_zone_is_out() {
    let leaves = |until: i64, change: fn(&mut World)| {
        Case::draining().after(|world, decision| {
            change(world);
            let zone = ghostnet_core::id::Zone::new("eu-west-1a");
            state(decision).zones_out.insert(zone, at(until).into());
        })
    };
    assert_eq!(leaves(60, |_| {}), ["I24"]);
    assert_eq!(leaves(0, |_| {}), Vec::<String>::new(), "it is over");
    assert_eq!(leaves(60, |world| world.inputs.retiring = true), Vec::<String>::new());
}
