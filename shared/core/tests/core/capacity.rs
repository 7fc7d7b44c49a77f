//! The capacity policy: instances counted from the demand.

use ghostnet_core::reason::VoteReason;
use ghostnet_core::sample::Series;

use crate::support::*;

/// Ten a second each, ten in service; the demand is a count per minute.
fn pool(objective: Value) -> Pool {
    let mut policy = json!({ "id": "requests", "type": "capacity", "demand": "alb_request_count", "instance_capacity": 10 });
    merge(&mut policy, objective);
    Pool::with(json!([policy]), json!({}))
}

fn vote(pool: &Pool) -> (Option<u32>, VoteReason) {
    let sizing = pool.size();
    (sizing.votes[0].capacity, sizing.votes[0].reason)
}

#[test]
fn the_smallest_number_that_keeps_the_objective() {
    let shared = json!({ "response_time": { "p99": "500ms", "model": "shared_queue" } });
    let own = json!({ "response_time": { "p99": "1s" } });
    for (situation, objective, rate, wanted) in [
        ("one queue: 12 for a hundred a second", &shared, 100.0, 12),
        ("one queue: 53 for five hundred", &shared, 500.0, 53),
        ("a queue in each: 1 - 4.61/10 of each may be used", &own, 100.0, 19),
        ("plain use", &json!({ "utilisation": "70%" }), 100.0, 15),
        (
            "the network takes its part of the objective",
            &json!({ "response_time": { "p99": "600ms", "network": "100ms", "model": "shared_queue" } }),
            100.0,
            12,
        ),
    ] {
        let pool = pool(objective.clone()).load(rate * 60.0);
        assert_eq!(vote(&pool).0, Some(wanted), "{situation}");
    }
}

#[test]
fn in_only_with_room_to_spare_and_never_on_partial_data() {
    // 70 % of ten each: seven a second
    let at = |rate: f64| pool(json!({ "utilisation": "70%" })).load(rate * 60.0);
    for (situation, rate, wanted) in [
        ("exactly ten", 70.0, 10),
        ("nine would do, but not for a tenth more", 62.0, 10),
        ("nine would do for a tenth more", 57.0, 9),
        ("half", 31.0, 5),
        ("nothing at all", 0.0, 0),
    ] {
        assert_eq!(vote(&at(rate)).0, Some(wanted), "{situation}");
    }
    let mut partial = at(31.0);
    for series in partial.series.values_mut() {
        if let Series::Points { partial, .. } = series {
            *partial = true;
        }
    }
    assert_eq!(vote(&partial).0, Some(10));
}

#[test]
fn a_reason_says_what_the_demand_needs() {
    let pool = pool(json!({ "utilisation": "70%" })).load(6_000.0);
    assert_eq!(vote(&pool).1.to_string(), "100 requests a second need 15");
}

#[test]
fn a_wrong_capacity_policy_is_told_on_its_field() {
    let policy = |change: Value| {
        let mut policy =
            json!({ "id": "p", "type": "capacity", "demand": "alb_request_count", "instance_capacity": 10, "utilisation": "70%" });
        merge(&mut policy, change);
        let raw = raw(json!({ "policies": [policy] }));
        let problems = ghostnet_core::spec::FleetSpec::check(&raw).err().unwrap_or_default();
        problems
            .iter()
            .map(|problem| format!("{}: {}", problem.path, problem.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(policy(json!({})), Vec::<String>::new());
    for (change, told) in [
        (
            json!({ "instance_capacity": 0 }),
            "policies[0].instance_capacity: `0` is not above zero",
        ),
        (
            json!({ "utilisation": "120%" }),
            "policies[0].utilisation: `120%` is not between `1%` and `100%`",
        ),
        (
            json!({ "utilisation": null }),
            "policies[0]: a capacity policy has exactly one of `response_time` and `utilisation`",
        ),
        (
            json!({ "demand": "cpu" }),
            "policies[0].demand: the demand is a count of requests for all instances together",
        ),
        (
            json!({ "utilisation": null, "response_time": { "p99": "400ms" } }),
            "policies[0].response_time: an instance that answers 10 a second is slower than `400ms` even alone, for more than 1% of requests",
        ),
        (
            json!({ "utilisation": null, "response_time": { "p99": "2s", "p50": "1s" } }),
            "policies[0].response_time: an objective has exactly one percentile",
        ),
        (
            json!({ "utilisation": null, "response_time": { "p99": "1s", "network": "1s" } }),
            "policies[0].response_time.network: `1s` leaves nothing of `1s`",
        ),
        (
            json!({ "utilisation": null, "response_time": { "p99": "fast" } }),
            "policies[0].response_time.p99: `fast` is not a response time",
        ),
    ] {
        assert_eq!(policy(change.clone()), [told], "{change}");
    }
}
