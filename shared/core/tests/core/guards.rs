//! What limits a size, guard by guard. Ten in service and wanted, 100 requests per instance, no limit but the row's own.

use ghostnet_core::decide::CapacityCount;
use ghostnet_core::spec::FleetMode;
use ghostnet_core::state::{LaunchRefused, Tally};

use crate::support::*;

struct Row {
    situation: &'static str,
    guards: Value,
    load: f64,
    change: fn(&mut Pool),
    desired: u32,
    because: &'static [&'static str],
}

fn check(rows: Vec<Row>) {
    for Row {
        situation,
        guards: limits,
        load,
        change,
        desired,
        because,
    } in rows
    {
        let sizing = Pool::tracked(limits).load(load).change(change).size();
        assert_eq!((sizing.desired, guards(&sizing).as_slice()), (desired, because), "{situation}");
    }
}

const SAME: fn(&mut Pool) = |_| {};

#[test]
fn bounds() {
    let row = |situation, load, change, desired, because| Row {
        situation,
        guards: json!({}),
        load,
        change,
        desired,
        because,
    };
    check(vec![
        row("the maximum", 2_000.0, SAME, 100, &["range"]),
        row("the minimum", 0.0, SAME, 1, &["range"]),
        row(
            "a minimum that was raised",
            100.0,
            |pool| pool.spec.capacity.min = 15,
            15,
            &["range"],
        ),
        row(
            "a maximum that was lowered",
            100.0,
            |pool| pool.spec.capacity.max = 6,
            6,
            &["range"],
        ),
        row(
            "the fleet's maximum leaves less",
            200.0,
            |pool| pool.room = 13,
            13,
            &["fleet maximum"],
        ),
        row(
            "the fleet's maximum leaves less than there is",
            200.0,
            |pool| pool.room = 8,
            8,
            &["fleet maximum"],
        ),
        row(
            "a shift of traffic needs more",
            100.0,
            |pool| pool.traffic_floor = 14,
            14,
            &["traffic floor"],
        ),
        row(
            "a shift of traffic keeps what is there",
            49.0,
            |pool| pool.traffic_floor = 9,
            9,
            &["traffic floor"],
        ),
        row(
            "a shift of traffic stays within the maximum",
            100.0,
            |pool| pool.traffic_floor = 140,
            100,
            &["traffic floor", "range"],
        ),
        row("a deletion wants none", 200.0, |pool| pool.retiring = true, 0, &["retiring"]),
    ]);
}

#[test]
fn a_moved_bound_waits_for_no_cooldown_and_no_warm_up() {
    let change: fn(&mut Pool) = |pool| {
        pool.spec.capacity.max = 6;
        pool.counts.warming = 2;
        pool.state.cooldown_in_until = Some(at(600));
    };
    let because: &[&str] = &["range"];
    check(vec![Row {
        situation: "lowered",
        guards: json!({}),
        load: 100.0,
        change,
        desired: 6,
        because,
    }]);
    let change: fn(&mut Pool) = |pool| {
        pool.spec.capacity.min = 15;
        pool.state.cooldown_out_until = Some(at(600));
    };
    check(vec![Row {
        situation: "raised",
        guards: json!({}),
        load: 100.0,
        change,
        desired: 15,
        because,
    }]);
}

#[test]
fn modes_and_pauses() {
    let row = |situation, load, change, desired, because| Row {
        situation,
        guards: json!({}),
        load,
        change,
        desired,
        because,
    };
    check(vec![
        row("out_only adds", 200.0, |pool| pool.mode = FleetMode::OutOnly, 20, &[]),
        row(
            "out_only removes nothing",
            49.0,
            |pool| pool.mode = FleetMode::OutOnly,
            10,
            &["mode"],
        ),
        row(
            "recommend_only adds nothing",
            200.0,
            |pool| pool.mode = FleetMode::RecommendOnly,
            10,
            &["mode"],
        ),
        row(
            "paused in the spec removes nothing",
            49.0,
            |pool| pool.mode = FleetMode::Paused,
            10,
            &["mode"],
        ),
        row(
            "an operator's pause",
            200.0,
            |pool| pool.paused_until = Some(at(60)),
            10,
            &["pause"],
        ),
        row(
            "a pause is told, not the mode",
            200.0,
            |pool| (pool.mode, pool.paused_until) = (FleetMode::Paused, Some(at(60))),
            10,
            &["pause"],
        ),
        row(
            "even a floor waits for the end of a pause",
            100.0,
            |pool| (pool.traffic_floor, pool.paused_until) = (20, Some(at(60))),
            10,
            &["traffic floor", "pause"],
        ),
    ]);
}

#[test]
fn nothing_is_removed_while_anything_warms_up() {
    let row = |situation, load, change, desired, because| Row {
        situation,
        guards: json!({}),
        load,
        change,
        desired,
        because,
    };
    check(vec![
        row("a warming one", 50.0, |pool| pool.counts.warming = 1, 10, &["warm-up"]),
        row("a starting one", 50.0, |pool| pool.counts.pending = 1, 10, &["warm-up"]),
        row("one that may still come", 50.0, |pool| pool.counts.in_flight = 1, 10, &["warm-up"]),
        row(
            "one that serves already",
            45.0,
            |pool| pool.counts.warming_serving = 1,
            10,
            &["warm-up"],
        ),
        row("a draining one is no reason", 49.0, |pool| pool.counts.draining = 1, 5, &[]),
        row("and out waits for nobody", 200.0, |pool| pool.counts.pending = 1, 20, &[]),
    ]);
}

/// The datapoint began a minute ago.
#[test]
fn a_metric_from_before_a_removal_does_not_justify_the_next() {
    let row = |situation, change, desired, because| Row {
        situation,
        guards: json!({}),
        load: 49.0,
        change,
        desired,
        because,
    };
    check(vec![
        row(
            "the drain began since",
            |pool| pool.flow.last_drain = Some(at(-59)),
            10,
            &["settling"],
        ),
        row("the drain began before", |pool| pool.flow.last_drain = Some(at(-60)), 5, &[]),
        row("nobody drains", SAME, 5, &[]),
    ]);
    let out: fn(&mut Pool) = |pool| pool.flow.last_drain = Some(at(-59));
    let because: &[&str] = &[];
    check(vec![Row {
        situation: "out waits for nobody",
        guards: json!({}),
        load: 200.0,
        change: out,
        desired: 20,
        because,
    }]);
}

/// One that acts is measured since the removal, one that is only watched every five minutes: it holds nobody, and is held to if it acts.
#[test]
fn an_old_metric_of_a_policy_that_only_recommends_holds_nobody() {
    for (mode, desired, because) in [("recommend_only", 5, vec![]), ("act", 10, vec!["settling"])] {
        let mut watched = tracking();
        merge(&mut watched, json!({ "id": "watched", "mode": mode }));
        let sizing = Pool::with(json!([tracking(), watched]), json!({}))
            .load(49.0)
            .change(|pool| {
                pool.series.insert(policy("watched"), minutes(at(-60), &[Some(49.0)]));
                pool.flow.last_drain = Some(at(-90));
            })
            .size();
        assert_eq!((sizing.desired, guards(&sizing)), (desired, because), "{mode}");
    }
}

#[test]
fn cooldowns() {
    let row = |situation, load, change, desired, because| Row {
        situation,
        guards: json!({}),
        load,
        change,
        desired,
        because,
    };
    check(vec![
        row(
            "out is cooling down",
            200.0,
            |pool| pool.state.cooldown_out_until = Some(at(1)),
            10,
            &["cooldown"],
        ),
        row(
            "out has cooled down",
            200.0,
            |pool| pool.state.cooldown_out_until = Some(at(0)),
            20,
            &[],
        ),
        row(
            "in is cooling down",
            20.0,
            |pool| pool.state.cooldown_in_until = Some(at(1)),
            10,
            &["cooldown"],
        ),
        row(
            "one does not stop the other",
            200.0,
            |pool| pool.state.cooldown_in_until = Some(at(1)),
            20,
            &[],
        ),
    ]);
}

#[test]
fn stabilisation() {
    let window = |out: &str, in_: &str| json!({ "stabilisation": { "out": out, "in": in_ } });
    for (situation, limits, load, runs, desired) in [
        (
            "in: the largest of the window",
            window("0s", "10m"),
            20.0,
            vec![(900, 10), (500, 4), (300, 7), (100, 3)],
            10,
        ),
        (
            "in: a run that ended before the window",
            window("0s", "10m"),
            20.0,
            vec![(900, 10), (600, 7), (300, 4)],
            7,
        ),
        (
            "in: a run that reaches into the window",
            window("0s", "10m"),
            20.0,
            vec![(900, 9), (599, 4)],
            9,
        ),
        ("in: fewer throughout", window("0s", "10m"), 20.0, vec![(900, 3)], 3),
        ("in: a young history is no change", window("0s", "10m"), 20.0, vec![(599, 3)], 10),
        ("in: no history is no change", window("0s", "10m"), 20.0, vec![], 10),
        ("in: never out of it", window("0s", "10m"), 20.0, vec![(900, 30)], 10),
        (
            "out: the smallest of the window",
            window("3m", "0s"),
            300.0,
            vec![(900, 10), (170, 14), (100, 22)],
            10,
        ),
        ("out: more throughout", window("3m", "0s"), 300.0, vec![(900, 18)], 18),
        ("out: a young history is no change", window("3m", "0s"), 300.0, vec![(100, 30)], 10),
        ("out waits for nothing by default", window("0s", "10m"), 300.0, vec![], 30),
    ] {
        let sizing = Pool::tracked(limits).load(load).recommended(&runs).size();
        assert_eq!(sizing.desired, desired, "{situation}: {:?}", sizing.guards);
        assert!(
            sizing.desired == 30 || !sizing.guards.is_empty() || desired == 3,
            "{situation} leaves its reason"
        );
    }
}

/// Azure's flapping guard, invariant I6: what is left must stay under 100 x 1.1 x 0.9 = 99 per instance.
#[test]
fn a_removal_that_would_be_undone_is_made_smaller_or_not_at_all() {
    let row = |situation, load, change, desired, because| Row {
        situation,
        guards: json!({}),
        load,
        change,
        desired,
        because,
    };
    check(vec![
        row("eight would stand at 98.75", 79.0, SAME, 8, &[]),
        row("eight would stand at 100: nine", 80.0, SAME, 9, &["post-removal simulation"]),
        row("nine would stand at 99.98: none", 89.98, SAME, 10, &["post-removal simulation"]),
        row(
            "without load there is nothing to undo",
            0.0,
            |pool| pool.spec.capacity.min = 0,
            0,
            &[],
        ),
    ]);
    let both = json!([tracking(), { "type": "step", "id": "busy", "metric": busy(), "out": [{ "from": 50.0, "add": 1 }], "in": [{ "below": 40.0, "remove": 1 }] }]);
    let sized = |value: f64| {
        let pool = Pool::with(both.clone(), json!({})).load(10.0);
        pool.change(|pool| drop(pool.series.insert(policy("busy"), fresh(pool.now, value))))
            .size()
    };
    assert_eq!(sized(39.0).desired, 9, "39 over nine is 43.3, under 45");
    let tight = json!([{ "type": "step", "id": "busy", "metric": busy(), "out": [{ "from": 44.0, "add": 1 }], "in": [{ "below": 40.0, "remove": 1 }] }]);
    let sizing = Pool::with(tight, json!({}))
        .change(|pool| drop(pool.series.insert(policy("busy"), fresh(pool.now, 39.0))))
        .size();
    assert_eq!(
        (sizing.desired, guards(&sizing).as_slice()),
        (10, ["post-removal simulation"].as_slice()),
        "43.3 is over 39.6"
    );
}

#[test]
fn a_metric_that_does_not_follow_the_size_is_not_simulated() {
    let slow = json!([{ "type": "step", "id": "requests", "metric": "response_time", "out": [{ "from": 0.5, "add": 1 }], "in": [{ "below": 0.4, "remove": 5 }] }]);
    assert_eq!(Pool::with(slow, json!({})).load(0.39).size().desired, 5);
}

#[test]
fn removal_budget() {
    let budget = |per_tick: Value| json!({ "budgets": { "removal": { "per_tick": per_tick } } });
    let row = |situation, per_tick: Value, change, desired, because| Row {
        situation,
        guards: budget(per_tick),
        load: 10.0,
        change,
        desired,
        because,
    };
    let spent: fn(&mut Pool) = |pool| pool.state.removals = vec![Tally { at: at(-59), count: 2 }];
    let long_ago: fn(&mut Pool) = |pool| pool.state.removals = vec![Tally { at: at(-60), count: 2 }];
    let sixty: fn(&mut Pool) = |pool| (pool.state.desired, pool.counts.in_service) = (60, 60);
    let removal: &[&str] = &["removal budget"];
    check(vec![
        row("a share", json!("20%"), SAME, 8, removal),
        row("a share of a large pool", json!("10%"), sixty, 54, removal),
        row("a share of a small pool still moves", json!("5%"), SAME, 9, removal),
        row("a count", json!(3), SAME, 7, removal),
        row("spent within the minute", json!(3), spent, 9, removal),
        row("spent before", json!(3), long_ago, 7, removal),
        row("none", json!(0), SAME, 10, removal),
    ]);
}

#[test]
fn launch_budgets() {
    let budget = |per_tick: Value, per_hour: u32| json!({ "budgets": { "launch": { "per_tick": per_tick, "per_hour": per_hour } } });
    let row = |situation, limits: Value, change, desired, because| Row {
        situation,
        guards: limits,
        load: 1_000.0,
        change,
        desired,
        because,
    };
    let spent: fn(&mut Pool) = |pool| pool.state.launches = vec![Tally { at: at(-1_800), count: 5 }, Tally { at: at(-30), count: 3 }];
    let two: fn(&mut Pool) = |pool| (pool.state.desired, pool.counts.in_service) = (2, 2);
    let (tick, hour): (&[&str], &[&str]) = (&["launch budget per tick"], &["launch budget per hour"]);
    check(vec![
        row("a share", budget(json!("100%"), 1000), SAME, 20, tick),
        row("a share of a small pool still moves", budget(json!("100%"), 1000), two, 6, tick),
        row("a count", budget(json!(7), 1000), SAME, 17, tick),
        row("spent within the minute", budget(json!(7), 1000), spent, 14, tick),
        row("spent within the hour", budget(json!(50), 12), spent, 14, hour),
        row("nothing left", budget(json!(50), 8), spent, 10, hour),
        row(
            "what drains can come back without a launch",
            budget(json!(7), 1000),
            |pool| pool.counts.draining = 2,
            19,
            tick,
        ),
    ]);
}

#[test]
fn a_refused_launch_is_not_tried_again_at_once() {
    let refused: fn(&mut Pool) = |pool| {
        let (code, message) = ("VcpuLimitExceeded".into(), "no".into());
        pool.state.launch_refused = Some(LaunchRefused {
            until: at(60),
            code,
            message,
            class: None,
        });
    };
    let row = |situation, load, change, desired, because| Row {
        situation,
        guards: json!({}),
        load,
        change,
        desired,
        because,
    };
    let later: fn(&mut Pool) = |pool| {
        pool.state.launch_refused = Some(LaunchRefused {
            until: at(0),
            code: String::new(),
            message: String::new(),
            class: None,
        });
    };
    check(vec![
        row("too soon", 200.0, refused, 10, &["launch refused"]),
        row("again", 200.0, later, 20, &[]),
        row("in is not concerned", 49.0, refused, 5, &[]),
    ]);
}

fn windowed(capacity: Value, guards: Value) -> Pool {
    let window = json!({ "type": "scheduled", "id": "noon", "when": { "cron": "0 12 * * *", "for": "1h" }, "capacity": capacity });
    Pool::with(json!([tracking(), window]), guards)
}

#[test]
fn a_window_moves_the_bounds_while_it_is_open() {
    for (situation, capacity, load, now, desired) in [
        ("a minute before", json!({ "min": 20 }), 100.0, -60, 10),
        ("a minimum holds at once", json!({ "min": 20 }), 100.0, 0, 20),
        ("until it closes", json!({ "min": 20 }), 100.0, 3_599, 20),
        ("and no longer", json!({ "min": 20 }), 100.0, 3_600, 10),
        ("a maximum caps a vote", json!({ "max": 15 }), 300.0, 60, 15),
        ("a maximum shrinks at once", json!({ "max": 5 }), 300.0, 60, 5),
        ("a maximum above the pool's own", json!({ "max": 150 }), 1_500.0, 60, 150),
    ] {
        let pool = windowed(capacity, json!({})).change(|pool| pool.now = at(now)).load(load);
        assert_eq!(pool.size().desired, desired, "{situation}");
    }
}

#[test]
fn a_window_sets_the_size_once_as_it_opens() {
    let mut pool = windowed(json!({ "desired": 30 }), json!({})).load(100.0);
    assert_eq!(guards(&pool.step(60)), ["schedule"]);
    pool.counts.in_service = 30;
    assert_eq!(pool.state.desired, 30);
    // the policies go on from there: 40 per instance need twelve, and then a person raises nothing again
    pool = pool.load(40.0);
    let sizing = pool.step(60);
    assert!(sizing.desired < 30 && !guards(&sizing).contains(&"schedule"), "{sizing:?}");
}

#[test]
fn a_window_may_open_with_fewer_but_not_against_the_load() {
    assert_eq!(windowed(json!({ "desired": 4 }), json!({})).load(95.0).size().desired, 4);
    assert_eq!(windowed(json!({ "desired": 4 }), json!({})).load(200.0).size().desired, 20);
}

/// What a cooldown or a window delays, or the maximum limits, is asked for all the same.
#[test]
fn a_window_does_not_open_with_fewer_while_growth_is_held_up() {
    let waits = || json!({ "stabilisation": { "out": "10m" } });
    for (situation, guards, cooling, max, load, desired) in [
        ("a cooldown", json!({}), true, 100, 200.0, 10),
        ("a stabilisation window", waits(), false, 100, 200.0, 10),
        ("the maximum", json!({}), false, 10, 200.0, 10),
        ("a cooldown, and nobody asks for more", json!({}), true, 100, 95.0, 4),
    ] {
        let pool = windowed(json!({ "desired": 4 }), guards).load(load).recommended(&[(900, 10)]);
        let pool = pool.change(|pool| {
            pool.state.cooldown_out_until = cooling.then(|| at(30));
            pool.spec.capacity.max = max;
        });
        assert_eq!(pool.size().desired, desired, "{situation}");
    }
}

#[test]
fn a_size_that_the_budget_cut_short_is_reached_all_the_same() {
    let mut pool = windowed(
        json!({ "desired": 30 }),
        json!({ "budgets": { "launch": { "per_tick": 8 } }, "cooldown": { "out": "10m" } }),
    )
    .load(100.0);
    let mut sizes = Vec::new();
    for _ in 0..4 {
        sizes.push(pool.step(60).desired);
        pool.counts.in_service = pool.state.desired;
        pool = pool.load(100.0);
    }
    assert_eq!(sizes, [18, 26, 30, 30]);
}

#[test]
fn a_window_that_opens_in_a_pause_is_applied_after_it() {
    let mut pool = windowed(json!({ "desired": 30 }), json!({})).load(100.0);
    pool.paused_until = Some(at(60));
    assert_eq!(pool.step(60).desired, 10);
    pool.paused_until = None;
    assert_eq!(pool.step(60).desired, 30);
}

#[test]
fn reasons_come_in_the_order_of_the_guards() {
    let limits = json!({ "stabilisation": { "in": "10m" }, "budgets": { "removal": { "per_tick": 3 } } });
    let pool = Pool::tracked(limits).load(10.0).recommended(&[(900, 4)]).change(|pool| {
        pool.counts = CapacityCount {
            in_service: 10,
            draining: 1,
            ..CapacityCount::default()
        };
        pool.mode = FleetMode::OutOnly;
    });
    assert_eq!(guards(&pool.size()), ["stabilisation", "removal budget", "mode"]);
}
