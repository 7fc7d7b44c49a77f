//! What a spec says of failover: how it reads, what holds where it is silent, and what is wrong with it.

mod mistakes;
mod routes;
mod to_instance;

use ghostnet_core::id::AlarmName;
use ghostnet_core::spec::defaults::defaults;
use ghostnet_core::spec::{
    ApplicationSignal, BreachRule, ContentType, Detect, Drills, Failback, Failover, FailoverMode, Fallback, Fencing, FixedResponse,
    FleetSpec, Lever, Metric, MetricSource, NamedMetric, Problem, RawFleetSpec, Schedule,
};
use ghostnet_core::unit::{Percent, Seconds};

use crate::support::*;

const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2";
const RULE: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";

/// Two sides, the second one standing by, with this failover and what else is changed.
fn two_sides(failover: Value, change: Value) -> Value {
    let mut fleet = json!({
        "pools": [
            { "id": "blue", "target_groups": [group("blue")] },
            { "id": "green", "role": "standby", "target_groups": [group("green")] },
        ],
        "failover": { "mode": "hot_standby", "lever": { "listener_rules": [RULE] } },
    });
    merge(&mut fleet, json!({ "failover": failover }));
    merge(&mut fleet, change);
    fleet
}

fn read(failover: Value) -> Failover {
    spec(two_sides(failover, json!({}))).failover.unwrap()
}

fn wrong(failover: Value, change: Value) -> Vec<Problem> {
    faults(two_sides(failover, change))
}

#[test]
fn a_whole_section_reads_to_what_it_means() {
    let above = |name, above| ApplicationSignal {
        metric: Metric::Named {
            name,
            source: MetricSource::TargetGroup,
        },
        above: finite(above),
    };
    let read = read(json!({
        "mode": "cold_standby",
        "detect": { "unhealthy": "75%", "error_rate": "5%", "response_time": "1500ms", "alarms": ["latency", "all-5xx"], "probes": ["canary"], "datapoints": "4 of 5" },
        "gate": { "healthy": "80%" },
        "lever": { "listener_rules": [LISTENER, RULE] },
        "failback": "auto",
        "failback_after": 20,
        "dwell": "1h",
        "drill": {
            "cron": "0 10 * * 2", "zone": "Europe/Berlin", "for": "2h", "lasts": "20m",
            "block_alarms": ["freeze"], "end_alarms": ["checkout-errors", "slow"],
        },
        "fencing": { "stop": true, "timeout": "4m" },
    }));
    let expected = Failover {
        mode: FailoverMode::ColdStandby,
        detect: Detect {
            datapoints: BreachRule { datapoints: 4, of: 5 },
            unhealthy: Percent(75),
            application: vec![above(NamedMetric::ErrorRate, 5.0), above(NamedMetric::ResponseTime, 1.5)],
            alarms: ["latency", "all-5xx"].map(|name| name.parse().unwrap()).to_vec(),
            probes: vec!["canary".parse().unwrap()],
        },
        gate: Percent(80),
        standby_size: Percent(80),
        lever: Lever::ListenerRules([LISTENER, RULE].map(ghostnet_core::id::RouteId::new).to_vec()),
        failback: Failback::Auto { well: 20 },
        dwell: Seconds::minutes(60),
        degraded: None,
        drill: Some(Drills {
            schedule: Schedule::repeating("0 10 * * 2", "Europe/Berlin", Seconds::minutes(120)).ok(),
            lasts: Seconds::minutes(20),
            block_alarms: vec![AlarmName::new("freeze")],
            end_alarms: ["checkout-errors", "slow"].map(AlarmName::new).to_vec(),
        }),
        fencing: Some(Fencing {
            stop: true,
            timeout: Seconds::minutes(4),
        }),
    };
    assert_eq!(read, expected);
}

/// What is not written holds, and is what `validate --show-defaults` prints.
#[test]
fn where_it_is_silent_the_printed_defaults_hold() {
    let silent = read(json!({}));
    assert_eq!((silent.failback, silent.detect.application.len()), (Failback::Manual, 0));
    assert_eq!(silent.standby_size, silent.gate);
    let auto = read(json!({ "failback": "auto" })).failback;
    let Failback::Auto { well } = auto else { panic!("{auto:?}") };
    assert_eq!(silent.fencing, None);
    let fencing = read(json!({ "fencing": {} })).fencing.unwrap();
    let holds = [
        ("failover", "none".to_owned()),
        ("failover.detect.unhealthy", silent.detect.unhealthy.to_string()),
        ("failover.detect.datapoints", silent.detect.datapoints.to_string()),
        ("failover.gate.healthy", silent.gate.to_string()),
        ("failover.standby_size", "as `failover.gate.healthy`".to_owned()),
        ("failover.failback", "manual".to_owned()),
        ("failover.failback_after", well.to_string()),
        ("failover.dwell", silent.dwell.to_string()),
        ("failover.drill", "none".to_owned()),
        (
            "failover.drill.lasts",
            read(json!({ "drill": {} })).drill.unwrap().lasts.to_string(),
        ),
        ("failover.fencing", "none".to_owned()),
        ("failover.fencing.stop", fencing.stop.to_string()),
        ("failover.fencing.timeout", fencing.timeout.to_string()),
    ];
    let fleet = spec(json!({}));
    assert_eq!(fleet.failover, None, "a fleet without the section");
    let printed = defaults(fleet.objective);
    let printed = printed
        .iter()
        .filter(|row| row.path.starts_with("failover"))
        .map(|row| (row.path, row.value.clone()));
    assert_eq!(printed.collect::<Vec<_>>(), holds);
}

/// Two sides that take traffic at once are a mode of their own, which this build does not know.
#[test]
fn every_pool_but_one_stands_by() {
    let [first, second] = &wrong(
        json!({}),
        json!({ "pools": [
        { "id": "blue", "target_groups": [group("blue")] },
        { "id": "green", "target_groups": [group("green")] },
    ] }),
    )[..] else {
        panic!("nobody stands by, and two are active")
    };
    assert_eq!((first.path.as_str(), second.path.as_str()), ("failover", "pools[1].role"));
    assert_eq!(second.message, "`green` is active too");
}

#[test]
fn what_answers_when_no_side_can() {
    let other = RULE.replace("9683b2d02a6cabee", "0000000000000001");
    let shed = RULE.replace("9683b2d02a6cabee", "0000000000000002");
    let sorry = group("sorry");
    let read_to = |degraded: Value| read(json!({ "degraded": degraded })).degraded.unwrap();
    let page = read_to(json!({
        "fixed_response": { "status": 503, "body": "<p>back soon</p>", "content_type": "html" }, "checked_by": other, "shed_rules": [shed],
    }));
    let response = FixedResponse {
        status: 503,
        content_type: ContentType::Html,
        body: "<p>back soon</p>".to_owned(),
    };
    assert_eq!(page.answer, Fallback::FixedResponse(response.clone()));
    assert_eq!(page.shed_answer(), response, "what is shed gets the same");
    let checked_by = page.checked_by.as_ref().map(ghostnet_core::id::RouteId::as_str);
    assert_eq!((page.shed.len(), checked_by), (1, Some(other.as_str())));
    let forwarded = read_to(json!({ "forward": sorry }));
    assert_eq!(
        (forwarded.answer.clone(), forwarded.checked_by.clone()),
        (Fallback::Forward(sorry.clone()), None)
    );
    assert_eq!((forwarded.shed_answer().status, forwarded.shed_answer().body.as_str()), (503, ""));
    let alone = spec(json!({
        "pools": [{ "id": "blue", "target_groups": [group("blue")] }],
        "failover": { "mode": "degraded", "lever": { "listener_rules": [RULE] }, "degraded": { "forward": sorry } },
    }));
    assert_eq!(
        alone.failover.map(|failover| failover.mode),
        Some(FailoverMode::Degraded),
        "one side is enough"
    );

    let page = || json!({ "status": 503 });
    let twice = "x".repeat(1_025);
    for (degraded, path, message) in [
        (json!({}), "failover.degraded", "either `forward` or `fixed_response` answers"),
        (
            json!({ "forward": sorry, "fixed_response": page(), "checked_by": other }),
            "failover.degraded",
            "either `forward` or `fixed_response` answers",
        ),
        (
            json!({ "forward": "sorry" }),
            "failover.degraded.forward",
            "`sorry` is not the ARN of a target group",
        ),
        (
            json!({ "forward": group("green") }),
            "failover.degraded.forward",
            "it is a target group of `green`",
        ),
        (
            json!({ "forward": sorry, "checked_by": other }),
            "failover.degraded.checked_by",
            "the lever goes on naming the sides",
        ),
        (
            json!({ "fixed_response": page() }),
            "failover.degraded.checked_by",
            "nobody checks the sides",
        ),
        (
            json!({ "fixed_response": page(), "checked_by": RULE }),
            "failover.degraded.checked_by",
            "it is one of the lever",
        ),
        (
            json!({ "fixed_response": page(), "checked_by": "x" }),
            "failover.degraded.checked_by",
            "`x` is not the ARN of a listener or a rule",
        ),
        (
            json!({ "fixed_response": { "status": 302 }, "checked_by": other }),
            "failover.degraded.fixed_response.status",
            "`302` is no status of a fixed response",
        ),
        (
            json!({ "fixed_response": { "status": 503, "body": twice }, "checked_by": other }),
            "failover.degraded.fixed_response.body",
            "`1025` bytes are more than `1024`",
        ),
        (
            json!({ "forward": sorry, "shed_rules": [RULE] }),
            "failover.degraded.shed_rules[0]",
            "it is one of the lever",
        ),
        (
            json!({ "fixed_response": page(), "checked_by": other, "shed_rules": [other] }),
            "failover.degraded.shed_rules[0]",
            "it is the one of `checked_by`",
        ),
        (
            json!({ "forward": sorry, "shed_rules": [shed, shed] }),
            "failover.degraded.shed_rules[1]",
            "it is listed twice",
        ),
    ] {
        let problems = wrong(json!({ "degraded": degraded }), json!({}));
        let told: Vec<(&str, &str)> = problems
            .iter()
            .map(|problem| (problem.path.as_str(), problem.message.as_str()))
            .collect();
        assert!(
            matches!(told[..], [(at, why)] if at == path && why.contains(message)),
            "{degraded}: {told:?}"
        );
    }
    let one_side = || json!({ "pools": [{ "id": "blue", "target_groups": [group("blue")] }] });
    let with_sorry = |mode: &str| json!({ "mode": mode, "degraded": { "forward": sorry } });
    for (failover, change, path) in [
        (with_sorry("degraded"), json!({}), "pools[1].role"),
        (with_sorry("hot_standby"), one_side(), "failover"),
        (json!({ "mode": "degraded" }), one_side(), "failover.degraded"),
    ] {
        let problems = wrong(failover.clone(), change);
        let told: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(told, [path], "{failover}");
    }
}

/// Two sides with one target group, of which only one is registered at a time.
#[test]
fn a_swap_of_targets() {
    let swap = |change: Value| {
        let pools = ["blue", "green"].map(|side| json!({ "id": side, "target_groups": [group("web")] }));
        let [blue, mut green] = pools;
        green["role"] = json!("standby");
        let mut fleet = json!({
            "pools": [blue, green],
            "failover": { "mode": "hot_standby", "lever": { "target_swap": true } },
        });
        merge(&mut fleet, change);
        FleetSpec::check(&raw(fleet))
    };
    let read = swap(json!({})).unwrap();
    assert!(read.failover.as_ref().unwrap().swaps_targets());
    assert!(read.failover.unwrap().routes().is_empty());
    let lever = |lever: Value| json!({ "failover": { "lever": lever } });
    let green = |change: Value| {
        let pools = ["blue", "green"].map(|side| json!({ "id": side, "target_groups": [group("web")] }));
        let [blue, mut green] = pools;
        green["role"] = json!("standby");
        merge(&mut green, change);
        json!({ "pools": [blue, green] })
    };
    let alone = json!({ "pools": [{ "id": "blue", "target_groups": [group("web"), group("web")] }] });
    let none = "nothing moves the traffic";
    for (change, path, message) in [
        (lever(json!({ "target_swap": false })), "failover.lever", none),
        (lever(json!({ "target_swap": null })), "failover.lever", none),
        (lever(json!({ "listener_rules": [RULE] })), "failover.lever", "two levers"),
        (
            json!({ "failover": { "mode": "active_active" }, "pools": [
            { "id": "blue", "target_groups": [group("web")] }, { "id": "green", "target_groups": [group("web")] },
        ] }),
            "failover.lever.target_swap",
            "it moves all of the traffic",
        ),
        (
            json!({ "failover": { "degraded": { "forward": group("sorry") } } }),
            "failover.degraded",
            "nothing else can answer",
        ),
        (
            green(json!({ "target_groups": [group("green")] })),
            "pools[1].target_groups",
            "they are not those of `blue`",
        ),
        (
            green(json!({ "balancing": { "slow_start": "30s" } })),
            "pools[1].balancing",
            "it is not that of `blue`",
        ),
        (alone, "pools[0].target_groups[1]", "listed twice"),
    ] {
        let problems = swap(change.clone()).unwrap_err();
        let told = problems
            .iter()
            .any(|problem| problem.path == path && problem.message.contains(message));
        assert!(told, "{change}: {problems:#?}");
    }
}
