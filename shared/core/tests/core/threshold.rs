//! The threshold policy: one change, while `n` of the last `m` datapoints lie within bounds.

use ghostnet_core::reason::VoteReason;

use crate::support::*;

fn within(change: Value) -> Pool {
    let mut policy = json!({ "type": "threshold", "id": "requests", "metric": busy() });
    merge(&mut policy, change);
    Pool::with(json!([policy]), json!({}))
}

#[test]
fn a_change_while_the_value_is_within() {
    let add = json!({ "within": { "from": 70, "below": 90 }, "add": 2 });
    let remove = json!({ "within": { "below": 30 }, "remove": "25%" });
    for (situation, policy, value, vote) in [
        ("below the bounds it keeps nobody from removing", &add, 69.9, None),
        ("a lower bound is inside", &add, 70.0, Some(12)),
        ("within", &add, 80.0, Some(12)),
        ("an upper bound is outside", &add, 90.0, None),
        ("no lower bound", &remove, -3.0, Some(8)),
        ("a quarter of ten is two", &remove, 29.0, Some(8)),
        ("above, it keeps everybody", &remove, 30.0, Some(10)),
    ] {
        assert_eq!(within(policy.clone()).load(value).vote().0, vote, "{situation}");
    }
}

#[test]
fn enough_datapoints_and_the_newest_of_them() {
    let policy = json!({ "within": { "from": 70 }, "add": 1, "datapoints": { "out": "2 of 3" } });
    for (situation, values, vote) in [
        ("two of three", [Some(80.0), Some(10.0), Some(75.0)], Some(11)),
        ("one of three", [Some(80.0), Some(10.0), None], Some(10)),
        ("the newest is outside", [Some(10.0), Some(80.0), Some(75.0)], None),
    ] {
        let pool = within(policy.clone()).change(|pool| {
            pool.series.insert(crate::support::policy("requests"), minutes(pool.now, &values));
        });
        assert_eq!(pool.vote().0, vote, "{situation}");
    }
}

#[test]
fn what_warms_up_is_part_of_the_last_addition() {
    let mut pool = within(json!({ "within": { "from": 70 }, "add": 3 })).load(80.0);
    pool.state.desired = 13;
    pool.counts.warming = 3;
    assert_eq!(pool.vote().0, Some(13));
}

#[test]
fn partial_data_adds_and_never_removes() {
    let some = |policy: Value, value: f64| {
        within(policy).change(|pool| {
            pool.series.insert(crate::support::policy("requests"), partial(pool.now, value));
        })
    };
    assert_eq!(some(json!({ "within": { "from": 70 }, "add": 1 }), 80.0).vote().0, Some(11));
    let (capacity, reason) = some(json!({ "within": { "below": 30 }, "remove": 1 }), 20.0).vote();
    assert_eq!(capacity, Some(10));
    assert!(matches!(reason, VoteReason::NoValue { .. }));
}

#[test]
fn a_removal_never_leads_back_to_an_addition() {
    let pool = Pool::with(
        json!([
            { "type": "threshold", "id": "more", "metric": busy(), "within": { "from": 50 }, "add": 1 },
            { "type": "threshold", "id": "requests", "metric": busy(), "within": { "below": 48 }, "remove": 3 },
        ]),
        json!({ "tolerance": { "in": "0%", "out": "10%" } }),
    )
    .change(|pool| {
        pool.series.insert(policy("more"), fresh(pool.now, 40.0));
    })
    .load(40.0);
    // ten at 40: nine have 44.4, which is under 45; eight would have 50, where `more` adds
    let sizing = pool.size();
    assert_eq!((sizing.desired, guards(&sizing)), (9, vec!["post-removal simulation"]));
}

#[test]
fn a_reason_names_the_bounds() {
    for (bounds, value, told) in [
        (json!({ "from": 70, "below": 90 }), 60.0, "60 is not from 70 to 90"),
        (json!({ "from": 70 }), 60.0, "60 is not 70 or more"),
        (json!({ "below": 30 }), 60.0, "60 is not below 30"),
    ] {
        let pool = within(json!({ "within": bounds, "add": 1 })).load(value);
        assert_eq!(pool.vote().1.to_string(), told);
    }
}

#[test]
fn a_wrong_threshold_policy_is_told_on_its_field() {
    for (change, told) in [
        (
            json!({ "add": null }),
            "policies[0]: a threshold policy has exactly one of `add` and `remove`",
        ),
        (
            json!({ "remove": 1 }),
            "policies[0]: a threshold policy has exactly one of `add` and `remove`",
        ),
        (
            json!({ "within": { "from": null } }),
            "policies[0].within: bounds without a bound hold always",
        ),
        (
            json!({ "within": { "below": 50 } }),
            "policies[0].within: the step is empty: `from: 70` is not less than `below: 50`",
        ),
        (json!({ "add": "150" }), "policies[0].add: `150` is not a percentage"),
    ] {
        let mut policy = json!({ "type": "threshold", "id": "p", "metric": busy(), "within": { "from": 70 }, "add": 1 });
        merge(&mut policy, change.clone());
        assert_eq!(problems(json!({ "policies": [policy] })), [told], "{change}");
    }
}
