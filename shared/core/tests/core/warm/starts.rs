//! Taken out of the stock: started, taken back, and what came of it.

use super::*;

#[test]
fn growing_takes_back_then_takes_in_then_starts_then_launches() {
    let mut world = stocked(json!({}));
    let draining = InstanceId::new("i-blue-000");
    let drain = Drain {
        since: Seconds(30).before(world.now()).into(),
        deadline: Seconds(300).after(world.now()).into(),
        why: DrainReason::ScaleIn,
    };
    let state = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
    state.members.get_mut(&draining).unwrap().drain = Some(drain);
    state.desired = 3;
    keep(&mut world, 12, InstanceState::Running, WarmPhase::Preparing);
    world.read("requests", 200.0);
    let decision = world.look();
    assert_eq!((blue(&decision).before, blue(&decision).after), (3, 8));
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::TakenBack { instance } if *instance == draining)
    ));
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::TakenIn { instance } if instance.as_str() == "i-blue-012")
    ));
    let done = steps(&decision);
    assert!(
        done.contains(&"start i-blue-010".to_owned()) && done.contains(&"start i-blue-011".to_owned()),
        "{done:?}"
    );
    let launched: u32 = decision
        .plan
        .steps
        .iter()
        .filter(|step| matches!(step.action, Action::Launch(_)))
        .map(|step| step.action.brings())
        .sum();
    assert_eq!(launched, 1, "3 serve, 1 came back, 1 was taken in, 2 start: {done:?}");
    assert!(
        done.iter().any(|step| step.starts_with("register") && step.contains("i-blue-012")),
        "{done:?}"
    );
}

/// A stop behind a fence that failed or was lost: it runs on, takes the room of another one, and serves as well as that would. Of a pool
/// that keeps a stock the stop is sent again, and the list may be late.
#[test]
fn one_that_runs_on_although_it_was_stopped_long_ago_is_taken_in_where_one_is_needed() {
    for (keeps, long_ago, taken_in) in [(false, true, true), (false, false, false), (true, true, false)] {
        let mut world = if keeps { empty(json!({})) } else { World::serving(4, json!({})) };
        let id = keep(&mut world, 12, InstanceState::Running, WarmPhase::Kept);
        if !long_ago {
            let now = world.now().into();
            let members = &mut world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members;
            members.get_mut(&id).unwrap().warm.as_mut().unwrap().since = now;
        }
        world.read("requests", 200.0);
        let decision = world.look();
        let takes_in = |finding: &Finding| matches!(finding, Finding::TakenIn { instance } if *instance == id);
        assert_eq!(
            finds(&decision, takes_in),
            taken_in,
            "{keeps} {long_ago} {:?}",
            blue(&decision).findings
        );
    }
}

/// Three are wanted, two serve, one fell sick a moment ago and one is started in its place.
#[test]
fn nobody_leaves_on_account_of_a_start_that_was_not_seen() {
    for (state, leaves) in [(InstanceState::Stopped, false), (InstanceState::Pending, true)] {
        let mut world = stocked(json!({}));
        let ids: Vec<InstanceId> = world.inputs.state.pools[&pool("blue")].members.keys().cloned().collect();
        let serving: Vec<InstanceId> = ids.into_iter().filter(|id| !member(&world, id.as_str()).is_warm()).collect();
        for id in serving.iter().skip(3) {
            world.instances.remove(id);
            world.targets.get_mut("blue").unwrap().remove(id);
            world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members.remove(id);
        }
        let (sick, wanted) = (serving[2].clone(), u32::try_from(serving.len().min(3)).unwrap());
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = wanted;
        world.health("blue", &sick, TargetHealth::Unhealthy);
        let started = keep(&mut world, 13, state, WarmPhase::Starting);
        let lately = Seconds(20).before(world.now());
        let pool_state = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
        pool_state.members.get_mut(&started).unwrap().warm.as_mut().unwrap().since = lately.into();
        world.loads.clear();
        let decision = world.look();
        let drained = why(&decision).iter().any(|(id, why)| *id == sick && *why == DrainReason::ScaleIn);
        assert_eq!(drained, leaves, "{state:?}: {:?}", why(&decision));
    }
}

#[test]
fn one_in_a_zone_that_is_out_is_not_taken_back() {
    type Spoil = fn(&mut World);
    let spoils: [(&str, Spoil, bool); 2] = [
        ("its zone is in", |_| {}, true),
        (
            "its zone is out",
            |world| {
                let zone = world.instances[&InstanceId::new("i-blue-000")].zone.clone();
                let until = Seconds::minutes(30).after(world.now());
                let state = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
                state.zones_out.insert(zone, until.into());
            },
            false,
        ),
    ];
    for (situation, spoil, taken_back) in spoils {
        let mut world = empty(json!({ "defaults": { "warm": null } }));
        let drain = Drain {
            since: Seconds(30).before(world.now()).into(),
            deadline: Seconds(300).after(world.now()).into(),
            why: DrainReason::ScaleIn,
        };
        let state = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
        state.members.get_mut(&InstanceId::new("i-blue-000")).unwrap().drain = Some(drain);
        state.desired = 3;
        spoil(&mut world);
        world.read("requests", 200.0);
        let found = finds(&world.look(), |finding| matches!(finding, Finding::TakenBack { .. }));
        assert_eq!(found, taken_back, "{situation}");
    }
}

#[test]
fn a_start_counts_from_the_commit_and_becomes_a_member_like_any_other() {
    let mut world = stocked(json!({}));
    world.read("requests", 140.0);
    let decision = world.die();
    assert_eq!(steps(&decision), ["start i-blue-010", "start i-blue-011"]);
    world.wait(10);
    let next = world.decide(ghostnet_core::signal::Signal::Tick);
    assert_eq!((counts(&next).pending, counts(&next).warm, counts(&next).capacity()), (2, 0, 6));
    for step in &decision.plan.steps {
        let outcome = world.execute(step);
        world.tell(step, outcome);
    }
    world.read("requests", 95.0);
    world.minutes(6);
    let settled = world.decide(ghostnet_core::signal::Signal::Tick);
    assert_eq!((counts(&settled).in_service, blue(&settled).after), (6, 6));
    assert_eq!(member(&world, "i-blue-010").warm, None);
}

#[test]
fn without_capacity_it_stays_warm_and_another_way_is_found() {
    let mut world = stocked(json!({}));
    world.read("requests", 120.0);
    let decision = world.die();
    assert_eq!(steps(&decision), ["start i-blue-010"]);
    world.tell(
        &decision.plan.steps[0],
        StepOutcome::NoCapacity {
            code: "InsufficientInstanceCapacity".into(),
        },
    );
    assert!(member(&world, "i-blue-010").is_warm());
    let zone = world.instances[&InstanceId::new("i-blue-010")].zone.clone();
    world.exhausted.push(ExhaustedOffering {
        offering: Offering {
            zone,
            instance_type: Some(ghostnet_core::id::InstanceType::new("c7a.large")),
            market: Market::OnDemand,
            reservation: None,
        },
        until: Seconds(180).after(world.now()),
    });
    world.wait(1);
    assert_eq!(steps(&world.look()), ["start i-blue-011"]);
}

#[test]
fn what_a_start_gave_decides_when_it_is_tried_again() {
    let refused = |class| StepOutcome::Refused {
        class,
        code: "no".into(),
        message: String::new(),
    };
    let id = InstanceId::new("i-blue-010");
    for (outcome, again, launches) in [
        (StepOutcome::NotSent, true, false),
        (refused(ghostnet_core::plan::Refusal::Throttled), true, false),
        (refused(ghostnet_core::plan::Refusal::Configuration), false, false),
        (
            StepOutcome::DoneExcept {
                failed: [(id.clone(), "IncorrectState".to_owned())].into(),
            },
            false,
            false,
        ),
    ] {
        let mut world = stocked(json!({}));
        world.read("requests", 120.0);
        let decision = world.die();
        world.tell(&decision.plan.steps[0], outcome.clone());
        world.wait(1);
        let next = steps(&world.look());
        let expected = if again { "start i-blue-010" } else { "start i-blue-011" };
        assert_eq!(next, [expected], "{outcome:?}");
        assert_eq!(
            world.inputs.state.pools[&pool("blue")].launch_refused.is_some(),
            launches,
            "{outcome:?}"
        );
    }
}

#[test]
fn a_start_without_outcome_is_looked_up_and_sent_again() {
    let mut world = stocked(json!({}));
    world.read("requests", 120.0);
    let first = world.die();
    world.wait(59);
    assert_eq!(steps(&world.look()), Vec::<String>::new(), "its window, and the margin");
    world.wait(2);
    let again = world.die();
    assert_eq!(ids(&again), ids(&first), "stopped still: sent again under its own id");
    world.execute(&again.plan.steps[0]);
    world.pass(100);
    let seen = world.look();
    assert!(world.open().is_empty() && counts(&seen).coming() == 1, "{seen:#?}");
    assert_eq!(member(&world, "i-blue-010").warm, None, "it runs, whoever sent it");
}

#[test]
fn a_start_that_is_not_wanted_any_more_stays_counted_until_it_cannot_have_happened() {
    let mut world = stocked(json!({}));
    world.read("requests", 120.0);
    world.die();
    world.read("requests", 95.0);
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 4;
    for (seconds, counted) in [(70, 5), (300, 5), (30, 4)] {
        world.wait(seconds);
        let decision = world.look();
        assert_eq!(
            (steps(&decision), counts(&decision).capacity()),
            (Vec::new(), counted),
            "{seconds} s later"
        );
    }
    assert!(member(&world, "i-blue-010").is_warm() && world.open().is_empty());
}

#[test]
fn one_that_never_runs_after_its_start_is_given_up_like_one_that_never_became_healthy() {
    let mut world = stocked(json!({}));
    world.read("requests", 120.0);
    let decision = world.die();
    world.tell(&decision.plan.steps[0], StepOutcome::Done);
    world.read("requests", 95.0);
    let mut given_up = Vec::new();
    for _ in 0..16 {
        world.wait(60);
        given_up.extend(why(&world.look()));
    }
    assert_eq!(given_up, [(InstanceId::new("i-blue-010"), DrainReason::NeverHealthy)]);
    assert!(world.inputs.state.pools[&pool("blue")].launch_backoff.is_some());
}

#[test]
fn only_as_many_return_as_are_missing_and_none_of_another_reason_or_age() {
    let outcome = |change: Value, spoil: fn(&mut World)| {
        let mut world = stocked(change);
        world.read("requests", 70.0);
        world.look();
        spoil(&mut world);
        world.pass(60);
        let done = steps(&world.look());
        (
            done.iter().any(|step| step.starts_with("stop")),
            done.iter().any(|step| step.starts_with("terminate")),
        )
    };
    let warm = |size: u32, max_age: &str| json!({ "defaults": { "warm": { "size": size, "return": true, "max_age": max_age } } });
    assert_eq!(outcome(warm(3, "7d"), |_| {}), (true, false));
    assert_eq!(outcome(warm(2, "7d"), |_| {}), (false, true), "the stock is full");
    assert_eq!(outcome(warm(3, "1h"), |_| {}), (false, true), "an hour old");
    let sick = |world: &mut World| {
        let members = &mut world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members;
        for drain in members.values_mut().filter_map(|member| member.drain.as_mut()) {
            drain.why = DrainReason::Unhealthy;
        }
    };
    assert_eq!(outcome(warm(3, "7d"), sick), (false, true));
    let retires = outcome(warm(3, "7d"), |world| world.inputs.retiring = true);
    assert!(!retires.0, "a fleet that goes keeps nobody");
}
