//! What is wrong with what a spec says of failover.

use super::*;

/// One mistake each: where it is told, the words that tell it, and what to do about it.
const NETWORK: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/net/web/50dc6c495c0c9188/f2f7dc8efc522ab2";

#[test]
fn one_mistake_one_problem() {
    let none = || json!({});
    let detect = |part: Value| json!({ "detect": part });
    let lever = |rules: Value| json!({ "lever": { "listener_rules": rules } });
    let sides = |blue: Value, green: Value| {
        let mut pools = [
            json!({ "id": "blue", "target_groups": [group("blue")] }),
            json!({ "id": "green", "role": "standby", "target_groups": [group("green")] }),
        ];
        merge(&mut pools[0], blue);
        merge(&mut pools[1], green);
        json!({ "pools": pools })
    };
    let without_metrics = |mut change: Value| {
        change["policies"] = json!([]);
        change
    };
    let many: Vec<String> = (0..11).map(|n| format!("{RULE}{n}")).collect();
    for (failover, change, path, message, hint) in [
        (
            none(),
            without_metrics(sides(none(), json!({ "target_groups": [] }))),
            "pools[1].target_groups",
            "a side of a failover needs a target group",
            "between target groups",
        ),
        (
            none(),
            sides(none(), json!({ "capacity": { "min": 0 } })),
            "pools[1].capacity.min",
            "a hot standby runs, so its `min` is not `0`",
            "`mode: cold_standby`",
        ),
        (
            none(),
            sides(none(), json!({ "capacity": { "max": 4 } })),
            "pools[1].capacity.max",
            "`4` is less than the `5` that the gate asks for while `blue` has `10`",
            "lower `failover.gate.healthy`, `50%`",
        ),
        (
            json!({ "gate": { "healthy": "half" } }),
            none(),
            "failover.gate.healthy",
            "`half` is not a percentage",
            "a whole number and the sign",
        ),
        (
            json!({ "gate": { "healthy": "0%" } }),
            none(),
            "failover.gate.healthy",
            "`0%` is not between `1%` and `100%`",
            "half as many healthy instances",
        ),
        (
            json!({ "gate": { "healthy": "101%" } }),
            none(),
            "failover.gate.healthy",
            "`101%` is not between `1%` and `100%`",
            "half as many healthy instances",
        ),
        (
            json!({ "dwell": "soon" }),
            none(),
            "failover.dwell",
            "`soon` is not a duration",
            "a whole number and a unit",
        ),
        (
            json!({ "dwell": "299s" }),
            none(),
            "failover.dwell",
            "`299s` is shorter than `5m`",
            "15 minutes are usual",
        ),
        (
            detect(json!({ "unhealthy": "0%" })),
            none(),
            "failover.detect.unhealthy",
            "`0%` is not between `1%` and `100%`",
            "half of them must fail",
        ),
        (
            detect(json!({ "alarms": ["ghostnet/web/blue/health/latency"] })),
            none(),
            "failover.detect.alarms[0]",
            "`ghostnet/web/blue/health/latency` is not the last part of an alarm's name",
            "write `latency`",
        ),
        (
            detect(json!({ "alarms": ["latency", "latency"] })),
            none(),
            "failover.detect.alarms[1]",
            "it is listed twice",
            "one line is enough",
        ),
        (
            detect(json!({ "alarms": ["latency"], "probes": ["latency"] })),
            none(),
            "failover.detect.probes[0]",
            "`latency` is one of `detect.alarms` too",
            "would agree with itself",
        ),
        (
            detect(json!({ "probes": ["a", "b", "c", "d", "e", "f"] })),
            none(),
            "failover.detect.probes",
            "`6` alarms of each side are more than `5`",
            "one composite alarm",
        ),
        (
            detect(json!({ "error_rate": "0%" })),
            none(),
            "failover.detect.error_rate",
            "`0%` is not between `1%` and `99%`",
            "write `5%`",
        ),
        (
            detect(json!({ "error_rate": "100%" })),
            none(),
            "failover.detect.error_rate",
            "`100%` is not between `1%` and `99%`",
            "write `5%`",
        ),
        (
            detect(json!({ "error_rate": "5" })),
            none(),
            "failover.detect.error_rate",
            "`5` is not a percentage",
            "a whole number and the sign",
        ),
        (
            detect(json!({ "response_time": "fast" })),
            none(),
            "failover.detect.response_time",
            "`fast` is not a response time",
            "`300ms`",
        ),
        (
            detect(json!({ "response_time": "0ms" })),
            none(),
            "failover.detect.response_time",
            "no answer takes no time",
            "write the average",
        ),
        (
            detect(json!({ "datapoints": "1 of 3" })),
            none(),
            "failover.detect.datapoints",
            "`1 of 3` is not so many of so many",
            "one look may err",
        ),
        (
            detect(json!({ "datapoints": "4 of 3" })),
            none(),
            "failover.detect.datapoints",
            "`4 of 3` is not so many of so many",
            "write `3 of 3`",
        ),
        (
            detect(json!({ "datapoints": "3 of 11" })),
            none(),
            "failover.detect.datapoints",
            "`3 of 11` is not so many of so many",
            "of at most `10`",
        ),
        (
            lever(json!([])),
            none(),
            "failover.lever.listener_rules",
            "`0` listeners and rules are not between `1` and `10`",
            "a call of its own",
        ),
        (
            lever(json!(many)),
            none(),
            "failover.lever.listener_rules",
            "`11` listeners and rules are not between `1` and `10`",
            "a call of its own",
        ),
        (
            lever(json!([RULE, LISTENER, RULE])),
            none(),
            "failover.lever.listener_rules[2]",
            "it is listed twice",
            "one line is enough",
        ),
        (
            lever(json!([LISTENER, group("blue")])),
            none(),
            "failover.lever.listener_rules[1]",
            "is not the ARN of a listener or a rule",
            "it looks like `arn:aws:",
        ),
        (
            lever(json!(["listener/app/web/1/2"])),
            none(),
            "failover.lever.listener_rules[0]",
            "`listener/app/web/1/2` is not the ARN of a listener or a rule",
            "it looks like `arn:aws:",
        ),
        (
            json!({ "mode": "active_active" }),
            none(),
            "pools[1].role",
            "a pool stands by, and with `mode: active_active` every side takes its share",
            "leave `role` out",
        ),
        (
            json!({ "mode": "active_active" }),
            json!({ "pools": [{ "id": "blue", "target_groups": [group("blue")] }] }),
            "failover.mode",
            "one side has nobody to share with",
            "add a second pool",
        ),
        (
            json!({ "mode": "active_active" }),
            sides(none(), json!({ "role": "active", "capacity": { "min": 0 } })),
            "pools[1].capacity.min",
            "a side that takes a share runs, so its `min` is not `0`",
            "at least one instance",
        ),
        (
            json!({ "mode": "cold_standby", "standby_size": "50%" }),
            none(),
            "failover.standby_size",
            "only a hot standby keeps a size",
            "`mode: hot_standby`",
        ),
        (
            json!({ "mode": "active_active", "drill": {} }),
            sides(none(), json!({ "role": "active" })),
            "failover.drill",
            "only a standby is drilled",
            "leave it out",
        ),
        (
            json!({
                "lever": { "listener_rules": [NETWORK] },
                "degraded": { "fixed_response": { "status": 503 }, "checked_by": RULE },
            }),
            none(),
            "failover.degraded.fixed_response",
            "a network load balancer answers nothing by itself",
            "`forward`",
        ),
        (
            json!({
                "lever": { "listener_rules": [RULE] },
                "degraded": { "forward": group("sorry"), "shed_rules": [NETWORK] },
            }),
            none(),
            "failover.degraded.shed_rules[0]",
            "a network load balancer answers nothing by itself",
            "leave it out",
        ),
        (
            json!({ "drill": { "lasts": "1m" } }),
            none(),
            "failover.drill.lasts",
            "`1m` is not between `5m` and `4h`",
            "`15m`",
        ),
        (
            json!({ "drill": { "lasts": "1h", "cron": "0 10 * * 2", "for": "30m" } }),
            none(),
            "failover.drill.for",
            "`30m` is shorter than a drill, which lasts `1h`",
            "before the window closes",
        ),
        (
            json!({ "drill": { "lasts": "1h", "cron": "0 10 * * 2", "for": "1h" } }),
            none(),
            "failover.drill.for",
            "`1h` leaves no time to begin a drill that lasts `1h`",
            "at least five minutes",
        ),
        (
            json!({ "drill": { "cron": "10", "for": "2h" } }),
            none(),
            "failover.drill.cron",
            "`10` is not understood",
            "Friday",
        ),
        (
            json!({ "drill": { "cron": "0 4 * * 2" } }),
            none(),
            "failover.drill",
            "a window has a beginning and a length",
            "`for: 1h`",
        ),
        (
            json!({ "drill": { "block_alarms": ["a", "a"] } }),
            none(),
            "failover.drill.block_alarms[1]",
            "it is listed twice",
            "one line",
        ),
        (
            json!({ "drill": { "end_alarms": [" "] } }),
            none(),
            "failover.drill.end_alarms[0]",
            "is not the name of an alarm",
            "`web-errors`",
        ),
        (
            json!({ "drill": { "end_alarms": ["arn:aws:cloudwatch:eu-west-1:1:alarm:a"] } }),
            none(),
            "failover.drill.end_alarms[0]",
            "is an ARN",
            "`web-errors`",
        ),
        (
            json!({ "drill": { "end_alarms": ["a", "b", "c", "d", "e", "f"] } }),
            none(),
            "failover.drill.end_alarms",
            "`6` alarms are more than `5`",
            "composite",
        ),
        (
            json!({ "failback_after": 5 }),
            none(),
            "failover.failback_after",
            "traffic does not come back by itself here",
            "add `failback: auto`",
        ),
        (
            json!({ "failback": "manual", "failback_after": 5 }),
            none(),
            "failover.failback_after",
            "traffic does not come back by itself here",
            "add `failback: auto`",
        ),
        (
            json!({ "failback": "auto", "failback_after": 1 }),
            none(),
            "failover.failback_after",
            "`1` is not between `2` and `100`",
            "10 are usual",
        ),
        (
            json!({ "failback": "auto", "failback_after": 101 }),
            none(),
            "failover.failback_after",
            "`101` is not between `2` and `100`",
            "10 are usual",
        ),
        (
            json!({ "fencing": {}, "mode": "active_active" }),
            sides(none(), json!({ "role": null })),
            "failover.fencing",
            "every side serves at once",
            "`mode: hot_standby` or `cold_standby`",
        ),
        (
            json!({ "fencing": {}, "mode": "degraded", "degraded": { "forward": group("sorry") } }),
            json!({ "pools": [{ "id": "blue", "target_groups": [group("blue")] }] }),
            "failover.fencing",
            "one side alone has none to keep out",
            "`role: standby`",
        ),
        (
            json!({ "fencing": {}, "lever": { "listener_rules": null, "target_swap": true } }),
            sides(none(), json!({ "target_groups": [group("blue")] })),
            "failover.fencing",
            "`target_swap` has the new side enter before the old one leaves",
            "a standby at weight 0 is checked",
        ),
        (
            json!({ "fencing": { "timeout": "59s" } }),
            none(),
            "failover.fencing.timeout",
            "`59s` is not between `1m` and `2h`",
            "`10m`",
        ),
        (
            json!({ "fencing": {} }),
            sides(none(), json!({ "cloud_map": { "service": "srv-utcrh6wavdkggqtk" } })),
            "pools[1].cloud_map",
            "clients find a side by its name whatever the rules say",
            "leave it out",
        ),
        (
            json!({ "fencing": { "stop": true } }),
            sides(json!({ "launch": { "market": { "spot_percent": 20 } } }), none()),
            "pools[0].launch.market.spot_percent",
            "EC2 stops no spot instance",
            "`stop: false`",
        ),
        (
            json!({ "fencing": { "timeout": "5m" } }),
            sides(json!({ "balancing": { "deregistration_delay": "5m" } }), none()),
            "pools[0].balancing.deregistration_delay",
            "its targets may take `5m` to finish, and `failover.fencing.timeout` is `5m`",
            "raise the time-out",
        ),
    ] {
        let found = wrong(failover, change);
        assert_eq!(found.len(), 1, "{path}: {message}: {found:#?}");
        assert_eq!(found[0].path, path, "{found:?}");
        assert!(found[0].message.contains(message), "{found:?}");
        assert!(found[0].hint.as_ref().is_some_and(|told| told.contains(hint)), "{found:?}");
    }
}

/// A pool with a mistake of its own is still a side: only that mistake is told.
#[test]
fn a_standby_with_a_mistake_still_stands_by() {
    let pools = json!({ "pools": [
        { "id": "blue", "target_groups": [group("blue")] },
        { "id": "Green", "role": "standby", "target_groups": [group("green")] },
    ] });
    let found = wrong(json!({}), pools);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].path, "pools[1].id");
}

#[test]
fn all_problems_are_told_at_once() {
    let found = wrong(
        json!({ "gate": { "healthy": "0%" }, "detect": { "unhealthy": "0%", "datapoints": "3" }, "dwell": "1s", "failback_after": 5, "lever": { "listener_rules": [] } }),
        json!({}),
    );
    let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
    let expected = [
        "failover.gate.healthy",
        "failover.dwell",
        "failover.detect.datapoints",
        "failover.detect.unhealthy",
        "failover.lever.listener_rules",
        "failover.failback_after",
    ];
    let (mut paths, mut expected) = (paths, expected);
    paths.sort_unstable();
    expected.sort_unstable();
    assert_eq!(paths, expected);
}

/// What this build does not know is refused by name, so that nobody believes to be covered.
#[test]
fn what_is_not_there_yet_is_refused() {
    for (failover, told) in [
        (json!({ "mode": "warm_standby" }), "unknown variant `warm_standby`"),
        (json!({ "drill": { "schedule": "0 4 * * 2" } }), "unknown field `schedule`"),
        (
            json!({ "lever": { "listener_rules": [RULE], "records": [] } }),
            "unknown field `records`",
        ),
    ] {
        let fleet = two_sides(failover.clone(), json!({ "fleet": "web" }));
        let error = serde_json::from_value::<RawFleetSpec>(fleet).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}
