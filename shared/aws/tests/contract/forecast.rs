//! What lies ahead of a fleet, where what was stored of it cannot be read.

use ghostnet_core::forecast::Forecast;
use ghostnet_engine::port::{CommitResult, ForecastStore, Store};
use serde_json::{Value, json};

use crate::sample::{fleet, minute};
use crate::wire::{Reply, Wire, run};

fn stored(schema: u16) -> Reply {
    let item: Value = json!({
        "pk": { "S": "FLEET#web" }, "sk": { "S": "FORECAST" }, "schema": { "N": schema.to_string() }, "version": { "N": "7" },
        "body": { "S": "what no build understands" },
    });
    Reply::json(&json!({ "Responses": { "table": [item] } }))
}

/// It would otherwise be refused for a fortnight, as if another one had been faster each time.
#[test]
fn one_that_cannot_be_read_is_replaced_by_the_next() {
    let wire = Wire::script([stored(1), Reply::json(&json!({}))]);
    let aws = wire.aws();
    let read = run(aws.forecasts(&[fleet()])).unwrap_or_default().remove(&fleet());
    let expected = Forecast {
        version: 7,
        ..Forecast::default()
    };
    assert_eq!(read, Some(expected));
    let next = Forecast {
        version: 8,
        ..Forecast::default()
    };
    assert_eq!(run(aws.keep_forecast(&fleet(), &next, minute(0))), Ok(CommitResult::Committed));
    let written = wire.sent().remove(1).body;
    assert_eq!(written["ExpressionAttributeValues"][":read"], json!({ "N": "7" }), "{written}");
}

/// A newer build wrote it, and reads it.
#[test]
fn one_of_a_newer_schema_is_left_alone() {
    let wire = Wire::script([stored(u16::MAX)]);
    assert_eq!(run(wire.aws().forecasts(&[fleet()])).unwrap_or_default().len(), 0);
}
