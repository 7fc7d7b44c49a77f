//! The commit: what is in the transaction, and what its ends mean.

use ghostnet_core::id::{Epoch, WriterId};
use ghostnet_core::state::Run;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::{Commit, CommitResult, Store};
use serde_json::{Value, json};

use crate::sample::{commit, minute, state};
use crate::wire::{Reply, Sent, Wire, run};

/// A cancelled transaction. Per write its code, and the writer of the stored item where there is one.
fn cancelled(reasons: &[(&str, Option<&str>)]) -> Reply {
    let reason = |(code, writer): &(&str, Option<&str>)| match writer {
        Some(writer) => json!({ "Code": code, "Message": "m", "Item": { "writer": { "S": writer } } }),
        None => json!({ "Code": code }),
    };
    let reasons: Vec<_> = reasons.iter().map(reason).collect();
    Reply::json_error(
        "TransactionCanceledException",
        json!({ "Message": "cancelled", "CancellationReasons": reasons }),
    )
}

fn items(sent: &Sent) -> Vec<Value> {
    sent.body["TransactItems"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_commit_is_one_transaction_over_state_checks_and_record() {
    let wire = Wire::script([Reply::json(&json!({}))]);
    assert_eq!(run(wire.aws().commit(&commit())), Ok(CommitResult::Committed));
    let sent = wire.only();
    let [capacity, traffic, spec, record] = &items(&sent)[..] else {
        panic!("{sent:?}")
    };

    let update = &capacity["Update"];
    assert_eq!(update["Key"], json!({ "pk": { "S": "FLEET#web" }, "sk": { "S": "CAPACITY" } }));
    assert_eq!(update["ConditionExpression"], json!("#generation = :read"));
    assert_eq!(update["ReturnValuesOnConditionCheckFailure"], json!("ALL_OLD"));
    let expression = update["UpdateExpression"].as_str().unwrap_or_default();
    assert!(expression.ends_with(" REMOVE #outcomes.#s0, #outcomes.#s1"), "{expression}");
    assert_eq!(
        update["ExpressionAttributeNames"]["#s1"],
        json!(crate::sample::step(0, 1).to_string())
    );
    let values = &update["ExpressionAttributeValues"];
    assert_eq!(
        (&values[":read"], &values[":generation"]),
        (&json!({ "N": "4" }), &json!({ "N": "5" }))
    );
    assert_eq!(values[":writer"], json!({ "S": "request-1/web/0" }));

    assert_eq!(traffic["ConditionCheck"]["ConditionExpression"], json!("#epoch = :epoch"));
    assert_eq!(
        traffic["ConditionCheck"]["ExpressionAttributeValues"],
        json!({ ":epoch": { "N": "2" } })
    );
    assert_eq!(spec["ConditionCheck"]["ConditionExpression"], json!("#version = :version"));
    assert_eq!(
        spec["ConditionCheck"]["ExpressionAttributeValues"],
        json!({ ":version": { "N": "3" } })
    );

    let item = &record["Put"]["Item"];
    assert_eq!(item["sk"], json!({ "S": format!("DECISION#{}", commit().record.id) }));
    let expires = minute(1).as_second() + 90 * 86_400;
    assert_eq!(
        (&item["expires_at"], &item["count"]),
        (&json!({ "N": expires.to_string() }), &json!({ "N": "1" }))
    );
    assert!(item["inputs"]["B"].is_string() && item["body"]["S"].is_string(), "{item}");
    assert_eq!(item["outcomes"], json!({ "M": {} }));
}

#[test]
fn the_first_commit_makes_the_item_and_its_map_of_outcomes() {
    let wire = Wire::script([Reply::json(&json!({}))]);
    let first = Commit {
        read_generation: None,
        merged: Vec::new(),
        read_epoch: Epoch(0),
        ..commit()
    };
    assert_eq!(run(wire.aws().commit(&first)), Ok(CommitResult::Committed));
    let items = items(&wire.only());
    let update = &items[0]["Update"];
    assert_eq!(update["ConditionExpression"], json!("attribute_not_exists(#pk)"));
    assert_eq!(update["ExpressionAttributeValues"][":none"], json!({ "M": {} }));
    // a traffic state that somebody deleted was read as the first one: that must not stop the fleet for ever
    assert_eq!(
        items[1]["ConditionCheck"]["ConditionExpression"],
        json!("attribute_not_exists(#pk) OR #epoch = :epoch")
    );
}

#[test]
fn every_end_of_a_transaction_has_its_meaning() {
    const OURS: Option<&str> = Some("request-1/web/0");
    const THEIRS: Option<&str> = Some("request-2/web/0");
    let failed = "ConditionalCheckFailed";
    let none = ("None", None);
    for (situation, reasons, result) in [
        (
            "our own earlier write",
            vec![(failed, OURS), none, none, none],
            Ok(CommitResult::Committed),
        ),
        (
            "ours, and then apply",
            vec![(failed, OURS), none, (failed, None), none],
            Ok(CommitResult::Committed),
        ),
        (
            "another writer",
            vec![(failed, THEIRS), none, none, none],
            Ok(CommitResult::Conflict),
        ),
        (
            "the item is gone",
            vec![(failed, None), none, none, none],
            Ok(CommitResult::Conflict),
        ),
        (
            "traffic moved",
            vec![none, (failed, THEIRS), none, none],
            Ok(CommitResult::Conflict),
        ),
        ("spec moved", vec![none, none, (failed, None), none], Ok(CommitResult::Conflict)),
        (
            "somebody's transaction",
            vec![("TransactionConflict", None), none, none, none],
            Ok(CommitResult::Conflict),
        ),
        (
            "too fast",
            vec![("ThrottlingError", None), none, none, none],
            Err(ErrorClass::Throttled),
        ),
        (
            "too large",
            vec![("ValidationError", None), none, none, none],
            Err(ErrorClass::Invalid),
        ),
    ] {
        let wire = Wire::script([cancelled(&reasons)]);
        let ended = run(wire.aws().commit(&commit())).map_err(|error| error.class);
        assert_eq!((ended, wire.sent().len()), (result, 1), "{situation}");
    }
}

#[test]
fn a_token_that_was_used_is_settled_by_reading() {
    for (writer, result) in [
        ("request-1/web/0", CommitResult::Committed),
        ("request-2/web/0", CommitResult::Conflict),
    ] {
        let item = json!({ "Item": { "writer": { "S": writer } } });
        let wire = Wire::script([
            Reply::json_error("IdempotentParameterMismatchException", json!({ "Message": "m" })),
            Reply::json(&item),
        ]);
        assert_eq!(run(wire.aws().commit(&commit())), Ok(result), "{writer}");
        assert_eq!(
            wire.sent().last().map(|sent| sent.body["ConsistentRead"].clone()),
            Some(json!(true))
        );
    }
}

#[test]
fn a_lost_commit_is_repeated_under_its_token() {
    let wire = Wire::script([Reply::Lost, Reply::json(&json!({}))]);
    assert_eq!(run(wire.aws().commit(&commit())), Ok(CommitResult::Committed));
    let tokens: Vec<_> = wire.sent().iter().map(|sent| sent.text("ClientRequestToken").to_owned()).collect();
    assert_eq!((tokens.len(), tokens.first() == tokens.last()), (2, true));
    assert!(tokens.iter().all(|token| (1..=36).contains(&token.len())), "{tokens:?}");

    let other = Commit {
        writer: WriterId::new("request-1/web/1"),
        ..commit()
    };
    let wire = Wire::script([Reply::json(&json!({}))]);
    assert_eq!(run(wire.aws().commit(&other)), Ok(CommitResult::Committed));
    assert_ne!(
        Some(wire.only().text("ClientRequestToken")),
        tokens.first().map(String::as_str),
        "another attempt"
    );
}

#[test]
fn a_state_that_grew_too_large_is_refused_before_it_is_sent() {
    let mut large = state(5);
    for pool in large.pools.values_mut() {
        pool.recommended = (0..3_000)
            .map(|n| Run {
                since: minute(n),
                capacity: 1,
            })
            .collect();
    }
    let wire = Wire::script([]);
    let error = run(wire.aws().commit(&Commit { state: large, ..commit() })).err();
    assert_eq!(
        error.map(|error| (error.class, error.code)),
        Some((ErrorClass::Invalid, "TooLarge".to_owned()))
    );
    assert_eq!(wire.sent(), []);
}
