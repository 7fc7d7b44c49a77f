//! Decision records: written compressed, read back equal, newest first, holds counted.

use ghostnet_core::record::DecisionRecord;
use ghostnet_engine::port::Store;
use serde_json::{Value, json};

use crate::sample::{done, fleet, minute, plan_id, record, step, text};
use crate::wire::{Reply, Wire, run};

/// The item that a record is stored as.
fn stored(record: &DecisionRecord) -> Value {
    let wire = Wire::script([Reply::json(&json!({}))]);
    assert_eq!(run(wire.aws().record(record)), Ok(()));
    wire.only().body["Item"].clone()
}

fn counter(n: i64, count: u32, until: i64) -> Value {
    json!({ "sk": { "S": format!("HOLD#{}", plan_id(n)) }, "count": { "N": count.to_string() }, "until": { "S": minute(until).to_string() } })
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    let wire = Wire::script([Reply::json(&json!({ "Item": stored(&record(1)) })), Reply::json(&json!({}))]);
    assert_eq!(run(wire.aws().decision(&fleet(), &plan_id(1))), Ok(Some(record(1))));
}

#[test]
fn a_long_record_is_read_back_too() {
    let mut long = record(1);
    long.function = "tick ".repeat(10_000);
    let item = stored(&long);
    assert!(item["body"]["B"].is_string(), "compressed");
    let wire = Wire::script([Reply::json(&json!({ "Item": item })), Reply::json(&json!({}))]);
    assert_eq!(run(wire.aws().decision(&fleet(), &plan_id(1))), Ok(Some(long)));
}

#[test]
fn outcomes_and_holds_that_came_later_are_part_of_the_record() {
    let mut item = stored(&record(1));
    item["outcomes"] = json!({ "M": { step(1, 0).to_string(): { "S": text(&done(2)) } } });
    let wire = Wire::script([
        Reply::json(&json!({ "Item": item })),
        Reply::json(&json!({ "Item": counter(1, 7, 9) })),
    ]);
    let found = run(wire.aws().decision(&fleet(), &plan_id(1))).ok().flatten();
    let expected = DecisionRecord {
        outcomes: vec![(step(1, 0), done(2))],
        count: 8,
        until: minute(9),
        ..record(1)
    };
    assert_eq!(found, Some(expected));
}

/// The summaries that a query gives: everything but the inputs.
fn summaries(minutes: &[i64]) -> Reply {
    let summary = |n: &i64| {
        let mut item = stored(&record(*n));
        if let Some(fields) = item.as_object_mut() {
            fields.remove("inputs");
        }
        item
    };
    Reply::json(&json!({ "Items": minutes.iter().map(summary).collect::<Vec<_>>() }))
}

#[test]
fn decisions_are_told_newest_first_since_then() {
    for (situation, since, counters, told) in [
        ("all", None, vec![], vec![(9, 1), (5, 1), (3, 1)]),
        ("since the middle", Some(4), vec![], vec![(9, 1), (5, 1)]),
        (
            "since then, and a hold that still held",
            Some(4),
            vec![counter(3, 2, 5)],
            vec![(9, 1), (5, 1), (3, 3)],
        ),
        ("a hold that had ended", Some(5), vec![counter(3, 1, 4)], vec![(9, 1), (5, 1)]),
    ] {
        let wire = Wire::script([summaries(&[9, 5, 3]), Reply::json(&json!({ "Items": counters }))]);
        let found = run(wire.aws().decisions(&fleet(), since.map(minute), 100)).unwrap_or_default();
        let found: Vec<_> = found.iter().map(|record| (record.id.clone(), record.count)).collect();
        let told: Vec<_> = told.into_iter().map(|(n, count)| (plan_id(n), count)).collect();
        assert_eq!(found, told, "{situation}");
        let sent = wire.sent();
        assert_eq!(
            sent.first().map(|sent| &sent.body["ScanIndexForward"]),
            Some(&json!(false)),
            "{situation}"
        );
    }
}

#[test]
fn a_limit_is_kept() {
    let wire = Wire::script([summaries(&[9, 5, 3]), Reply::json(&json!({ "Items": [] }))]);
    let found = run(wire.aws().decisions(&fleet(), None, 2)).unwrap_or_default();
    assert_eq!(
        found.iter().map(|record| record.id.clone()).collect::<Vec<_>>(),
        [plan_id(9), plan_id(5)]
    );
}
