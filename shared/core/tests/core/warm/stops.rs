//! Into the stock: who is stopped, when, and who cannot be.

use super::*;

#[test]
fn it_is_stopped_after_its_warm_up_and_not_before() {
    let mut world = empty(json!({}));
    world.look();
    for (seconds, stopped) in [(60, false), (60, false), (59, false), (1, true)] {
        world.pass(seconds);
        let stops = steps(&world.look()).iter().any(|step| step.starts_with("stop "));
        assert_eq!(stops, stopped, "after {seconds} s more");
    }
}

#[test]
fn who_leaves_by_scale_in_is_stopped_instead_if_the_spec_says_so() {
    for (returns, expected) in [(true, "stop"), (false, "terminate")] {
        let mut world = stocked(json!({ "defaults": { "warm": { "size": 3, "return": returns } } }));
        world.read("requests", 70.0);
        let drained = why(&world.look());
        assert_eq!(drained.len(), 1, "{drained:?}");
        let id = drained[0].0.clone();
        world.pass(60);
        let done = steps(&world.look());
        assert!(done.contains(&format!("{expected} {id}")), "{done:?}");
        if returns {
            assert_eq!(with(&world, InstanceState::Stopping), [id.as_str()]);
            world.read("requests", 100.0);
            world.minutes(3);
            let rest = world.decide(ghostnet_core::signal::Signal::Tick);
            assert_eq!(
                (counts(&rest).warm, counts(&rest).draining, counts(&rest).capacity()),
                (3, 0, 3),
                "{rest:#?}"
            );
            assert_eq!(member(&world, id.as_str()).drain, None);
            assert!(
                world.inputs.state.pools[&pool("blue")].last_drain.is_some(),
                "a datapoint of before it is not acted on again"
            );
        }
    }
}

/// Found by the simulator: the stop was committed, and an invocation whose clock was behind decided it again.
#[test]
fn a_look_from_before_the_drain_stops_nobody() {
    let mut world = stocked(json!({ "defaults": { "warm": { "size": 3, "return": true } } }));
    world.read("requests", 70.0);
    world.look();
    world.pass(60);
    let stopped = world.die();
    let id = stops(&stopped);
    world.inputs.state.open.clear();
    let earlier = Seconds(90).before(world.now());
    world.inputs.now = earlier;
    assert_eq!(stops(&world.decide(ghostnet_core::signal::Signal::Tick)), Vec::<String>::new());
    world.inputs.now = Seconds(180).after(earlier);
    assert_eq!(
        stops(&world.decide(ghostnet_core::signal::Signal::Tick)),
        id,
        "and a later one does"
    );
}

fn stops(decision: &Decision) -> Vec<String> {
    steps(decision).into_iter().filter(|step| step.starts_with("stop")).collect()
}

#[test]
fn one_that_somebody_registered_is_deregistered_before_it_is_stopped() {
    let mut world = empty(json!({}));
    let id = keep(&mut world, 10, InstanceState::Running, WarmPhase::Preparing);
    keep(&mut world, 11, InstanceState::Stopped, WarmPhase::Kept);
    world.health("blue", &id, TargetHealth::Healthy);
    assert_eq!(steps(&world.look()), ["deregister i-blue-010"]);
    world.wait(30);
    assert_eq!(steps(&world.look()), Vec::<String>::new(), "finishes requests");
    world.pass(60);
    assert_eq!(steps(&world.look()), ["stop i-blue-010"]);
}

#[test]
fn one_that_cannot_be_stopped_is_terminated_and_the_next_waits() {
    let mut world = empty(json!({}));
    let id = keep(&mut world, 10, InstanceState::Running, WarmPhase::Preparing);
    keep(&mut world, 11, InstanceState::Stopped, WarmPhase::Kept);
    let (mut stops, mut removed) = (0, Vec::new());
    for _ in 0..20 {
        let decision = world.decide(ghostnet_core::signal::Signal::Tick);
        world.commit(&decision);
        for step in &decision.plan.steps {
            if matches!(step.action, Action::Stop { .. }) {
                stops += 1;
                let failed = [(id.clone(), "UnsupportedOperation".to_owned())].into();
                world.tell(step, StepOutcome::DoneExcept { failed });
            } else {
                let outcome = world.execute(step);
                world.tell(step, outcome);
            }
        }
        removed.extend(why(&decision));
        if !removed.is_empty() {
            break;
        }
        world.pass(60);
    }
    assert_eq!((stops, removed), (15, vec![(id, DrainReason::WarmRestless)]));
    assert!(world.inputs.state.pools[&pool("blue")].warm_backoff.is_some());
    world.minutes(3);
    assert_eq!(world.alive().len(), 5, "four serve, one rests, nobody was launched for it");
}

#[test]
fn who_is_stopped_by_a_person_is_none_of_the_stock() {
    let mut world = stocked(json!({}));
    let id = InstanceId::new("i-blue-000");
    world.instances.get_mut(&id).unwrap().state = InstanceState::Stopped;
    world.health("blue", &id, TargetHealth::InvalidState);
    let decision = world.decide(ghostnet_core::signal::Signal::Tick);
    assert!(finds(
        &decision,
        |finding| matches!(finding, Finding::Stopped { instance } if *instance == id)
    ));
    assert_eq!(counts(&decision).warm, 2);
    assert!(steps(&decision).contains(&"start i-blue-010".to_owned()), "{:?}", steps(&decision));
}

#[test]
fn one_that_a_person_starts_is_stopped_again_after_its_warm_up() {
    let mut world = stocked(json!({}));
    let id = InstanceId::new("i-blue-010");
    let now = world.now();
    let instance = world.instances.get_mut(&id).unwrap();
    (instance.state, instance.launched_at) = (InstanceState::Running, now);
    assert_eq!(
        (
            steps(&world.look()),
            counts(&world.decide(ghostnet_core::signal::Signal::Tick)).preparing
        ),
        (Vec::new(), 1)
    );
    world.pass(180);
    assert_eq!(steps(&world.look()), ["stop i-blue-010"]);
}

/// A table that was restored to a moment before its start still takes it for stopped.
#[test]
fn one_that_serves_although_it_is_believed_to_rest_is_taken_in_and_not_out() {
    let mut world = stocked(json!({}));
    let [serves, runs] = ["i-blue-010", "i-blue-011"].map(InstanceId::new);
    for id in [&serves, &runs] {
        world.instances.get_mut(id).unwrap().state = InstanceState::Running;
    }
    world.health("blue", &serves, TargetHealth::Healthy);
    world.health("blue", &runs, TargetHealth::Unhealthy);
    let lost = world.instances.get_mut(&InstanceId::new("i-blue-000")).unwrap();
    lost.state = InstanceState::Terminated;
    let decision = world.look();
    let told = |decision: &Decision| -> Vec<InstanceId> {
        let serves = |finding: &Finding| match finding {
            Finding::ServesAlready { instance } => Some(instance.clone()),
            _ => None,
        };
        decision.pools[&pool("blue")].findings.iter().filter_map(serves).collect()
    };
    assert_eq!(told(&decision), std::slice::from_ref(&serves));
    assert_eq!(counts(&decision).capacity(), 4, "in place of the one that is lost");
    assert_eq!(member(&world, "i-blue-010").warm, None);
    assert!(member(&world, "i-blue-010").served_since.is_some());
    assert_eq!(
        steps(&decision),
        ["deregister i-blue-000 i-blue-011"],
        "one that passes no checks is to rest"
    );
    assert_eq!(told(&world.look()), Vec::<InstanceId>::new(), "told once");

    // of a side that is kept out nobody is let in
    let mut world = stocked(json!({}));
    world.instances.get_mut(&serves).unwrap().state = InstanceState::Running;
    world.health("blue", &serves, TargetHealth::Healthy);
    for pool in &mut world.spec.pools {
        pool.fenced = Some(ghostnet_core::spec::Fencing {
            stop: true,
            timeout: Seconds::minutes(5),
        });
    }
    assert_eq!(told(&world.look()), Vec::<InstanceId>::new());
    assert!(member(&world, "i-blue-010").warm.is_some());
}

#[test]
fn who_has_said_its_last_word_cannot_be_kept() {
    let pool = |returns: bool| json!({ "defaults": { "drain": { "wait_for_tag": true }, "warm": { "size": 1, "return": returns } } });
    assert_eq!(problems(pool(false)), Vec::<String>::new());
    assert_eq!(
        problems(pool(true)),
        ["defaults.drain.wait_for_tag: who has said its last word cannot be kept warm: it would still say so when it is started"]
    );
}
