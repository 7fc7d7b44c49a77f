//! Step policies: bands, EC2 Auto Scaling's rounding, and no second step while the first one warms up.

use ghostnet_core::decide::CapacityCount;
use ghostnet_core::reason::VoteReason;

use crate::support::*;

fn stepped(change: Value) -> Pool {
    let mut policy = json!({ "type": "step", "id": "requests", "metric": busy() });
    policy.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    Pool::with(json!([policy]), json!({}))
}

fn sized(pool: Pool, size: u32) -> Pool {
    pool.change(|pool| {
        pool.state.desired = size;
        pool.counts.in_service = size;
    })
}

#[test]
fn a_value_finds_its_band() {
    let bands = json!({ "out": [{ "from": 70.0, "add": 1 }, { "from": 85.0, "add": 4 }], "in": [{ "below": 30.0, "remove": 1 }, { "below": 10.0, "remove": 3 }] });
    for (situation, value, vote) in [
        ("between the steps", 50.0, 10),
        ("a lower bound is inside", 70.0, 11),
        ("the top of the first band", 84.999, 11),
        ("the next band", 85.0, 14),
        ("without end", 1e9, 14),
        ("an upper bound is outside", 30.0, 10),
        ("the first band in", 29.9, 9),
        ("a lower bound of a step in is inside", 10.0, 9),
        ("the lowest band", 9.9, 7),
        ("below zero", -5.0, 7),
    ] {
        assert_eq!(stepped(bands.clone()).load(value).vote().0, Some(vote), "{situation}");
    }
}

#[test]
fn an_end_that_is_written_is_an_end() {
    let bands = json!({ "out": [{ "from": 70.0, "below": 90.0, "add": 1 }] });
    assert_eq!(stepped(bands.clone()).load(89.0).vote().0, Some(11));
    assert_eq!(
        stepped(bands).load(90.0).vote(),
        (None, VoteReason::BetweenBands { value: finite(90.0) })
    );
}

/// EC2 Auto Scaling user guide, "step and simple scaling policies": 12.7 is 12, 0.67 is 1, -6.67 is -6, -0.58 is -1.
#[test]
fn shares_round_as_ec2_auto_scaling_rounds() {
    let out = |size: u32, share: &str| {
        sized(stepped(json!({ "out": [{ "from": 70.0, "add": share }] })), size)
            .load(80.0)
            .vote()
            .0
            .unwrap()
            - size
    };
    let in_ = |size: u32, share: &str| {
        size - sized(stepped(json!({ "in": [{ "below": 30.0, "remove": share }] })), size)
            .load(20.0)
            .vote()
            .0
            .unwrap()
    };
    for (exact, size, share, expected) in [
        ("12.7", 127, "10%", 12),
        ("0.67", 1, "67%", 1),
        ("6.67", 29, "23%", 6),
        ("0.3", 3, "10%", 1),
        ("20", 200, "10%", 20),
    ] {
        assert_eq!(out(size, share), expected, "out by {exact}");
        assert_eq!(in_(size, share), expected, "in by {exact}");
    }
}

#[test]
fn a_share_has_a_smallest_step() {
    let policy = json!({ "out": [{ "from": 70.0, "add": "10%", "at_least": 2 }] });
    assert_eq!(stepped(policy.clone()).load(80.0).vote().0, Some(12));
    assert_eq!(sized(stepped(policy), 50).load(80.0).vote().0, Some(55));
}

#[test]
fn the_same_step_is_not_added_while_it_warms_up() {
    let policy = json!({ "out": [{ "from": 70.0, "add": "20%" }, { "from": 90.0, "add": "50%" }] });
    let warming = |in_service, warming| CapacityCount {
        in_service,
        warming,
        ..CapacityCount::default()
    };
    for (situation, desired, counts, value, vote) in [
        ("the first breach", 10, warming(10, 0), 80.0, 12),
        ("it goes on while two warm up", 12, warming(10, 2), 80.0, 12),
        ("it gets worse: the larger step, less what comes", 12, warming(10, 2), 95.0, 15),
        ("both have joined and it still breaches", 12, warming(12, 0), 80.0, 14),
    ] {
        let pool = stepped(policy.clone()).load(value).change(|pool| {
            pool.state.desired = desired;
            pool.counts = counts;
        });
        assert_eq!(pool.vote().0, Some(vote), "{situation}");
    }
}

#[test]
fn datapoints_and_partial_data() {
    let policy = json!({ "out": [{ "from": 70.0, "add": 1 }], "in": [{ "below": 30.0, "remove": 1 }], "datapoints": { "out": "2 of 2", "in": "2 of 2" } });
    let (high, low) = (Some(80.0), Some(20.0));
    for (situation, series, vote) in [
        ("once high", vec![high, Some(50.0)], 10),
        ("twice high", vec![high, high], 11),
        ("once low", vec![low, Some(50.0)], 10),
        ("twice low", vec![low, low], 9),
    ] {
        let pool =
            stepped(policy.clone()).change(|pool| drop(pool.series.insert(crate::support::policy("requests"), minutes(pool.now, &series))));
        assert_eq!(pool.vote().0, Some(vote), "{situation}");
    }
    let once = json!({ "out": [{ "from": 70.0, "add": 1 }], "in": [{ "below": 30.0, "remove": 1 }] });
    for (value, vote) in [(80.0, 11), (20.0, 10)] {
        let pool =
            stepped(once.clone()).change(|pool| drop(pool.series.insert(crate::support::policy("requests"), partial(pool.now, value))));
        assert_eq!(pool.vote().0, Some(vote), "partial {value}");
    }
}

#[test]
fn one_without_steps_in_keeps_nobody_from_removing() {
    let more =
        json!({ "type": "step", "id": "more", "metric": busy(), "out": [{ "from": 70, "add": 1 }], "datapoints": { "out": "2 of 2" } });
    let fewer = json!({ "type": "step", "id": "requests", "metric": busy(), "in": [{ "below": 30, "remove": 1 }] });
    let pool = Pool::with(json!([more, fewer]), json!({})).load(20.0);
    for (situation, series, desired) in [
        ("all is well", fresh(pool.now, 20.0), 9),
        ("nothing is known", minutes(pool.now, &[]), 10),
        ("a breach has begun", minutes(pool.now, &[Some(80.0), Some(20.0)]), 10),
    ] {
        let mut pool = Pool::with(json!([more, fewer]), json!({})).load(20.0);
        pool.series.insert(policy("more"), series);
        assert_eq!(pool.size().desired, desired, "{situation}");
    }
}

#[test]
fn one_whose_metric_nobody_can_foresee_binds_unless_its_owner_says_otherwise() {
    let voted = |mode: &str| {
        let slow = json!({ "type": "step", "id": "requests", "metric": "response_time", "out": [{ "from": 1, "add": 1 }], "mode": mode });
        Pool::with(json!([slow]), json!({})).load(0.2).vote().0
    };
    assert_eq!(voted("act"), Some(10));
    assert_eq!(voted("out_only"), None);
}
