//! The formula policy: instances counted from several metrics.

use ghostnet_core::reason::VoteReason;
use ghostnet_core::sample::{Sample, Series};

use crate::support::*;

/// Ten in service; the work is what waits and, three times as heavy, what was asked for.
fn work(change: Value) -> Pool {
    let mut policy = json!({
        "type": "formula", "id": "work", "formula": "waiting + 3 * asked", "target": 100,
        "metrics": { "waiting": total("Waiting"), "asked": total("Asked") },
    });
    merge(&mut policy, change);
    Pool::with(json!([policy]), json!({}))
}

fn total(name: &str) -> Value {
    json!({ "namespace": "App", "name": name })
}

fn seen(mut pool: Pool, waiting: &[Option<f64>], asked: &[Option<f64>]) -> Pool {
    let series = several([("asked", minutes(pool.now, asked)), ("waiting", minutes(pool.now, waiting))]);
    pool.series.insert(policy("work"), series);
    pool
}

#[test]
fn the_value_by_what_each_instance_may_have() {
    for (situation, change, waiting, asked, vote) in [
        ("exactly ten", json!({}), 400.0, 200.0, 10),
        ("more", json!({}), 401.0, 200.0, 11),
        ("fewer, with room to spare", json!({}), 100.0, 150.0, 7),
        (
            "a value below zero needs nobody",
            json!({ "formula": "waiting - 3 * asked" }),
            100.0,
            150.0,
            0,
        ),
        (
            "without a target it counts instances",
            json!({ "target": null, "formula": "max(waiting / 50, asked)" }),
            900.0,
            4.0,
            18,
        ),
        ("a trickle activates nothing", json!({ "activate_above": 50 }), 15.0, 10.0, 0),
        ("above it the target counts", json!({ "activate_above": 50 }), 20.0, 11.0, 1),
    ] {
        let pool = seen(work(change), &[Some(waiting)], &[Some(asked)]);
        assert_eq!(pool.vote().0, Some(vote), "{situation}");
    }
}

#[test]
fn what_one_metric_lacks_the_formula_lacks() {
    let none = VoteReason::NoValue { sample: Sample::Missing };
    for (situation, waiting, asked, expected) in [
        ("one has no datapoint", &[None][..], &[Some(900.0)][..], (Some(10), none)),
        (
            "a newest minute that only one has is not used",
            &[None, Some(400.0)],
            &[Some(900.0), Some(210.0)],
            (Some(11), reason(1_030.0, 11)),
        ),
    ] {
        assert_eq!(seen(work(json!({})), waiting, asked).vote(), expected, "{situation}");
    }
    let failed = work(json!({})).change(|pool| {
        let why = "throttled".to_owned();
        let series = several([("asked", Series::Failed { why }), ("waiting", fresh(pool.now, 5_000.0))]);
        pool.series.insert(policy("work"), series);
    });
    assert_eq!(failed.vote(), (Some(10), none));
}

fn reason(value: f64, instances: u32) -> VoteReason {
    VoteReason::Formula {
        value: finite(value),
        target: finite(100.0),
        instances,
    }
}

#[test]
fn a_division_by_zero_is_missing_data_and_not_zero() {
    let pool = work(json!({ "formula": "waiting / asked" }));
    let pool = seen(pool, &[Some(5.0)], &[Some(0.0)]);
    assert_eq!(pool.vote(), (Some(10), VoteReason::NoValue { sample: Sample::Missing }));
}

#[test]
fn a_reason_says_what_the_formula_came_to() {
    let pool = seen(work(json!({})), &[Some(400.0)], &[Some(300.0)]);
    assert_eq!(pool.vote().1.to_string(), "1,300 at 100 per instance: 13 are needed");
}

#[test]
fn a_wrong_formula_is_told_on_its_field() {
    let eleven: Value = (0..11)
        .map(|n| (format!("m{n}"), total("Asked")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let sum = (0..11).map(|n| format!("m{n}")).collect::<Vec<_>>().join(" + ");
    for (change, told) in [
        (
            json!({ "formula": "waiting + asked + other" }),
            "policies[0].formula: `waiting + asked + other`: `other` is neither one of its metrics nor a function",
        ),
        (
            json!({ "formula": "waiting" }),
            "policies[0].formula: `waiting`: the metric `asked` is not used",
        ),
        (
            json!({ "formula": "waiting ** asked" }),
            "policies[0].formula: `waiting ** asked`: `**` has no meaning here",
        ),
        (json!({ "target": -1 }), "policies[0].target: `-1` is not above zero"),
        (
            json!({ "metrics": { "asked": { "period": "5m" } } }),
            "policies[0].metrics: periods of `5m` and `1m` have no moments in common",
        ),
        (
            json!({ "metrics": { "asked": "cpu" } }),
            "policies[0].metrics.asked: `cpu` is no total for all instances",
        ),
        (
            json!({ "metrics": eleven, "formula": format!("waiting + asked + {sum}") }),
            "policies[0].metrics: `13` metrics are not between one and `10`",
        ),
    ] {
        let mut policy = json!({
            "type": "formula", "id": "work", "formula": "waiting + 3 * asked", "target": 100,
            "metrics": { "waiting": total("Waiting"), "asked": total("Asked") },
        });
        merge(&mut policy, change.clone());
        assert_eq!(problems(json!({ "policies": [policy] })), [told], "{change}");
    }
}
