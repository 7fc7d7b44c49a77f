//! The commit of failover: what is in the transaction, what its ends mean, and what is read back of its record.

use ghostnet_core::id::Generation;
use ghostnet_engine::port::{CommitResult, TrafficCommit, TrafficStore};
use serde_json::{Value, json};

use crate::sample::{fleet, minute, plan_id, shift_record, traffic_commit};
use crate::wire::{Reply, Sent, Wire, run};

fn items(sent: &Sent) -> Vec<Value> {
    sent.body["TransactItems"].as_array().cloned().unwrap_or_default()
}

fn sent_for(commit: &TrafficCommit) -> Vec<Value> {
    let wire = Wire::script([Reply::json(&json!({}))]);
    assert_eq!(run(wire.aws().commit_traffic(commit)), Ok(CommitResult::Committed));
    let token = wire.only().text("ClientRequestToken").to_owned();
    assert!((1..=36).contains(&token.len()), "{token}");
    items(&wire.only())
}

#[test]
fn it_is_one_transaction_over_state_checks_and_record() {
    let items = sent_for(&TrafficCommit {
        read_generation: Some(Generation(4)),
        ..traffic_commit(Some(6))
    });
    let [traffic, spec, record, capacity] = &items[..] else {
        panic!("{items:?}")
    };
    let put = &traffic["Put"];
    assert_eq!(put["ConditionExpression"], json!("#version = :read"));
    assert_eq!(put["ExpressionAttributeValues"], json!({ ":read": { "N": "6" } }));
    assert_eq!(put["ReturnValuesOnConditionCheckFailure"], json!("ALL_OLD"));
    let told = ["sk", "version", "epoch", "writer"].map(|name| put["Item"][name].clone());
    let wanted = [
        json!({ "S": "TRAFFIC" }),
        json!({ "N": "7" }),
        json!({ "N": "1" }),
        json!({ "S": "request-1/web/0" }),
    ];
    assert_eq!(told, wanted);
    assert_eq!(spec["ConditionCheck"]["ConditionExpression"], json!("#version = :version"));
    assert_eq!(capacity["ConditionCheck"]["ConditionExpression"], json!("#generation = :read"));
    assert_eq!(
        capacity["ConditionCheck"]["ExpressionAttributeValues"],
        json!({ ":read": { "N": "4" } })
    );
    let item = &record["Put"]["Item"];
    assert_eq!(item["sk"], json!({ "S": format!("SHIFT#{}", plan_id(1)) }));
    let expires = minute(1).as_second() + 90 * 86_400;
    assert_eq!(item["expires_at"], json!({ "N": expires.to_string() }));
    let body = item["body"]["S"].as_str().unwrap_or_default();
    assert!(item["inputs"]["B"].is_string() && !body.contains("\"inputs\""), "{item}");
}

#[test]
fn what_was_read_is_the_condition() {
    for (read, condition) in [
        (None, "attribute_not_exists(#pk)"),
        // `apply`, and builds before this one, write no version
        (
            Some(0),
            "#version = :read OR attribute_exists(#pk) AND attribute_not_exists(#version)",
        ),
        (Some(1), "#version = :read"),
    ] {
        let items = sent_for(&traffic_commit(read));
        assert_eq!(items[0]["Put"]["ConditionExpression"], json!(condition), "{read:?}");
        assert_eq!(items.len(), 3, "without a generation the capacity is not checked");
    }
}

#[test]
fn every_end_has_its_meaning() {
    let failed = |writer: &str| json!({ "Code": "ConditionalCheckFailed", "Item": { "writer": { "S": writer } } });
    let none = json!({ "Code": "None" });
    for (situation, reasons, result) in [
        ("our own earlier write", vec![failed("request-1/web/0")], CommitResult::Committed),
        ("another writer", vec![failed("request-2/web/0")], CommitResult::Conflict),
        (
            "written by `apply`, which names no writer",
            vec![json!({ "Code": "ConditionalCheckFailed", "Item": {} })],
            CommitResult::Conflict,
        ),
        (
            "the spec moved",
            vec![none.clone(), json!({ "Code": "ConditionalCheckFailed" })],
            CommitResult::Conflict,
        ),
        (
            "the capacity moved",
            vec![none.clone(), none.clone(), none, json!({ "Code": "ConditionalCheckFailed" })],
            CommitResult::Conflict,
        ),
    ] {
        let fields = json!({ "Message": "m", "CancellationReasons": reasons });
        let wire = Wire::script([Reply::json_error("TransactionCanceledException", fields)]);
        assert_eq!(run(wire.aws().commit_traffic(&traffic_commit(Some(6)))), Ok(result), "{situation}");
    }
    for (writer, result) in [
        ("request-1/web/0", CommitResult::Committed),
        ("request-2/web/0", CommitResult::Conflict),
    ] {
        let wire = Wire::script([
            Reply::json_error("IdempotentParameterMismatchException", json!({ "Message": "m" })),
            Reply::json(&json!({ "Item": { "writer": { "S": writer } } })),
        ]);
        assert_eq!(
            run(wire.aws().commit_traffic(&traffic_commit(Some(6)))),
            Ok(result),
            "a used token of {writer}"
        );
    }
}

/// The item of a record as it is sent, given back as it is read.
#[test]
fn a_record_is_read_back_whole() {
    let items = sent_for(&traffic_commit(Some(6)));
    let item = items[2]["Put"]["Item"].clone();
    let wire = Wire::script([Reply::json(&json!({ "Item": item }))]);
    let read = run(wire.aws().shift(&fleet(), &plan_id(1))).ok().flatten();
    assert_eq!(read, Some(shift_record(1)));

    let mut summary = item;
    summary.as_object_mut().map(|item| item.remove("inputs"));
    let wire = Wire::script([Reply::json(&json!({ "Items": [summary] }))]);
    let read = run(wire.aws().shifts(&fleet(), Some(minute(0)), 10)).unwrap_or_default();
    let told: Vec<_> = read.iter().map(|shift| (shift.id.clone(), shift.inputs.is_some())).collect();
    assert_eq!(told, [(plan_id(1), false)]);
    let sent = wire.only();
    assert_eq!(sent.body["ScanIndexForward"], json!(false));
    let low = format!("SHIFT#{:.3}", minute(0));
    assert_eq!(sent.body["ExpressionAttributeValues"][":low"], json!({ "S": low }));
}

/// A report draws what was seen: one query brings it, instead of a call for each record.
#[test]
fn a_list_of_whole_records_asks_for_every_attribute() {
    let item = |n: i64| {
        let mut commit = traffic_commit(Some(6));
        commit.record = shift_record(n);
        sent_for(&commit)[2]["Put"]["Item"].clone()
    };
    let wire = Wire::script([Reply::json(&json!({ "Items": [item(3), item(2), item(1)] }))]);
    let read = run(wire.aws().whole_shifts(&fleet(), Some(minute(0)), 2)).unwrap_or_default();
    assert_eq!(read, [shift_record(3), shift_record(2)], "the newest, no more than were asked for");
    let sent = wire.only();
    assert!(sent.body["ProjectionExpression"].is_null(), "{:?}", sent.body);
    assert_eq!(sent.body["ScanIndexForward"], json!(false));
}

/// DynamoDB takes 400 KB, and what was observed of a thousand instances may be more.
#[test]
fn inputs_that_do_not_fit_are_left_out() {
    let mut commit = traffic_commit(Some(6));
    let many = (0..200_000_u64).map(|n| {
        let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (
            ghostnet_core::id::InstanceId::new(format!("i-{id:016x}")),
            ghostnet_core::observation::InstanceState::Running,
        )
    });
    let inputs = commit.record.inputs.as_mut();
    inputs.unwrap().observation.instances = Some(many.collect());
    let item = sent_for(&commit)[2]["Put"]["Item"].clone();
    assert!(item["inputs"].is_null() && item["inputs_dropped"]["S"].is_string());
    let wire = Wire::script([Reply::json(&json!({ "Item": item }))]);
    let read = run(wire.aws().shift(&fleet(), &plan_id(1))).ok().flatten();
    assert_eq!(read.map(|shift| (shift.id, shift.inputs)), Some((plan_id(1), None)));
}
