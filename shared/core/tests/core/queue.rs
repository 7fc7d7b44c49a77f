//! The queue policy: a backlog per instance, a time to drain, and the age of the oldest message.

use ghostnet_core::reason::VoteReason;
use ghostnet_core::sample::{Sample, Series};

use crate::support::*;

/// Ten in service; each may have a hundred messages, so long as none is older than ten minutes.
fn jobs(change: Value) -> Pool {
    let mut policy = json!({ "type": "queue", "id": "jobs", "queue": "jobs", "backlog_per_instance": 100, "oldest": "10m" });
    merge(&mut policy, change);
    Pool::with(json!([policy]), json!({}))
}

/// What waits, what is in work, and how old the oldest is.
fn seen(mut pool: Pool, waiting: f64, in_work: f64, oldest: Option<f64>) -> Pool {
    let series = several([
        ("waiting", fresh(pool.now, waiting)),
        ("in_work", fresh(pool.now, in_work)),
        ("oldest", minutes(pool.now, &[oldest])),
    ]);
    pool.series.insert(policy("jobs"), series);
    pool
}

#[test]
fn the_backlog_is_what_waits_and_what_is_in_work() {
    for (situation, waiting, in_work, vote) in [
        ("exactly ten", 900.0, 100.0, 10),
        ("one more message", 901.0, 100.0, 11),
        ("four times as much", 3_900.0, 100.0, 40),
        ("half, and nothing new: who works stays", 0.0, 500.0, 6),
        ("nothing", 0.0, 0.0, 0),
    ] {
        assert_eq!(
            seen(jobs(json!({})), waiting, in_work, Some(5.0)).vote().0,
            Some(vote),
            "{situation}"
        );
    }
}

/// The backlog alone is known, and it holds: nobody of the reserve leaves for that.
#[test]
fn while_the_oldest_message_is_unknown_the_reserve_stays() {
    let policy = json!({ "type": "queue", "id": "jobs", "queue": "jobs", "backlog_per_instance": 100, "oldest": "10m" });
    for (oldest, expected) in [(Some(5.0), 11), (None, 12)] {
        let pool = Pool::with_reserve(json!([policy]), json!({}), json!({ "threshold": 1 }));
        let mut pool = seen(pool, 900.0, 100.0, oldest);
        (pool.state.desired, pool.state.reserve, pool.counts.in_service) = (12, 2, 12);
        assert_eq!(pool.size().desired, expected, "{oldest:?}");
    }
}

#[test]
fn a_time_to_drain_is_a_backlog_by_what_one_instance_does() {
    // two and a half a second for forty seconds: a hundred
    let change = json!({ "backlog_per_instance": null, "drain_within": "40s", "instance_capacity": 2.5 });
    assert_eq!(seen(jobs(change), 2_000.0, 0.0, Some(5.0)).vote().0, Some(20));
}

#[test]
fn an_old_message_adds_a_tenth_and_so_many_stay_that_none_becomes_old_again() {
    for (situation, waiting, oldest, vote) in [
        ("old, though the backlog would allow fewer", 300.0, 601.0, 11),
        ("just not too old, and it would be with fewer", 300.0, 600.0, 10),
        ("half as old: with four it would be too old", 300.0, 300.0, 5),
        ("young enough for four", 300.0, 240.0, 4),
        ("just not too old, and the backlog needs more", 2_000.0, 600.0, 20),
        ("old, and the backlog needs more", 2_000.0, 601.0, 20),
        ("a queue without messages has no oldest", 0.0, 601.0, 0),
    ] {
        assert_eq!(
            seen(jobs(json!({})), waiting, 0.0, Some(oldest)).vote().0,
            Some(vote),
            "{situation}"
        );
    }
    let (_, reason) = seen(jobs(json!({})), 300.0, 0.0, Some(720.0)).vote();
    assert_eq!(reason.to_string(), "the oldest message waits for 12m, longer than 10m");
    let (_, reason) = seen(jobs(json!({})), 300.0, 0.0, Some(300.0)).vote();
    let expected = "the oldest message waits for 5m: with fewer than 5 it would be longer than 10m";
    assert_eq!(reason.to_string(), expected);
}

#[test]
fn an_unknown_age_removes_nobody_and_stops_no_addition() {
    let missing = VoteReason::NoValue { sample: Sample::Missing };
    assert_eq!(seen(jobs(json!({})), 300.0, 0.0, None).vote(), (Some(10), missing));
    assert_eq!(seen(jobs(json!({})), 2_000.0, 0.0, None).vote().0, Some(20));
}

#[test]
fn an_unknown_part_of_the_backlog_makes_it_unknown() {
    let pool = jobs(json!({})).change(|pool| {
        let failed = Series::Failed {
            why: "throttled".to_owned(),
        };
        let series = several([("waiting", fresh(pool.now, 9_000.0)), ("in_work", failed)]);
        pool.series.insert(policy("jobs"), series);
    });
    assert_eq!(pool.vote(), (Some(10), VoteReason::NoValue { sample: Sample::Missing }));
}

#[test]
fn in_only_with_room_to_spare() {
    // nine could have 900, but not a tenth more
    assert_eq!(seen(jobs(json!({})), 850.0, 0.0, Some(5.0)).vote().0, Some(10));
    assert_eq!(seen(jobs(json!({})), 818.0, 0.0, Some(5.0)).vote().0, Some(9));
}

#[test]
fn a_wrong_queue_policy_is_told_on_its_field() {
    let either = "policies[0]: a queue policy has `backlog_per_instance`, or `drain_within` and `instance_capacity`";
    for (change, told) in [
        (
            json!({ "queue": "https://sqs.eu-west-1.amazonaws.com/1/jobs" }),
            "policies[0].queue: `https://sqs.eu-west-1.amazonaws.com/1/jobs` is no name of a queue",
        ),
        (json!({ "queue": ".fifo" }), "policies[0].queue: `.fifo` is no name of a queue"),
        (json!({ "backlog_per_instance": null }), either),
        (json!({ "drain_within": "5m" }), either),
        (
            json!({ "backlog_per_instance": 0 }),
            "policies[0].backlog_per_instance: `0` is not above zero",
        ),
        (
            json!({ "backlog_per_instance": null, "drain_within": "0s", "instance_capacity": 2 }),
            "policies[0].drain_within: nothing is worked off within `0s`",
        ),
        (json!({ "oldest": "0s" }), "policies[0].oldest: every message is older than `0s`"),
    ] {
        let mut policy = json!({ "type": "queue", "id": "jobs", "queue": "jobs.fifo", "backlog_per_instance": 100 });
        merge(&mut policy, change.clone());
        assert_eq!(problems(json!({ "policies": [policy] })), [told], "{change}");
    }
}

/// As any policy that only adds: it binds while it does not know, or a breach goes on, and not while all is well.
#[test]
fn one_that_only_adds_binds_by_the_age_of_the_oldest_message_too() {
    let of = |waiting: f64, ages: &[Option<f64>]| {
        let pool = jobs(json!({ "mode": "out_only", "datapoints": { "out": "2 of 2" } }));
        let mut pool = seen(pool, waiting, 0.0, None);
        let series = several([
            ("waiting", minutes(pool.now, &[Some(waiting); 2])),
            ("in_work", minutes(pool.now, &[Some(0.0); 2])),
            ("oldest", minutes(pool.now, ages)),
        ]);
        pool.series.insert(policy("jobs"), series);
        pool.vote().0
    };
    for waiting in [300.0, 1_000.0] {
        for (situation, ages, vote) in [
            ("young", [Some(5.0), Some(5.0)], None),
            ("nearly too old", [Some(590.0), Some(590.0)], None),
            ("too old, in one of two datapoints", [Some(700.0), Some(590.0)], Some(10)),
            ("too old", [Some(700.0), Some(650.0)], Some(11)),
            ("unknown", [None, None], Some(10)),
        ] {
            assert_eq!(of(waiting, &ages), vote, "{situation}, {waiting} wait");
        }
    }
}

/// The message may be too old already, the next datapoint tells.
#[test]
fn a_reserve_stays_while_too_few_datapoints_say_that_a_message_is_too_old() {
    let policy = json!({ "type": "queue", "id": "jobs", "queue": "jobs", "backlog_per_instance": 100, "oldest": "10m",
        "datapoints": { "out": "2 of 2" } });
    for (oldest, expected) in [(700.0, 12), (590.0, 11)] {
        let pool = Pool::with_reserve(json!([policy]), json!({}), json!({ "threshold": 1 }));
        let mut pool = seen(pool, 900.0, 100.0, Some(oldest));
        (pool.state.desired, pool.state.reserve, pool.counts.in_service) = (12, 2, 12);
        assert_eq!(pool.size().desired, expected, "{oldest}");
    }
}
