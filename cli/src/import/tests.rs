use std::collections::BTreeMap;

use ghostnet_aws::autoscaling::{
    GroupFacts, GroupRules, MixedFacts, PolicyFacts, PolicyKind, ScheduleFacts, StepFacts, TemplateName, TrackedMetric, WarmFacts,
};
use ghostnet_aws::cloudwatch::alarm::Comparison;
use ghostnet_core::spec::FleetSpec;

use super::*;

/// A Wednesday.
fn now() -> Timestamp {
    "2026-06-03T10:00:00Z".parse().unwrap_or_else(|error| panic!("{error}"))
}

fn fleet() -> FleetId {
    "web".parse().unwrap_or_else(|error| panic!("{error}"))
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// The smallest group that can be.
fn facts() -> GroupFacts {
    GroupFacts {
        name: "web-asg".to_owned(),
        sizes: (2, 12, 4),
        template: Some(TemplateName {
            name: Some("web".to_owned()),
            version: Some("$Latest".to_owned()),
            ..TemplateName::default()
        }),
        subnets: texts(&["subnet-a", "subnet-b"]),
        target_groups: texts(&["arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/6d0ecf831eec9f09"]),
        health_check: "ELB".to_owned(),
        grace_seconds: 300,
        cooldown_seconds: 300,
        warmup_seconds: Some(180),
        termination_policies: texts(&["Default"]),
        ..GroupFacts::default()
    }
}

fn group() -> Group {
    Group {
        facts: facts(),
        ..Group::default()
    }
}

fn with(change: impl Fn(&mut Group)) -> Group {
    let mut group = group();
    change(&mut group);
    group
}

fn policy(name: &str, kind: PolicyKind) -> PolicyFacts {
    PolicyFacts {
        name: name.to_owned(),
        enabled: true,
        kind,
        alarms: texts(&[&format!("{name}-alarm")]),
    }
}

fn tracking(metric: TrackedMetric, target: f64) -> PolicyKind {
    PolicyKind::TargetTracking {
        metric,
        target,
        disable_scale_in: false,
    }
}

fn predefined(name: &str, target: f64) -> PolicyKind {
    tracking(TrackedMetric::Predefined(name.to_owned()), target)
}

fn steps(adjustment: &str, steps: &[(Option<f64>, Option<f64>, i32)]) -> PolicyKind {
    let step = |(from, below, by): &(Option<f64>, Option<f64>, i32)| StepFacts {
        from: *from,
        below: *below,
        by: *by,
    };
    PolicyKind::Step {
        adjustment: adjustment.to_owned(),
        at_least: (adjustment == "PercentChangeInCapacity").then_some(2),
        steps: steps.iter().map(step).collect(),
        aggregation: Some("Average".to_owned()),
    }
}

fn simple(by: i32) -> PolicyKind {
    PolicyKind::Simple {
        adjustment: "ChangeInCapacity".to_owned(),
        at_least: None,
        by,
        cooldown_seconds: Some(600),
    }
}

/// The alarm of the policy of this name.
fn alarm(policy: &str, comparison: Comparison, threshold: f64) -> AlarmFacts {
    AlarmFacts {
        name: format!("{policy}-alarm"),
        namespace: "App".to_owned(),
        metric: "Busy".to_owned(),
        dimensions: BTreeMap::from([("Service".to_owned(), "web".to_owned())]),
        statistic: "Average".to_owned(),
        period_seconds: 60,
        comparison,
        threshold,
        datapoints: 2,
        evaluated: 3,
    }
}

fn schedule(name: &str, cron: &str, sizes: (Option<u32>, Option<u32>, Option<u32>)) -> ScheduleFacts {
    ScheduleFacts {
        name: name.to_owned(),
        cron: Some(cron.to_owned()),
        zone: Some("Europe/Berlin".to_owned()),
        min: sizes.0,
        max: sizes.1,
        desired: sizes.2,
        ..ScheduleFacts::default()
    }
}

/// What `ghostnet validate` makes of it.
fn valid(situation: &str, group: &Group) -> (Imported, FleetSpec) {
    let imported = translate(group, &fleet(), now());
    match crate::spec_file::read("spec", &imported.text) {
        Ok(file) => (imported, file.spec),
        Err(problems) => panic!("{situation}: {problems:?}\n{}", imported.text),
    }
}

/// One that uses everything that has a counterpart, and much that has none.
fn whole() -> Group {
    Group {
        facts: GroupFacts {
            mixed: Some(MixedFacts {
                types: texts(&["c7a.large", "c7i.large"]),
                on_demand_base: 2,
                on_demand_percent: 25,
                spot_strategy: Some("price-capacity-optimized".to_owned()),
                ..MixedFacts::default()
            }),
            termination_policies: texts(&["OldestLaunchTemplate", "NewestInstance"]),
            lifetime_seconds: Some(604_800),
            protects_new: true,
            capacity_rebalance: true,
            warm: Some(WarmFacts {
                min_size: 1,
                max_prepared: Some(7),
                state: "Hibernated".to_owned(),
                reuses: true,
            }),
            maintenance: Some((90, 120)),
            ..facts()
        },
        rules: GroupRules {
            policies: vec![
                policy("Keep CPU", predefined("ASGAverageCPUUtilization", 50.0)),
                policy("requests", predefined("ALBRequestCountPerTarget", 1_000.0)),
                policy(
                    "busy-out",
                    steps("PercentChangeInCapacity", &[(Some(15.0), None, 30), (Some(0.0), Some(15.0), 10)]),
                ),
                policy(
                    "busy-in",
                    steps("ChangeInCapacity", &[(None, Some(-10.0), -2), (Some(-10.0), Some(0.0), -1)]),
                ),
                policy("one-more", simple(1)),
                policy("ahead", PolicyKind::Predictive),
            ],
            schedules: vec![
                schedule("morning", "0 8 * * 1-5", (Some(6), None, Some(8))),
                schedule("evening", "0 20 * * 1-5", (Some(2), Some(12), None)),
            ],
            hooks: texts(&["autoscaling:EC2_INSTANCE_TERMINATING drain"]),
        },
        alarms: vec![
            alarm("busy-out", Comparison::Above, 70.0),
            alarm("busy-in", Comparison::Below, 30.0),
            alarm("one-more", Comparison::AtLeast, 90.0),
        ],
    }
}

#[test]
fn a_group_becomes_a_spec_with_remarks() {
    let (imported, spec) = valid("the whole", &whole());
    insta::assert_snapshot!("whole", imported.text);
    let Some(pool) = spec.pools.first() else { panic!("one pool") };
    assert_eq!((pool.capacity.min, pool.capacity.max, pool.capacity.initial), (2, 12, 4));
    assert_eq!((pool.policies.len(), pool.launch.subnets.len()), (6, 2));
    assert_eq!((pool.launch.market.on_demand_base, pool.launch.market.spot.0), (2, 75));
}

#[test]
fn each_fact_has_its_line_or_its_remark() {
    let alarmed = |kind: PolicyKind, comparison, threshold| {
        with(|group| {
            group.rules.policies = vec![policy("p", kind.clone())];
            group.alarms = vec![alarm("p", comparison, threshold)];
        })
    };
    let of = |kind: PolicyKind| with(|group| group.rules.policies = vec![policy("p", kind.clone())]);
    let warm = |warm: WarmFacts| with(|group| group.facts.warm = Some(warm.clone()));
    let mixed = |mixed: MixedFacts| with(|group| group.facts.mixed = Some(mixed.clone()));
    let order = |policies: &[&str]| with(|group| group.facts.termination_policies = texts(policies));
    let custom = |namespace: &str, name: &str, dimension: &str| {
        of(tracking(
            TrackedMetric::Custom {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                dimensions: BTreeMap::from([(dimension.to_owned(), "web-asg".to_owned())]),
                statistic: "Average".to_owned(),
                period_seconds: 10,
            },
            5.5,
        ))
    };
    let spot = |strategy: &str, types: &[&str]| MixedFacts {
        types: texts(types),
        on_demand_percent: 50,
        spot_strategy: Some(strategy.to_owned()),
        ..MixedFacts::default()
    };
    for (situation, group, told) in [
        ("sizes", group(), "capacity: { min: 2, max: 12, initial: 4 }"),
        ("a version", group(), "template: { name: web, version: \"$Latest\" }"),
        (
            "a template by id",
            with(|group| {
                group.facts.template = Some(TemplateName {
                    id: Some("lt-1".to_owned()),
                    ..TemplateName::default()
                });
            }),
            "template: { id: lt-1, version: \"$Default\" }",
        ),
        (
            "a launch configuration",
            with(|group| {
                group.facts.template = None;
                group.facts.launch_configuration = Some("old".to_owned());
            }),
            "# - the group launches from old: make a launch template of it",
        ),
        (
            "no subnets",
            with(|group| group.facts.subnets.clear()),
            "# - the group names no subnets",
        ),
        ("a warm-up", group(), "warmup: 3m"),
        (
            "no warm-up",
            with(|group| group.facts.warmup_seconds = None),
            "# - the group has no default instance warm-up and waits 5m",
        ),
        ("a grace", group(), "health: { grace: 5m }"),
        (
            "checks of EC2 alone",
            with(|group| group.facts.health_check = "EC2".to_owned()),
            "# - the group replaces by EC2's checks alone",
        ),
        ("an age", with(|group| group.facts.lifetime_seconds = Some(86_400)), "max_age: 1d"),
        ("the default order", group(), "order: [zone_balance, oldest]"),
        (
            "the newest first",
            order(&["NewestInstance", "OldestInstance"]),
            "order: [zone_balance, newest]",
        ),
        (
            "by the hour",
            order(&["ClosestToNextInstanceHour", "NewestInstance", "OldestInstance"]),
            "order: [zone_balance, closest_to_billing, newest]",
        ),
        (
            "all on demand",
            mixed(MixedFacts {
                types: texts(&["c7a.large"]),
                on_demand_percent: 100,
                ..MixedFacts::default()
            }),
            "instance_types: [c7a.large]",
        ),
        (
            "half spot",
            mixed(spot("lowest-price", &["a.large", "b.large"])),
            "spot_percent: 50, allocation: lowest_price",
        ),
        (
            "one type",
            mixed(spot("capacity-optimized", &["a.large"])),
            "spot_percent: 50, allocation: listed_order",
        ),
        (
            "a strategy of its own",
            mixed(spot("capacity-optimized-prioritized", &["a.large", "b.large"])),
            "# - spot is allocated `capacity-optimized-prioritized`; here `capacity_optimized` comes nearest",
        ),
        (
            "weights",
            mixed(MixedFacts {
                has_weights: true,
                ..spot("lowest-price", &["a.large"])
            }),
            "# - types are weighted",
        ),
        (
            "attributes",
            mixed(MixedFacts {
                by_attributes: true,
                ..spot("lowest-price", &[])
            }),
            "# - types are chosen by attributes",
        ),
        (
            "a warm pool without a size",
            warm(WarmFacts {
                state: "Stopped".to_owned(),
                ..WarmFacts::default()
            }),
            "warm: { size: 8, state: stopped, return: false }",
        ),
        (
            "a warm pool that runs",
            warm(WarmFacts {
                min_size: 1,
                max_prepared: Some(4),
                state: "Running".to_owned(),
                reuses: true,
            }),
            "warm: { size: 1, state: stopped, return: true }",
        ),
        (
            "CPU",
            of(predefined("ASGAverageCPUUtilization", 50.0)),
            "metric: cpu\n    source: instances\n    target: 50",
        ),
        (
            "CPU of the group, in full",
            custom("AWS/EC2", "CPUUtilization", "AutoScalingGroupName"),
            "metric: cpu\n",
        ),
        (
            "a metric of the group",
            custom("App", "Busy", "AutoScalingGroupName"),
            "# - the metric of `p` has the dimension AutoScalingGroupName",
        ),
        (
            "a metric of one's own",
            custom("App", "Busy", "Service"),
            "metric: { namespace: \"App\", name: \"Busy\", dimensions: { \"Service\": web-asg }, statistic: \"Average\", period: 1m }\n    target: 5.5",
        ),
        (
            "requests",
            of(predefined("ALBRequestCountPerTarget", 900.0)),
            "metric: alb_request_count_per_target\n    target: 900",
        ),
        (
            "requests without a target group",
            with(|group| {
                group.facts.target_groups.clear();
                group.rules.policies = vec![policy("p", predefined("ALBRequestCountPerTarget", 900.0))];
            }),
            "# - the policy `p` tracks `ALBRequestCountPerTarget`, which needs what the group does not have",
        ),
        (
            "an expression",
            of(tracking(TrackedMetric::Expression, 1.0)),
            "# - the policy `p` tracks an expression",
        ),
        (
            "a policy that is switched off",
            with(|group| {
                let off = policy("p", predefined("ASGAverageCPUUtilization", 50.0));
                group.rules.policies = vec![PolicyFacts { enabled: false, ..off }];
            }),
            "mode: recommend_only            # switched off",
        ),
        (
            "steps out",
            alarmed(
                steps("ChangeInCapacity", &[(None, Some(10.0), 1), (Some(10.0), None, 3)]),
                Comparison::AtLeast,
                70.0,
            ),
            "out: [{ from: 70, below: 80, add: 1 }, { from: 80, add: 3 }]",
        ),
        (
            "steps in",
            alarmed(
                steps("PercentChangeInCapacity", &[(None, Some(-10.0), -20), (Some(-10.0), None, -10)]),
                Comparison::AtMost,
                30.0,
            ),
            "in: [{ below: 30, from: 20, remove: 10%, at_least: 2 }, { below: 20, remove: 20%, at_least: 2 }]",
        ),
        (
            "steps to a size",
            alarmed(steps("ExactCapacity", &[(Some(0.0), None, 9)]), Comparison::Above, 70.0),
            "out: [{ from: 70, to: 9 }]",
        ),
        (
            "its datapoints",
            alarmed(simple(1), Comparison::Above, 70.0),
            "datapoints: { out: 2 of 3 }",
        ),
        (
            "a step that goes against its alarm",
            alarmed(steps("ChangeInCapacity", &[(Some(0.0), None, -1)]), Comparison::Above, 70.0),
            "# - the policy `p` is left out: it has no step",
        ),
        (
            "one that adds",
            alarmed(simple(2), Comparison::AtLeast, 90.5),
            "out: { from: 90.5, add: 2 }\n    cooldown: { out: 10m }",
        ),
        (
            "one that removes",
            alarmed(simple(-1), Comparison::Below, 10.0),
            "in: { below: 10, remove: 1 }\n    cooldown: { in: 10m }",
        ),
        (
            "one without its alarm",
            of(simple(1)),
            "# - the policy `p` is left out: no alarm says",
        ),
        (
            "a forecast",
            of(PolicyKind::Predictive),
            "# - the predictive policy `p` has no counterpart",
        ),
        (
            "a schedule",
            with(|group| group.rules.schedules = vec![schedule("night", "0 22 * * *", (None, Some(3), None))]),
            "when: { cron: \"0 22 * * *\", zone: \"Europe/Berlin\", for: 1d }",
        ),
        (
            "one that sets what is",
            with(|group| group.rules.schedules = vec![schedule("base", "0 22 * * *", (Some(2), Some(12), None))]),
            "# - the scheduled action `base` sets what the group has now",
        ),
        (
            "one for once",
            with(|group| {
                group.rules.schedules = vec![ScheduleFacts {
                    name: "launch-day".to_owned(),
                    start: "2026-06-05T08:00:00Z".parse().ok(),
                    min: Some(9),
                    ..ScheduleFacts::default()
                }];
            }),
            "when: { at: \"2026-06-05T08:00:00Z\", for: 31d }",
        ),
        (
            "one that is over",
            with(|group| {
                group.rules.schedules = vec![ScheduleFacts {
                    name: "past".to_owned(),
                    start: "2026-06-01T08:00:00Z".parse().ok(),
                    min: Some(9),
                    ..ScheduleFacts::default()
                }];
            }),
            "# - the scheduled action `past` is over",
        ),
        (
            "a cron of nobody",
            with(|group| group.rules.schedules = vec![schedule("odd", "@daily", (Some(9), None, None))]),
            "# - the scheduled action `odd` is over, or cannot be read",
        ),
        (
            "bounds that cross",
            with(|group| group.rules.schedules = vec![schedule("much", "0 22 * * *", (Some(40), None, None))]),
            "# - the scheduled action `much` is left out: its minimum 40 is above the maximum 12",
        ),
        (
            "a Classic Load Balancer",
            with(|group| group.facts.classic_balancers = texts(&["old-elb"])),
            "# - the Classic Load Balancer old-elb has no counterpart",
        ),
        (
            "another traffic source",
            with(|group| group.facts.other_sources = texts(&["vpc-lattice arn:tg"])),
            "# - the traffic source vpc-lattice arn:tg has no counterpart",
        ),
        (
            "counted in something else",
            with(|group| group.facts.counted_in = Some("vcpu".to_owned())),
            "# - the group counts in vcpu",
        ),
        (
            "nobody",
            with(|group| group.facts.sizes = (0, 0, 0)),
            "capacity: { min: 0, max: 1, initial: 0 }",
        ),
        (
            "very many",
            with(|group| group.facts.sizes = (2, 5_000, 3_000)),
            "capacity: { min: 2, max: 1000, initial: 1000 }",
        ),
    ] {
        let (imported, _) = valid(situation, &group);
        assert!(imported.text.contains(told), "{situation}: `{told}` is not in\n{}", imported.text);
    }
}

#[test]
fn names_that_are_no_ids_become_some_and_each_once() {
    for (name, id) in [
        ("web-asg", Some("web-asg")),
        ("Web ASG (blue)", Some("web-asg-blue")),
        ("2024_api", Some("api")),
        (
            "a-very-long-name-that-goes-on-and-on-and-on",
            Some("a-very-long-name-that-goes-on-an"),
        ),
        ("2024", None),
    ] {
        assert_eq!(fleet_of(name).map(|id| id.to_string()).as_deref(), id, "{name}");
    }
    let twice = with(|group| {
        let cpu = |name: &str| policy(name, predefined("ASGAverageCPUUtilization", 50.0));
        group.rules.policies = vec![cpu("CPU"), cpu("cpu"), cpu("42")];
        group.rules.schedules = vec![schedule("cpu", "0 22 * * *", (None, Some(3), None))];
    });
    let (_, spec) = valid("twice", &twice);
    let ids: Vec<String> = spec
        .pools
        .iter()
        .flat_map(|pool| &pool.policies)
        .map(|policy| policy.id.to_string())
        .collect();
    assert_eq!(ids, ["cpu", "cpu-2", "policy", "cpu-3"]);
}

#[test]
fn texts_that_yaml_would_take_for_something_else_are_quoted() {
    for (text, written) in [
        ("web", "web"),
        ("subnet-0a1b", "subnet-0a1b"),
        ("on", "\"on\""),
        ("1.10", "\"1.10\""),
        ("a: b", "\"a: b\""),
        ("Web", "\"Web\""),
        ("", "\"\""),
        ("a\"b", "\"a\\\"b\""),
    ] {
        assert_eq!(quoted(text), written, "{text}");
    }
}
