//! What is wrong with a spec: every problem at once, each where it stands, each with a remedy.

use ghostnet_core::spec::RawFleetSpec;

use crate::support::*;

#[test]
fn the_small_spec_is_good() {
    assert_eq!(faults(json!({})), []);
}

/// One mistake each: where it is told, and the words that tell it.
#[test]
fn one_mistake_one_problem() {
    let defaults = |part: Value| json!({ "defaults": part });
    let policies = |policy: Value| json!({ "policies": [policy] });
    let tracked = |change: Value| {
        let mut policy = tracking();
        policy.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        policies(policy)
    };
    let stepped = |out: Value, in_: Value| policies(json!({ "type": "step", "id": "s", "metric": busy(), "out": out, "in": in_ }));
    let metric = |metric: Value| policies(json!({ "type": "step", "id": "s", "metric": metric, "out": [{ "from": 1.0, "add": 1 }] }));
    let window = |when: Value, capacity: Value| policies(json!({ "type": "scheduled", "id": "w", "when": when, "capacity": capacity }));
    let spend = |spend: Value| json!({ "guards": { "budgets": { "spend": spend } } });
    let noon = || json!({ "cron": "0 12 * * *", "for": "1h" });
    let pool = |change: Value| {
        let mut pool = json!({ "id": "blue", "target_groups": [group("blue")] });
        pool.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({ "pools": [pool] })
    };
    let two = |other: Value| json!({ "pools": [{ "id": "blue", "target_groups": [group("blue")] }, other] });
    for (change, path, message) in [
        (json!({ "fleet": "Web" }), "fleet", "`Web` is not a valid id"),
        (json!({ "pools": [] }), "pools", "a fleet needs at least one pool"),
        (pool(json!({ "id": "2" })), "pools[0].id", "`2` is not a valid id"),
        (
            two(json!({ "id": "blue", "target_groups": [group("green")] })),
            "pools[1].id",
            "`blue` is used twice",
        ),
        (pool(json!({ "role": "standby" })), "pools", "no pool is active"),
        (
            two(json!({ "id": "green", "target_groups": [group("blue")] })),
            "pools[1].target_groups[0]",
            "listed twice",
        ),
        (
            pool(json!({ "target_groups": ["web"] })),
            "pools[0].target_groups[0]",
            "`web` is not the ARN of a target group",
        ),
        (
            pool(json!({ "target_groups": (0..6).map(|n| group(&format!("g{n}"))).collect::<Vec<_>>() })),
            "pools[0].target_groups",
            "more than `5`",
        ),
        (
            defaults(json!({ "capacity": { "max": null } })),
            "pools[0].capacity.max",
            "a pool needs a maximum",
        ),
        (
            defaults(json!({ "capacity": { "min": 11 } })),
            "pools[0].capacity.min",
            "`11` is above `max`, `10`",
        ),
        (
            defaults(json!({ "capacity": { "initial": 0 } })),
            "pools[0].capacity.initial",
            "`0` is not between",
        ),
        (json!({ "maximum": 9 }), "pools[0].capacity.max", "above the fleet's maximum `9`"),
        (
            defaults(json!({ "capacity": { "max": 1001 } })),
            "maximum",
            "more than the `1000` instances",
        ),
        (
            defaults(json!({ "launch": { "template": null } })),
            "pools[0].launch.template",
            "needs a launch template",
        ),
        (
            defaults(json!({ "launch": { "template": { "id": "lt-1" } } })),
            "pools[0].launch.template",
            "exactly one of `name` and `id`",
        ),
        (
            defaults(json!({ "launch": { "template": { "version": "latest" } } })),
            "pools[0].launch.template.version",
            "`latest` is no template version",
        ),
        (
            defaults(json!({ "launch": { "subnets": [] } })),
            "pools[0].launch.subnets",
            "at least one subnet",
        ),
        (
            defaults(json!({ "launch": { "subnets": ["a"] } })),
            "pools[0].launch.subnets[0]",
            "`a` is not a subnet id",
        ),
        (
            defaults(json!({ "launch": { "subnets": ["subnet-a", "subnet-a"] } })),
            "pools[0].launch.subnets[1]",
            "listed twice",
        ),
        (
            defaults(json!({ "launch": { "instance_types": ["large"] } })),
            "pools[0].launch.instance_types[0]",
            "`large` is no instance type",
        ),
        (defaults(json!({ "warmup": "3" })), "defaults.warmup", "`3` is not a duration"),
        (pool(json!({ "warmup": "1.5h" })), "pools[0].warmup", "`1.5h` is not a duration"),
        (
            defaults(json!({ "health": { "grace": "soon" } })),
            "defaults.health.grace",
            "`soon` is not a duration",
        ),
        (
            defaults(json!({ "drain": { "timeout": "-1m" } })),
            "defaults.drain.timeout",
            "`-1m` is not a duration",
        ),
        (
            defaults(json!({ "scale_in": { "protect_tag": "aws:x" } })),
            "defaults.scale_in.protect_tag",
            "`aws:x` is no tag key",
        ),
        (
            json!({ "guards": { "budgets": { "removal": { "windows": [{ "cron": "0 9 * *", "for": "1h", "max": 0 }] } } } }),
            "guards.budgets.removal.windows[0].cron",
            "five fields",
        ),
        (
            json!({ "guards": { "budgets": { "removal": { "windows": [{ "cron": "0 9 * * *", "zone": "Mars", "for": "1h", "max": 0 }] } } } }),
            "guards.budgets.removal.windows[0].zone",
            "`Mars` is no time zone",
        ),
        (
            json!({ "guards": { "budgets": { "removal": { "windows": [{ "cron": "0 9 * * *", "for": "1s", "max": 0 }] } } } }),
            "guards.budgets.removal.windows[0].for",
            "`1s` is not between",
        ),
        (
            json!({ "guards": { "budgets": { "removal": { "windows": vec![json!({ "cron": "0 9 * * *", "for": "1h", "max": 0 }); 11] } } } }),
            "guards.budgets.removal.windows",
            "more than `10`",
        ),
        (spend(json!({})), "guards.budgets.spend", "exactly one of"),
        (
            spend(json!({ "instance_hours_per_day": 9, "currency": "USD" })),
            "guards.budgets.spend.currency",
            "belongs to `per_day`",
        ),
        (
            spend(json!({ "per_day": -1.0, "currency": "USD", "prices": { "c7a.large": 0.1 } })),
            "guards.budgets.spend.per_day",
            "`-1` is not above zero",
        ),
        (
            spend(json!({ "per_day": 9.0, "currency": "dollars", "prices": { "c7a.large": 0.1 } })),
            "guards.budgets.spend.currency",
            "`dollars` is no currency",
        ),
        (
            spend(json!({ "per_day": 9.0, "currency": "USD", "prices": { "c7a.large": 0.1, "m7a.large": 0.0000001 } })),
            "guards.budgets.spend.prices.m7a.large",
            "is not above zero, with at most six decimals",
        ),
        (
            spend(json!({ "per_day": 9.0, "currency": "USD", "prices": { "m7a.large": 0.1 } })),
            "guards.budgets.spend.prices",
            "no price for `c7a.large`",
        ),
        (json!({ "reserve": { "ratio": "15" } }), "reserve.ratio", "`15` is not a percentage"),
        (
            json!({ "reserve": { "policy": { "quantile": 95 } } }),
            "reserve.policy.quantile",
            "`95` is not above 0 and at most 1",
        ),
        (
            json!({ "reserve": { "policy": { "quantile": 0.9999 } } }),
            "reserve.policy.quantile",
            "at most three decimals",
        ),
        (
            json!({ "reserve": { "policy": { "over": "90m" } } }),
            "reserve.policy.over",
            "`90m` is not a whole number of hours up to `2d`",
        ),
        (
            pool(json!({ "reserve": { "policy": { "over": "3d" } } })),
            "pools[0].reserve.policy.over",
            "`3d` is not a whole number of hours",
        ),
        (
            json!({ "guards": { "tolerance": { "out": "10" } } }),
            "guards.tolerance.out",
            "`10` is not a percentage",
        ),
        (
            json!({ "guards": { "budgets": { "removal": { "per_tick": "2000%" } } } }),
            "guards.budgets.removal.per_tick",
            "`2000%` is not a percentage",
        ),
        (
            json!({ "guards": { "cooldown": { "in": "5" } } }),
            "guards.cooldown.in",
            "`5` is not a duration",
        ),
        (
            json!({ "metrics": { "quiet_poll": "90s" } }),
            "metrics.quiet_poll",
            "`90s` is not a whole number of minutes",
        ),
        (
            tracked(json!({ "id": "Requests" })),
            "policies[0].id",
            "`Requests` is not a valid id",
        ),
        (
            tracked(json!({ "id": "health" })),
            "policies[0].id",
            "`health` is not free: alarms `ghostnet/<fleet>/<pool>/health/...` tell failover of a side's health",
        ),
        (
            json!({ "policies": [tracking(), tracking()] }),
            "policies[1].id",
            "`requests` is used twice",
        ),
        (tracked(json!({ "target": 0.0 })), "policies[0].target", "`0` is not above zero"),
        (
            tracked(json!({ "metric": "cpu", "target": 500.0 })),
            "policies[0].target",
            "`500` is never reached: `cpu` is at most 100",
        ),
        (
            tracked(json!({ "metric": "response_time" })),
            "policies[0].metric",
            "`response_time` cannot be tracked",
        ),
        (
            tracked(json!({ "metric": "error_rate" })),
            "policies[0].metric",
            "`error_rate` cannot be tracked",
        ),
        (
            tracked(json!({ "metric": { "namespace": "AWS/SQS", "name": "ApproximateNumberOfMessagesVisible", "statistic": "Average" } })),
            "policies[0].metric",
            "`ApproximateNumberOfMessagesVisible` cannot be tracked",
        ),
        (
            tracked(json!({ "metric": { "namespace": "AWS/ApplicationELB", "name": "TargetResponseTime", "statistic": "p90" } })),
            "policies[0].metric",
            "`TargetResponseTime` cannot be tracked",
        ),
        (
            tracked(json!({ "metric": "disk" })),
            "policies[0].metric",
            "`disk` cannot be tracked",
        ),
        (
            tracked(json!({ "datapoints": { "out": "3 of 2" } })),
            "policies[0].datapoints.out",
            "`3 of 2` is not so many of so many",
        ),
        (
            tracked(json!({ "datapoints": { "in": "0 of 2" } })),
            "policies[0].datapoints.in",
            "`0 of 2` is not",
        ),
        (
            tracked(json!({ "datapoints": { "in": "1 of 61" } })),
            "policies[0].datapoints.in",
            "`1 of 61` is not",
        ),
        (tracked(json!({ "source": "agent" })), "policies[0].source", "agent"),
        (
            tracked(json!({ "metric": busy(), "source": "agent" })),
            "policies[0].source",
            "belongs to a named metric",
        ),
        (stepped(json!([]), json!([])), "policies[0]", "needs steps"),
        (
            stepped(json!([{ "from": 9.0, "below": 9.0, "add": 1 }]), json!([])),
            "policies[0].out[0]",
            "the step is empty",
        ),
        (
            stepped(json!([{ "from": 9.0, "add": 1 }, { "from": 8.0, "add": 2 }]), json!([])),
            "policies[0].out[1]",
            "out of order",
        ),
        (
            stepped(
                json!([{ "from": 7.0, "below": 8.0, "add": 1 }, { "from": 9.0, "add": 2 }]),
                json!([]),
            ),
            "policies[0].out[1]",
            "leave a gap",
        ),
        (
            stepped(
                json!([{ "from": 7.0, "below": 9.5, "add": 1 }, { "from": 9.0, "add": 2 }]),
                json!([]),
            ),
            "policies[0].out[1]",
            "overlap",
        ),
        (
            stepped(json!([]), json!([{ "below": 2.0, "remove": 1 }, { "below": 3.0, "remove": 2 }])),
            "policies[0].in[1]",
            "out of order",
        ),
        (
            stepped(json!([{ "from": 5.0, "add": 1 }]), json!([{ "below": 6.0, "remove": 1 }])),
            "policies[0].in",
            "into the steps out",
        ),
        (
            metric(json!({ "namespace": "App" })),
            "policies[0].metric",
            "either `namespace` and `name`, or `expression`",
        ),
        (
            metric(json!({ "namespace": "App", "name": "Busy", "statistic": "Mean" })),
            "policies[0].metric.statistic",
            "`Mean` is no statistic",
        ),
        (
            metric(json!({ "namespace": "App", "name": "Busy", "period": "90s" })),
            "policies[0].metric.period",
            "`90s` is no period",
        ),
        (
            metric(json!({ "expression": "A", "metrics": { "A": busy() } })),
            "policies[0].metric.metrics.A",
            "`A` is no id of a metric",
        ),
        (
            window(json!({ "for": "1h" }), json!({ "min": 2 })),
            "policies[0].when",
            "exactly one of `cron` and `at`",
        ),
        (
            window(json!({ "cron": "0 12 * *", "for": "1h" }), json!({ "min": 2 })),
            "policies[0].when.cron",
            "five fields",
        ),
        (
            window(json!({ "cron": "0 25 * * *", "for": "1h" }), json!({ "min": 2 })),
            "policies[0].when.cron",
            "is not understood",
        ),
        (
            window(
                json!({ "cron": "0 12 * * *", "zone": "Mars/Olympus", "for": "1h" }),
                json!({ "min": 2 }),
            ),
            "policies[0].when.zone",
            "no time zone",
        ),
        (
            window(json!({ "cron": "0 12 * * *", "for": "32d" }), json!({ "min": 2 })),
            "policies[0].when.for",
            "`32d` is not between",
        ),
        (
            window(json!({ "at": "tomorrow", "for": "1h" }), json!({ "min": 2 })),
            "policies[0].when.at",
            "`tomorrow` is not a moment",
        ),
        (
            window(
                json!({ "at": "2026-11-27T18:00:00+01:00", "zone": "UTC", "for": "1h" }),
                json!({ "min": 2 }),
            ),
            "policies[0].when.zone",
            "belongs to `cron`",
        ),
        (window(noon(), json!({})), "policies[0].capacity", "the window sets nothing"),
        (
            window(noon(), json!({ "min": 5, "max": 4 })),
            "policies[0].capacity.min",
            "the minimum is `5` and the maximum `4`",
        ),
        (
            window(noon(), json!({ "min": 11 })),
            "policies[0].capacity.min",
            "the minimum is `11` and the maximum `10`",
        ),
        (
            window(noon(), json!({ "desired": 11 })),
            "policies[0].capacity.desired",
            "`11` is not between `1` and `10`",
        ),
    ] {
        let found = faults(change);
        assert_eq!(found.len(), 1, "{path}: {found:#?}");
        assert_eq!(found[0].path, path, "{found:?}");
        assert!(found[0].message.contains(message), "{found:?}");
        assert!(found[0].hint.as_ref().is_some_and(|hint| !hint.is_empty()), "{path} has a hint");
    }
}

#[test]
fn all_problems_at_once_and_each_once() {
    let green = json!({ "id": "green", "target_groups": [group("green")] });
    let found = faults(json!({
        "fleet": "Web",
        "defaults": { "warmup": "x", "capacity": { "min": 11 } },
        "pools": [{ "id": "blue", "target_groups": [group("blue")] }, green],
        "policies": [{ "type": "target_tracking", "id": "requests", "metric": "cpu", "target": -1.0 }],
        "guards": { "cooldown": { "in": "x" } },
    }));
    let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
    let expected = [
        "fleet",
        "pools[0].capacity.min",
        "policies[0].target",
        "defaults.warmup",
        "guards.cooldown.in",
        "pools[1].capacity.min",
    ];
    assert_eq!(paths, expected, "what both pools share is told once");
}

#[test]
fn a_policy_of_the_fleet_must_suit_every_pool() {
    let found = faults(json!({ "pools": [{ "id": "blue", "target_groups": [group("blue")] }, { "id": "green" }] }));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].path.starts_with("policies[0]"), "{found:?}");
}

#[test]
fn a_pool_overrides_one_field_and_keeps_the_others() {
    let spec = spec(json!({
        "defaults": { "health": { "grace": "7m", "registration_deadline": "20m" }, "scale_in": { "order": ["newest"], "protect_tag": "busy" } },
        "pools": [{ "id": "blue", "target_groups": [group("blue")], "health": { "grace": "1m" }, "scale_in": { "order": [] }, "capacity": { "max": 20 } }],
    }));
    let pool = &spec.pools[0];
    let seconds = |seconds| ghostnet_core::unit::Seconds(seconds);
    assert_eq!((pool.health_grace, pool.registration_deadline), (seconds(60), seconds(1_200)));
    assert_eq!((pool.scale_in_order.as_slice(), pool.protect_tag.as_str()), ([].as_slice(), "busy"));
    assert_eq!((pool.capacity.min, pool.capacity.max), (1, 20));
}

#[test]
fn bands_end_where_the_next_begins() {
    let spec = spec(json!({ "policies": [{ "type": "step", "id": "s", "metric": busy(),
        "out": [{ "from": 70.0, "add": 1 }, { "from": 85.0, "add": 2 }], "in": [{ "below": 30.0, "remove": 1 }, { "below": 10.0, "remove": 2 }] }] }));
    let ghostnet_core::spec::Rule::Step(rule) = &spec.pools[0].policies[0].rule else {
        panic!()
    };
    let ends = |bands: &[ghostnet_core::spec::StepBand]| -> Vec<_> {
        bands
            .iter()
            .map(|band| (band.from.map(f64::from), band.below.map(f64::from)))
            .collect()
    };
    assert_eq!(ends(&rule.out), [(Some(70.0), Some(85.0)), (Some(85.0), None)]);
    assert_eq!(ends(&rule.in_), [(None, Some(10.0)), (Some(10.0), Some(30.0))]);
}

#[test]
fn unknown_fields_and_wrong_kinds_are_refused() {
    for (text, told) in [
        (r#"{ "fleet": "web", "pools": [], "colour": "red" }"#, "unknown field `colour`"),
        (r#"{ "fleet": 5, "pools": [] }"#, "expected a string"),
        (
            r#"{ "fleet": "web", "pools": [{ "id": "a", "capacity": { "max": -1 } }] }"#,
            "invalid value",
        ),
        (
            r#"{ "fleet": "web", "pools": [], "policies": [{ "type": "magic", "id": "a" }] }"#,
            "unknown variant `magic`",
        ),
        (
            r#"{ "fleet": "web", "pools": [], "policies": [{ "type": "target_tracking", "id": "a", "metric": "load", "target": 1 }] }"#,
            "unknown variant `load`",
        ),
        (
            r#"{ "fleet": "web", "pools": [], "policies": [{ "type": "target_tracking", "id": "a", "metric": "cpu", "target": 1, "cooldown": "5m" }] }"#,
            "unknown field `cooldown`",
        ),
        (
            r#"{ "fleet": "web", "pools": [], "guards": { "budgets": { "launch": { "per_tick": -3 } } } }"#,
            "not negative",
        ),
        (
            r#"{ "fleet": "web", "pools": [], "guards": { "budgets": { "launch": { "per_tick": true } } } }"#,
            "a number of instances, or a share",
        ),
    ] {
        let error = serde_json::from_str::<RawFleetSpec>(text).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}
