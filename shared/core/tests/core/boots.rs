//! Policies that look as far ahead as launches take.

use ghostnet_core::boots;
use ghostnet_core::decide::Decision;
use ghostnet_core::observation::InstanceState;
use ghostnet_core::reason::Finding;
use ghostnet_core::spec::Rule;
use ghostnet_core::unit::Seconds;

use crate::support::*;

/// `blue` counts instances after five minutes, and has a policy that looks ahead.
fn looking(horizon: &str) -> World {
    let demand =
        json!({ "id": "requests", "type": "capacity", "demand": "alb_request_count", "instance_capacity": 10, "utilisation": "70%" });
    let ahead = json!({ "id": "ahead", "type": "predictive", "of": "requests", "horizon": horizon });
    let defaults = json!({ "warmup": "5m", "capacity": { "min": 4, "initial": 4, "max": 40 } });
    World::serving(4, json!({ "defaults": defaults, "policies": [demand, ahead] }))
}

fn lengths(world: &World) -> Vec<u32> {
    let boots = world.inputs.state.pools[&pool("blue")].boots.clone();
    boots
        .map(|boots| boots.lengths.iter().map(|length| length.0).collect())
        .unwrap_or_default()
}

/// How many minutes its policy looks ahead.
fn minutes(world: &World) -> u32 {
    let blue = world.spec.pool(&pool("blue")).unwrap();
    let boots = world.inputs.state.pools[&pool("blue")].boots.as_ref();
    let rules = blue.policies.iter().find_map(|policy| match &policy.rule {
        Rule::Predictive(rule) => Some(rule.minutes(blue.warmup, boots)),
        _ => None,
    });
    rules.unwrap()
}

fn told(decision: &Decision) -> Option<u32> {
    blue(decision).findings.iter().find_map(|finding| match finding {
        Finding::BootsUnlearned { launches } => Some(*launches),
        _ => None,
    })
}

/// So many are lost at once, and others are launched in their place.
fn lose(world: &mut World, many: usize) -> Vec<Decision> {
    let alive: Vec<_> = world
        .alive()
        .into_iter()
        .take(many)
        .map(ghostnet_core::id::InstanceId::new)
        .collect();
    for id in alive {
        world.instances.get_mut(&id).unwrap().state = InstanceState::Terminated;
    }
    world.minutes(12)
}

#[test]
fn each_launch_tells_how_long_it_took_until_it_served() {
    let mut world = looking("learned");
    assert_eq!(told(&world.look()), Some(0));
    assert_eq!((lengths(&world), minutes(&world)), (vec![], 6), "the warm-up and a minute");
    let decisions = lose(&mut world, 4);
    assert_eq!(lengths(&world), vec![120; 4]);
    assert_eq!(decisions.last().and_then(told), Some(4));
    let decisions = lose(&mut world, 4);
    assert_eq!((lengths(&world), minutes(&world)), (vec![120; 8], 3));
    assert_eq!(decisions.last().and_then(told), None);
    assert_eq!(boots::launches(world.inputs.state.pools[&pool("blue")].boots.as_ref()), 8);
}

/// One that was adopted or seen late did not take so long, and one that came back did not boot for it.
#[test]
fn who_was_not_launched_just_now_tells_nothing() {
    let mut world = looking("learned");
    for member in world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members.values_mut() {
        member.served_since = None;
    }
    world.minutes(3);
    assert_eq!(lengths(&world), Vec::<u32>::new(), "launched long ago");

    let mut world = looking("learned");
    let now = world.now();
    for instance in world.instances.values_mut() {
        instance.launched_at = Seconds(60).before(now);
    }
    for member in world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members.values_mut() {
        (member.served_since, member.started_at) = (None, Some(now.into()));
    }
    world.minutes(3);
    assert_eq!(lengths(&world), Vec::<u32>::new(), "started again");
}

#[test]
fn nothing_is_remembered_where_nobody_looks_by_it() {
    let mut world = looking("4m");
    lose(&mut world, 4);
    assert_eq!((lengths(&world), minutes(&world)), (vec![], 4));
    let mut world = looking("learned");
    lose(&mut world, 4);
    world.spec = looking("4m").spec;
    world.look();
    assert_eq!(world.inputs.state.pools[&pool("blue")].boots, None);
}
