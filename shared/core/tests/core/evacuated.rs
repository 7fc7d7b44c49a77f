//! A zone that an operator has left: its instances are replaced in the others, launch first, and nothing goes there until it is over.

use ghostnet_core::decide::Decision;
use ghostnet_core::id::{InstanceId, Zone};
use ghostnet_core::operator::{Asked, HOLD_MAX, OperatorRequest, Refused, Wish};
use ghostnet_core::reason::{Finding, ZoneEvidence};
use ghostnet_core::signal::{EVENT_AGE_MAX, Signal};
use ghostnet_core::state::RenewReason;
use ghostnet_core::unit::Seconds;

use crate::support::*;

fn zone(letter: &str) -> Zone {
    Zone::new(format!("eu-west-1{letter}"))
}

/// Nine serve, three in each of three zones.
fn nine(change: Value) -> World {
    let mut spec = json!({ "defaults": { "capacity": { "max": 20 }, "drain": { "timeout": "60s" } }, "policies": [] });
    merge(&mut spec, change);
    World::serving(9, spec)
}

fn ask(world: &mut World, wish: Wish) -> Decision {
    let asked = Asked {
        by: "ana".to_owned(),
        at: world.now(),
        wish,
    };
    request(world, asked)
}

fn request(world: &mut World, asked: Asked) -> Decision {
    let (fleet, pool) = ("web".parse().unwrap(), None);
    world.look_at(Signal::OperatorRequest(OperatorRequest { fleet, pool, asked }))
}

fn leave(world: &World, letter: &str, minutes: u32) -> Wish {
    Wish::Evacuate {
        zone: zone(letter),
        until: Seconds::minutes(minutes).after(world.now()),
        reason: "a rehearsal".to_owned(),
    }
}

fn refused(decision: &Decision) -> Option<Refused> {
    let why = |finding: &Finding| match finding {
        Finding::OperatorRefused { why, .. } => Some(why.clone()),
        _ => None,
    };
    decision.pools.values().flat_map(|pool| &pool.findings).find_map(why)
}

fn renewed(decision: &Decision) -> Vec<(InstanceId, RenewReason)> {
    let of = |finding: &Finding| match finding {
        Finding::Renews { instance, why } => Some((instance.clone(), *why)),
        _ => None,
    };
    blue(decision).findings.iter().filter_map(of).collect()
}

fn alive_in(world: &World, letter: &str) -> usize {
    let alive = world.alive();
    let there = world.instances.values().filter(|instance| instance.zone == zone(letter));
    there.filter(|instance| alive.contains(&instance.id.as_str())).count()
}

#[test]
fn who_is_in_the_zone_is_replaced_in_the_others_at_once_and_nobody_is_missed() {
    let mut world = nine(json!({}));
    let wish = leave(&world, "a", 120);
    let decision = ask(&mut world, wish);
    assert_eq!(renewed(&decision).len(), 3, "all of them, not a batch: {:?}", renewed(&decision));
    assert_eq!(steps(&decision), ["launch 2 in eu-west-1b", "launch 1 in eu-west-1c"]);
    for minute in 1..20 {
        world.pass(60);
        let decision = world.look();
        assert!(counts(&decision).in_service >= 9, "minute {minute}: {:?}", counts(&decision));
    }
    assert_eq!((alive_in(&world, "a"), world.alive().len()), (0, 9));
}

/// While a window is open there may be more than the pool's own maximum, and so many are replaced.
#[test]
fn a_window_that_allows_more_has_room_for_those_who_are_replaced() {
    let window =
        json!({ "type": "scheduled", "id": "window", "when": { "cron": "0 0 * * *", "for": "23h" }, "capacity": { "min": 9, "max": 20 } });
    let mut world = nine(json!({ "policies": [window], "defaults": { "capacity": { "max": 5 } } }));
    let wish = leave(&world, "a", 120);
    assert_eq!(renewed(&ask(&mut world, wish)).len(), 3);
    for _ in 0..30 {
        world.pass(60);
        world.look();
    }
    assert_eq!((alive_in(&world, "a"), world.alive().len()), (0, 9));
}

#[test]
fn nothing_is_launched_there_and_nobody_leaves_by_scale_in_until_it_is_over() {
    let mut world = nine(json!({ "policies": [tracking()], "defaults": { "capacity": { "min": 1 } } }));
    let wish = leave(&world, "a", 60);
    ask(&mut world, wish);
    world.read("requests", 50.0);
    for minute in 0..58 {
        world.pass(60);
        let decision = world.look();
        assert_eq!(blue(&decision).after, 9, "minute {minute}");
        let told = blue(&decision).findings.iter().any(
            |finding| matches!(finding, Finding::ZoneOut { zone: told, evidence: ZoneEvidence::Evacuated { .. } } if *told == zone("a")),
        );
        assert!(told, "minute {minute}: {:?}", blue(&decision).findings);
    }
    for _ in 0..40 {
        world.pass(60);
        world.look();
    }
    assert!(world.alive().len() < 9, "then the policies go on");
}

#[test]
fn it_is_ended_by_hand_too_and_an_older_request_does_not_begin_it_again() {
    let mut world = nine(json!({}));
    let earlier = Asked {
        by: "ana".to_owned(),
        at: world.now(),
        wish: leave(&world, "a", 120),
    };
    request(&mut world, earlier.clone());
    world.pass(60);
    let decision = ask(&mut world, Wish::UseAgain { zone: zone("a") });
    assert_eq!(refused(&decision), None);
    world.pass(60);
    let late = request(&mut world, earlier);
    assert!(matches!(refused(&late), Some(Refused::Superseded { .. })), "{:?}", refused(&late));
    for _ in 0..20 {
        world.pass(60);
        assert_eq!(renewed(&world.look()), []);
    }
    assert!(world.inputs.state.pools[&pool("blue")].evacuations.is_empty(), "it is forgotten");
}

/// Who hears it has a clock that is ahead, or whoever looks next has one that is behind.
#[test]
fn once_it_is_ended_it_is_so_by_every_clock() {
    for (situation, heard_after, then) in [("heard ahead", 9, 1), ("looked at behind", 0, -8)] {
        let mut world = nine(json!({}));
        let wish = leave(&world, "a", 120);
        ask(&mut world, wish);
        world.pass(60);
        let ended = Asked {
            by: "ana".to_owned(),
            at: world.now(),
            wish: Wish::UseAgain { zone: zone("a") },
        };
        world.wait(heard_after);
        assert_eq!(refused(&request(&mut world, ended)), None, "{situation}");
        world.inputs.now = at(60 + then);
        let decision = world.look();
        assert!(
            !finds(&decision, |finding| matches!(finding, Finding::ZoneOut { .. })),
            "{situation}"
        );
    }
}

/// It is forgotten by a clock that is ahead, and the older request arrives at one that is not.
#[test]
fn the_end_is_remembered_until_no_clock_hears_an_older_request() {
    let mut world = nine(json!({}));
    let older = Asked {
        by: "ana".to_owned(),
        at: world.now(),
        wish: leave(&world, "a", 120),
    };
    world.pass(1);
    ask(&mut world, Wish::UseAgain { zone: zone("a") });
    world.inputs.now = Seconds(10).after(EVENT_AGE_MAX.after(older.at));
    world.look();
    world.inputs.now = EVENT_AGE_MAX.after(older.at);
    let late = request(&mut world, older);
    assert!(matches!(refused(&late), Some(Refused::Superseded { .. })), "{:?}", refused(&late));
}

#[test]
fn what_cannot_be_left_is_refused_with_the_reason() {
    let mut world = nine(json!({}));
    let other = ask(
        &mut world,
        Wish::Evacuate {
            zone: zone("x"),
            until: at(600),
            reason: String::new(),
        },
    );
    assert_eq!(refused(&other), Some(Refused::NoSuchZone { zone: zone("x") }));
    let wish = Wish::Evacuate {
        zone: zone("a"),
        until: Seconds(HOLD_MAX.0 + 60).after(world.now()),
        reason: String::new(),
    };
    assert_eq!(refused(&ask(&mut world, wish)), Some(Refused::TooLong));
    for letter in ["a", "b"] {
        world.pass(1);
        let wish = leave(&world, letter, 60);
        assert_eq!(refused(&ask(&mut world, wish)), None, "{letter}");
    }
    world.pass(1);
    let wish = leave(&world, "c", 60);
    assert_eq!(refused(&ask(&mut world, wish)), Some(Refused::LastZone { zone: zone("c") }));
    let mut world = nine(json!({ "mode": "out_only" }));
    let wish = leave(&world, "a", 60);
    assert!(matches!(refused(&ask(&mut world, wish)), Some(Refused::Mode { .. })));
}

/// A protected one stays; and where there may be no more for a while, they go one after the other.
#[test]
fn the_maximum_and_protection_hold() {
    let mut world = nine(json!({ "defaults": { "capacity": { "max": 9 } } }));
    let protected = world.instances.values_mut().find(|instance| instance.zone == zone("a")).unwrap();
    protected.protected = true;
    let wish = leave(&world, "a", 600);
    let decision = ask(&mut world, wish);
    assert_eq!(renewed(&decision).len(), 1, "the surge above the maximum is one");
    for _ in 0..40 {
        world.pass(60);
        let decision = world.look();
        assert!(counts(&decision).all() <= 10);
    }
    assert_eq!(alive_in(&world, "a"), 1);
}

/// A zone fails, and an operator has it left before all of its instances are believed to be sick.
#[test]
fn it_does_not_wait_until_everybody_is_well() {
    let mut world = nine(json!({}));
    let sick = world
        .instances
        .values()
        .find(|instance| instance.zone == zone("a"))
        .unwrap()
        .id
        .clone();
    world.health("blue", &sick, ghostnet_core::observation::TargetHealth::Unhealthy);
    world.look();
    world.wait(60);
    let wish = leave(&world, "a", 120);
    let decision = ask(&mut world, wish);
    assert_eq!(renewed(&decision).len(), 2, "{:?}", blue(&decision).findings);
}
