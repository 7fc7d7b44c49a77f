//! Instances that an operator hands over: taken in all or none, with the size that they need, so that nobody leaves for them.

use ghostnet_core::decide::Decision;
use ghostnet_core::id::{InstanceId, PlanId};
use ghostnet_core::observation::{InstanceState, TargetHealth, tag};
use ghostnet_core::operator::{Refused, Wish};
use ghostnet_core::reason::Finding;
use ghostnet_core::signal::Signal;
use ghostnet_core::unit::Seconds;

use crate::support::*;

/// So many more that run for long, with the tags that `ghostnet adopt` sets.
fn tagged(world: &mut World, count: u32) -> Vec<InstanceId> {
    let mut ids = Vec::new();
    for n in 0..count {
        let id = world.put("blue", 50 + n, InstanceState::Running);
        world.instances.get_mut(&id).unwrap().plan = Some(PlanId::new(tag::HANDED_OVER));
        ids.push(id);
    }
    ids
}

fn hand_over(world: &mut World, instances: Vec<InstanceId>) -> Decision {
    world.wait(1);
    world.ask("ada", Wish::HandOver { instances })
}

fn refused(decision: &Decision) -> Option<Refused> {
    let why = |finding: &Finding| match finding {
        Finding::OperatorRefused { why, .. } => Some(why.clone()),
        _ => None,
    };
    decision.pools.values().flat_map(|pool| &pool.findings).find_map(why)
}

fn desired(world: &World) -> u32 {
    world.inputs.state.pools[&pool("blue")].desired
}

#[test]
fn they_are_registered_and_counted_and_nobody_leaves_for_them() {
    let mut world = World::serving(2, json!({}));
    // two were enough all the time
    world.minutes(20);
    let ids = tagged(&mut world, 5);
    // the load is for two, and they share it already: neither that nor what was recommended before says that they are too many
    world.read("requests", 28.0);
    let decision = hand_over(&mut world, ids.clone());
    let told = "operator ada hands over 5 instances: 7 are wanted with them";
    assert!(
        finds(&decision, |finding| finding.to_string() == told),
        "{:?}",
        blue(&decision).findings
    );
    assert_eq!((blue(&decision).before, blue(&decision).after), (7, 7));
    let registered: Vec<_> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(steps(&decision), [format!("register {}", registered.join(" "))]);
    for decision in world.minutes(9) {
        assert_eq!(
            (blue(&decision).after, steps(&decision).len()),
            (7, 0),
            "{:?}",
            guards_of(&decision)
        );
    }
    assert_eq!(world.alive().len(), 7);
}

/// The fleet was just applied, recommends only, and has nobody: its first size is not added to what it is handed.
#[test]
fn an_empty_fleet_becomes_as_large_as_what_it_is_handed() {
    for (handed, size) in [(6, 6), (1, 2)] {
        let mut world = World::new(json!({ "mode": "recommend_only" }));
        world.inputs.state.created_at = world.now();
        let ids = tagged(&mut world, handed);
        let decision = hand_over(&mut world, ids);
        assert_eq!((refused(&decision), blue(&decision).after), (None, size), "{handed}");
        assert_eq!(counts(&decision).capacity(), handed);
        assert!(
            !finds(&decision, |finding| matches!(finding, Finding::UnknownInstances { .. })),
            "also in a young state"
        );
    }
}

#[test]
fn until_somebody_asks_they_are_held_and_never_adopted() {
    let mut world = World::serving(30, json!({ "defaults": { "capacity": { "max": 60 } } }));
    let ids = tagged(&mut world, 1);
    for _ in 0..3 {
        world.wait(60);
        let decision = world.look();
        assert!(finds(&decision, |finding| matches!(finding, Finding::UnknownInstances { .. })));
        assert_eq!((steps(&decision).len(), blue(&decision).after), (0, 30));
    }
    assert_eq!(blue(&hand_over(&mut world, ids)).after, 31);
}

#[test]
fn the_same_again_is_no_news() {
    let mut world = World::serving(2, json!({}));
    let ids = tagged(&mut world, 3);
    hand_over(&mut world, ids.clone());
    let decision = hand_over(&mut world, ids.clone());
    assert_eq!((refused(&decision), desired(&world)), (None, 5));
    // one that left meanwhile does not come back by a straggler
    world.instances.remove(&ids[0]);
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members.remove(&ids[0]);
    let decision = hand_over(&mut world, ids);
    assert!(matches!(refused(&decision), Some(Refused::NotHere { instances }) if instances.len() == 1));
}

#[test]
fn what_is_under_way_stays_as_well() {
    let mut world = World::serving(2, json!({}));
    world.read("requests", 190.0);
    let decision = world.look();
    assert_eq!((blue(&decision).after, steps(&decision).len()), (4, 2));
    let ids = tagged(&mut world, 2);
    hand_over(&mut world, ids);
    assert_eq!(desired(&world), 6);
}

#[test]
fn a_request_is_refused_for_a_reason_and_changes_nothing() {
    let hold = |world: &mut World| {
        let (until, reason) = (Seconds::minutes(60).after(world.now()), "test".to_owned());
        world.ask("bob", Wish::Hold { desired: 2, until, reason });
    };
    type Change<'a> = &'a dyn Fn(&mut World, &mut Vec<InstanceId>);
    let cases: [(&str, Change<'_>, &str); 8] = [
        (
            "nobody has seen it",
            &|_, ids| ids.push(InstanceId::new("i-no")),
            "not seen running with the pool's tags: i-no",
        ),
        (
            "it does not run",
            &|world, ids| world.instances.get_mut(&ids[0]).unwrap().state = InstanceState::Stopped,
            "not seen running with the pool's tags: i-blue-050",
        ),
        (
            "it is another pool's",
            &|world, ids| world.instances.get_mut(&ids[0]).unwrap().pool = Some(pool("green")),
            "not seen running with the pool's tags: i-blue-050",
        ),
        (
            "the list is incomplete",
            &|world, _| world.instances_known = false,
            "the list of instances is incomplete",
        ),
        (
            "too many",
            &|world, ids| *ids = tagged(world, 9),
            "with them there are 11, and there may be 10",
        ),
        (
            "a size is held",
            &|world, _| hold(world),
            "an operator's size holds until 2026-06-02T13:00:00Z",
        ),
        (
            "the fleet goes",
            &|world, _| world.inputs.retiring = true,
            "the fleet is being deleted",
        ),
        (
            "more than two hundred",
            &|_, ids| *ids = (0..201).map(|n| InstanceId::new(format!("i-{n}"))).collect(),
            "at most 200 instances are taken in at once",
        ),
    ];
    for (situation, change, told) in cases {
        let mut world = World::serving(2, json!({}));
        let mut ids = tagged(&mut world, 3);
        change(&mut world, &mut ids);
        let before = world.inputs.state.pools[&pool("blue")].members.clone();
        let decision = hand_over(&mut world, ids);
        assert_eq!(refused(&decision).map(|why| why.to_string()).as_deref(), Some(told), "{situation}");
        let members = &world.inputs.state.pools[&pool("blue")].members;
        assert!(members.keys().eq(before.keys()), "{situation}");
    }
}

#[test]
fn the_fleets_maximum_counts_the_other_pools() {
    let mut world = World::serving(
        2,
        json!({ "maximum": 10, "pools": [
            { "id": "blue", "target_groups": [group("blue")] },
            { "id": "green", "role": "standby", "target_groups": [group("green")] },
        ] }),
    );
    world.inputs.state.pools.get_mut(&pool("green")).unwrap().desired = 5;
    let ids = tagged(&mut world, 4);
    let decision = world.decide(Signal::Tick);
    world.commit(&decision);
    assert_eq!(refused(&hand_over(&mut world, ids)), Some(Refused::NoRoom { desired: 6, max: 5 }));
}

/// Found by the simulator: a tenth of twenty is two, of the nineteen that were there one, and audit refused the request.
#[test]
fn budgets_are_shares_of_the_size_before() {
    let spec = json!({
        "defaults": { "capacity": { "max": 40 } },
        "guards": { "budgets": { "removal": { "per_tick": "10%" } } },
    });
    let mut world = World::serving(19, spec);
    for id in ["i-blue-000", "i-blue-001"] {
        world.health("blue", &InstanceId::new(id), TargetHealth::Unhealthy);
    }
    world.look();
    world.wait(60);
    let ids = tagged(&mut world, 1);
    let decision = hand_over(&mut world, ids);
    assert_eq!((refused(&decision), desired(&world)), (None, 20));
    let drains = |finding: &&Finding| matches!(finding, Finding::Drains { .. });
    assert_eq!(
        blue(&decision).findings.iter().filter(drains).count(),
        1,
        "{:?}",
        blue(&decision).findings
    );
}

/// A window that opens in that look says how many there are to be: that stands, whoever is handed over and whatever the metrics do not say.
#[test]
fn a_window_that_opens_with_a_size_sets_it_though_nothing_is_measured() {
    let windowed = json!({ "policies": [
        { "id": "requests", "type": "target_tracking", "metric": "alb_request_count_per_target", "target": 100 },
        { "id": "window", "type": "scheduled", "when": { "cron": "20 12 * * *", "for": "2h" }, "capacity": { "desired": 6 } },
    ] });
    let mut world = World::serving(6, windowed);
    world.minutes(19);
    world.loads.clear();
    world.wait(60);
    let ids = tagged(&mut world, 2);
    let decision = hand_over(&mut world, ids);
    assert_eq!(
        (blue(&decision).before, blue(&decision).after),
        (8, 6),
        "{:?}",
        guards_of(&decision)
    );
}
