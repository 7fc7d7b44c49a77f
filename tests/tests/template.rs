//! The template and the code say the same: environment, binaries, and for each function exactly the actions that its calls
//! need.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ghostnet_aws::telemetry::OwnMetric;
use ghostnet_aws::{actions, settings};
use ghostnet_core::observation::{Told, tag};
use ghostnet_tests::root;
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Map, Value, json};

const FUNCTIONS: [(&str, &str, &str); 5] = [
    ("alarm", "AlarmFunction", "AlarmRole"),
    ("tick", "TickFunction", "TickRole"),
    ("interruption", "InterruptionFunction", "InterruptionRole"),
    ("failover", "FailoverFunction", "FailoverRole"),
    ("forecast", "ForecastFunction", "ForecastRole"),
];

/// Functions that launch nobody.
const WITHOUT_LAUNCHES: [&str; 2] = ["failover", "forecast"];

/// What a function needs besides its calls: the platform writes its logs, traces and failed events with its role.
const PLATFORM: [&str; 5] = [
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:SendMessage",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];
/// EC2 uses the rights of who launches to pass a role and a key on.
const OF_LAUNCHES: [&str; 7] = [
    "iam:PassRole",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];

#[test]
fn the_environment_is_the_one_the_code_reads() {
    let template = template();
    let given: BTreeSet<&str> = keys(&template["Globals"]["Function"]["Environment"]["Variables"]);
    assert_eq!(given, BTreeSet::from(settings::ALL));
    for (_, function, _) in FUNCTIONS {
        assert!(
            template["Resources"][function]["Properties"]["Environment"].is_null(),
            "{function} has variables of its own"
        );
    }
}

#[test]
fn every_function_is_built_from_the_root_by_its_own_binary() {
    let template = template();
    assert_eq!(template["Globals"]["Function"]["CodeUri"], ".");
    for (name, function, role) in FUNCTIONS {
        let resource = &template["Resources"][function];
        assert_eq!(resource["Metadata"]["BuildMethod"], "rust-cargolambda", "{function}");
        assert_eq!(
            resource["Metadata"]["BuildProperties"]["Binary"],
            format!("ghostnet-{name}"),
            "{function}"
        );
        assert_eq!(
            resource["Properties"]["Role"],
            json!({ "Fn::GetAtt": format!("{role}.Arn") }),
            "{function}"
        );
        let manifest = fs::read_to_string(root().join("functions").join(name).join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains(&format!("name = \"ghostnet-{name}\"")),
            "functions/{name} makes another binary"
        );
    }
    let built = template["Resources"]
        .as_object()
        .unwrap()
        .values()
        .filter(|resource| resource["Type"] == "AWS::Serverless::Function")
        .count();
    let folders = fs::read_dir(root().join("functions")).unwrap().count();
    assert_eq!((built, folders), (FUNCTIONS.len(), FUNCTIONS.len()));
}

#[test]
fn each_role_grants_what_its_function_calls_and_nothing_more() {
    let template = template();
    for (name, _, role) in FUNCTIONS {
        let mut granted = actions_of(&template["Resources"][role]["Properties"]["Policies"]);
        let of_launches = OF_LAUNCHES.iter().filter(|_| !WITHOUT_LAUNCHES.contains(&name));
        for action in PLATFORM.iter().chain(of_launches) {
            assert!(granted.remove(*action), "{role} lacks {action}");
        }
        assert_eq!(granted, needed(name), "{role}");
    }
}

/// What is emitted only when something is wrong wakes somebody.
#[test]
fn what_tells_that_ghostnet_itself_fails_has_an_alarm() {
    let template = template();
    let resources = template["Resources"].as_object().unwrap().values();
    let own = resources.filter(|resource| resource["Properties"]["Namespace"] == json!("GhostNet"));
    let watched: BTreeSet<&str> = own.filter_map(|alarm| alarm["Properties"]["MetricName"].as_str()).collect();
    for metric in [OwnMetric::TickSucceeded, OwnMetric::Alerts, OwnMetric::FleetFailed] {
        assert!(watched.contains(metric.as_str()), "{}: {watched:?}", metric.as_str());
    }
}

/// What is named in all regions is asked for in the stack's own and in those of its parameter, and nowhere else.
#[test]
fn nothing_is_asked_for_in_a_region_that_nobody_named() {
    let template = template();
    for (_, _, role) in FUNCTIONS {
        let policies = template["Resources"][role]["Properties"]["Policies"].to_string();
        let services = ["ec2", "elasticloadbalancing", "servicediscovery", "cloudwatch"];
        let denied = template["Resources"][role]["Properties"]["Policies"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap())
            .find(|statement| statement["Sid"] == "NowhereElse")
            .unwrap_or_else(|| panic!("{role}"));
        let here = json!({ "Fn::Join": [",", [{ "Ref": "AWS::Region" }, { "Fn::Join": [",", { "Ref": "OtherRegions" }] }]] });
        let regions = &denied["Condition"]["StringNotEquals"]["aws:RequestedRegion"];
        assert_eq!((&denied["Effect"], &denied["Resource"]), (&json!("Deny"), &json!("*")), "{role}");
        let named = json!({ "Fn::Split": [",", here] });
        assert_eq!(
            *regions,
            json!({ "Fn::If": ["HasOtherRegions", named, { "Ref": "AWS::Region" }] }),
            "{role}"
        );
        let actions = denied["Action"].as_array().unwrap();
        for service in services.into_iter().filter(|service| policies.contains(&format!("\"{service}:"))) {
            assert!(actions.contains(&json!(format!("{service}:*"))), "{role}: {service}");
        }
    }
}

/// A subnet of a shared VPC is its owner's, and so is a reservation.
#[test]
fn launches_go_into_subnets_of_other_accounts_too() {
    let template = template();
    for (_, _, role) in FUNCTIONS.into_iter().filter(|(name, _, _)| !WITHOUT_LAUNCHES.contains(name)) {
        let text = template["Resources"][role].to_string();
        assert!(text.contains(":ec2:*:*:subnet/*"), "{role}");
    }
}

/// A tag makes an instance ours, so nobody may set tags at will: all at the launch, and afterwards this one, on ours.
#[test]
fn tags_are_set_at_launch_or_are_the_one_that_tells_our_instances_that_they_leave() {
    let template = template();
    for (_, _, role) in FUNCTIONS.into_iter().filter(|(name, _, _)| !WITHOUT_LAUNCHES.contains(name)) {
        let policies = template["Resources"][role]["Properties"]["Policies"].as_array().unwrap();
        let statements = policies
            .iter()
            .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap());
        let conditions: Vec<&Value> = statements
            .filter(|statement| actions_of(statement).contains("ec2:CreateTags"))
            .map(|statement| &statement["Condition"])
            .collect();
        let [at_launch, afterwards] = conditions[..] else {
            panic!("{role}: {conditions:?}")
        };
        let launches = json!(["CreateFleet", "RunInstances"]);
        assert_eq!(at_launch["StringEquals"]["ec2:CreateAction"], launches, "{role}");
        assert!(
            !afterwards["StringEquals"][format!("aws:ResourceTag/{}", tag::INSTALLATION)].is_null(),
            "{role}"
        );
        assert_eq!(
            afterwards["ForAllValues:StringEquals"]["aws:TagKeys"],
            json!([tag::STATE]),
            "{role}"
        );
        assert_eq!(
            afterwards["StringEquals"][format!("aws:RequestTag/{}", tag::STATE)],
            json!([Told::Draining.as_str(), Told::Serving.as_str()]),
            "{role}"
        );
    }
}

/// Without the tag of an installation nobody's service is touched, and records only as Cloud Map's own part of a registration.
#[test]
fn services_of_cloud_map_are_changed_only_where_they_carry_our_tag() {
    let template = template();
    for (_, _, role) in FUNCTIONS {
        let policies = template["Resources"][role]["Properties"]["Policies"].as_array().unwrap();
        let statements = policies
            .iter()
            .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap());
        for statement in statements {
            let actions = actions_of(statement);
            if actions.contains("servicediscovery:RegisterInstance") || actions.contains("servicediscovery:DeregisterInstance") {
                let tag = format!("aws:ResourceTag/{}", tag::INSTALLATION);
                assert!(!statement["Condition"]["StringEquals"][tag].is_null(), "{role}");
            }
            // what failover changes by itself has a test of its own
            if role != "FailoverRole" && actions.iter().any(|action| action.starts_with("route53:")) {
                assert_eq!(statement["Condition"]["Bool"]["aws:ViaAWSService"], "true", "{role}");
            }
        }
    }
}

/// Failover moves traffic where the owner allowed it, and launches, ends and registers nobody: rules by their tag, zones and accelerators
/// because a parameter names them.
#[test]
fn failover_changes_only_what_its_owner_gave_it() {
    let template = template();
    let policies = &template["Resources"]["FailoverRole"]["Properties"]["Policies"];
    let statements = policies[0]["PolicyDocument"]["Statement"].as_array().unwrap();
    let harmless = [
        "Describe",
        "Get",
        "BatchGet",
        "ConditionCheck",
        "Query",
        "List",
        "Put",
        "CreateLogStream",
        "Send",
        "Invoke",
    ];
    let mut given = Vec::new();
    for statement in statements {
        // with a parameter, or not at all
        let (condition, statement) = match statement["Fn::If"].as_array() {
            Some(parts) => {
                assert_eq!(parts[2], json!({ "Ref": "AWS::NoValue" }));
                (parts[0].as_str().unwrap(), &parts[1])
            }
            None => ("", statement),
        };
        let changes: Vec<_> = actions_of(statement)
            .into_iter()
            .filter(|action| !harmless.iter().any(|verb| action.split(':').nth(1).unwrap().starts_with(verb)))
            .collect();
        if changes.is_empty() {
            continue;
        }
        given.extend(changes.iter().map(|change| format!("{condition} {change}")));
        let limits = &statement["Condition"];
        match condition {
            "HasHostedZones" => {
                assert_eq!(statement["Resource"], json!({ "Ref": "HostedZoneArns" }));
                let asked = &limits["ForAllValues:StringEquals"];
                assert_eq!(asked["route53:ChangeResourceRecordSetsActions"], json!(["CREATE", "DELETE"]));
                assert_eq!(asked["route53:ChangeResourceRecordSetsRecordTypes"], json!(["A", "AAAA", "CNAME"]));
            }
            "HasAccelerators" => {
                let below = json!({ "Fn::Sub": ["${Arns}/listener/*", { "Arns": { "Fn::Join": ["/listener/*,", { "Ref": "AcceleratorArns" }] } }] });
                assert_eq!(statement["Resource"], json!({ "Fn::Split": [",", below] }));
            }
            _ if changes == ["ec2:AssociateAddress"] && limits.is_null() => {
                let interfaces = statement["Resource"]["Fn::Sub"].as_str().unwrap();
                assert!(
                    interfaces.ends_with(":network-interface/*"),
                    "of the address and the instance the tag is asked: {interfaces}"
                );
            }
            _ => {
                let tag = format!("aws:ResourceTag/{}", tag::INSTALLATION);
                assert!(!limits["StringEquals"][tag].is_null());
            }
        }
    }
    let expected = [
        " elasticloadbalancing:ModifyListener",
        " elasticloadbalancing:ModifyRule",
        " ec2:AssociateAddress",
        " ec2:AssociateAddress",
        " ec2:ReplaceRoute",
        "HasHostedZones route53:ChangeResourceRecordSets",
        "HasAccelerators globalaccelerator:UpdateEndpointGroup",
    ];
    assert_eq!(given, expected);
}

/// Failover finds tick by its name.
#[test]
fn functions_are_named_by_their_stack() {
    let template = template();
    for (name, function, _) in FUNCTIONS {
        let called = json!({ "Fn::Sub": format!("${{AWS::StackName}}-{name}") });
        assert_eq!(template["Resources"][function]["Properties"]["FunctionName"], called);
    }
    let timeout = template["Resources"]["FailoverFunction"]["Properties"]["Timeout"].as_u64();
    assert_eq!(timeout, Some(u64::from(ghostnet_engine::invocation::FAILOVER_TIMEOUT.0)));
}

/// An alarm about a side's health wakes failover, and failover alone.
#[test]
fn an_alarm_has_one_way() {
    let template = template();
    let pattern = |rule: &str| template["Resources"][rule]["Properties"]["EventPattern"]["detail"]["alarmName"].clone();
    let health = json!({ "wildcard": "ghostnet/*/*/health/*" });
    assert_eq!(pattern("HealthAlarmRule"), json!([health]));
    assert_eq!(pattern("AlarmStateRule"), json!([{ "anything-but": health }]));
}

#[test]
fn operators_may_do_what_the_command_line_does() {
    let template = template();
    let mut granted = actions_of(&template["Resources"]["OperatorPolicy"]["Properties"]["PolicyDocument"]);
    granted.extend(actions_of(&template["Resources"]["ViewerPolicy"]["Properties"]["PolicyDocument"]));
    let called = actions::OPERATOR.iter().flat_map(|call| call.actions);
    let missing: Vec<_> = called.filter(|action| !granted.contains(**action)).collect();
    assert!(missing.is_empty(), "neither policy grants {missing:?}");
}

/// Whoever may tag any instance as ours could have GhostNet terminate it: only what is nobody's, or ours already.
#[test]
fn operators_hand_over_what_is_nobodys_and_nothing_else() {
    let template = template();
    let statements = &template["Resources"]["OperatorPolicy"]["Properties"]["PolicyDocument"]["Statement"];
    let takes = statements.as_array().unwrap().iter();
    let [takes] = takes
        .filter(|statement| actions_of(statement).contains("ec2:CreateTags"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("one statement is about tags that come")
    };
    let condition = &takes["Condition"];
    let of = |key: &str| format!("aws:RequestTag/{key}");
    assert_eq!(condition["StringEquals"][of(tag::PLAN)], tag::HANDED_OVER);
    assert!(!condition["StringEquals"][of(tag::INSTALLATION)].is_null());
    assert!(!condition["StringEqualsIfExists"][format!("aws:ResourceTag/{}", tag::INSTALLATION)].is_null());
    let keys = &condition["ForAllValues:StringEquals"]["aws:TagKeys"];
    assert_eq!(*keys, json!([tag::FLEET, tag::INSTALLATION, tag::PLAN, tag::POOL]));
}

/// Whoever may take any tag off any instance could take it from its owner.
#[test]
fn operators_take_off_our_own_tags_and_no_others() {
    let template = template();
    let statements = &template["Resources"]["OperatorPolicy"]["Properties"]["PolicyDocument"]["Statement"];
    let releases = statements.as_array().unwrap().iter();
    let [release] = releases
        .filter(|statement| actions_of(statement).contains("ec2:DeleteTags"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("one statement is about tags that go")
    };
    let keys: BTreeSet<&str> = release["Condition"]["ForAllValues:StringEquals"]["aws:TagKeys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap())
        .collect();
    assert_eq!(keys, BTreeSet::from(ghostnet_aws::ownership::KEYS));
    assert!(!release["Condition"]["StringEquals"][format!("aws:ResourceTag/{}", tag::INSTALLATION)].is_null());
}

/// What the engine does on behalf of tick alone: it publishes averages, keeps the attributes of target groups, and asks what its role
/// may do.
const OF_TICK: [&str; 5] = ["publish", "group_attributes", "set_group_attributes", "may_launch", "may_touch"];

/// Actions of the calls that a function makes: its own source, and the engine's, which all functions share.
fn needed(function: &str) -> BTreeSet<String> {
    let own = source(&root().join("functions").join(function).join("src"));
    let shared = root().join("shared/engine/src");
    let of_one = |path: &Path| ["failover.rs", "learn.rs", "tune.rs"].iter().any(|file| path.ends_with(file));
    // these two share nothing with the others but how fleets are loaded, where they are, and how instances are listed
    let alone = |files: &[&str]| {
        let files = files.iter().chain(&["load.rs", "regions.rs"]);
        files.map(|file| fs::read_to_string(shared.join(file)).unwrap()).collect::<String>()
    };
    let engine = match function {
        "failover" => alone(&["failover.rs", "listing.rs"]),
        "forecast" => alone(&["learn.rs", "tune.rs"]),
        _ => source_but(&shared, &of_one),
    };
    let calls = |call: &&actions::Call| {
        let text = format!(".{}(", call.name);
        own.contains(&text) || engine.contains(&text) && (!OF_TICK.contains(&call.name) || function == "tick")
    };
    actions::PORTS
        .iter()
        .filter(calls)
        .flat_map(|call| call.actions)
        .map(|action| (*action).to_owned())
        .collect()
}

/// All the code below a folder, tests left out.
fn source(folder: &Path) -> String {
    source_but(folder, &|_| false)
}

/// The same without some files.
fn source_but(folder: &Path, left_out: &dyn Fn(&Path) -> bool) -> String {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| !path.ends_with("tests.rs") && !left_out(path))
        .map(|path| {
            if path.is_dir() {
                source_but(&path, left_out)
            } else {
                fs::read_to_string(path).unwrap()
            }
        })
        .collect()
}

/// Every action that is named anywhere below.
fn actions_of(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match value {
        Value::Array(items) => found.extend(items.iter().flat_map(actions_of)),
        // what is denied is not granted
        Value::Object(fields) if fields.get("Effect") == Some(&json!("Deny")) => {}
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("Action", Value::String(action)) => drop(found.insert(action.clone())),
                    ("Action", Value::Array(actions)) => found.extend(actions.iter().map(|action| action.as_str().unwrap().to_owned())),
                    _ => found.extend(actions_of(value)),
                }
            }
        }
        _ => {}
    }
    found
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn template() -> Value {
    let text = fs::read_to_string(root().join("template.yaml")).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap();
    plain(&documents[0])
}

/// The template as JSON, CloudFormation's short forms written out.
fn plain(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Tagged(tag, inner) if tag.suffix == "Ref" => json!({ "Ref": plain(inner) }),
        Yaml::Tagged(tag, inner) => json!({ format!("Fn::{}", tag.suffix): plain(inner) }),
        Yaml::Sequence(items) => items.iter().map(plain).collect(),
        Yaml::Mapping(fields) => fields
            .iter()
            .map(|(key, value)| (key.as_str().unwrap().to_owned(), plain(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.as_str().map_or_else(
            || {
                other
                    .as_integer()
                    .map_or_else(|| other.as_bool().map_or(Value::Null, Value::from), Value::from)
            },
            Value::from,
        ),
    }
}
