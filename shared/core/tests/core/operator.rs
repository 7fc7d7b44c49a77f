//! An operator's size: it holds for a time in place of the votes, within the bounds, and always ends.

use ghostnet_core::decide::Decision;
use ghostnet_core::operator::{AHEAD_MAX, Asked, HOLD_MAX, OperatorRequest, Refused, Wish};
use ghostnet_core::reason::Finding;
use ghostnet_core::signal::{EVENT_AGE_MAX, Signal};
use ghostnet_core::state::Pause;
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use crate::support::*;

fn asked(by: &str, issued: Timestamp, wish: Wish) -> Asked {
    let (by, at) = (by.to_owned(), issued);
    Asked { by, at, wish }
}

/// A size, asked for just now, for an hour.
fn hold(world: &World, desired: u32) -> Asked {
    let (until, reason) = (Seconds::minutes(60).after(world.now()), "load test".to_owned());
    asked("alice", world.now(), Wish::Hold { desired, until, reason })
}

fn request(asked: Asked) -> Signal {
    let (fleet, pool) = ("web".parse().unwrap(), None);
    Signal::OperatorRequest(OperatorRequest { fleet, pool, asked })
}

fn refused(decision: &Decision) -> Option<Refused> {
    let why = |finding: &Finding| match finding {
        Finding::OperatorRefused { why, .. } => Some(why.clone()),
        _ => None,
    };
    decision.pools.values().flat_map(|pool| &pool.findings).find_map(why)
}

/// Two in service, between one and ten, at a load that asks for as many.
fn world() -> World {
    World::serving(2, json!({}))
}

#[test]
fn a_size_holds_at_once_and_the_policies_go_on_when_it_ends() {
    let mut world = world();
    let decision = world.look_at(request(hold(&world, 6)));
    assert_eq!((blue(&decision).after, guards_of(&decision)), (6, vec!["operator"]));
    assert_eq!(steps(&decision).len(), 3, "four in three zones: {:?}", steps(&decision));
    // each of the six has so little that the policies ask for fewer all the time
    world.read("requests", 32.0);
    let during = world.minutes(59);
    assert!(during.iter().all(|decision| blue(decision).after == 6));
    let told = "operator alice: 6 until 2026-06-02T13:00:00Z, load test";
    assert!(during.iter().all(|decision| finds(decision, |finding| finding.to_string() == told)));
    let after = world.minutes(30);
    assert_eq!(blue(&after[0]).after, 5, "the window of stabilisation has passed meanwhile");
    assert!(
        after
            .iter()
            .all(|decision| !finds(decision, |finding| matches!(finding, Finding::OperatorHolds { .. })))
    );
    assert_eq!(after.last().map(|decision| blue(decision).after), Some(1));
}

#[test]
fn no_vote_window_or_cooldown_delays_it_and_budgets_do() {
    let mut world = World::serving(6, json!({}));
    world.read("requests", 140.0);
    let state = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
    state.cooldown_in_until = Some(at(600));
    let decision = world.look_at(request(hold(&world, 3)));
    // ten percent of six, at least one, a minute
    assert_eq!(
        (blue(&decision).after, guards_of(&decision)),
        (5, vec!["operator", "removal budget"])
    );
    let sizes: Vec<u32> = world.minutes(3).iter().map(|decision| blue(decision).after).collect();
    assert_eq!(sizes, [4, 3, 3]);
    let mut world = World::serving(2, json!({ "guards": { "budgets": { "launch": { "per_tick": 3 } } } }));
    world.inputs.state.pools.get_mut(&pool("blue")).unwrap().cooldown_out_until = Some(at(600));
    let decision = world.look_at(request(hold(&world, 9)));
    assert_eq!(
        (blue(&decision).after, guards_of(&decision)),
        (5, vec!["operator", "launch budget per tick"])
    );
}

#[test]
fn what_allows_less_and_what_needs_more_still_holds() {
    let night =
        json!({ "type": "scheduled", "id": "night", "when": { "at": "2026-06-02T12:02:00Z", "for": "1h" }, "capacity": { "min": 7 } });
    let opens =
        json!({ "type": "scheduled", "id": "opens", "when": { "at": "2026-06-02T12:02:00Z", "for": "1h" }, "capacity": { "desired": 9 } });
    let mode = |mode: &str| World::serving(6, json!({ "mode": mode }));
    let with = |policy: Value| World::serving(6, json!({ "policies": [tracking(), policy] }));
    let floor = || {
        let mut world = World::serving(6, json!({}));
        world.inputs.traffic.floors.insert(pool("blue"), 8);
        world
    };
    let paused = || {
        let mut world = World::serving(6, json!({}));
        let (by, reason, since, until) = ("me".into(), "no".into(), at(0), at(6_000));
        world.inputs.state.pause = Some(Pause { by, reason, since, until });
        world
    };
    for (situation, mut world, desired, after) in [
        ("a mode that only adds", mode("out_only"), 3, 6),
        ("a mode that only recommends", mode("recommend_only"), 9, 6),
        ("a pause", paused(), 9, 6),
        ("a schedule's minimum", with(night), 5, 7),
        ("a schedule's size does not: it waits for the end", with(opens), 5, 5),
        ("a shift of traffic", floor(), 3, 8),
    ] {
        world.look_at(request(hold(&world, desired)));
        let last = world.minutes(8).pop().unwrap();
        assert_eq!(blue(&last).after, after, "{situation}: {:?}", guards_of(&last));
    }
}

#[test]
fn a_schedules_size_is_set_when_the_operators_ends() {
    let opens =
        json!({ "type": "scheduled", "id": "opens", "when": { "at": "2026-06-02T12:10:00Z", "for": "2h" }, "capacity": { "desired": 9 } });
    let mut world = World::serving(4, json!({ "policies": [tracking(), opens] }));
    world.look_at(request(hold(&world, 4)));
    let sizes: Vec<u32> = world.minutes(61).iter().map(|decision| blue(decision).after).collect();
    assert_eq!((sizes[58], sizes[60]), (4, 9));
}

/// As large as the schedule's or larger: it was not the schedule that set it.
#[test]
fn a_schedules_smaller_size_is_set_when_the_operators_ends_too() {
    let opens =
        json!({ "type": "scheduled", "id": "opens", "when": { "at": "2026-06-02T12:10:00Z", "for": "2h" }, "capacity": { "desired": 3 } });
    let mut world = World::serving(4, json!({ "policies": [opens] }));
    world.look_at(request(hold(&world, 4)));
    let sizes: Vec<u32> = world.minutes(80).iter().map(|decision| blue(decision).after).collect();
    assert_eq!((sizes[58], sizes[79]), (4, 3));
}

#[test]
fn a_request_is_refused_for_a_reason() {
    let until = |world: &World, seconds: u32| {
        let (until, reason) = (Seconds(seconds).after(world.now()), String::new());
        Wish::Hold { desired: 5, until, reason }
    };
    let (old, ahead) = (Seconds(EVENT_AGE_MAX.0 + 1), Seconds(AHEAD_MAX.0 + 1));
    let world = world();
    let now = world.now();
    for (situation, asked, told) in [
        ("above the maximum", hold(&world, 11), "11 is not between 1 and 10"),
        ("below the minimum", hold(&world, 0), "0 is not between 1 and 10"),
        (
            "too late",
            asked("bob", old.before(now), until(&world, 3_600)),
            "issued 601s ago, and one older than 10m is no wish any more",
        ),
        (
            "a clock that is wrong",
            asked("bob", ahead.after(now), until(&world, 3_600)),
            "issued 61s in the future",
        ),
        (
            "too long",
            asked("bob", now, until(&world, HOLD_MAX.0 + 1)),
            "it may hold for 3d at most",
        ),
        (
            "over",
            asked("bob", Seconds(60).before(now), until(&world, 0)),
            "its time was over at 2026-06-02T12:00:00Z",
        ),
        (
            "too late to give one up",
            asked("bob", old.before(now), Wish::Clear),
            "issued 601s ago, and one older than 10m is no wish any more",
        ),
    ] {
        let mut world = self::world();
        let decision = world.look_at(request(asked));
        assert_eq!(refused(&decision).map(|why| why.to_string()).as_deref(), Some(told), "{situation}");
        assert_eq!(world.inputs.state.pools[&pool("blue")].asked, None, "{situation}");
        assert_eq!(blue(&decision).after, 2, "{situation}");
    }
}

#[test]
fn an_older_request_never_undoes_a_newer_one() {
    let mut world = world();
    let first = hold(&world, 4);
    world.look_at(request(first.clone()));
    world.pass(60);
    let second = hold(&world, 6);
    world.look_at(request(second.clone()));
    world.pass(60);
    // the first arrives again, as a retry
    let decision = world.look_at(request(first.clone()));
    let (by, at) = (second.by.clone(), second.at);
    assert_eq!(
        (refused(&decision), blue(&decision).after),
        (Some(Refused::Superseded { by, at }), 6)
    );
    // the second again is no news
    let decision = world.look_at(request(second));
    assert_eq!((refused(&decision), blue(&decision).after), (None, 6));
    // nor does the first come back after somebody gave up
    let clear = asked("bob", world.now(), Wish::Clear);
    world.look_at(request(clear));
    world.pass(60);
    let decision = world.look_at(request(first));
    assert!(matches!(refused(&decision), Some(Refused::Superseded { .. })));
    assert!(!finds(&decision, |finding| matches!(finding, Finding::OperatorHolds { .. })));
}

/// It is forgotten by a clock that is ahead, and the older one arrives at one that is not.
#[test]
fn the_last_wish_is_remembered_until_no_clock_hears_an_older_one() {
    let mut world = world();
    let older = hold(&world, 6);
    world.pass(1);
    let newer = asked("bob", world.now(), Wish::Clear);
    world.look_at(request(newer.clone()));
    world.inputs.now = Seconds(9).after(EVENT_AGE_MAX.after(newer.at));
    world.look();
    world.inputs.now = EVENT_AGE_MAX.after(older.at);
    let decision = world.look_at(request(older));
    assert!(
        matches!(refused(&decision), Some(Refused::Superseded { .. })),
        "{:?}",
        refused(&decision)
    );
}

#[test]
fn giving_up_lets_the_policies_go_on_and_is_forgotten_in_time() {
    let mut world = World::serving(6, json!({}));
    world.look_at(request(hold(&world, 8)));
    world.pass(60);
    let clear = asked("bob", world.now(), Wish::Clear);
    world.look_at(request(clear));
    world.read("requests", 200.0);
    assert_eq!(blue(&world.look()).after, 10);
    assert!(
        world.inputs.state.pools[&pool("blue")].asked.is_some(),
        "an older request could still arrive"
    );
    world.minutes(11);
    assert_eq!(world.inputs.state.pools[&pool("blue")].asked, None);
}

#[test]
fn which_pool_is_meant() {
    let two = || {
        World::new(json!({ "maximum": 20, "pools": [
            { "id": "blue", "target_groups": [group("blue")] },
            { "id": "green", "role": "standby", "target_groups": [group("green")] },
        ] }))
    };
    let of = |world: &World, name: &str| world.inputs.state.pools[&pool(name)].asked.is_some();
    for (situation, named, blue, green) in [
        ("the one that takes traffic", None, true, false),
        ("the one that is named", Some("green"), false, true),
        ("none such", Some("red"), false, false),
    ] {
        let mut world = two();
        let (fleet, asked) = ("web".parse().unwrap(), hold(&world, 3));
        let pool = named.map(pool);
        let decision = world.look_at(Signal::OperatorRequest(OperatorRequest { fleet, pool, asked }));
        assert_eq!((of(&world, "blue"), of(&world, "green")), (blue, green), "{situation}");
        let told = refused(&decision).map(|why| why.to_string());
        assert_eq!(told.is_some(), !blue && !green, "{situation}: {told:?}");
        // giving up without a name is for every pool
        world.pass(60);
        world.look_at(request(self::asked("bob", world.now(), Wish::Clear)));
        let clear = |name: &str| {
            world.inputs.state.pools[&self::pool(name)]
                .asked
                .as_ref()
                .map(|asked| asked.wish == Wish::Clear)
        };
        assert_eq!((clear("blue"), clear("green")), (Some(true), Some(true)), "{situation}");
    }
}

#[test]
fn a_fleet_that_is_being_deleted_heeds_nobody() {
    let mut world = world();
    world.inputs.retiring = true;
    let decision = world.look_at(request(hold(&world, 5)));
    assert_eq!((refused(&decision), blue(&decision).after), (Some(Refused::Retiring), 0));
}

#[test]
fn the_fleets_maximum_caps_it() {
    let mut world = World::serving(
        2,
        json!({ "maximum": 10, "pools": [
        { "id": "blue", "target_groups": [group("blue")] },
        { "id": "green", "role": "standby", "capacity": { "min": 3, "max": 4, "initial": 3 }, "target_groups": [group("green")], "policies": [] },
    ] }),
    );
    world.inputs.state.pools.get_mut(&pool("green")).unwrap().desired = 3;
    let decision = world.look_at(request(hold(&world, 9)));
    assert_eq!(
        (blue(&decision).after, guards_of(&decision)),
        (6, vec!["operator", "fleet maximum", "launch budget per tick"])
    );
}

#[test]
fn a_simple_policy_does_not_count_it_as_its_own_change() {
    let simple = json!({ "type": "simple", "id": "requests", "metric": busy(), "out": { "from": 80, "add": 1 } });
    let mut world = World::serving(4, json!({ "policies": [simple] }));
    world.read("requests", 90.0);
    world.look_at(request(hold(&world, 6)));
    assert_eq!(world.inputs.state.pools[&pool("blue")].adjusted.len(), 0);
}
