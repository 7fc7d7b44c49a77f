//! Whether an account is fit for a spec: what is asked, in which order, and what each answer is told as.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its spec should stop there")]

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::id::{AlarmName, InstallationId, InstanceType, SubnetId, TargetGroupArn};
use ghostnet_core::observation::Market;
use ghostnet_core::plan::LAUNCH_CALLS_MAX;
use ghostnet_core::spec::{FleetSpec, Resolved, Stat};
use ghostnet_core::unit::{Finite, Seconds};
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::live::alarms::{self, Kept, Listed, Mute, Watch};
use ghostnet_engine::live::groups::{self, GroupFacts, Owner};
use ghostnet_engine::live::limits::{self, Limits};
use ghostnet_engine::live::probe::{LAUNCHES_MAX, LAUNCHES_PER_ASK, Trial, combinations, trials};
use ghostnet_engine::live::{Answered, Finding, Probe, Probed, Refused, Severity, launching};
use ghostnet_engine::port::Touch;
use serde_json::{Value, json};

const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef";

/// A fleet with these subnets and types, and more of its pool's settings.
fn spec(subnets: &[&str], types: &[&str], launch: &Value, pool: &Value) -> FleetSpec {
    let mut settings = json!({ "template": { "name": "web" }, "subnets": subnets, "instance_types": types });
    merge(&mut settings, launch);
    let mut one = json!({ "id": "blue", "capacity": { "min": 1, "max": 10 }, "launch": settings, "target_groups": [GROUP] });
    merge(&mut one, pool);
    let raw = json!({ "fleet": "web", "pools": [one], "policies": [
        { "id": "cpu", "type": "target_tracking", "metric": "cpu", "target": 60.0 }] });
    FleetSpec::check(&serde_json::from_value(raw).unwrap()).unwrap()
}

fn merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().unwrap() {
        into.as_object_mut().unwrap().insert(key.clone(), value.clone());
    }
}

fn plain() -> FleetSpec {
    spec(&["subnet-a", "subnet-b"], &["c7a.large", "c7i.large"], &json!({}), &json!({}))
}

fn spot() -> FleetSpec {
    let market = json!({ "market": { "spot_percent": 50 } });
    spec(&["subnet-a", "subnet-b"], &["c7a.large", "c7i.large"], &market, &json!({}))
}

fn told(trial: &Trial) -> String {
    let instance_type = trial.instance_type.as_ref().map_or("-", |name| name.as_str());
    let chosen = if trial.chosen { " chosen" } else { "" };
    format!("{} {instance_type} {}{chosen}", trial.subnet, trial.market.as_str())
}

#[test]
fn every_subnet_type_and_market_is_asked_about_as_early_as_can_be() {
    let many: Vec<String> = (0..7).map(|n| format!("subnet-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let market = json!({ "market": { "spot_percent": 50 } });
    for (situation, spec, all, covered_by) in [
        ("two by two", plain(), 4, 2),
        ("and two markets", spot(), 8, 2),
        (
            "the template's own type",
            spec(&["subnet-a", "subnet-b", "subnet-c"], &[], &json!({}), &json!({})),
            3,
            3,
        ),
        (
            "many subnets",
            spec(&many, &["a.large", "b.large", "c.large"], &market, &json!({})),
            42,
            7,
        ),
    ] {
        let trials = trials(&spec);
        assert_eq!(combinations(&spec), all, "{situation}");
        assert_eq!(trials.len(), all.min(LAUNCHES_MAX), "{situation}");
        assert_eq!(
            trials.iter().collect::<BTreeSet<_>>().len(),
            trials.len(),
            "{situation}: none twice"
        );
        let pool = &spec.pools[0];
        let first: Vec<_> = trials.iter().take(covered_by).collect();
        let missed = |seen: usize, of: usize| of.max(1) - seen;
        let subnets: BTreeSet<_> = first.iter().map(|trial| &trial.subnet).collect();
        let types: BTreeSet<_> = first.iter().map(|trial| &trial.instance_type).collect();
        let markets: BTreeSet<_> = first.iter().map(|trial| trial.market).collect();
        assert_eq!(missed(subnets.len(), pool.launch.subnets.len()), 0, "{situation}");
        assert_eq!(missed(types.len(), pool.launch.instance_types.len()), 0, "{situation}");
        assert_eq!(missed(markets.len(), pool.launch.market.markets().len()), 0, "{situation}");
    }
}

#[test]
fn the_choice_of_aws_is_asked_about_first_by_its_own_call() {
    let market = json!({ "market": { "spot_percent": 100, "allocation": "lowest_price" } });
    let chosen = spec(&["subnet-a"], &["c7a.large", "c7i.large"], &market, &json!({}));
    let asked: Vec<_> = trials(&chosen).iter().map(told).collect();
    let expected = [
        "subnet-a c7a.large spot chosen",
        "subnet-a c7a.large on-demand",
        "subnet-a c7i.large spot",
        "subnet-a c7a.large spot",
        "subnet-a c7i.large on-demand",
    ];
    assert_eq!(asked, expected);
    let listed = trials(&spot());
    assert!(listed.iter().all(|trial| !trial.chosen), "by the listed order nobody chooses");
}

#[test]
fn a_spec_of_any_size_is_asked_about_within_the_bound() {
    let names = |before: &str, after: &str| (0..2_000).map(|n| format!("{before}{n}{after}")).collect::<Vec<_>>();
    let (subnets, types) = (names("subnet-", ""), names("c", ".large"));
    let [subnets, types] = [&subnets, &types].map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
    let huge = spec(&subnets, &types, &json!({ "market": { "spot_percent": 50 } }), &json!({}));
    assert_eq!((trials(&huge).len(), combinations(&huge)), (LAUNCHES_MAX, 8_000_000));
}

#[test]
fn the_pools_of_a_fleet_take_turns() {
    let pool = |id: &str, role: &str| {
        json!({ "id": id, "role": role, "capacity": { "min": 0, "max": 2 },
            "launch": { "template": { "name": "web" }, "subnets": ["subnet-a", "subnet-b"] } })
    };
    let raw = json!({ "fleet": "web", "pools": [pool("blue", "active"), pool("green", "standby")] });
    let spec = FleetSpec::check(&serde_json::from_value(raw).unwrap()).unwrap();
    let asked: Vec<_> = trials(&spec)
        .iter()
        .map(|trial| format!("{} {}", trial.pool, trial.subnet))
        .collect();
    assert_eq!(asked, ["blue subnet-a", "green subnet-a", "blue subnet-b", "green subnet-b"]);
}

#[test]
fn a_check_leaves_launches_to_the_fleets() {
    assert!(u32::try_from(LAUNCHES_PER_ASK).unwrap() < LAUNCH_CALLS_MAX);
    assert_eq!(LAUNCHES_MAX % LAUNCHES_PER_ASK, 0, "the last ask is a full one");
}

fn refused(code: &str, class: ErrorClass, message: &str) -> Refused {
    Refused {
        call: "ec2:RunInstances".to_owned(),
        class,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn denied(action: &str, resource: &str, because: &str) -> Refused {
    let message = format!(
        "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: {action} on resource: {resource} because {because}"
    );
    refused("UnauthorizedOperation", ErrorClass::Denied, &message)
}

/// All launches of a spec, those refused for which `refuses` has an answer.
fn asked(spec: &FleetSpec, refuses: impl Fn(&Trial) -> Option<Refused>) -> Vec<Probed> {
    let probed = |trial: Trial| Probed {
        refused: refuses(&trial),
        probe: Probe::Launch(trial),
    };
    trials(spec).into_iter().map(probed).collect()
}

fn lines(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| format!("{} {}: {}", finding.severity, finding.path, finding.what);
    findings.iter().map(line).collect()
}

#[test]
fn one_cause_is_one_finding_in_the_place_that_explains_it() {
    let none = |code: &'static str| refused(code, ErrorClass::NoCapacity, "");
    let wrong = |code: &'static str| refused(code, ErrorClass::Invalid, "");
    let in_subnet = |trial: &Trial| trial.subnet.as_str() == "subnet-b";
    let of_type = |trial: &Trial| trial.instance_type.as_ref().unwrap().as_str() == "c7i.large";
    let is_spot = |trial: &Trial| trial.market.as_str() == "spot";
    for (situation, spec, probed, expected) in [
        ("all is well", plain(), asked(&plain(), |_| None), vec![]),
        (
            "an image that is gone",
            plain(),
            asked(&plain(), |_| Some(wrong("InvalidAMIID.NotFound"))),
            vec!["error pools[0].launch: EC2 would refuse to launch from launch template `web`: `InvalidAMIID.NotFound`"],
        ),
        (
            "a subnet that is gone",
            plain(),
            asked(&plain(), |trial| in_subnet(trial).then(|| wrong("InvalidSubnetID.NotFound"))),
            vec!["error pools[0].launch.subnets[1]: EC2 would refuse to launch into `subnet-b`: `InvalidSubnetID.NotFound`"],
        ),
        (
            "a type that is not offered here",
            plain(),
            asked(&plain(), |trial| of_type(trial).then(|| none("Unsupported"))),
            vec!["warning pools[0].launch.instance_types[1]: EC2 would refuse to launch instances of type `c7i.large`: `Unsupported`"],
        ),
        (
            "a type that one zone does not have",
            plain(),
            asked(&plain(), |trial| (in_subnet(trial) && of_type(trial)).then(|| none("Unsupported"))),
            vec!["warning pools[0].launch.subnets[1]: EC2 would refuse to launch `c7i.large` into `subnet-b`: `Unsupported`"],
        ),
        (
            "no type that any zone has",
            plain(),
            asked(&plain(), |_| Some(none("Unsupported"))),
            vec!["error pools[0].launch: EC2 would refuse to launch from launch template `web`: `Unsupported`"],
        ),
        (
            "a quota",
            plain(),
            asked(&plain(), |_| Some(refused("VcpuLimitExceeded", ErrorClass::Quota, ""))),
            vec!["warning pools[0].launch: EC2 would refuse to launch from launch template `web`: `VcpuLimitExceeded`"],
        ),
        (
            "no role for spot",
            spot(),
            asked(&spot(), |trial| {
                is_spot(trial).then(|| wrong("AuthFailure.ServiceLinkedRoleCreationNotPermitted"))
            }),
            vec!["error pools[0].launch.market: EC2 would refuse to launch as spot: `AuthFailure.ServiceLinkedRoleCreationNotPermitted`"],
        ),
        (
            "two causes",
            plain(),
            asked(&plain(), |trial| {
                if in_subnet(trial) {
                    Some(wrong("InvalidSubnetID.NotFound"))
                } else {
                    of_type(trial).then(|| none("Unsupported"))
                }
            }),
            vec![
                "warning pools[0].launch.subnets[0]: EC2 would refuse to launch `c7i.large` into `subnet-a`: `Unsupported`",
                "error pools[0].launch.subnets[1]: EC2 would refuse to launch into `subnet-b`: `InvalidSubnetID.NotFound`",
            ],
        ),
        (
            "too fast",
            plain(),
            asked(&plain(), |_| Some(refused("RequestLimitExceeded", ErrorClass::Throttled, ""))),
            vec!["note pools[0].launch: it is not known whether EC2 launches from launch template `web`"],
        ),
    ] {
        assert_eq!(lines(&launching::judge(&spec, &probed, &[])), expected, "{situation}");
    }
}

#[test]
fn a_missing_permission_is_told_with_its_statement_and_where_to_grant_it() {
    let role = "arn:aws:iam::123456789012:role/web";
    let no_policy = "no identity-based policy allows the action";
    for (situation, refused, why, hint) in [
        (
            "the instances' role",
            denied("iam:PassRole", role, no_policy),
            format!("`iam:PassRole` on `{role}` is not granted"),
            "InstanceRoleArns",
        ),
        (
            "a key",
            denied("kms:CreateGrant", "arn:aws:kms:eu-west-1:123456789012:key/k", no_policy),
            "`kms:CreateGrant` on `arn:aws:kms:eu-west-1:123456789012:key/k` is not granted".to_owned(),
            "KmsKeyArns",
        ),
        (
            "the action itself",
            denied("ec2:RunInstances", "arn:aws:ec2:eu-west-1:123456789012:subnet/subnet-a", no_policy),
            "`ec2:RunInstances` on `arn:aws:ec2:eu-west-1:123456789012:subnet/*` is not granted".to_owned(),
            "deploy the stack",
        ),
        (
            "a boundary",
            denied(
                "ec2:RunInstances",
                "arn:aws:ec2:eu-west-1:1:instance/*",
                "no permissions boundary allows the action",
            ),
            "`ec2:RunInstances` on `arn:aws:ec2:eu-west-1:1:instance/*` is not granted".to_owned(),
            "PermissionsBoundaryArn",
        ),
        (
            "the organisation",
            denied(
                "ec2:RunInstances",
                "arn:aws:ec2:eu-west-1:1:instance/*",
                "of an explicit deny in a service control policy",
            ),
            "`ec2:RunInstances` on `arn:aws:ec2:eu-west-1:1:instance/*` is denied".to_owned(),
            "service control policy",
        ),
        (
            "an answer that names nothing",
            refused("UnauthorizedOperation", ErrorClass::Denied, "no"),
            "`ec2:RunInstances` is not granted".to_owned(),
            "deploy the stack",
        ),
    ] {
        let probed = asked(&plain(), |_| Some(refused.clone()));
        let findings = launching::judge(&plain(), &probed, &[]);
        let [finding] = &findings[..] else {
            panic!("{situation}: {findings:?}")
        };
        assert_eq!(finding.severity, Severity::Error, "{situation}");
        assert_eq!(
            finding.what, "the tick function may not launch from launch template `web`",
            "{situation}"
        );
        assert_eq!(finding.why, why, "{situation}");
        assert!(finding.hint.as_deref().unwrap().contains(hint), "{situation}: {finding:?}");
    }
}

#[test]
fn resources_that_differ_only_in_their_id_are_one_cause() {
    let probed = asked(&plain(), |trial| {
        let subnet = format!("arn:aws:ec2:eu-west-1:1:subnet/{}", trial.subnet);
        Some(denied("ec2:RunInstances", &subnet, "no"))
    });
    assert_eq!(launching::judge(&plain(), &probed, &[]).len(), 1);
}

#[test]
fn what_follows_from_a_broken_field_is_not_told_again() {
    let in_subnet = |trial: &Trial| trial.subnet.as_str() == "subnet-b";
    let gone = || refused("InvalidSubnetID.NotFound", ErrorClass::Invalid, "");
    let no_template = || refused("InvalidLaunchTemplateName.NotFoundException", ErrorClass::Invalid, "");
    for (situation, probed, broken, left) in [
        (
            "the subnet",
            asked(&plain(), |trial| in_subnet(trial).then(gone)),
            "pools[0].launch.subnets[1]",
            0,
        ),
        (
            "another subnet",
            asked(&plain(), |trial| in_subnet(trial).then(gone)),
            "pools[0].launch.subnets[0]",
            1,
        ),
        (
            "the template",
            asked(&plain(), |_| Some(no_template())),
            "pools[0].launch.template",
            0,
        ),
        (
            "a permission is another matter",
            asked(&plain(), |_| Some(denied("iam:PassRole", "r", "no"))),
            "pools[0].launch.template",
            1,
        ),
    ] {
        assert_eq!(launching::judge(&plain(), &probed, &[broken]).len(), left, "{situation}");
    }
}

#[test]
fn what_is_read_and_done_is_told_where_it_belongs() {
    let group = TargetGroupArn::new(GROUP);
    let blue = || plain().pools[0].id.clone();
    let no = |action: &str| denied(action, "*", "no");
    for (probe, refused, expected) in [
        (
            Probe::Touch(Touch::Terminate),
            no("ec2:TerminateInstances"),
            "error : the tick function may not terminate instances of the fleet",
        ),
        (
            Probe::Touch(Touch::Stop),
            no("ec2:StopInstances"),
            "error : the tick function may not stop instances of the fleet, to keep them warm",
        ),
        (
            Probe::Touch(Touch::Start),
            refused("RequestLimitExceeded", ErrorClass::Throttled, ""),
            "note : it is not known whether the tick function may start warm instances of the fleet",
        ),
        (
            Probe::Touch(Touch::Terminate),
            refused("OperationNotPermitted", ErrorClass::Invalid, "protected"),
            "warning : EC2 would refuse to terminate instances of the fleet: `OperationNotPermitted`",
        ),
        (
            Probe::Instances,
            no("ec2:DescribeInstances"),
            "error : the tick function may not list instances",
        ),
        (
            Probe::Alarms,
            refused("Timeout", ErrorClass::Transient, ""),
            "note alarms: it is not known whether the tick function may read alarms",
        ),
        (
            Probe::Attributes(blue(), group.clone()),
            no("elasticloadbalancing:DescribeTargetGroupAttributes"),
            "error pools[0].target_groups[0]: the tick function may not read the attributes of the target group",
        ),
        (
            Probe::Targets(blue()),
            refused("TargetGroupNotFound", ErrorClass::NotFound, ""),
            "error pools[0].target_groups: the tick function cannot read the health of targets: `TargetGroupNotFound`",
        ),
    ] {
        let probed = [Probed {
            probe,
            refused: Some(refused),
        }];
        assert_eq!(lines(&launching::judge(&plain(), &probed, &[])), [expected]);
    }
}

#[test]
fn what_was_not_tried_is_told() {
    let listed = Probed {
        probe: Probe::Instances,
        refused: None,
    };
    let none_left = Answered {
        probed: vec![listed],
        ..Answered::default()
    };
    let expected = "note : whether the tick function may terminate was not tried";
    let all = Answered {
        probed: asked(&plain(), |_| None).into_iter().chain(none_left.probed).collect(),
        ..Answered::default()
    };
    assert_eq!(lines(&launching::untold(&plain(), &all)), [expected]);
    let some_left = Answered {
        probed: asked(&plain(), |_| None).into_iter().take(3).collect(),
        ..Answered::default()
    };
    let expected = "note : 3 of 4 combinations of subnet, type and market were tried";
    assert_eq!(lines(&launching::untold(&plain(), &some_left)), [expected]);
}

#[test]
fn target_groups_are_judged_by_who_uses_owns_and_drains_them() {
    let ours = InstallationId::new("ours");
    let delay = |seconds| Some(Seconds(seconds));
    let drains = |timeout: &str, pool: Value| {
        let mut pool = pool;
        merge(&mut pool, &json!({ "drain": { "timeout": timeout } }));
        spec(&["subnet-a"], &["c7a.large"], &json!({}), &pool)
    };
    let of_spot = || {
        let market = json!({ "market": { "spot_percent": 50 } });
        spec(&["subnet-a"], &["c7a.large"], &market, &json!({ "drain": { "timeout": "90s" } }))
    };
    let fit = GroupFacts {
        is_used: true,
        owner: Owner::Installation("ours".to_owned()),
        delay: delay(60),
        is_spot: false,
    };
    let named = json!({ "balancing": { "deregistration_delay": "60s" } });
    for (situation, spec, facts, expected) in [
        ("all is well", drains("90s", json!({})), fit.clone(), vec![]),
        (
            "as the default drains",
            drains("5m", json!({})),
            GroupFacts {
                delay: delay(300),
                ..fit.clone()
            },
            vec![],
        ),
        (
            "nothing forwards to it",
            drains("90s", json!({})),
            GroupFacts {
                is_used: false,
                ..fit.clone()
            },
            vec!["warning pools[0].target_groups[0]: no listener and no rule forwards to target group `web`"],
        ),
        (
            "without our tag",
            drains("90s", json!({})),
            GroupFacts {
                owner: Owner::Nobody,
                ..fit.clone()
            },
            vec!["error pools[0].target_groups[0]: target group `web` is not this installation's"],
        ),
        (
            "with another's tag",
            drains("90s", json!({})),
            GroupFacts {
                owner: Owner::Installation("theirs".to_owned()),
                ..fit.clone()
            },
            vec!["error pools[0].target_groups[0]: target group `web` is not this installation's"],
        ),
        (
            "a tag that nobody could read",
            drains("90s", json!({})),
            GroupFacts {
                owner: Owner::Unknown,
                ..fit.clone()
            },
            vec![],
        ),
        (
            "longer than the instance lives",
            drains("90s", json!({})),
            GroupFacts {
                delay: delay(300),
                ..fit.clone()
            },
            vec!["warning pools[0].target_groups[0]: target group `web` lets a target finish for 5m"],
        ),
        (
            "the spec sets another",
            drains("90s", named),
            GroupFacts {
                delay: delay(300),
                ..fit.clone()
            },
            vec![],
        ),
        (
            "longer than the notice of spot",
            of_spot(),
            GroupFacts {
                delay: delay(91),
                ..fit.clone()
            },
            vec!["warning pools[0].target_groups[0]: target group `web` lets a target finish for 91s"],
        ),
        (
            "within the notice of spot",
            of_spot(),
            GroupFacts {
                delay: delay(90),
                ..fit.clone()
            },
            vec![],
        ),
        (
            "spot by the template",
            drains("10m", json!({})),
            GroupFacts {
                delay: delay(300),
                is_spot: true,
                ..fit.clone()
            },
            vec!["warning pools[0].target_groups[0]: target group `web` lets a target finish for 5m"],
        ),
        (
            "a delay that nobody knows",
            of_spot(),
            GroupFacts {
                delay: None,
                ..fit.clone()
            },
            vec![],
        ),
    ] {
        let facts = BTreeMap::from([(TargetGroupArn::new(GROUP), facts)]);
        assert_eq!(lines(&groups::judge(&spec, &ours, &facts)), expected, "{situation}");
    }
}

fn stat(statistic: &str, period: u32) -> Stat {
    Stat {
        namespace: "Shop".to_owned(),
        name: "Load".to_owned(),
        dimensions: BTreeMap::from([("Fleet".to_owned(), "web".to_owned())]),
        statistic: statistic.to_owned(),
        period: Seconds(period),
    }
}

fn watch(statistic: &str, period: u32, missing: &str) -> Watch {
    Watch {
        stat: Some(stat(statistic, period)),
        comparison: "GreaterThanThreshold".to_owned(),
        threshold: Some(Finite::from(66)),
        datapoints: 1,
        evaluated: 1,
        missing: missing.to_owned(),
    }
}

#[test]
fn an_alarm_that_somebody_changed_is_told_by_what_differs() {
    let wanted = || watch("Average", 60, "notBreaching");
    let other = |change: fn(&mut Watch)| {
        let mut watch = wanted();
        change(&mut watch);
        Some(watch)
    };
    for (situation, found, expected) in [
        ("as it was written", Some(wanted()), None),
        ("gone", None, Some("alarm `a` is gone")),
        (
            "another statistic",
            Some(watch("Maximum", 60, "notBreaching")),
            Some("somebody changed alarm `a`: statistic `Maximum` in place of `Average`"),
        ),
        (
            "a period and missing data",
            Some(watch("Average", 300, "missing")),
            Some("somebody changed alarm `a`: period `5m` in place of `1m`, missing data `missing` in place of `notBreaching`"),
        ),
        (
            "a threshold",
            other(|watch| watch.threshold = Some(Finite::from(90))),
            Some("somebody changed alarm `a`: threshold `90` in place of `66`"),
        ),
        (
            "more datapoints",
            other(|watch| watch.evaluated = 5),
            Some("somebody changed alarm `a`: datapoints `1 of 5` in place of `1 of 1`"),
        ),
        (
            "the other way round",
            other(|watch| watch.comparison = "LessThanThreshold".to_owned()),
            Some("somebody changed alarm `a`: comparison `LessThanThreshold` in place of `GreaterThanThreshold`"),
        ),
        (
            "another metric",
            other(|watch| watch.stat.as_mut().unwrap().name = "Errors".to_owned()),
            Some("somebody changed alarm `a`: metric `Shop/Errors` in place of `Shop/Load`"),
        ),
        (
            "an expression",
            other(|watch| watch.stat = None),
            Some("somebody changed alarm `a`: watched `an expression` in place of `one metric`"),
        ),
    ] {
        let kept = Kept {
            path: "policies[0]".to_owned(),
            name: AlarmName::new("a"),
            wanted: wanted(),
            found,
            tells: true,
        };
        let findings = alarms::judge_kept(std::slice::from_ref(&kept));
        let told: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>(), "{situation}");
        assert!(
            findings
                .iter()
                .all(|finding| finding.severity == Severity::Warning && finding.hint.is_some())
        );
    }
}

#[test]
fn an_alarm_of_ones_own_is_held_against_the_policies_on_its_metric() {
    let spec = |missing: &str| {
        let metric =
            json!({ "namespace": "Shop", "name": "Load", "dimensions": { "Fleet": "web" }, "statistic": "Average", "period": "60s" });
        let pool = |id: &str, role: &str| {
            json!({ "id": id, "role": role, "capacity": { "min": 0, "max": 2 },
                "launch": { "template": { "name": "web" }, "subnets": ["subnet-a"] } })
        };
        let policy = json!({ "id": "load", "type": "target_tracking", "metric": metric, "target": 60.0, "missing": missing });
        let raw = json!({ "fleet": "web", "pools": [pool("blue", "active"), pool("green", "standby")], "policies": [policy] });
        FleetSpec::check(&serde_json::from_value(raw).unwrap()).unwrap()
    };
    let elsewhere = || {
        let mut watch = watch("Maximum", 300, "notBreaching");
        watch.stat.as_mut().unwrap().dimensions.clear();
        watch
    };
    let composite = || Watch {
        stat: None,
        ..watch("Average", 60, "missing")
    };
    for (situation, missing, watch, expected) in [
        ("as the policy looks", "hold", watch("Average", 60, "notBreaching"), vec![]),
        ("faster than the policy", "hold", watch("Average", 10, "notBreaching"), vec![]),
        ("both take it as a breach", "breaching", watch("Average", 60, "breaching"), vec![]),
        ("another metric", "hold", elsewhere(), vec![]),
        ("other alarms", "hold", composite(), vec![]),
        (
            "another statistic",
            "hold",
            watch("Maximum", 60, "ignore"),
            vec!["warning alarms[0]: alarm `mine` looks at `Maximum` of the metric, and policy `load` at `Average`"],
        ),
        (
            "a longer period",
            "hold",
            watch("Average", 300, "notBreaching"),
            vec!["warning alarms[0]: alarm `mine` has a period of 5m, and policy `load` one of 1m"],
        ),
        (
            "no data wakes for nothing",
            "hold",
            watch("Average", 60, "breaching"),
            vec!["warning alarms[0]: alarm `mine` takes missing data as `breaching`, and policy `load` does nothing then"],
        ),
        (
            "no data wakes nobody",
            "breaching",
            watch("Average", 60, "ignore"),
            vec!["warning alarms[0]: alarm `mine` takes missing data as `ignore`, and policy `load` as `breaching`"],
        ),
        (
            "CloudWatch's default",
            "ignore",
            watch("Average", 60, "missing"),
            vec!["note alarms[0]: alarm `mine` goes to INSUFFICIENT_DATA when its metric has no data"],
        ),
    ] {
        let listed = Listed {
            path: "alarms[0]".to_owned(),
            name: AlarmName::new("mine"),
            watch,
        };
        let findings = alarms::judge_listed(&spec(missing), &Resolved::default(), &[listed]);
        assert_eq!(lines(&findings), expected, "{situation}, once for both pools");
    }
}

#[test]
fn who_mutes_is_told_now_and_beforehand() {
    let mute = |is_active, alarms: &[&str]| Mute {
        rule: "nightly".to_owned(),
        alarms: alarms
            .iter()
            .map(|name| ("policies[0]".to_owned(), AlarmName::new(*name)))
            .collect(),
        is_active,
        when: "cron(0 2 * * *) for PT4H".to_owned(),
    };
    for (mute, expected) in [
        (
            mute(true, &["a"]),
            vec!["warning policies[0]: mute rule `nightly` silences `a` now"],
        ),
        (
            mute(false, &["a", "b", "c", "d", "e"]),
            vec!["note policies[0]: mute rule `nightly` will silence `a`, `b`, `c` and 2 more"],
        ),
        (mute(true, &[]), vec![]),
    ] {
        let findings = alarms::judge_mutes(&[mute]);
        assert_eq!(lines(&findings), expected);
        assert!(findings.iter().all(|finding| finding.why.starts_with("cron(0 2 * * *) for PT4H: ")));
    }
}

#[test]
fn every_family_counts_in_its_quota() {
    for (name, on_demand, spot) in [
        ("c7a.large", Some("L-1216C47A"), Some("L-34B43A08")),
        ("t3.micro", Some("L-1216C47A"), Some("L-34B43A08")),
        ("im4gn.large", Some("L-1216C47A"), Some("L-34B43A08")),
        ("g5.xlarge", Some("L-DB2E81BA"), Some("L-3819A6DF")),
        ("vt1.3xlarge", Some("L-DB2E81BA"), Some("L-3819A6DF")),
        ("p5.48xlarge", Some("L-417A185B"), Some("L-7212CCBC")),
        ("inf2.xlarge", Some("L-1945791B"), Some("L-B5D1601B")),
        ("trn1.2xlarge", Some("L-2C3B7624"), Some("L-6B0D517C")),
        ("x2idn.metal", Some("L-7295265B"), Some("L-E3A00192")),
        ("u-6tb1.metal", Some("L-43DA4232"), None),
        ("mac2.metal", None, None),
        ("", None, None),
    ] {
        let code = |market| limits::quota_of(&InstanceType::new(name), market).map(|quota| quota.code);
        assert_eq!((code(Market::OnDemand), code(Market::Spot)), (on_demand, spot), "{name}");
    }
}

/// An account with these vCPUs of quota, for a fleet of one pool of two to ten instances.
fn account(on_demand: u32, spot: u32) -> Limits {
    Limits {
        vcpus: BTreeMap::from([("c7a.large", 2), ("c7i.large", 4), ("g5.xlarge", 4)].map(|(name, vcpus)| (InstanceType::new(name), vcpus))),
        quotas: BTreeMap::from([("L-1216C47A", on_demand), ("L-34B43A08", spot)].map(|(code, vcpus)| (code.to_owned(), vcpus))),
        fleets: 1,
        ..Limits::default()
    }
}

#[test]
fn a_quota_is_held_against_the_largest_and_the_smallest_size() {
    let sized = |types: &[&str], market: Value, max: u32| {
        let capacity = json!({ "capacity": { "min": 2, "max": max } });
        spec(&["subnet-a"], types, &json!({ "market": market }), &capacity)
    };
    let standard = "the quota `Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances`";
    let spot = "the quota `All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests`";
    let both = ["c7a.large", "c7i.large"];
    for (situation, spec, account, expected) in [
        ("it fits", sized(&both, json!({}), 10), account(40, 0), vec![]),
        (
            "too large, by the largest type",
            sized(&both, json!({}), 10),
            account(39, 0),
            vec![format!(
                "warning pools[0].capacity.max: at its largest the fleet needs 40 vCPUs of {standard}, which is 39"
            )],
        ),
        (
            "not even its minimum",
            sized(&both, json!({}), 10),
            account(5, 0),
            vec![format!(
                "error pools[0].capacity.max: even at its smallest the fleet needs 8 vCPUs of {standard}, which is 5"
            )],
        ),
        (
            "each market by its share",
            sized(&both, json!({ "on_demand_base": 2, "spot_percent": 50 }), 10),
            account(24, 8),
            vec![format!(
                "warning pools[0].capacity.max: at its largest the fleet needs 16 vCPUs of {spot}, which is 8"
            )],
        ),
        (
            "a quota that AWS does not tell",
            sized(&["g5.xlarge"], json!({}), 10),
            account(0, 0),
            vec![],
        ),
        (
            "a type that nobody knows",
            sized(&["c9z.large"], json!({}), 10),
            account(0, 0),
            vec![],
        ),
    ] {
        assert_eq!(lines(&limits::judge(&spec, &account)), expected, "{situation}");
    }
    let by_template = sized(&[], json!({}), 10);
    let mut account = account(19, 0);
    assert_eq!(lines(&limits::judge(&by_template, &account)).len(), 0, "the template names no type");
    account.template_types = BTreeMap::from([(by_template.pools[0].id.clone(), InstanceType::new("c7a.large"))]);
    assert_eq!(lines(&limits::judge(&by_template, &account)).len(), 1);
}

#[test]
fn subnets_need_an_address_for_each_instance() {
    let ten = || spec(&["subnet-a", "subnet-b"], &["c7a.large"], &json!({}), &json!({}));
    for (situation, free, members, expected) in [
        ("room enough", vec![("subnet-a", 4), ("subnet-b", 6)], 0, vec![]),
        (
            "too few",
            vec![("subnet-a", 4), ("subnet-b", 5)],
            0,
            vec!["warning pools[0].launch.subnets: the pool's subnets have 9 free addresses, and it may grow by 10"],
        ),
        ("who is there has one", vec![("subnet-a", 4), ("subnet-b", 5)], 1, vec![]),
        ("a subnet that nobody knows", vec![("subnet-a", 1)], 0, vec![]),
    ] {
        let mut account = account(1_000, 0);
        account.free_addresses = free.into_iter().map(|(id, free)| (SubnetId::new(id), free)).collect();
        account.members = BTreeMap::from([(ten().pools[0].id.clone(), members)]);
        assert_eq!(lines(&limits::judge(&ten(), &account)), expected, "{situation}");
    }
}

#[test]
fn the_bucket_of_launches_is_shared_by_all_fleets() {
    let wide = || {
        spec(
            &["subnet-a", "subnet-b", "subnet-c"],
            &["c7a.large"],
            &json!({ "market": { "spot_percent": 50 } }),
            &json!({}),
        )
    };
    for (situation, spec, fleets, expected) in [
        ("two places, 62 fleets", plain(), 62, vec![]),
        (
            "two places, 63 fleets",
            plain(),
            63,
            vec!["warning : if all 63 fleets of the account grow in the same minute, 1 of them wait"],
        ),
        ("five calls, 25 fleets", wide(), 25, vec![]),
        (
            "five calls, 300 fleets",
            wide(),
            300,
            vec!["warning : if all 300 fleets of the account grow in the same minute, 275 of them wait"],
        ),
    ] {
        let limits = Limits {
            fleets,
            ..account(1_000, 1_000)
        };
        assert_eq!(lines(&limits::judge(&spec, &limits)), expected, "{situation}");
    }
}
