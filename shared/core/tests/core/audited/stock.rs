//! Those kept warm (I2, I4, I20).

use super::*;

/// Four serve; of three that are kept one runs, one rests, and one was put into the group by somebody.
fn keeping() -> World {
    use ghostnet_core::state::{Warm, WarmPhase};
    let mut world = World::serving(4, json!({ "defaults": { "warm": { "size": 3 } } }));
    let kept = [
        (10, InstanceState::Running),
        (11, InstanceState::Stopped),
        (12, InstanceState::Running),
    ];
    for (n, running) in kept {
        let id = world.put("blue", n, running);
        // booting still: nothing is to be done yet
        world.instances.get_mut(&id).unwrap().launched_at = at(-60);
        let warm = Some(Warm {
            phase: WarmPhase::Kept,
            since: at(-60).into(),
        });
        let member = Member {
            warm,
            ..Member::new(at(-60))
        };
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members.insert(id, member);
    }
    world
}

#[test]
fn i4_stopped_is_only_who_was_out_of_service_and_is_in_no_group() {
    let stop = |n| {
        let mut world = keeping();
        world.health("blue", &instance(12)[0], TargetHealth::Healthy);
        let mut case = Case::of(world);
        case.decision.plan.steps.clear();
        case.decision.state.open.clear();
        case.after(|_, decision| {
            add(
                decision,
                Action::Stop {
                    instances: instance(n),
                    hibernate: false,
                },
            );
        })
    };
    assert_eq!(stop(10), Vec::<String>::new());
    assert_eq!(stop(12), ["I4"], "it is in a group");
    assert_eq!(stop(1), ["I4"], "it serves");
}

#[test]
fn i20_who_is_kept_is_in_no_group_and_only_who_is_kept_is_started() {
    let with = |action: Action| Case::of(keeping()).after(|_, decision| add(decision, action));
    let start = |n| {
        let offering = serde_json::from_value(json!({ "zone": "eu-west-1a", "type": "c7a.large", "market": "on-demand" })).unwrap();
        let instances = instance(n);
        Action::Start { instances, offering }
    };
    let register = |n| Action::Register {
        group: group("blue"),
        instances: instance(n),
    };
    assert_eq!(with(start(11)), Vec::<String>::new());
    assert_eq!(with(start(10)), ["I20"], "it runs");
    assert_eq!(with(start(1)), ["I20"], "it serves");
    assert_eq!(with(register(10)), ["I20"]);
    assert_eq!(with(register(1)), Vec::<String>::new());
}

#[test]
fn i2_those_kept_and_those_in_service_are_never_more_than_the_maximum() {
    let world = World::serving(4, json!({ "defaults": { "warm": { "size": 2 } } }));
    let row = |change: fn(&mut World, &mut Decision)| Case::of(world.clone()).after(change);
    assert_eq!(row(|_, _| {}), Vec::<String>::new());
    assert_eq!(row(|world, _| world.spec.pools[0].capacity.max = 5), ["I2"], "with two more, six");
    assert_eq!(row(|world, _| world.spec.maximum = 5), ["I2"], "of all pools");
    let crowded: fn(&mut World, &mut Decision) = |_, decision| decision.pools.get_mut(&pool("blue")).unwrap().counts.warm = 5;
    assert_eq!(row(crowded), ["I2"]);
}
