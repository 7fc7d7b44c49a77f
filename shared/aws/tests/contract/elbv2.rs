//! ELBv2: health as it comes over the wire, and membership attempted once.

use std::collections::BTreeMap;

use ghostnet_core::id::{InstanceId, TargetGroupArn};
use ghostnet_core::observation::{Target, TargetHealth};
use ghostnet_core::spec::Attribute;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::LoadBalancer;

use crate::reply::{attributes, done, health};
use crate::sample::{group, region};
use crate::wire::{Reply, Wire, run};

/// A target that is healthy takes no traffic while somebody has shifted it away from its zone.
#[test]
fn a_zonal_shift_is_read_of_each_target() {
    let member = |(id, administrative): (&str, &str)| {
        let health = "<TargetHealth><State>healthy</State></TargetHealth>";
        format!("<member><Target><Id>{id}</Id></Target>{health}{administrative}</member>")
    };
    let says = |state: &str| format!("<AdministrativeOverride><State>{state}</State><Reason>x</Reason></AdministrativeOverride>");
    let states = ["zonal_shift_active", "zonal_shift_delegated_to_dns", "no_override", "unknown"].map(says);
    let [active, by_dns, none, unknown] = &states;
    let members = [
        ("i-1", active.as_str()),
        ("i-2", by_dns),
        ("i-3", none),
        ("i-4", unknown),
        ("i-5", ""),
    ];
    let members: String = members.map(member).concat();
    let result =
        format!("<DescribeTargetHealthResult><TargetHealthDescriptions>{members}</TargetHealthDescriptions></DescribeTargetHealthResult>");
    let wire = Wire::script([Reply::xml(format!(
        "<DescribeTargetHealthResponse>{result}</DescribeTargetHealthResponse>"
    ))]);
    let targets = run(wire.aws().targets(&region(), &group())).unwrap_or_default();
    let shifted: Vec<bool> = targets.iter().map(|target| target.shifted).collect();
    assert_eq!(shifted, [true, true, false, false, false]);
}

#[test]
fn targets_are_read_with_their_health() {
    let wire = Wire::script([health(&[
        ("i-1", "healthy", ""),
        ("i-2", "unused", "Target.NotRegistered"),
        ("i-3", "unused", "Target.InvalidState"),
        ("i-4", "unhealthy.draining", "Target.DeregistrationInProgress"),
    ])]);
    let targets = [
        ("i-1", TargetHealth::Healthy),
        ("i-3", TargetHealth::InvalidState),
        ("i-4", TargetHealth::Draining),
    ];
    let targets = targets.map(|(id, health)| Target {
        instance: InstanceId::new(id),
        health,
        shifted: false,
    });
    assert_eq!(run(wire.aws().targets(&region(), &group())), Ok(targets.to_vec()));
    assert_eq!(wire.only().text("TargetGroupArn"), group().as_str());
}

#[test]
fn a_group_that_does_not_exist_is_not_found() {
    let wire = Wire::script([Reply::elb_error(400, "TargetGroupNotFound")]);
    let error = run(wire.aws().targets(&region(), &group())).err();
    assert_eq!(error.map(|error| error.class), Some(ErrorClass::NotFound));
}

#[test]
fn membership_is_attempted_once() {
    let instances = [InstanceId::new("i-1"), InstanceId::new("i-2")];
    for (situation, reply, class) in [
        ("lost", Reply::Lost, Some(ErrorClass::Transient)),
        ("5xx", Reply::elb_error(503, "ServiceUnavailable"), Some(ErrorClass::Transient)),
        ("throttled", Reply::elb_error(400, "Throttling"), Some(ErrorClass::Throttled)),
        ("not running", Reply::elb_error(400, "InvalidTarget"), Some(ErrorClass::NotFound)),
        (
            "group is gone",
            Reply::elb_error(400, "TargetGroupNotFound"),
            Some(ErrorClass::NotFound),
        ),
        ("full", Reply::elb_error(400, "TooManyTargets"), Some(ErrorClass::Quota)),
        ("done", done("RegisterTargets"), None),
    ] {
        let wire = Wire::new(move |_, _| reply.clone());
        let result = run(wire.aws().register(&region(), &group(), &instances));
        assert_eq!(result.err().map(|error| error.class), class, "register: {situation}");
        let sent = wire.only();
        assert_eq!(
            (sent.operation.as_str(), sent.text("Targets.member.2.Id")),
            ("elasticloadbalancing:RegisterTargets", "i-2")
        );
    }
    let wire = Wire::script([]);
    let result = run(wire.aws().deregister(&region(), &group(), &instances));
    assert_eq!(result.err().map(|error| error.class), Some(ErrorClass::Transient));
    assert_eq!(wire.only().operation, "elasticloadbalancing:DeregisterTargets");
}

#[test]
fn a_look_at_health_is_repeated() {
    let wire = Wire::script([Reply::Lost, health(&[])]);
    assert_eq!(run(wire.aws().targets(&region(), &group())), Ok(Vec::new()));
}

#[test]
fn facts_of_groups_leave_out_what_does_not_exist() {
    let balancer = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc";
    let found = format!(
        "<member><LoadBalancerArns><member>{balancer}</member></LoadBalancerArns><TargetType>instance</TargetType><Protocol>HTTP</Protocol></member>"
    );
    let found = format!("<DescribeTargetGroupsResult><TargetGroups>{found}</TargetGroups></DescribeTargetGroupsResult>");
    let wire = Wire::script([
        Reply::elb_error(400, "TargetGroupNotFound"),
        Reply::xml(format!("<DescribeTargetGroupsResponse>{found}</DescribeTargetGroupsResponse>")),
    ]);
    let facts = run(wire.aws().target_groups(&region(), &[TargetGroupArn::new("arn:gone"), group()]));
    let told: Option<BTreeMap<_, _>> = facts.ok().map(|facts| {
        facts
            .into_iter()
            .map(|(group, facts)| (group, (facts.balancer, facts.target_type, facts.protocol)))
            .collect()
    });
    let expected = BTreeMap::from([(group(), (Some("app/web/50dc".to_owned()), "instance".to_owned(), "HTTP".to_owned()))]);
    assert_eq!(told, Some(expected));
}

#[test]
fn attributes_that_a_spec_can_name_are_read() {
    let wire = Wire::script([attributes(
        "DescribeTargetGroupAttributes",
        &[
            ("load_balancing.algorithm.type", "round_robin"),
            ("preserve_client_ip.enabled", "true"),
            ("stickiness.app_cookie.cookie_name", ""),
        ],
    )]);
    let read = BTreeMap::from([
        (Attribute::Algorithm, "round_robin".to_owned()),
        (Attribute::AppCookieName, String::new()),
    ]);
    assert_eq!(run(wire.aws().group_attributes(&region(), &group())), Ok(read));
    assert_eq!(wire.only().text("TargetGroupArn"), group().as_str());
}

#[test]
fn attributes_are_set_in_one_attempt() {
    let set = BTreeMap::from([
        (Attribute::Algorithm, "weighted_random".to_owned()),
        (Attribute::AnomalyMitigation, "on".to_owned()),
    ]);
    for (situation, reply, class) in [
        ("lost", Reply::Lost, Some(ErrorClass::Transient)),
        ("throttled", Reply::elb_error(400, "Throttling"), Some(ErrorClass::Throttled)),
        (
            "not possible together",
            Reply::elb_error(400, "InvalidConfigurationRequest"),
            Some(ErrorClass::Invalid),
        ),
        (
            "group is gone",
            Reply::elb_error(400, "TargetGroupNotFound"),
            Some(ErrorClass::NotFound),
        ),
        ("done", attributes("ModifyTargetGroupAttributes", &[]), None),
    ] {
        let wire = Wire::new(move |_, _| reply.clone());
        let result = run(wire.aws().set_group_attributes(&region(), &group(), &set));
        assert_eq!(result.err().map(|error| error.class), class, "{situation}");
        let sent = wire.only();
        let told = ["Key", "Value"].map(|part| sent.text(&format!("Attributes.member.2.{part}")).to_owned());
        assert_eq!(sent.operation, "elasticloadbalancing:ModifyTargetGroupAttributes");
        assert_eq!(told, ["load_balancing.algorithm.anomaly_mitigation", "on"]);
    }
}

#[test]
fn a_group_belongs_to_whom_its_tag_names() {
    let tagged = |arn: &str, key: &str, value: &str| {
        let tag = format!("<member><Key>{key}</Key><Value>{value}</Value></member>");
        format!("<member><ResourceArn>{arn}</ResourceArn><Tags>{tag}</Tags></member>")
    };
    let described = |members: &str| {
        let result = format!("<DescribeTagsResult><TagDescriptions>{members}</TagDescriptions></DescribeTagsResult>");
        Reply::xml(format!("<DescribeTagsResponse>{result}</DescribeTagsResponse>"))
    };
    let groups: Vec<_> = (0..21).map(|n| TargetGroupArn::new(format!("arn:{n}"))).collect();
    let first = [tagged("arn:0", "ghostnet:installation", "inst"), tagged("arn:1", "team", "web")].concat();
    let wire = Wire::script([described(&first), described(&tagged("arn:20", "ghostnet:installation", "theirs"))]);
    let owners = run(wire.aws().group_owners(&region(), &groups)).unwrap_or_default();
    let told: Vec<_> = owners.iter().map(|(group, owner)| (group.as_str(), owner.as_str())).collect();
    assert_eq!(told, [("arn:0", "inst"), ("arn:20", "theirs")]);
    assert_eq!(wire.operations().len(), 2, "twenty to a call");
    let gone = Wire::script([Reply::elb_error(400, "TargetGroupNotFound")]);
    let error = run(gone.aws().group_owners(&region(), &groups)).err();
    assert_eq!(error.map(|error| error.code).as_deref(), Some("TargetGroupNotFound"));
}
