//! A zone that is out: nobody leaves by scale-in, its sick are replaced elsewhere, and nothing is launched there.

use ghostnet_core::decide::Decision;
use ghostnet_core::id::{InstanceId, Zone};
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::reason::{Finding, ZoneEvidence};
use ghostnet_core::state::DrainReason;
use ghostnet_core::unit::Seconds;

use crate::support::*;

fn zone(letter: &str) -> Zone {
    Zone::new(format!("eu-west-1{letter}"))
}

/// Nine serve, three in each of three zones; nothing but the load keeps anybody.
fn nine(change: Value) -> World {
    let mut spec = json!({
        "defaults": { "capacity": { "max": 20 } },
        "guards": { "stabilisation": { "in": "0s" }, "cooldown": { "out": "0s", "in": "0s" }, "budgets": { "removal": { "per_tick": 100 } } },
    });
    spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    World::serving(9, spec)
}

/// So many of a zone fail their checks, believed.
fn sicken(world: &mut World, letter: &str, count: usize) {
    let there = world.instances.values().filter(|instance| instance.zone == zone(letter));
    let ids: Vec<InstanceId> = there.map(|instance| instance.id.clone()).take(count).collect();
    for id in ids {
        world.health("blue", &id, TargetHealth::Unhealthy);
    }
}

/// A minute of looks: what is sick is believed.
fn believed(world: &mut World) -> Decision {
    world.look();
    world.wait(60);
    world.look()
}

fn out(decision: &Decision) -> Vec<(Zone, ZoneEvidence)> {
    let of = |finding: &Finding| match finding {
        Finding::ZoneOut { zone, evidence } => Some((zone.clone(), *evidence)),
        _ => None,
    };
    blue(decision).findings.iter().filter_map(of).collect()
}

fn leave(decision: &Decision) -> usize {
    let scale_in = |finding: &&Finding| {
        matches!(
            finding,
            Finding::Drains {
                why: DrainReason::ScaleIn,
                ..
            }
        )
    };
    blue(decision).findings.iter().filter(scale_in).count()
}

#[test]
fn what_is_a_zone_that_is_out_and_what_is_not() {
    for (situation, sick, expected) in [
        (
            "all of one zone",
            [("a", 3), ("b", 0)],
            Some(("a", ZoneEvidence::Sick { sick: 3, of: 3 })),
        ),
        (
            "two of three",
            [("b", 2), ("a", 0)],
            Some(("b", ZoneEvidence::Sick { sick: 2, of: 3 })),
        ),
        ("one: its own fault", [("a", 1), ("b", 0)], None),
        (
            "one of the others too",
            [("a", 3), ("b", 1)],
            Some(("a", ZoneEvidence::Sick { sick: 3, of: 3 })),
        ),
        ("two zones alike: not the zone", [("a", 2), ("b", 2)], None),
        ("one in each", [("a", 1), ("b", 1)], None),
    ] {
        let mut world = nine(json!({}));
        for (letter, count) in sick {
            sicken(&mut world, letter, count);
        }
        let expected = expected.map(|(letter, evidence)| (zone(letter), evidence));
        assert_eq!(out(&believed(&mut world)), Vec::from_iter(expected), "{situation}");
    }
}

#[test]
fn the_sick_of_one_zone_are_replaced_in_the_others() {
    let mut world = nine(json!({}));
    sicken(&mut world, "a", 3);
    let decision = believed(&mut world);
    // as many again in each of the other two; none of them where it would be sick too
    assert_eq!(
        steps(&decision),
        [
            "launch 2 in eu-west-1b",
            "launch 1 in eu-west-1c",
            "deregister i-blue-000 i-blue-003 i-blue-006"
        ]
    );
    assert!(!guards_of(&decision).contains(&"circuit breaker"));
}

/// The same nine, and as many are sick: three over all zones are no zone's fault.
#[test]
fn as_many_sick_in_all_zones_open_the_breaker_at_four() {
    let mut world = nine(json!({}));
    for letter in ["a", "b"] {
        sicken(&mut world, letter, 2);
    }
    let decision = believed(&mut world);
    assert_eq!(steps(&decision), [""; 0]);
    assert!(guards_of(&decision).contains(&"circuit breaker"));
}

#[test]
fn nobody_leaves_by_scale_in_until_it_is_over_and_a_while_longer() {
    let mut world = nine(json!({}));
    world.shifted.insert(zone("b"));
    world.read("requests", 50.0);
    for minute in 0..30 {
        let decision = world.look();
        assert_eq!((leave(&decision), blue(&decision).after), (0, 9), "minute {minute}");
        assert_eq!(out(&decision), [(zone("b"), ZoneEvidence::Shifted)]);
        assert!(guards_of(&decision).contains(&"zone outage"));
        world.wait(60);
    }
    world.shifted.clear();
    let after: Vec<Decision> = world.minutes(16);
    let first = after.iter().position(|decision| leave(decision) > 0).unwrap();
    // the last evidence was a minute before
    assert!((8..15).contains(&first), "{first}");
    assert!(matches!(out(&after[0])[..], [(_, ZoneEvidence::Lately { .. })]));
    assert_eq!(out(&after[15]), []);
}

/// What is written is a moment that is prolonged now and then: an outage of an hour is no hour of commits.
#[test]
fn an_outage_is_written_once_in_a_while() {
    let mut world = nine(json!({}));
    world.shifted.insert(zone("b"));
    let generations: std::collections::BTreeSet<_> = world.minutes(60).iter().map(|decision| decision.state.generation).collect();
    assert!(generations.len() <= 13, "{}", generations.len());
}

#[test]
fn who_grows_goes_around_the_zone() {
    let mut world = nine(json!({}));
    world.shifted.insert(zone("a"));
    world.read("requests", 120.0);
    assert_eq!(steps(&world.look()), ["launch 1 in eu-west-1b", "launch 1 in eu-west-1c"]);
}

#[test]
fn a_pool_with_no_other_zone_launches_where_it_can() {
    let mut world = World::serving(4, json!({ "defaults": { "launch": { "subnets": ["subnet-a"] } } }));
    for instance in world.instances.values_mut() {
        instance.zone = zone("a");
    }
    world.shifted.insert(zone("a"));
    world.read("requests", 120.0);
    assert_eq!(steps(&world.look()), ["launch 1 in eu-west-1a"]);
}

#[test]
fn an_operators_size_and_a_fleet_that_is_deleted_do_not_wait() {
    let mut world = nine(json!({}));
    world.shifted.insert(zone("b"));
    world.look();
    world.wait(60);
    let asked = ghostnet_core::operator::Asked {
        by: "me".into(),
        at: world.now(),
        wish: ghostnet_core::operator::Wish::Hold {
            desired: 6,
            until: Seconds::minutes(60).after(world.now()),
            reason: "a test".into(),
        },
    };
    let request = ghostnet_core::operator::OperatorRequest {
        fleet: world.spec.id.clone(),
        pool: None,
        asked,
    };
    let decision = world.look_at(ghostnet_core::signal::Signal::OperatorRequest(request));
    assert_eq!(leave(&decision), 3);
    let mut world = nine(json!({}));
    world.shifted.insert(zone("b"));
    world.look();
    world.inputs.retiring = true;
    assert_eq!(leave(&world.look()), 9);
}

/// They were slow and not dead: those that come back stay until it is over, although their replacements serve.
#[test]
fn those_that_come_back_stay_until_it_is_over() {
    let mut world = nine(
        json!({ "guards": { "budgets": { "removal": { "per_tick": 1 } }, "stabilisation": { "in": "0s" }, "cooldown": { "in": "0s" } } }),
    );
    sicken(&mut world, "a", 3);
    believed(&mut world);
    for instance in world.instances.keys().cloned().collect::<Vec<_>>() {
        if world.targets["blue"].get(&instance) == Some(&TargetHealth::Unhealthy) {
            world.health("blue", &instance, TargetHealth::Healthy);
        }
    }
    let decisions = world.minutes(9);
    assert_eq!(decisions.iter().map(leave).sum::<usize>(), 0);
    assert!(
        decisions.iter().any(|decision| counts(decision).capacity() > 9),
        "two too many stay"
    );
}

/// A stopped instance of that zone would start into the outage.
#[test]
fn the_stock_of_that_zone_rests() {
    let mut world = nine(json!({ "defaults": { "warm": { "size": 2 }, "capacity": { "max": 20 } } }));
    for n in [12, 13] {
        let id = world.put("blue", n, InstanceState::Stopped);
        let member = ghostnet_core::state::Member::launched(true, Seconds::minutes(60).before(world.now()));
        let members = &mut world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members;
        members.insert(id.clone(), member);
        members.get_mut(&id).unwrap().warm.as_mut().unwrap().phase = ghostnet_core::state::WarmPhase::Kept;
    }
    world.shifted.insert(zone("a"));
    world.read("requests", 120.0);
    let steps = steps(&world.look());
    assert_eq!(steps.len(), 2, "{steps:?}");
    assert_eq!(steps[0], "start i-blue-013", "the one in zone b, and not i-blue-012");
    assert!(!steps[1].contains("eu-west-1a"), "{steps:?}");
}
