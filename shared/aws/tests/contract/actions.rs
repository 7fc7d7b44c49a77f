//! The table of IAM actions against what is really sent: every call once, on its longest way.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_aws::Aws;
use ghostnet_aws::actions::{Call, OPERATOR, PORTS};
use ghostnet_aws::dynamodb::operator::SpecWrite;
use ghostnet_core::forecast::Forecast;
use ghostnet_core::id::{AlarmName, Destination, Generation, InstallationId, InstanceId, InstanceType, RouteId, SpecVersion, SubnetId};
use ghostnet_core::observation::Told;
use ghostnet_core::plan::Launch;
use ghostnet_core::route::Route;
use ghostnet_core::spec::metric::QueryShape;
use ghostnet_core::state::{RouteTo, Routing};
use ghostnet_core::unit::Finite;
use ghostnet_engine::port::{
    Compute, Discovery, DryRun, ForecastStore, LoadBalancer, Look, Metrics, PublishedValue, Routes, Store, Touch, TrafficCommit,
    TrafficStore,
};
use serde_json::json;

use crate::cloudwatch::{definition, muted, plain};
use crate::reply::{done as elb_done, fleet_launched, health, launched, page, started, statuses, stopped, terminated};
use crate::sample::{
    announced, capacity_item, choice, commit, done, fleet, group, launch, load, memory, minute, offering, plan_id, record, region,
    registrar, service, spec, spec_item, state, step, traffic, traffic_commit,
};
use crate::wire::{Reply, Sent, Wire, run};

fn listener() -> RouteId {
    RouteId::new("arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/web/a/b")
}

fn rule() -> RouteId {
    RouteId::new("arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/web/a/b/c")
}

fn records() -> RouteId {
    RouteId::new("route53:Z0123ABC/www.example.com/A")
}

fn address() -> RouteId {
    RouteId::new("eipalloc-0123456789abcdef0")
}

fn line() -> RouteId {
    RouteId::new("rtb-0123456789abcdef0/0.0.0.0/0")
}

fn accelerator() -> RouteId {
    RouteId::new("arn:aws:globalaccelerator::1:accelerator/a/listener/b")
}

fn endpoint_group() -> RouteId {
    RouteId::new("arn:aws:globalaccelerator::1:accelerator/a/listener/b/endpoint-group/c")
}

/// A plausible answer to any request.
fn answer(sent: &Sent, number: usize) -> Reply {
    match sent.operation.as_str() {
        "ec2:DescribeInstances" => page("", None),
        "ec2:DescribeInstanceStatus" => statuses("", None),
        "ec2:RunInstances" => launched(&["i-1"]),
        "ec2:CreateFleet" => fleet_launched(&["i-1"], &[]),
        "ec2:TerminateInstances" => terminated(),
        "ec2:StartInstances" => started(),
        "ec2:StopInstances" => stopped(),
        "elasticloadbalancing:DescribeTargetHealth" => health(&[]),
        "dynamodb:BatchGetItem" => Reply::json(&json!({ "Responses": { "table": [spec_item("web", 3)] } })),
        // a state exists at the second look
        "dynamodb:GetItem" if number > 1 => Reply::json(&json!({ "Item": capacity_item("web", 9, &state(8), &[]) })),
        // the first transaction fails as it does on the longest way
        "dynamodb:TransactWriteItems" if number < 2 => {
            let first = sent.body["TransactItems"][0]
                .as_object()
                .and_then(|item| item.keys().next().cloned());
            match (first.as_deref(), sent.text("ClientRequestToken").len()) {
                // ours, with our token: used
                (Some("Update" | "Put"), 32) => Reply::json_error("IdempotentParameterMismatchException", json!({})),
                (Some("Delete"), _) => Reply::json(&json!({})),
                _ => {
                    let reasons = json!([{ "Code": "None" }, { "Code": "ConditionalCheckFailed" }]);
                    Reply::json_error("TransactionCanceledException", json!({ "CancellationReasons": reasons }))
                }
            }
        }
        "servicediscovery:ListInstances" => Reply::json(&json!({ "Instances": [] })),
        operation if operation.starts_with("servicediscovery:") => Reply::json(&json!({ "OperationId": "operation" })),
        operation
            if ["dynamodb:", "lambda:", "servicequotas:"]
                .iter()
                .any(|service| operation.starts_with(service)) =>
        {
            Reply::json(&json!({}))
        }
        "cloudwatch:ListAlarmMuteRules" => muted(&[("nightly", "SCHEDULED")], None),
        operation if operation.starts_with("cloudwatch:") => Reply::cbor(&json!({})),
        operation => elb_done(operation.rsplit(':').next().unwrap_or_default()),
    }
}

/// The IAM actions that AWS checks for a request.
fn checked(sent: &Sent) -> Vec<String> {
    match sent.operation.as_str() {
        // always allowed
        "sts:GetCallerIdentity" => Vec::new(),
        "ec2:RunInstances" if sent.body.get("TagSpecification.1.ResourceType").is_some() => {
            vec!["ec2:CreateTags".to_owned(), sent.operation.clone()]
        }
        "ec2:CreateFleet" => ["ec2:CreateFleet", "ec2:CreateTags", "ec2:RunInstances"]
            .map(str::to_owned)
            .to_vec(),
        // as if the service had records: Cloud Map changes them with the caller's rights
        "servicediscovery:RegisterInstance" | "servicediscovery:DeregisterInstance" => {
            vec!["route53:ChangeResourceRecordSets".to_owned(), sent.operation.clone()]
        }
        // a transaction is allowed by the actions of its parts
        "dynamodb:TransactWriteItems" => {
            let items = sent.body["TransactItems"].as_array().cloned().unwrap_or_default();
            let kinds = items.iter().filter_map(|item| item.as_object()?.keys().next().cloned());
            kinds.map(|kind| format!("dynamodb:{kind}Item")).collect()
        }
        operation => vec![operation.to_owned()],
    }
}

/// What one call sends, as actions.
fn actions<T>(call: impl AsyncFnOnce(Aws) -> T) -> BTreeSet<String> {
    let wire = Wire::new(answer);
    run(call(wire.aws()));
    wire.sent().iter().flat_map(checked).collect()
}

fn compare(table: &[Call], recorded: BTreeMap<&'static str, BTreeSet<String>>) {
    let table: BTreeMap<_, BTreeSet<_>> = table
        .iter()
        .map(|call| (call.name, call.actions.iter().map(ToString::to_string).collect()))
        .collect();
    assert_eq!(table, recorded);
}

#[test]
fn every_port_needs_what_the_table_says() {
    let instances = || vec![InstanceId::new("i-1")];
    let tags = [("ghostnet:installation", "inst".to_owned())];
    let look = Look {
        fleet: fleet(),
        hold: Some(plan_id(1)),
        at: minute(1),
    };
    let QueryShape::Stat(stat) = plain().shape else { panic!() };
    let value = PublishedValue {
        stat,
        at: minute(1),
        value: Finite::from(1),
    };
    let recorded = BTreeMap::from([
        (
            "instances",
            actions(async |aws| aws.instances(&region(), &InstallationId::new("inst")).await),
        ),
        ("impaired", actions(async |aws| aws.impaired(&region()).await)),
        ("launch", actions(async |aws| aws.launch(&region(), &launch(1), &tags).await)),
        (
            "create_fleet",
            actions(async |aws| aws.create_fleet(&region(), &launch(1), &choice(), &tags).await),
        ),
        ("start", actions(async |aws| aws.start(&region(), &instances()).await)),
        ("stop", actions(async |aws| aws.stop(&region(), &instances(), true).await)),
        ("tell", actions(async |aws| aws.tell(&region(), &instances(), Told::Draining).await)),
        ("terminate", actions(async |aws| aws.terminate(&region(), &instances()).await)),
        (
            "may_launch",
            actions(async |aws| {
                let choosing = Launch {
                    choice: Some(choice()),
                    ..launch(1)
                };
                drop(aws.may_launch(&region(), &launch(1), &tags).await);
                drop(aws.may_launch(&region(), &choosing, &tags).await);
            }),
        ),
        (
            "may_touch",
            actions(async |aws| {
                for touch in [Touch::Start, Touch::Stop, Touch::Tell, Touch::Terminate] {
                    drop(aws.may_touch(&region(), &InstanceId::new("i-1"), touch).await);
                }
            }),
        ),
        ("targets", actions(async |aws| aws.targets(&region(), &group()).await)),
        (
            "register",
            actions(async |aws| aws.register(&region(), &group(), &instances()).await),
        ),
        (
            "deregister",
            actions(async |aws| aws.deregister(&region(), &group(), &instances()).await),
        ),
        (
            "group_attributes",
            actions(async |aws| aws.group_attributes(&region(), &group()).await),
        ),
        (
            "set_group_attributes",
            actions(async |aws| aws.set_group_attributes(&region(), &group(), &BTreeMap::new()).await),
        ),
        (
            "routing",
            actions(async |aws| {
                for route in [listener(), rule(), records(), accelerator(), endpoint_group(), address(), line()] {
                    drop(aws.routing(&region(), &[route]).await);
                }
            }),
        ),
        (
            "set_routing",
            actions(async |aws| {
                let forward = json!({ "type": "forward", "group": group() });
                let record = json!({ "chosen": { "weighted": 1 }, "answer": { "values": { "ttl": 60, "values": ["192.0.2.1"] } } });
                for (route, was, to) in [
                    (listener(), forward.clone(), "blue"),
                    (rule(), forward, "blue"),
                    (records(), json!({ "records": { "blue": record } }), "blue"),
                    (accelerator(), json!({ "dials": { "blue": 100.0 } }), "blue"),
                    (endpoint_group(), json!({ "endpoints": { "blue": { "weight": 1 } } }), "blue"),
                    (address(), json!(null), "i-1"),
                    (line(), json!(null), "i-1"),
                ] {
                    let routing = Routing {
                        sticks: false,
                        answer: None,
                        weights: BTreeMap::new(),
                        actions: was.to_string(),
                    };
                    let set = match route.route() {
                        Route::Rule => RouteTo::Actions(routing.clone()),
                        Route::Address(_) | Route::VpcRoute(_) => RouteTo::Weights([(Destination::new(to), 1)].into()),
                        _ => RouteTo::Weights([(Destination::new(to), 0)].into()),
                    };
                    drop(aws.set_routing(&region(), &route, &routing, &set).await);
                }
            }),
        ),
        (
            "commit_traffic",
            actions(async |aws| {
                let commit = TrafficCommit {
                    read_generation: Some(Generation(4)),
                    ..traffic_commit(Some(0))
                };
                aws.commit_traffic(&commit).await
            }),
        ),
        (
            "registrations",
            actions(async |aws| aws.registrations(&region(), &service(), &InstallationId::new("inst")).await),
        ),
        (
            "announce",
            actions(async |aws| {
                let (installation, by, instance) = (InstallationId::new("inst"), registrar(), InstanceId::new("i-1"));
                let announced = announced(&installation, &by, &instance);
                aws.announce(&region(), &service(), &announced).await
            }),
        ),
        (
            "withdraw",
            actions(async |aws| aws.withdraw(&region(), &service(), &InstanceId::new("i-1")).await),
        ),
        ("series", actions(async |aws| aws.series(&region(), &[plain()], minute(1)).await)),
        (
            "alarm_states",
            actions(async |aws| aws.alarm_states(&region(), &[AlarmName::new("a")]).await),
        ),
        ("publish", actions(async |aws| aws.publish(&region(), &[value]).await)),
        (
            "claim",
            actions(async |aws| aws.claim(&InstallationId::new("inst"), minute(0)).await),
        ),
        ("fleets", actions(async |aws| aws.fleets().await)),
        ("load", actions(async |aws| aws.load(&[fleet()]).await)),
        ("commit", actions(async |aws| aws.commit(&commit()).await)),
        (
            "record_outcomes",
            actions(async |aws| {
                aws.record_outcomes(&fleet(), &plan_id(1), &BTreeMap::from([(step(1, 0), done(1))]))
                    .await
            }),
        ),
        ("note_looks", actions(async |aws| aws.note_looks(&[look]).await)),
        ("record", actions(async |aws| aws.record(&record(1)).await)),
        (
            "recorded_plans",
            actions(async |aws| aws.recorded_plans(&fleet(), &BTreeSet::from([plan_id(1)])).await),
        ),
        ("exhausted", actions(async |aws| aws.exhausted(&region(), minute(0)).await)),
        (
            "note_exhausted",
            actions(async |aws| aws.note_exhausted(&region(), &offering(), minute(0)).await),
        ),
        ("note_alarm", actions(async |aws| aws.note_alarm("a", minute(0)).await)),
        ("forecasts", actions(async |aws| aws.forecasts(&[fleet()]).await)),
        ("memories", actions(async |aws| aws.memories(&[load(1)]).await)),
        (
            "keep_forecast",
            actions(async |aws| aws.keep_forecast(&fleet(), &Forecast::default(), minute(0)).await),
        ),
        (
            "keep_memories",
            actions(async |aws| aws.keep_memories(&BTreeMap::from([(load(1), memory(60))]), minute(0)).await),
        ),
        ("invoke_later", actions(async |aws| aws.invoke_later("tick", b"{}".to_vec()).await)),
    ]);
    compare(PORTS, recorded);
}

#[test]
fn every_verb_needs_what_the_table_says() {
    let (new, first) = (spec(4), traffic());
    let write = SpecWrite {
        fleet: &fleet(),
        spec: &new,
        read_version: Some(SpecVersion(3)),
        first_traffic: &first,
        alarms: &[],
    };
    let name = || AlarmName::new("a");
    let recorded = BTreeMap::from([
        ("caller", actions(async |aws| aws.caller().await)),
        (
            "zones",
            actions(async |aws| aws.zones(&region(), &[SubnetId::new("subnet-a")]).await),
        ),
        (
            "launch_template",
            actions(async |aws| aws.launch_template(&region(), &launch(1).template).await),
        ),
        ("target_groups", actions(async |aws| aws.target_groups(&region(), &[group()]).await)),
        ("services", actions(async |aws| aws.services(&region(), &[service()]).await)),
        ("group_owners", actions(async |aws| aws.group_owners(&region(), &[group()]).await)),
        (
            "put_alarm",
            actions(async |aws| aws.put_alarm(&region(), &definition(plain().shape)).await),
        ),
        ("delete_alarms", actions(async |aws| aws.delete_alarms(&region(), &[name()]).await)),
        ("fleet_alarms", actions(async |aws| aws.fleet_alarms(&region(), &fleet()).await)),
        ("alarms_named", actions(async |aws| aws.alarms_named(&region(), &[name()]).await)),
        (
            "vcpus",
            actions(async |aws| aws.vcpus(&region(), &[InstanceType::new("c7a.large")]).await),
        ),
        (
            "free_addresses",
            actions(async |aws| aws.free_addresses(&region(), &[SubnetId::new("subnet-a")]).await),
        ),
        ("quotas", actions(async |aws| aws.quotas(&region(), &["L-1"]).await)),
        ("watches", actions(async |aws| aws.watches(&region(), &[name()]).await)),
        ("mutes", actions(async |aws| aws.mutes(&region(), &[name()]).await)),
        ("put_spec", actions(async |aws| aws.put_spec(&write).await)),
        ("get_spec", actions(async |aws| aws.get_spec(&fleet()).await)),
        ("get_state", actions(async |aws| aws.get_state(&fleet()).await)),
        ("get_traffic", actions(async |aws| aws.get_traffic(&fleet()).await)),
        ("set_pause", actions(async |aws| aws.set_pause(&fleet(), None, &state(0)).await)),
        ("retire", actions(async |aws| aws.retire(&fleet(), "me", minute(0)).await)),
        (
            "delete_fleet",
            actions(async |aws| aws.delete_fleet(&fleet(), SpecVersion(3)).await),
        ),
        (
            "disown",
            actions(async |aws| aws.disown(&region(), &[InstanceId::new("i-1")]).await),
        ),
        (
            "candidates",
            actions(async |aws| aws.candidates(&region(), &[InstanceId::new("i-1")]).await),
        ),
        (
            "own",
            actions(async |aws| {
                aws.own(&region(), &[InstanceId::new("i-1")], &[("ghostnet:fleet", "web".to_owned())])
                    .await
            }),
        ),
        (
            "auto_scaling_group",
            actions(async |aws| aws.auto_scaling_group(&region(), "web-asg").await),
        ),
        (
            "alarm_facts",
            actions(async |aws| aws.alarm_facts(&region(), &["a".to_owned()]).await),
        ),
        (
            "auto_scaling_rules",
            actions(async |aws| aws.auto_scaling_rules(&region(), "web-asg").await),
        ),
        ("decisions", actions(async |aws| aws.decisions(&fleet(), None, 10).await)),
        ("decision", actions(async |aws| aws.decision(&fleet(), &plan_id(1)).await)),
        ("shifts", actions(async |aws| aws.shifts(&fleet(), None, 10).await)),
        ("whole_shifts", actions(async |aws| aws.whole_shifts(&fleet(), None, 10).await)),
        ("shift", actions(async |aws| aws.shift(&fleet(), &plan_id(1)).await)),
        ("invoke", actions(async |aws| aws.invoke("tick", b"{}".to_vec()).await)),
    ]);
    compare(OPERATOR, recorded);
}
