//! Sick instances: when they are believed to be, when they are replaced, and when nobody is.

use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::TargetHealth;
use ghostnet_core::reason::Finding;
use ghostnet_core::state::DrainReason;

use crate::support::*;

fn sick(world: &mut World, ids: &[&str]) {
    for id in ids {
        world.health("blue", &InstanceId::new(*id), TargetHealth::Unhealthy);
    }
}

fn leaves(decision: &ghostnet_core::decide::Decision, id: &str, because: DrainReason) -> bool {
    finds(
        decision,
        |finding| matches!(finding, Finding::Drains { instance, why } if instance.as_str() == id && *why == because),
    )
}

#[test]
fn a_sick_instance_is_believed_after_a_minute_and_replaced() {
    let mut world = World::serving(4, json!({}));
    sick(&mut world, &["i-blue-001"]);
    let decision = world.look();
    assert_eq!((counts(&decision).warming, decision.plan.steps.len()), (1, 0), "once is nothing");
    world.wait(59);
    assert!(world.look().plan.steps.is_empty());
    world.wait(1);
    let decision = world.look();
    assert_eq!(counts(&decision).unhealthy, 1);
    assert!(leaves(&decision, "i-blue-001", DrainReason::Unhealthy));
    assert_eq!(steps(&decision), ["launch 1 in eu-west-1b", "deregister i-blue-001"]);
}

#[test]
fn one_good_check_clears_it() {
    let mut world = World::serving(4, json!({}));
    for _ in 0..5 {
        sick(&mut world, &["i-blue-001"]);
        world.look();
        world.wait(50);
        world.health("blue", &InstanceId::new("i-blue-001"), TargetHealth::Healthy);
        assert_eq!(counts(&world.look()).in_service, 4);
        world.wait(50);
    }
}

#[test]
fn an_outage_of_ours_is_no_evidence() {
    let mut world = World::serving(4, json!({}));
    sick(&mut world, &["i-blue-001"]);
    world.look();
    // nobody looked for an hour: at most two minutes of it count
    world.wait(3_600);
    let decision = world.look();
    assert_eq!(counts(&decision).unhealthy, 1);
    let counted = world.inputs.state.pools[&pool("blue")].members[&InstanceId::new("i-blue-002")].unready;
    assert_eq!(counted, None);
}

#[test]
fn unknown_stops_the_clock() {
    let mut world = World::serving(4, json!({}));
    sick(&mut world, &["i-blue-001"]);
    world.look();
    for unknown in [TargetHealth::Unavailable, TargetHealth::Unavailable] {
        world.wait(100);
        world.health("blue", &InstanceId::new("i-blue-001"), unknown);
        assert_eq!(counts(&world.look()).unhealthy, 0);
    }
    world.wait(30);
    sick(&mut world, &["i-blue-001"]);
    assert_eq!(counts(&world.look()).unhealthy, 0, "thirty seconds of a hundred are evidence");
    world.wait(100);
    world.unreadable.insert("blue".into());
    assert_eq!(counts(&world.look()).unhealthy, 0, "an unreadable group is no evidence");
    world.unreadable.clear();
    world.wait(30);
    assert_eq!(counts(&world.look()).unhealthy, 1, "thirty and thirty");
}

#[test]
fn the_grace_period_spares_the_young() {
    let mut world = World::new(json!({ "defaults": { "capacity": { "initial": 1 }, "health": { "grace": "10m" } } }));
    world.look();
    world.minutes(2);
    sick(&mut world, &["i-new-001"]);
    assert!(
        world.minutes(6).iter().all(|decision| counts(decision).unhealthy == 0),
        "served, sick and too young"
    );
    assert!(world.minutes(3).iter().any(|decision| counts(decision).unhealthy == 1));
}

#[test]
fn one_that_never_becomes_healthy_is_replaced_after_its_deadline() {
    let mut world = World::new(json!({ "defaults": { "capacity": { "initial": 1, "max": 4 } } }));
    world.look();
    world.wait(30);
    world
        .instances
        .values_mut()
        .for_each(|instance| instance.state = ghostnet_core::observation::InstanceState::Running);
    world.look();
    let mut replaced = None;
    for minute in 0..20 {
        sick(&mut world, &["i-new-001"]);
        world.wait(60);
        let decision = world.look();
        if leaves(&decision, "i-new-001", DrainReason::NeverHealthy) {
            assert_eq!(steps(&decision)[0], "launch 1 in eu-west-1a");
            replaced = Some(minute);
            break;
        }
    }
    assert_eq!(replaced, Some(15), "fifteen minutes seen");
}

/// That it could not be registered is no fault of the instance; to replace it would go on for ever.
#[test]
fn one_that_is_registered_nowhere_is_not_blamed() {
    let mut world = World::new(json!({ "defaults": { "capacity": { "initial": 1 } } }));
    world.look();
    world.pass(60);
    for _ in 0..30 {
        let decision = world.look();
        world.targets.clear();
        world.wait(60);
        assert_eq!((counts(&decision).warming, counts(&decision).unhealthy), (1, 0));
    }
    assert_eq!(world.instances.len(), 1);
}

#[test]
fn when_nobody_serves_the_replacement_comes_first() {
    let mut world = World::serving(2, json!({}));
    sick(&mut world, &["i-blue-000", "i-blue-001"]);
    world.look();
    world.wait(60);
    let decision = world.look();
    let expected = ["launch 1 in eu-west-1a", "launch 1 in eu-west-1b"];
    assert_eq!(
        steps(&decision),
        expected,
        "the balancer fails open: sick ones are better than none"
    );
    assert!(finds(&decision, |finding| matches!(finding, Finding::FailOpen { .. })));
    world.pass(60);
    world.look();
    world.pass(60);
    assert!(leaves(&world.look(), "i-blue-000", DrainReason::Unhealthy), "one serves now");
}

#[test]
fn nobody_is_kept_for_a_size_of_zero() {
    let mut world = World::serving(1, json!({ "defaults": { "capacity": { "min": 0 } }, "policies": [] }));
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().desired = 0;
    sick(&mut world, &["i-blue-000"]);
    world.look();
    world.wait(60);
    world.look();
    assert!(
        world.inputs.state.pools[&pool("blue")]
            .members
            .values()
            .all(|member| member.drain.is_some())
    );
}

#[test]
fn too_many_sick_open_the_breaker() {
    let all: Vec<String> = (0..10).map(|n| format!("i-blue-{n:03}")).collect();
    for (sick_ones, open) in [(3, false), (4, true), (10, true)] {
        let mut world = World::serving(10, json!({ "defaults": { "capacity": { "max": 20 } } }));
        let ids: Vec<&str> = all.iter().take(sick_ones).map(String::as_str).collect();
        sick(&mut world, &ids);
        world.look();
        world.wait(60);
        let decision = world.look();
        assert_eq!(guards_of(&decision).contains(&"circuit breaker"), open, "{sick_ones}");
        assert_eq!(decision.plan.steps.is_empty(), open, "{sick_ones}: {:?}", steps(&decision));
        if open {
            assert_eq!(counts(&decision).capacity(), 10, "nobody launches around them");
        }
    }
}

#[test]
fn replacements_stay_within_the_surge() {
    let mut world = World::serving(10, json!({}));
    sick(&mut world, &["i-blue-000", "i-blue-001", "i-blue-002"]);
    world.look();
    world.wait(60);
    let decision = world.look();
    assert_eq!(steps(&decision), ["launch 1 in eu-west-1b", "deregister i-blue-000"]);
    assert!(guards_of(&decision).contains(&"surge"));
}
