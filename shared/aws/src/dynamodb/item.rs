//! Items to values and back. An item of a newer schema is refused: an old writer would drop what it does not understand.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use ghostnet_core::failover::TrafficRecord;
use ghostnet_core::id::{Generation, StepId};
use ghostnet_core::record::{DecisionRecord, RECORD_BYTES_MAX};
use ghostnet_core::state::{CapacityState, RecordedOutcome, SCHEMA, STATE_BYTES_MAX, StoredSpec, TrafficState};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::{ErrorClass, PortError};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::table::{Item, attribute, number, number_of, step_of, text, text_of};
use crate::error::{code, own};

/// Level of compression: the middle, as in zlib.
const COMPRESSION: u8 = 6;
/// Largest text that a compressed attribute may unfold to.
const UNFOLDED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Refuses an item that a newer build wrote.
pub(super) fn known(call: &'static str, item: &Item) -> Result<(), PortError> {
    let schema: u16 = number_of(item, attribute::SCHEMA).unwrap_or(SCHEMA);
    if schema <= SCHEMA {
        return Ok(());
    }
    let key = text_of(item, attribute::SK).unwrap_or_default();
    let message = format!("`{key}` has schema {schema}, this build reads up to {SCHEMA}: upgrade it");
    Err(own(call, ErrorClass::Invalid, code::NEWER_SCHEMA, &message))
}

/// The spec in an item.
pub(super) fn spec(call: &'static str, item: &Item) -> Result<StoredSpec, PortError> {
    known(call, item)?;
    from_json(call, item, attribute::BODY)
}

/// The traffic state in an item.
pub(super) fn traffic(call: &'static str, item: &Item) -> Result<TrafficState, PortError> {
    known(call, item)?;
    from_json(call, item, attribute::BODY)
}

/// The capacity state in an item. The attribute holds the generation, because `apply` bumps it without rewriting the
/// state.
pub(super) fn capacity(call: &'static str, item: &Item) -> Result<CapacityState, PortError> {
    known(call, item)?;
    let state: CapacityState = from_json(call, item, attribute::STATE)?;
    let generation = number_of(item, attribute::GENERATION).ok_or_else(|| bad(call, item, "no generation"))?;
    Ok(CapacityState {
        generation: Generation(generation),
        ..state
    })
}

/// The outcomes beside a state or a record.
pub(super) fn outcomes(call: &'static str, item: &Item) -> Result<BTreeMap<StepId, RecordedOutcome>, PortError> {
    let Some(map) = item.get(attribute::OUTCOMES).and_then(|map| map.as_m().ok()) else {
        return Ok(BTreeMap::new());
    };
    let outcome = |(name, value): (&String, &AttributeValue)| {
        let step = step_of(name)?;
        Some((step, serde_json::from_str(value.as_s().ok()?).ok()?))
    };
    let outcomes: Option<BTreeMap<_, _>> = map.iter().map(outcome).collect();
    outcomes.ok_or_else(|| bad(call, item, "an outcome cannot be read"))
}

/// The state as JSON, if it is small enough.
pub(super) fn state_text(call: &'static str, state: &CapacityState) -> Result<String, PortError> {
    let text = json(call, state)?;
    if text.len() > STATE_BYTES_MAX {
        let message = format!("the state has {} bytes, {STATE_BYTES_MAX} at most", text.len());
        return Err(own(call, ErrorClass::Invalid, code::TOO_LARGE, &message));
    }
    Ok(text)
}

/// A decision record as attributes. Inputs that do not fit are left out, and it is said that they are.
pub(super) fn record_item(call: &'static str, record: &DecisionRecord, retention_days: u32) -> Result<Item, PortError> {
    let body = json(
        call,
        &DecisionRecord {
            inputs: None,
            ..record.clone()
        },
    )?;
    let expires_at = expiry(record.at, retention_days);
    let mut item = Item::from([
        (attribute::SCHEMA.to_owned(), number(SCHEMA)),
        (attribute::AT.to_owned(), text(record.at)),
        (attribute::COUNT.to_owned(), number(record.count)),
        (attribute::UNTIL.to_owned(), text(record.until)),
        (attribute::EXPIRES_AT.to_owned(), number(expires_at)),
        (attribute::OUTCOMES.to_owned(), AttributeValue::M(Item::new())),
    ]);
    let inputs = record.inputs.as_ref().map(|inputs| json(call, inputs)).transpose()?;
    item.extend(told_from(call, body, inputs)?);
    Ok(item)
}

/// The record of a traffic decision as attributes. Inputs that do not fit are left out, and it is said that they are.
pub(super) fn shift_item(call: &'static str, record: &TrafficRecord, retention_days: u32) -> Result<Item, PortError> {
    let body = json(
        call,
        &TrafficRecord {
            inputs: None,
            ..record.clone()
        },
    )?;
    let mut item = Item::from([
        (attribute::SCHEMA.to_owned(), number(SCHEMA)),
        (attribute::AT.to_owned(), text(record.at)),
        (attribute::EXPIRES_AT.to_owned(), number(expiry(record.at, retention_days))),
    ]);
    let inputs = record.inputs.as_ref().map(|inputs| json(call, inputs)).transpose()?;
    item.extend(told_from(call, body, inputs)?);
    Ok(item)
}

/// The record of a traffic decision in an item, with its inputs if the item holds them.
pub(super) fn shift(call: &'static str, item: &Item) -> Result<TrafficRecord, PortError> {
    known(call, item)?;
    let told: TrafficRecord = from_json(call, item, attribute::BODY)?;
    Ok(TrafficRecord {
        inputs: inputs(call, item)?,
        ..told
    })
}

fn expiry(at: Timestamp, retention_days: u32) -> i64 {
    Seconds::minutes(retention_days.saturating_mul(24 * 60)).after(at).as_second()
}

/// What a record tells, and what it was made from as far as there is room.
fn told_from(call: &'static str, body: String, inputs: Option<String>) -> Result<Item, PortError> {
    // plans of hundreds of instances are repetitive and shrink well; small ones stay readable in the console
    let body = if body.len() > RECORD_BYTES_MAX / 2 {
        binary(&body)
    } else {
        text(body)
    };
    let room = RECORD_BYTES_MAX.saturating_sub(size(&body));
    if room == 0 {
        return Err(own(
            call,
            ErrorClass::Invalid,
            code::TOO_LARGE,
            &format!("the record has more than {RECORD_BYTES_MAX} bytes"),
        ));
    }
    let mut told = Item::from([(attribute::BODY.to_owned(), body)]);
    if let Some(inputs) = inputs {
        let inputs = binary(&inputs);
        let (name, value) = match size(&inputs) {
            fits if fits <= room => (attribute::INPUTS, inputs),
            bytes => (attribute::INPUTS_DROPPED, text(format!("{bytes} bytes, room for {room}"))),
        };
        told.insert(name.to_owned(), value);
    }
    Ok(told)
}

/// The decision record in an item, with its inputs if the item holds them.
pub(super) fn record(call: &'static str, item: &Item) -> Result<DecisionRecord, PortError> {
    known(call, item)?;
    let mut record: DecisionRecord = from_json(call, item, attribute::BODY)?;
    let later = outcomes(call, item)?;
    record.outcomes.retain(|(step, _)| !later.contains_key(step));
    record.outcomes.extend(later);
    record.inputs = inputs(call, item)?;
    Ok(record)
}

/// What a record was decided from, if the item holds it.
fn inputs<T: DeserializeOwned>(call: &'static str, item: &Item) -> Result<Option<T>, PortError> {
    let held = item.contains_key(attribute::INPUTS);
    held.then(|| from_json(call, item, attribute::INPUTS)).transpose()
}

/// A value as JSON.
pub(super) fn json(call: &'static str, value: &impl Serialize) -> Result<String, PortError> {
    serde_json::to_string(value).map_err(|error| own(call, ErrorClass::Invalid, code::BAD_ITEM, &error.to_string()))
}

/// A value from an attribute that holds JSON, compressed if it is binary.
pub(super) fn from_json<T: DeserializeOwned>(call: &'static str, item: &Item, name: &str) -> Result<T, PortError> {
    let read = match item.get(name) {
        Some(AttributeValue::S(text)) => serde_json::from_str(text),
        Some(AttributeValue::B(blob)) => {
            let unfolded = miniz_oxide::inflate::decompress_to_vec_with_limit(blob.as_ref(), UNFOLDED_BYTES_MAX);
            serde_json::from_slice(&unfolded.map_err(|error| bad(call, item, &format!("{name}: {error}")))?)
        }
        _ => return Err(bad(call, item, &format!("no `{name}`"))),
    };
    read.map_err(|error| bad(call, item, &format!("{name}: {error}")))
}

fn bad(call: &'static str, item: &Item, why: &str) -> PortError {
    let key = [attribute::PK, attribute::SK]
        .map(|name| text_of(item, name).unwrap_or("?"))
        .join(" ");
    own(call, ErrorClass::Invalid, code::BAD_ITEM, &format!("`{key}` cannot be read: {why}"))
}

/// A text, compressed if it would cost more than one read: a smaller one stays readable in the console.
pub(super) fn folded(body: String) -> AttributeValue {
    const READ_BYTES: usize = 4_000;
    if body.len() > READ_BYTES { binary(&body) } else { text(body) }
}

fn binary(text: &str) -> AttributeValue {
    AttributeValue::B(Blob::new(miniz_oxide::deflate::compress_to_vec(text.as_bytes(), COMPRESSION)))
}

fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(blob) => blob.as_ref().len(),
        _ => 0,
    }
}
