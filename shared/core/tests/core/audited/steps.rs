//! Steps: tokens, records, whose they are, when, and one at a time (I8, I9, I13, I17, I18).

use super::*;

#[test]
fn i8_tokens() {
    let twice = |_: &mut World, decision: &mut Decision| {
        let Action::Launch(launch) = &decision.plan.steps[1].action else {
            panic!("not a launch")
        };
        let token = launch.token.clone();
        first_launch(decision, |launch| launch.token = token.clone());
    };
    assert_eq!(Case::launching().after(twice), ["I8"]);
    let long: ClientToken = serde_json::from_value(json!("x".repeat(65))).unwrap();
    assert_eq!(
        Case::launching().after(|_, decision| first_launch(decision, |launch| launch.token = long.clone())),
        ["I8"]
    );
    let odd: ClientToken = serde_json::from_value(json!("tokén")).unwrap();
    assert_eq!(
        Case::launching().after(|_, decision| first_launch(decision, |launch| launch.token = odd.clone())),
        ["I8"]
    );
}

#[test]
fn i9_every_step_is_on_record() {
    assert_eq!(Case::launching().after(|_, decision| drop(decision.state.open.remove(0))), ["I9"]);
    assert_eq!(
        Case::launching().after(|_, decision| decision.state.open[0].execute_until = at(5)),
        ["I9"],
        "with the window it is sent in"
    );
}

#[test]
fn i13_every_pool_is_decided() {
    assert_eq!(Case::calm().after(|_, decision| decision.pools.clear()), ["I13"]);
}

#[test]
fn i17_only_what_is_ours() {
    let others = || vec![InstanceId::new("i-of-somebody")];
    let actions: [fn(Vec<InstanceId>) -> Action; 2] = [
        |instances| Action::Deregister {
            group: group("blue"),
            instances,
        },
        |instances| Action::Register {
            group: group("blue"),
            instances,
        },
    ];
    for action in actions {
        assert_eq!(Case::calm().after(|_, decision| add(decision, action(others()))), ["I17"]);
    }
    assert_eq!(
        Case::calm().after(|_, decision| add(decision, Action::Terminate { instances: others() })),
        ["I4", "I17"]
    );
    let gone = |world: &mut World, decision: &mut Decision| {
        let id = world.put("blue", 9, InstanceState::Terminated);
        world.inputs.observation.instances = Some(world.instances.values().cloned().collect());
        add(
            decision,
            Action::Deregister {
                group: group("blue"),
                instances: vec![id],
            },
        );
    };
    assert_eq!(
        Case::calm().after(gone),
        Vec::<String>::new(),
        "an instance of ours that is gone may leave its group"
    );
}

#[test]
fn i18_windows() {
    assert_eq!(Case::calm().after(|_, decision| decision.plan.execute_until = at(61)), ["I18"]);
    assert_eq!(
        Case::launching().after(|_, decision| decision.state.generation = Generation(7)),
        ["I18"]
    );
    let again = |waited: u32| {
        let mut world = World::new(json!({ "defaults": { "launch": { "subnets": ["subnet-a"] } } }));
        let first = world.die();
        world.wait(waited);
        Case::of(world).after(|world, decision| {
            decision.plan.steps = first.plan.steps.clone();
            decision.state.open[0].execute_until = decision.plan.execute_until;
            decision.state.generation = world.inputs.state.generation.next();
        })
    };
    assert_eq!(again(60), Vec::<String>::new());
    assert_eq!(again(59), ["I18"], "its executor may still be at it");
}

#[test]
fn i18_nobody_acts_while_paused() {
    let pause = Pause {
        by: "me".into(),
        reason: "no".into(),
        since: at(0),
        until: at(60),
    };
    assert_eq!(Case::launching().after(|_, decision| decision.state.pause = Some(pause)), ["I18"]);
    assert_eq!(
        Case::launching().after(|world, _| world.spec.mode = ghostnet_core::spec::FleetMode::RecommendOnly),
        ["I18"]
    );
}

#[test]
fn i18_one_step_per_resource() {
    let register = |n| Action::Register {
        group: group("blue"),
        instances: instance(n),
    };
    let deregister = |n| Action::Deregister {
        group: group("blue"),
        instances: instance(n),
    };
    let both = |a: Action, b: Action| {
        Case::calm().after(|_, decision| {
            add(decision, a);
            add(decision, b);
        })
    };
    assert_eq!(both(register(1), deregister(1)), ["I18"]);
    assert_eq!(both(register(1), deregister(2)), Vec::<String>::new());
    assert_eq!(
        both(
            register(1),
            Action::Deregister {
                group: group("green"),
                instances: instance(1)
            }
        ),
        Vec::<String>::new(),
        "groups are resources of their own"
    );
    assert_eq!(both(Action::Terminate { instances: instance(1) }, register(1)), ["I18", "I4"]);
    assert_eq!(both(register(1), Action::Terminate { instances: instance(1) }), ["I18", "I4"]);
    let earlier = Case::calm().after(|_, decision| {
        add(decision, deregister(1));
        let mut open = decision.state.open[0].clone();
        open.step = Step {
            id: StepId {
                plan: ghostnet_core::id::PlanId::new("earlier"),
                ..open.step.id
            },
            action: register(1),
            ..open.step
        };
        decision.state.open.push(open);
    });
    assert_eq!(earlier, ["I18"], "an earlier plan's open step holds it");
}

#[test]
fn i18_one_tag_step_at_a_time() {
    let tag = |told| Action::Tag {
        instances: instance(1),
        told,
    };
    let twice = |_: &mut World, decision: &mut Decision| {
        add(decision, tag(ghostnet_core::observation::Told::Draining));
        add(decision, tag(ghostnet_core::observation::Told::Serving));
    };
    assert_eq!(Case::calm().after(twice), ["I18"]);
    let beside = |_: &mut World, decision: &mut Decision| {
        add(decision, tag(ghostnet_core::observation::Told::Draining));
        add(
            decision,
            Action::Deregister {
                group: group("blue"),
                instances: instance(1),
            },
        );
    };
    assert_eq!(Case::calm().after(beside), [""; 0], "a tag and a target are two things");
}
