//! Whether an account is fit for a spec: what is asked, in which order, and what each answer is told as.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its spec should stop there")]

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::id::{InstallationId, TargetGroupArn};
use ghostnet_core::plan::LAUNCH_CALLS_MAX;
use ghostnet_core::spec::FleetSpec;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::live::groups::{self, GroupFacts};
use ghostnet_engine::live::probe::{LAUNCHES_MAX, LAUNCHES_PER_ASK, Trial, trials};
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
        assert_eq!(trials.len(), all, "{situation}");
        assert_eq!(trials.iter().collect::<BTreeSet<_>>().len(), all, "{situation}: none twice");
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
    assert_eq!(lines(&launching::untold(&none_left, 4)), [expected]);
    let some_left = Answered {
        left_out: 22,
        ..Answered::default()
    };
    let expected = "note : 20 of 42 combinations of subnet, type and market were tried";
    assert_eq!(lines(&launching::untold(&some_left, 20)), [expected]);
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
        owner: Some("ours".to_owned()),
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
                owner: None,
                ..fit.clone()
            },
            vec!["error pools[0].target_groups[0]: target group `web` is not this installation's"],
        ),
        (
            "with another's tag",
            drains("90s", json!({})),
            GroupFacts {
                owner: Some("theirs".to_owned()),
                ..fit.clone()
            },
            vec!["error pools[0].target_groups[0]: target group `web` is not this installation's"],
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
