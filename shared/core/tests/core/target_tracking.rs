//! The policy `requests`: 100 per instance, ten in service unless a row says otherwise.

use ghostnet_core::decide::{CapacityCount, Served};
use ghostnet_core::reason::{Direction, VoteReason};
use ghostnet_core::sample::{Datapoint, Sample, Series};
use ghostnet_core::spec::Rule;

use ghostnet_core::unit::Seconds;

use crate::support::*;

/// What ten instances are told at these loads per instance, with a tolerance of 10 %.
#[test]
fn the_size_follows_the_load() {
    for (situation, value, vote) in [
        ("at the target", 100.0, 10),
        ("twice the target", 200.0, 20),
        ("a little over, within tolerance", 110.0, 10),
        ("just beyond the tolerance: rounded up", 110.1, 12),
        ("a little under, within tolerance", 90.0, 10),
        ("just beyond the tolerance below: nine would carry 99.98", 89.98, 9),
        ("half the target", 50.0, 5),
        ("rounded up, never down: 4.1 are five", 41.0, 5),
        ("a whole number is not rounded up by a hair", 30.000_000_000_01, 3),
        ("no load", 0.0, 0),
    ] {
        assert_eq!(Pool::tracked(json!({})).load(value).vote().0, Some(vote), "{situation}");
    }
}

#[test]
fn each_direction_has_its_own_tolerance() {
    let guards = json!({ "tolerance": { "out": "50%", "in": "0%" } });
    for (value, vote) in [(150.0, 10), (151.0, 16), (100.0, 10), (99.0, 10), (89.0, 9)] {
        assert_eq!(Pool::tracked(guards.clone()).load(value).vote().0, Some(vote), "{value}");
    }
}

#[test]
fn datapoints_must_agree() {
    let with = |datapoints: Value| {
        let mut policy = tracking();
        policy["datapoints"] = datapoints;
        json!([policy])
    };
    let (high, low, calm) = (Some(200.0), Some(50.0), Some(100.0));
    for (situation, datapoints, series, vote) in [
        ("two of three breach", json!({ "out": "2 of 3" }), vec![high, calm, high], 20),
        ("one of three breaches", json!({ "out": "2 of 3" }), vec![high, calm, calm], 10),
        (
            "the newest decides the size",
            json!({ "out": "2 of 3" }),
            vec![Some(120.0), high, high],
            12,
        ),
        (
            "a newest that is calm holds",
            json!({ "out": "2 of 3" }),
            vec![calm, high, high],
            10,
        ),
        (
            "a gap breaches nothing",
            json!({ "out": "3 of 3" }),
            vec![high, None, high, high],
            10,
        ),
        ("too short a history", json!({ "out": "3 of 3" }), vec![high, high], 10),
        ("in needs all three", json!({ "in": "3 of 3" }), vec![low, low, low], 5),
        ("in with one calm", json!({ "in": "3 of 3" }), vec![low, low, calm], 10),
        ("low then high do not add up", json!({ "in": "2 of 3" }), vec![low, high, high], 10),
    ] {
        let pool = Pool::with(with(datapoints), json!({})).change(|pool| {
            pool.series.insert(policy("requests"), minutes(pool.now, &series));
        });
        assert_eq!(pool.vote().0, Some(vote), "{situation}");
    }
}

/// EC2 Auto Scaling: "warming instances are not part of the metric, but they are capacity".
#[test]
fn warming_instances_are_capacity_but_not_part_of_the_metric() {
    let of = |in_service, warming_serving, warming| CapacityCount {
        in_service,
        warming_serving,
        warming,
        ..CapacityCount::default()
    };
    for (situation, metric, counts, value, vote) in [
        ("what warms up is enough", busy(), of(6, 0, 4), 150.0, 10),
        ("what warms up is not enough", busy(), of(6, 0, 4), 200.0, 12),
        (
            "warming ones that serve share the balancer's requests",
            json!("alb_request_count_per_target"),
            of(6, 4, 0),
            150.0,
            15,
        ),
        ("and are no part of other metrics", busy(), of(6, 4, 0), 150.0, 10),
    ] {
        let policy = json!([{ "type": "target_tracking", "id": "requests", "metric": metric, "target": 100.0 }]);
        let pool = Pool::with(policy, json!({})).load(value).change(|pool| pool.counts = counts);
        assert_eq!(pool.vote().0, Some(vote), "{situation}");
    }
}

#[test]
fn nobody_in_service_says_nothing() {
    let pool = Pool::tracked(json!({})).load(500.0).change(|pool| {
        pool.counts = CapacityCount {
            warming: 10,
            ..CapacityCount::default()
        }
    });
    assert_eq!(pool.vote(), (Some(10), VoteReason::NobodyInService));
}

#[test]
fn missing_is_never_zero() {
    let of = |missing: &str| {
        let mut policy = tracking();
        policy["missing"] = json!(missing);
        Pool::with(json!([policy]), json!({}))
    };
    type Given = fn(&Pool) -> Option<Series>;
    let none: Given = |_| Some(minutes(at(0), &[]));
    let stale: Given = |_| Some(minutes(at(-300), &[Some(1.0)]));
    let failed: Given = |_| Some(Series::Failed { why: "throttled".into() });
    let not_asked: Given = |_| None;
    for (situation, rule, given, vote) in [
        ("no datapoint holds", "hold", none, Some(10)),
        ("an old datapoint holds", "hold", stale, Some(10)),
        ("a failed query holds", "hold", failed, Some(10)),
        ("not asked holds", "hold", not_asked, Some(10)),
        ("ignored: no vote", "ignore", none, None),
        ("ignored when old: no vote", "ignore", stale, None),
        ("not asked is not missing", "ignore", not_asked, Some(10)),
        ("nor is a failed query", "ignore", failed, Some(10)),
        ("breaching: one more", "breaching", none, Some(11)),
        ("breaching when old: one more", "breaching", stale, Some(11)),
        ("a failed query is not missing data", "breaching", failed, Some(10)),
        ("not asked is no breach", "breaching", not_asked, Some(10)),
    ] {
        let pool = of(rule).change(|pool| {
            if let Some(series) = given(pool) {
                pool.series.insert(policy("requests"), series);
            }
        });
        assert_eq!(pool.vote().0, vote, "{situation}");
    }
    let warming = CapacityCount {
        in_service: 9,
        warming: 1,
        ..CapacityCount::default()
    };
    let pool = of("breaching").change(|pool| {
        pool.series.insert(policy("requests"), minutes(pool.now, &[]));
        pool.counts = warming;
    });
    assert_eq!(pool.vote().0, Some(10), "the one that was added for it still warms up");
}

#[test]
fn partial_data_adds_and_never_removes() {
    let of = |value| {
        let pool = Pool::tracked(json!({}));
        let series = partial(pool.now, value);
        pool.change(|pool| drop(pool.series.insert(policy("requests"), series))).vote().0
    };
    assert_eq!(of(200.0), Some(20));
    assert_eq!(of(50.0), Some(10));
}

/// An earlier datapoint that is low for want of data: with it, three would agree.
#[test]
fn an_earlier_gap_agrees_to_more_and_never_to_fewer() {
    let of = |value: f64, datapoints: Value, lacks: bool| {
        let mut policy = tracking();
        policy["datapoints"] = datapoints;
        let pool = Pool::with(json!([policy]), json!({}));
        let mut series = minutes(pool.now, &[Some(value); 3]);
        if let Series::Points { points, incomplete, .. } = &mut series {
            incomplete.extend(lacks.then(|| points[1].at));
        }
        pool.change(|pool| drop(pool.series.insert(super::support::policy("requests"), series)))
            .vote()
            .0
    };
    assert_eq!(of(50.0, json!({ "in": "3 of 3" }), false), Some(5));
    assert_eq!(of(50.0, json!({ "in": "3 of 3" }), true), Some(10));
    assert_eq!(of(50.0, json!({ "in": "2 of 3" }), true), Some(5));
    assert_eq!(of(200.0, json!({ "out": "3 of 3" }), true), Some(20));
}

#[test]
fn scale_in_can_be_disabled() {
    let mut policy = tracking();
    policy["disable_scale_in"] = json!(true);
    let of = |value| Pool::with(json!([policy]), json!({})).load(value).size();
    let low = of(50.0);
    assert_eq!((low.desired, low.votes[0].capacity), (10, None));
    assert_eq!(low.votes[0].told(), "50 per instance, target 100; would be 5, but it only adds");
    assert_eq!(of(200.0).desired, 20);
}

/// As EC2 Auto Scaling has it: fewer needs all policies that may ask for fewer, and no others.
#[test]
fn one_that_only_adds_keeps_nobody_from_asking_for_fewer() {
    let (mut adds, mut tracks) = (tracking(), tracking());
    adds["mode"] = json!("out_only");
    tracks["id"] = json!("other");
    let mut pool = Pool::with(json!([adds, tracks]), json!({})).load(100.0);
    pool.series.insert(policy("other"), fresh(pool.now, 50.0));
    let sizing = pool.size();
    assert_eq!(sizing.desired, 10, "at the target it abstains, but nine would stand where it adds");
    assert_eq!((sizing.votes[0].capacity, guards(&sizing)), (None, vec!["post-removal simulation"]));
    let mut unknown = pool.change(|pool| {
        pool.series.remove(&policy("requests"));
    });
    assert_eq!(unknown.size().votes[0].capacity, Some(10), "what is not known binds");
    unknown.series.insert(policy("requests"), fresh(unknown.now, 100.0));
    let pool = unknown;
    let pool = pool.load(50.0);
    assert_eq!(
        pool.size().desired,
        6,
        "asking for fewer itself, it abstains; five would stand at 100 again"
    );
}

/// One that only adds binds while a breach may come, and not while it has yet to be sure that there are too many.
#[test]
fn one_that_only_adds_binds_with_too_few_datapoints_only_for_more() {
    let datapoints = json!({ "out": "3 of 3", "in": "3 of 3" });
    let of = |mut rule: Value, values: &[f64]| {
        merge(&mut rule, json!({ "id": "requests", "mode": "out_only", "datapoints": datapoints }));
        let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
        let pool = Pool::with(json!([rule]), json!({}));
        let counts = matches!(pool.spec.policies[0].rule, Rule::Formula(_));
        let series = minutes(pool.now, &values);
        let series = if counts { several([("work", series)]) } else { series };
        pool.change(|pool| drop(pool.series.insert(policy("requests"), series))).vote()
    };
    let step = json!({ "type": "step", "metric": busy(), "out": [{ "from": 110, "add": 1 }], "in": [{ "below": 90, "remove": 1 }] });
    let simple = json!({ "type": "simple", "metric": busy(), "out": { "from": 110, "add": 1 }, "in": { "below": 90, "remove": 1 } });
    let demand =
        json!({ "type": "formula", "formula": "work", "metrics": { "work": { "namespace": "App", "name": "Work" } }, "target": 10 });
    for rule in [tracking(), step, simple, demand] {
        for (values, capacity, asks) in [
            ([50.0, 100.0, 100.0], None, Direction::In),
            ([200.0, 100.0, 100.0], Some(10), Direction::Out),
        ] {
            let vote = of(rule.clone(), &values);
            assert_eq!(vote.0, capacity, "{rule}: {vote:?}");
            assert!(
                matches!(vote.1, VoteReason::TooFewDatapoints { asks: way, .. } if way == asks),
                "{rule}: {vote:?}"
            );
        }
    }
}

/// A record from before it was told which way a vote would go.
#[test]
fn an_older_vote_with_too_few_datapoints_binds() {
    let older: VoteReason = serde_json::from_value(json!({ "too_few_datapoints": { "value": 50.0 } })).unwrap();
    let (value, asks) = (finite(50.0), Direction::Out);
    assert_eq!(older, VoteReason::TooFewDatapoints { value, asks });
}

#[test]
fn one_that_only_recommends_counts_for_nothing() {
    let mut recommends = tracking();
    recommends["mode"] = json!("recommend_only");
    let pool = Pool::with(json!([recommends]), json!({})).load(200.0);
    let sizing = pool.size();
    assert_eq!(sizing.desired, 10);
    assert_eq!(
        sizing.votes[0].told(),
        "200 per instance, target 100; would be 20, but it only recommends"
    );
}

/// The datapoint is of noon minus a minute to noon. Four have served for long, and what became of six others:
#[test]
fn a_datapoint_speaks_of_those_who_served_then() {
    let of = |in_service, warming_serving| CapacityCount {
        in_service,
        warming_serving,
        ..CapacityCount::default()
    };
    for (situation, counts, joined, left, value, vote) in [
        (
            "they joined since: 200 was the load of four",
            of(4, 6),
            vec![-10; 6],
            vec![],
            200.0,
            10,
        ),
        (
            "they joined before: 200 is the load of ten",
            of(4, 6),
            vec![-70; 6],
            vec![],
            200.0,
            20,
        ),
        (
            "they joined in its course: out believes the fewer",
            of(4, 6),
            vec![-30; 6],
            vec![],
            200.0,
            10,
        ),
        ("in believes the more", of(10, 0), vec![-30; 6], vec![], 49.0, 5),
        (
            "they left since: 49 was the load of sixteen",
            of(10, 0),
            vec![],
            vec![-30; 6],
            49.0,
            8,
        ),
        ("they left before: 49 is the load of ten", of(10, 0), vec![], vec![-90; 6], 49.0, 5),
        (
            "out believes what was: they served for half of it, and 120 was the load of thirteen",
            of(10, 0),
            vec![],
            vec![-30; 6],
            120.0,
            16,
        ),
        (
            "for all of it: 120 was the load of sixteen",
            of(10, 0),
            vec![],
            vec![0; 6],
            120.0,
            20,
        ),
    ] {
        let pool = Pool::tracked(json!({})).load(value).change(|pool| {
            pool.counts = counts;
            pool.flow.joined = joined.into_iter().map(at).collect();
            let served = |seconds| Served {
                since: at(-3_600),
                until: at(seconds),
            };
            pool.flow.left = left.into_iter().map(served).collect();
        });
        assert_eq!(pool.vote().0, Some(vote), "{situation}");
    }
}

/// Three are asked for and one is in reserve; another one served for 42 seconds of the minute. So what three alone would have is known
/// within bounds, and only the lower one may ask for more: else what has just left is called back.
#[test]
fn who_may_have_served_keeps_others_and_adds_none() {
    for (situation, value, vote) in [
        ("99 for those that served, 105 if all five did", 63.2, 3),
        ("109.7 for those that served", 70.0, 4),
        ("63 for those that served, and 67 if all five did", 40.2, 3),
        ("31 and 33", 20.0, 1),
    ] {
        let guards = json!({ "tolerance": { "out": "0%", "in": "0%" } });
        let pool = Pool::tracked_with(json!({ "threshold": 1 }), guards).load(value).change(|pool| {
            (pool.state.desired, pool.state.reserve) = (4, 1);
            pool.counts.in_service = 4;
            pool.flow.left = vec![Served {
                since: at(-3_600),
                until: at(-18),
            }];
        });
        assert_eq!(pool.vote().0, Some(vote), "{situation}");
    }
}

/// A pool at zero has no share of its own; what strangers in its group carry says that it is needed.
#[test]
fn a_pool_at_zero_begins_when_others_are_overloaded() {
    for (situation, desired, value, vote) in [
        ("others carry too much", 0, 500.0, 1),
        ("others carry little", 0, 50.0, 0),
        ("one is on its way already", 1, 500.0, 1),
    ] {
        let mut pool = Pool::tracked(json!({})).load(value);
        pool.spec.capacity.min = 0;
        pool.counts = CapacityCount::default();
        pool.state.desired = desired;
        assert_eq!(pool.size().votes[0].capacity, Some(vote), "{situation}");
    }
}

/// Without detailed monitoring EC2 measures every five minutes: what eight are said to carry, six had carried.
#[test]
fn a_datapoint_of_five_minutes_adds_once_and_speaks_of_those_who_were_past_their_warm_up() {
    let busy = json!({ "id": "busy", "type": "target_tracking", "metric": "cpu", "source": "insights", "target": 60 });
    let pool = |in_service: u32, warming_serving: u32, joined: &[i64]| {
        let mut pool = Pool::with(json!([busy]), json!({}));
        let point = Datapoint {
            at: at(-400),
            value: finite(75.0),
        };
        let series = Series::Points {
            points: vec![point],
            period: Seconds::minutes(5),
            partial: false,
            incomplete: Vec::new(),
        };
        pool.series.insert(policy("busy"), series);
        pool.counts = CapacityCount {
            in_service,
            warming_serving,
            ..CapacityCount::default()
        };
        pool.state.desired = in_service + warming_serving;
        pool.flow.joined = joined.iter().map(|since| at(*since)).collect();
        pool
    };
    for (situation, pool, expected) in [
        ("six had it all the time", pool(6, 0, &[]), 8),
        ("two came since", pool(8, 0, &[-90, -90]), 8),
        ("and two before", pool(8, 0, &[-1_200, -1_200]), 10),
        ("two that came since still warm up", pool(6, 2, &[-90, -90]), 8),
        ("one of them does", pool(7, 1, &[-90, -150]), 8),
        ("all came since", pool(3, 0, &[-90, -90, -90]), 3),
    ] {
        assert_eq!(pool.size().desired, expected, "{situation}");
    }
}

/// EC2 averages over all that run: what boots to be kept warm is idle, and halves what the others show.
#[test]
fn one_that_boots_for_the_stock_makes_nobody_who_serves_too_many() {
    let busy = json!({ "id": "busy", "type": "target_tracking", "metric": "cpu", "source": "insights", "target": 60 });
    for (situation, preparing, rested, value, expected) in [
        ("two at 32 need two", 0, None, 32.2, 2),
        ("a third that does nothing makes it 22", 1, None, 22.0, 2),
        ("and so while the datapoint reaches back to it", 0, Some(-30), 22.0, 2),
        ("not beyond", 0, Some(-600), 22.0, 1),
        ("two at 22 need one", 0, None, 22.0, 1),
    ] {
        let mut pool = Pool::with(json!([busy]), json!({ "stabilisation": { "in": "0s" } }));
        pool.series.insert(policy("busy"), fresh(pool.now, value));
        (pool.state.desired, pool.counts.in_service, pool.counts.preparing) = (2, 2, preparing);
        pool.flow.rested = rested.map(at).into_iter().collect();
        assert_eq!(pool.vote().0, Some(expected), "{situation}");
    }
}

/// Nobody of the pool is there yet: one datapoint of the others is no more a reason to begin than it is one to grow.
#[test]
fn the_first_instance_beside_others_waits_for_as_many_datapoints_as_any_other() {
    for (situation, values, vote) in [
        ("all three", [Some(300.0), Some(300.0), Some(300.0)], 1),
        ("one of three", [Some(300.0), Some(100.0), Some(100.0)], 0),
        ("a gap agrees to nothing", [Some(300.0), None, Some(300.0)], 0),
    ] {
        let mut rule = tracking();
        merge(&mut rule, json!({ "datapoints": { "out": "3 of 3" } }));
        let pool = Pool::with(json!([rule]), json!({})).change(|pool| {
            (pool.state.desired, pool.counts.in_service, pool.spec.capacity.min) = (0, 0, 0);
            pool.series.insert(policy("requests"), minutes(pool.now, &values));
        });
        assert_eq!(pool.vote().0, Some(vote), "{situation}");
    }
}

/// Where some instances said nothing the value may be higher than it looks: what only adds does not know that all is well.
#[test]
fn one_that_only_adds_binds_while_its_metric_is_known_in_part() {
    let step = json!({ "type": "step", "metric": busy(), "out": [{ "from": 110, "add": 1 }] });
    let simple = json!({ "type": "simple", "metric": busy(), "out": { "from": 110, "add": 1 } });
    let threshold = json!({ "type": "threshold", "metric": busy(), "within": { "from": 110 }, "add": 1 });
    for mut rule in [tracking(), step, simple, threshold] {
        merge(&mut rule, json!({ "id": "requests", "mode": "out_only" }));
        for value in [50.0, 100.0] {
            let pool = Pool::with(json!([rule]), json!({}));
            let in_part = partial(pool.now, value);
            let pool = pool.change(|pool| drop(pool.series.insert(policy("requests"), in_part)));
            assert_eq!(pool.vote().0, Some(10), "{rule} {value}");
            assert_eq!(pool.load(value).vote().0, None, "{rule} {value}: known whole");
        }
    }
}

/// `missing: breaching` adds as if the bound were passed, and there is no bound at which one that only removes would add.
#[test]
fn missing_data_adds_nothing_for_one_that_never_adds() {
    let step = json!({ "type": "step", "metric": busy(), "in": [{ "below": 30, "remove": 1 }] });
    let simple = json!({ "type": "simple", "metric": busy(), "in": { "below": 30, "remove": 1 } });
    let threshold = json!({ "type": "threshold", "metric": busy(), "within": { "below": 30 }, "remove": 1 });
    for mut rule in [step, simple, threshold] {
        merge(&mut rule, json!({ "id": "requests", "missing": "breaching" }));
        let pool = Pool::with(json!([rule]), json!({})).change(|pool| {
            pool.series.insert(policy("requests"), minutes(pool.now, &[None]));
        });
        let none = VoteReason::NoValue { sample: Sample::Missing };
        assert_eq!(pool.vote(), (Some(10), none), "{rule}");
    }
}
