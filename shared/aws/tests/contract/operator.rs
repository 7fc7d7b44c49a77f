//! The command line's writes: conditional, whole, and fencing off what functions decide meanwhile.

use ghostnet_aws::dynamodb::operator::SpecWrite;
use ghostnet_aws::event::{classify, request_payload};
use ghostnet_aws::lambda::Said;
use ghostnet_core::id::{Generation, InstanceId, SpecVersion, Zone};
use ghostnet_core::operator::{Asked, OperatorRequest, Wish};
use ghostnet_core::refresh::RefreshRequest;
use ghostnet_core::signal::Signal;
use ghostnet_core::state::{Pause, StoredSpec};
use ghostnet_core::unit::{Percent, Seconds};
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::CommitResult;
use serde_json::{Value, json};

use crate::sample::{capacity_item, fleet, minute, spec, spec_item, state, traffic};
use crate::wire::{Reply, Sent, Wire, run};

fn empty() -> Reply {
    Reply::json(&json!({}))
}

fn capacity() -> Reply {
    Reply::json(&json!({ "Item": capacity_item("web", 9, &state(8), &[]) }))
}

fn cancelled(codes: &[&str]) -> Reply {
    let reasons: Vec<_> = codes.iter().map(|code| json!({ "Code": code })).collect();
    Reply::json_error("TransactionCanceledException", json!({ "CancellationReasons": reasons }))
}

fn put(wire: &Wire, read: Option<u64>) -> Result<CommitResult, PortError> {
    let spec = spec(read.map_or(1, |version| version + 1));
    let alarms = ["checkout-errors".to_owned()];
    let write = SpecWrite {
        fleet: &fleet(),
        spec: &spec,
        read_version: read.map(SpecVersion),
        first_traffic: &traffic(),
        alarms: &alarms,
    };
    run(wire.aws().put_spec(&write))
}

fn items(sent: Option<&Sent>) -> Vec<Value> {
    sent.and_then(|sent| sent.body["TransactItems"].as_array().cloned())
        .unwrap_or_default()
}

#[test]
fn a_new_fleet_is_written_whole() {
    let wire = Wire::script([empty(), empty()]);
    assert_eq!(put(&wire, None), Ok(CommitResult::Committed));
    let items = items(wire.sent().last());
    let [spec, capacity, entry, traffic] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!(spec["Put"]["ConditionExpression"], json!("attribute_not_exists(#pk)"));
    assert_eq!(spec["Put"]["Item"]["version"], json!({ "N": "1" }));
    assert_eq!(
        capacity["ConditionCheck"]["ConditionExpression"],
        json!("attribute_not_exists(#pk)")
    );
    assert_eq!(entry["Update"]["Key"], json!({ "pk": { "S": "FLEETS" }, "sk": { "S": "web" } }));
    assert_eq!(
        entry["Update"]["ExpressionAttributeValues"][":alarms"],
        json!({ "L": [{ "S": "checkout-errors" }] })
    );
    // a traffic state that exists is left alone
    let traffic = traffic["Update"]["UpdateExpression"].as_str().unwrap_or_default();
    assert!(traffic.contains("#body = if_not_exists(#body, :body)"), "{traffic}");
}

#[test]
fn a_changed_spec_fences_off_what_is_decided_meanwhile() {
    let wire = Wire::script([capacity(), empty()]);
    assert_eq!(put(&wire, Some(3)), Ok(CommitResult::Committed));
    let items = items(wire.sent().last());
    assert_eq!(items[0]["Put"]["ConditionExpression"], json!("#version = :read"));
    assert_eq!(items[0]["Put"]["ExpressionAttributeValues"], json!({ ":read": { "N": "3" } }));
    assert_eq!(
        items[1]["Update"]["UpdateExpression"],
        json!("SET #writer = :writer ADD #generation :one")
    );
}

#[test]
fn who_applied_first_wins_and_a_functions_commit_is_waited_for() {
    let wire = Wire::script([capacity(), cancelled(&["ConditionalCheckFailed", "None", "None", "None"])]);
    assert_eq!(put(&wire, Some(3)), Ok(CommitResult::Conflict));
    // the first look at a new fleet made its state between our read and our write
    let wire = Wire::script([
        empty(),
        cancelled(&["None", "ConditionalCheckFailed", "None", "None"]),
        capacity(),
        empty(),
    ]);
    assert_eq!(put(&wire, Some(3)), Ok(CommitResult::Committed));
    let wire = Wire::script([capacity(), cancelled(&["TransactionConflict"]), capacity(), empty()]);
    assert_eq!(put(&wire, Some(3)), Ok(CommitResult::Committed));
}

fn pause() -> Pause {
    Pause {
        by: "me".to_owned(),
        reason: "release".to_owned(),
        since: minute(0),
        until: minute(60),
    }
}

/// What the last transaction does to the state.
fn update_of(wire: &Wire) -> Value {
    items(wire.sent().last())
        .first()
        .map(|item| item["Update"].clone())
        .unwrap_or_default()
}

#[test]
fn a_pause_is_a_new_generation_of_the_state_that_was_read() {
    let wire = Wire::script([capacity(), empty()]);
    let written = run(wire.aws().set_pause(&fleet(), Some(&pause()), &state(0)));
    assert_eq!(
        written.map(|state| (state.generation, state.pause)),
        Ok((Generation(10), Some(pause())))
    );
    assert_eq!(update_of(&wire)["ConditionExpression"], json!("#generation = :read"));
    assert_eq!(update_of(&wire)["ExpressionAttributeValues"][":read"], json!({ "N": "9" }));
}

#[test]
fn a_pause_that_loses_reads_again_and_a_fresh_fleet_can_be_paused() {
    let newer = Reply::json(&json!({ "Item": capacity_item("web", 12, &state(12), &[]) }));
    let wire = Wire::script([capacity(), cancelled(&["ConditionalCheckFailed", "None"]), newer, empty()]);
    let written = run(wire.aws().set_pause(&fleet(), None, &state(0)));
    assert_eq!(written.map(|state| (state.generation, state.pause)), Ok((Generation(13), None)));

    let wire = Wire::script([empty(), empty()]);
    let written = run(wire.aws().set_pause(&fleet(), Some(&pause()), &state(0)));
    assert_eq!(written.map(|state| state.generation), Ok(Generation(1)));
    assert_eq!(update_of(&wire)["ConditionExpression"], json!("attribute_not_exists(#pk)"));
}

#[test]
fn a_fleet_that_was_deleted_cannot_be_paused() {
    let wire = Wire::script([empty(), cancelled(&["None", "ConditionalCheckFailed"])]);
    let error = run(wire.aws().set_pause(&fleet(), Some(&pause()), &state(0))).err();
    assert_eq!(error.map(|error| error.class), Some(ErrorClass::NotFound));
}

#[test]
fn retiring_is_the_same_spec_with_a_mark() {
    let stored = Reply::json(&json!({ "Responses": { "table": [spec_item("web", 3)] } }));
    let wire = Wire::script([stored, capacity(), empty()]);
    let retired = run(wire.aws().retire(&fleet(), "you", minute(5))).ok().flatten();
    let expected = StoredSpec {
        version: SpecVersion(4),
        retiring: true,
        applied_by: "you".to_owned(),
        applied_at: minute(5),
        ..spec(3)
    };
    assert_eq!(retired, Some(expected));
    assert_eq!(items(wire.sent().last()).len(), 3, "spec, fence, entry");

    let wire = Wire::script([Reply::json(&json!({ "Responses": {} }))]);
    assert_eq!(run(wire.aws().retire(&fleet(), "you", minute(5))), Ok(None));
}

#[test]
fn a_fleet_is_forgotten_only_as_it_was_read() {
    let wire = Wire::script([empty()]);
    assert_eq!(run(wire.aws().delete_fleet(&fleet(), SpecVersion(4))), Ok(CommitResult::Committed));
    let items = items(wire.sent().last());
    let deleted: Vec<_> = items
        .iter()
        .map(|item| item["Delete"]["Key"]["sk"]["S"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(deleted, ["SPEC", "CAPACITY", "TRAFFIC", "FORECAST", "web"]);
    assert_eq!(items[0]["Delete"]["ConditionExpression"], json!("#version = :read"));

    let wire = Wire::script([cancelled(&["ConditionalCheckFailed", "None", "None", "None", "None"])]);
    assert_eq!(run(wire.aws().delete_fleet(&fleet(), SpecVersion(4))), Ok(CommitResult::Conflict));
}

fn request() -> OperatorRequest {
    OperatorRequest {
        fleet: fleet(),
        pool: None,
        asked: Asked {
            by: "ana".to_owned(),
            at: minute(0),
            wish: Wish::Hold {
                desired: 12,
                until: minute(60),
                reason: "load test".to_owned(),
            },
        },
    }
}

#[test]
fn a_request_arrives_as_it_was_sent() {
    let start = RefreshRequest::Start {
        reason: "a new image".to_owned(),
        checkpoints: vec![Percent(20), Percent(50)],
        bake: Seconds(600),
        drifted: true,
    };
    for wish in [
        request().asked.wish,
        Wish::Clear,
        Wish::Evacuate {
            zone: Zone::new("eu-west-1a"),
            until: minute(90),
            reason: "errors in a".to_owned(),
        },
        Wish::UseAgain {
            zone: Zone::new("eu-west-1a"),
        },
        Wish::Refresh(start),
        Wish::HandOver {
            instances: vec![InstanceId::new("i-1"), InstanceId::new("i-2")],
        },
        Wish::Refresh(RefreshRequest::Pause),
        Wish::Refresh(RefreshRequest::Resume),
        Wish::Refresh(RefreshRequest::Cancel),
        Wish::Refresh(RefreshRequest::Rollback),
    ] {
        let mut sent = request();
        sent.asked.wish = wish;
        assert_eq!(classify(&request_payload(&sent)), Ok(vec![Signal::OperatorRequest(sent)]));
    }
}

#[test]
fn a_function_is_asked_and_answers_or_fails() {
    let answer = br#"{"refused":{"why":"no","hint":"none"}}"#.to_vec();
    for (situation, reply, expected) in [
        ("an answer", Reply::Body(200, answer.clone()), Ok(Said::Answer(answer))),
        (
            "its own failure",
            Reply::FunctionError(b"{}".to_vec()),
            Ok(Said::Failed(b"{}".to_vec())),
        ),
        (
            "the kill switch",
            Reply::lambda_error(429, "TooManyRequestsException"),
            Err(ErrorClass::Throttled),
        ),
        (
            "not allowed",
            Reply::lambda_error(403, "AccessDeniedException"),
            Err(ErrorClass::Denied),
        ),
    ] {
        let wire = Wire::new(move |_, _| reply.clone());
        let said = run(wire.aws().invoke("ghostnet-tick", request_payload(&request())));
        assert_eq!(said.map_err(|error| error.class), expected, "{situation}");
        let sent = wire.sent();
        assert_eq!(sent[0].body["ghostnet"], json!("scale/v1"), "{situation}");
    }
}
