//! What follows from what was refused.

use ghostnet_core::id::TargetGroupArn;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::live::probe::Trial;
use ghostnet_engine::live::{Answered, Probe, Probed, Severity, launching};
use ghostnet_engine::port::Touch;

use crate::{GROUP, asked, denied, lines, plain, refused, spot};

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
