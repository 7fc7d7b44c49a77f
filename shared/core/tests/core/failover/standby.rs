//! A side that only stands by is as large as it must be ready, though its policies have nothing to measure.

use ghostnet_core::audit::audit;
use ghostnet_core::decide::decide;
use ghostnet_core::failover::rests;
use ghostnet_core::reason::VoteReason;
use ghostnet_core::sample::Series;
use ghostnet_core::signal::{AlarmState, Signal};
use ghostnet_core::spec::{Amount, Lever};
use ghostnet_core::state::{Moved, Shift, ShiftReason, Side, Sighting, SignalKind, Stage, TrafficState};

use crate::support::*;

use super::sides::{Sides, rule};

/// Ten instances, of which nobody asks anything.
fn standing_by(change: impl FnOnce(&mut Pool)) -> Pool {
    let mut pool = Pool::tracked(json!({}));
    pool.rests = true;
    pool.series.insert(policy("requests"), minutes(at(0), &[]));
    change(&mut pool);
    pool
}

#[test]
fn how_large() {
    type Change = fn(&mut Pool);
    let cases: [(&str, Change, u32, &[&str]); 12] = [
        ("its minimum", |_| {}, 1, &["rest"]),
        (
            "what it has to have ready",
            |pool| pool.ready_floor = 6,
            6,
            &["rest", "traffic floor"],
        ),
        (
            "what it has to have ready, and it is smaller",
            |pool| pool.ready_floor = 14,
            14,
            &["rest", "traffic floor"],
        ),
        ("without policies too", |pool| pool.spec.policies.clear(), 1, &["rest"]),
        (
            "no faster than others leave",
            |pool| pool.spec.guards.removal_per_tick.amount = Amount::Count(2),
            8,
            &["rest", "removal budget"],
        ),
        (
            "not before the cooldown is over",
            |pool| pool.state.cooldown_in_until = Some(at(60)),
            10,
            &["rest", "cooldown"],
        ),
        (
            "somebody asks it all the same",
            |pool| drop(pool.series.insert(policy("requests"), fresh(at(0), 150.0))),
            15,
            &[],
        ),
        (
            "a metric that could not be read",
            |pool| {
                pool.series.insert(policy("requests"), Series::Failed { why: "no".into() });
            },
            10,
            &[],
        ),
        (
            "a metric that is late",
            |pool| {
                pool.series.insert(policy("requests"), minutes(at(-600), &[Some(10.0)]));
            },
            10,
            &[],
        ),
        ("a metric that was not asked", |pool| pool.series.clear(), 10, &[]),
        (
            "nothing is asked for that is not measured",
            |pool| {
                let breaching = json!([{ "id": "requests", "type": "target_tracking", "metric": "alb_request_count_per_target", "target": 80, "missing": "breaching" }]);
                pool.spec.policies = spec(json!({ "policies": breaching })).pools.remove(0).policies;
            },
            1,
            &["rest"],
        ),
        ("one that takes traffic keeps its size", |pool| pool.rests = false, 10, &[]),
    ];
    for (situation, change, size, spoke) in cases {
        let sizing = standing_by(change).size();
        assert_eq!(
            (sizing.desired, guards(&sizing)),
            (size, spoke.to_vec()),
            "{situation}: {sizing:#?}"
        );
    }
    assert_eq!(standing_by(|_| {}).vote(), (None, VoteReason::NoTraffic));
}

/// What it was asked for a moment ago still counts as long as it does elsewhere.
#[test]
fn the_window_of_scale_in_holds() {
    let mut pool = Pool::tracked(json!({ "stabilisation": { "in": "10m" } }));
    pool.rests = true;
    pool.series.insert(policy("requests"), minutes(at(0), &[]));
    let mut sizes = Vec::new();
    for _ in 0..12 {
        sizes.push(pool.step(60).desired);
    }
    assert_eq!(sizes, [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 1, 1]);
}

#[test]
fn its_reserve_is_that_of_its_size() {
    let mut pool = Pool::tracked_with(json!({ "ratio": "50%" }), json!({}));
    (pool.rests, pool.ready_floor) = (true, 4);
    (pool.state.desired, pool.state.reserve) = (15, 5);
    pool.counts.in_service = 15;
    pool.series.insert(policy("requests"), minutes(at(0), &[]));
    let sizing = pool.size();
    assert_eq!((sizing.desired, sizing.reserve), (6, 2), "{sizing:#?}");
}

#[test]
fn when_a_side_only_stands_by() {
    type Change = fn(&mut Sides);
    let moved = || Moved {
        from: pool("green"),
        to: pool("blue"),
        why: ShiftReason::WellAgain,
        at: at(0),
        previous: [].into(),
        set: [].into(),
        sharing: None,
    };
    let cases: [(&str, Change, bool); 9] = [
        ("nobody sends it anything", |_| {}, true),
        (
            "somebody gave it a weight",
            |sides| *sides.weights.get_mut("green").unwrap() = 5,
            false,
        ),
        ("nobody could read the rules yet", |sides| sides.traffic.sides.clear(), false),
        ("it takes the traffic", |sides| sides.traffic.active = pool("green"), false),
        ("the other side is ill", |sides| sides.die("blue"), false),
        (
            "it has no standby's mode",
            |sides| sides.failover.mode = ghostnet_core::spec::FailoverMode::ActiveActive,
            false,
        ),
        (
            "a cold one too",
            |sides| sides.failover.mode = ghostnet_core::spec::FailoverMode::ColdStandby,
            true,
        ),
        (
            "traffic is on its way",
            |sides| {
                sides.traffic.shift = Some(Shift {
                    from: pool("blue"),
                    to: pool("green"),
                    why: ShiftReason::Expired,
                    since: at(0),
                    stage: Stage::Preparing,
                    sharing: None,
                });
            },
            false,
        ),
        (
            "a rule cannot be read, and could before",
            |sides| {
                let another = ghostnet_core::id::RouteId::new(format!("{}4", rule().as_str()));
                sides.failover.lever = Lever::ListenerRules(vec![rule(), another]);
            },
            true,
        ),
    ];
    for (situation, change, expected) in cases {
        let mut sides = Sides::new(4, 2);
        change(&mut sides);
        if sides.traffic.sides.len() == 2 && sides.traffic.shift.is_none() {
            sides.looks(1, 10);
        }
        sides.spec.failover = Some(sides.failover.clone());
        let green = sides.spec.pool(&pool("green")).unwrap();
        assert_eq!(rests(&sides.spec, &sides.traffic, green, at(sides.now)), expected, "{situation}");
    }
    let mut sides = Sides::new(4, 2);
    sides.spec.failover = Some(sides.failover.clone());
    sides.traffic.moved = Some(moved());
    let green = sides.spec.pool(&pool("green")).unwrap();
    for (second, expected) in [(0, false), (899, false), (900, true)] {
        assert_eq!(
            rests(&sides.spec, &sides.traffic, green, at(second)),
            expected,
            "{second} s after a move"
        );
    }
}

/// The side that traffic left, six instances, while the other one takes it with four.
fn left(failover: Value) -> World {
    let mut section = json!({ "lever": { "listener_rules": [rule().as_str()] } });
    merge(&mut section, failover);
    let pools =
        ["blue", "green"].map(|side| json!({ "id": side, "target_groups": [group(side).as_str()], "capacity": { "min": 1, "max": 20 } }));
    let [blue, mut green] = pools;
    green["role"] = json!("standby");
    let mut world = World::serving(6, json!({ "pools": [blue, green], "failover": section }));
    world.loads.clear();
    let nothing = || minutes(at(0), &[]);
    world.metered.insert(policy("requests"), (nothing(), nothing()));
    let idle = Side {
        armed: true,
        idle: true,
        ..Side::default()
    };
    world.inputs.traffic = TrafficState {
        active: pool("green"),
        sides: [(pool("blue"), idle)].into(),
        ..world.inputs.traffic.clone()
    };
    world.inputs.state.pools.get_mut(&pool("green")).unwrap().desired = 4;
    world
}

#[test]
fn the_side_that_traffic_left_shrinks_to_what_it_has_to_have_ready() {
    for (failover, size) in [
        (json!({ "mode": "hot_standby", "standby_size": "50%" }), 2),
        (json!({ "mode": "cold_standby" }), 1),
    ] {
        let words = failover.to_string();
        let mut world = left(failover.clone());
        world.minutes(40);
        assert_eq!(world.inputs.state.pools[&pool("blue")].desired, size, "{words}");
        let mut world = left(failover);
        let unwell = vec![Sighting { at: at(0), down: true }];
        let ill = Side {
            seen: [(SignalKind::Targets, unwell)].into(),
            ..Side::default()
        };
        world.inputs.traffic.sides.insert(pool("green"), ill);
        world.minutes(40);
        assert_eq!(
            world.inputs.state.pools[&pool("blue")].desired,
            6,
            "{words}, and the other side is not well"
        );
    }
}

/// What audit says of a blue side that was decided to have so many.
fn found(world: &World, after: u32) -> Vec<String> {
    let situation = world.inputs.situation(&world.spec);
    let mut decision = decide(&situation);
    let pool_state = decision.state.pools.get_mut(&pool("blue")).unwrap();
    (pool_state.desired, decision.pools.get_mut(&pool("blue")).unwrap().after) = (after, after);
    let found = audit(&situation, &decision).into_iter();
    found
        .map(|violation| violation.invariant)
        .filter(|invariant| ["I5", "I7"].contains(&invariant.as_str()))
        .collect()
}

#[test]
fn audit_lets_it_go_no_lower() {
    let mut world = left(json!({ "mode": "hot_standby", "standby_size": "50%" }));
    world.decide(Signal::Tick);
    assert_eq!((found(&world, 2), found(&world, 1)), (vec![], vec!["I5".to_owned()]));
    world.inputs.traffic.sides.get_mut(&pool("blue")).unwrap().idle = false;
    world.decide(Signal::Tick);
    assert_eq!(
        found(&world, 5),
        ["I7"],
        "and where somebody sends it something, it keeps what it has"
    );
}

/// Nobody answers a probe on a side that stands by empty, and an alarm may stay as it was: both say what the fleet itself did.
#[test]
fn of_an_empty_side_without_traffic_alarms_and_probes_say_nothing() {
    let speaks = |sides: &mut Sides, side: &'static str| {
        for name in ["latency", "canary"] {
            sides.alarm(side, name, AlarmState::Alarm);
        }
    };
    let mut sides = Sides::new(4, 0);
    speaks(&mut sides, "green");
    let decision = sides.looks(3, 60);
    let seen = &sides.traffic.sides[&pool("green")].seen;
    assert!(seen.is_empty(), "{seen:?}");
    assert!(!decision.look_again, "nothing is suspect");
    // it is called for, and what grows there counts
    sides.die("blue");
    sides.looks(3, 10);
    sides.put("green", 2);
    for name in ["latency", "canary"] {
        sides.alarm("green", name, AlarmState::Ok);
    }
    sides.looks(1, 10);
    assert_eq!(sides.weights(), (0, 100));

    let mut sides = Sides::new(4, 2);
    speaks(&mut sides, "green");
    sides.looks(1, 60);
    let seen: Vec<_> = sides.traffic.sides[&pool("green")].seen.keys().copied().collect();
    assert_eq!(seen, [SignalKind::Alarms, SignalKind::Probes], "two should serve there");

    let mut sides = Sides::new(4, 2);
    let blue = sides.capacity.pools.get_mut(&pool("blue")).unwrap();
    blue.members.values_mut().for_each(|member| member.served_since = None);
    speaks(&mut sides, "blue");
    sides.looks(1, 60);
    let seen = &sides.traffic.sides[&pool("blue")].seen;
    assert!(seen.contains_key(&SignalKind::Probes), "it takes the traffic: {seen:?}");
}
