//! Payloads become signals here, and nowhere else.
//!
//! Which shape a payload has is told by its keys, in a fixed order; envelopes (SNS, SQS, Lambda's failure record) are
//! unwrapped until something that AWS or GhostNet says comes to light. Types bind only the fields that are read and
//! tolerate everything else, because AWS adds fields and leaves others out.
//!
//! Never panics, never looks at the clock, never judges how old an event is: that is for whoever acts on the signal.

mod alarm;
mod eventbridge;
mod instance;
mod own;
mod payload;
mod rejected;
mod text;
mod traffic;

use ghostnet_core::signal::Signal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use self::own::{CHECK_BYTES_MAX, CheckRequest, evaluate_payload, request_payload, tune_payload};
pub use self::payload::Payload;
pub use self::rejected::Rejected;
pub use self::traffic::TrafficAsked;

/// Largest payload: what Lambda takes for an asynchronous invocation.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// Most envelopes around a signal. The deepest in use is three: a failure record of SQS messages that hold SNS
/// notifications.
pub const ENVELOPES_MAX: usize = 4;
/// Most records of one payload, those of all envelopes together.
pub const RECORDS_MAX: usize = 100;

/// What a payload says: one signal for each of its records, at least one.
///
/// # Errors
/// [`Rejected`] if nothing in the payload can be read. One bad record among good ones is a [`Signal::Ignored`].
pub fn classify(payload: &[u8]) -> Result<Vec<Signal>, Rejected> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Rejected::PayloadTooLarge { bytes: payload.len() });
    }
    let value = serde_json::from_slice(payload).map_err(|error| Rejected::not_json(&error))?;
    let signals = unwrap(value, 0)?;
    if signals.len() > RECORDS_MAX {
        Err(Rejected::TooManyRecords { records: signals.len() })
    } else {
        Ok(signals)
    }
}

/// Tells the shape by its keys, in the order in which they are unmistakable: a direct alarm may carry the keys of an
/// EventBridge envelope as well.
fn unwrap(value: Value, envelopes: usize) -> Result<Vec<Signal>, Rejected> {
    if envelopes > ENVELOPES_MAX {
        return Err(Rejected::NestedTooDeep);
    }
    let Value::Object(mut object) = value else {
        return Err(Rejected::NotAnObject);
    };
    if object.contains_key("alarmData") {
        alarm::direct(object).map(one)
    } else if object.contains_key("detail-type") {
        eventbridge::signal(object).map(one)
    } else if let Some(records) = object.remove("Records") {
        from_records(records, envelopes)
    } else if object.contains_key("ghostnet") {
        own::signal(object).map(one)
    } else if let Some(request) = object.remove("requestPayload") {
        unwrap(request, envelopes.saturating_add(1))
    } else if object.contains_key("AlarmName") {
        alarm::notified(object).map(one)
    } else if object.contains_key("TopicArn") {
        from_notification(fields("SNS notification", object)?, envelopes)
    } else {
        Ok(one(ignored("none of the keys that GhostNet knows")))
    }
}

fn from_records(records: Value, envelopes: usize) -> Result<Vec<Signal>, Rejected> {
    let Value::Array(records) = records else {
        return Err(Rejected::malformed("records", "not a list"));
    };
    if records.len() > RECORDS_MAX {
        return Err(Rejected::TooManyRecords { records: records.len() });
    }
    let mut signals = Vec::new();
    let mut first_rejected = None;
    let mut rejected = Vec::new();
    for record in records {
        match from_record(record, envelopes) {
            Ok(found) => signals.extend(found),
            Err(error) => {
                rejected.push(ignored(&error.to_string()));
                first_rejected.get_or_insert(error);
            }
        }
    }
    match first_rejected {
        Some(error) if signals.is_empty() => Err(error),
        None if signals.is_empty() => Ok(one(ignored("no records"))),
        _ => {
            signals.append(&mut rejected);
            Ok(signals)
        }
    }
}

/// One record of SNS or SQS. The types of `aws_lambda_events` want signatures and attributes that nobody here reads.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "Sns")]
    sns: Option<Notification>,
    body: Option<String>,
}

/// An SNS notification, in a record of its own or as the body of an SQS message.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification {
    r#type: Option<String>,
    message: Option<String>,
}

fn from_record(record: Value, envelopes: usize) -> Result<Vec<Signal>, Rejected> {
    let Value::Object(record) = record else {
        return Err(Rejected::NotAnObject);
    };
    match fields("record", record)? {
        Record {
            sns: Some(notification), ..
        } => from_notification(notification, envelopes),
        Record { body: Some(body), .. } => from_text(&body, envelopes),
        Record { .. } => Ok(one(ignored("a record of neither SNS nor SQS"))),
    }
}

fn from_notification(notification: Notification, envelopes: usize) -> Result<Vec<Signal>, Rejected> {
    match (notification.r#type.as_deref(), notification.message) {
        (Some("Notification"), Some(message)) => from_text(&message, envelopes),
        (Some("Notification"), None) => Err(Rejected::malformed("SNS notification", "no `Message`")),
        (kind, _) => Ok(one(ignored(&format!("an SNS message of type `{}`", kind.unwrap_or_default())))),
    }
}

fn from_text(text: &str, envelopes: usize) -> Result<Vec<Signal>, Rejected> {
    let value = serde_json::from_str(text).map_err(|error| Rejected::not_json(&error))?;
    unwrap(value, envelopes.saturating_add(1))
}

/// The fields that a shape reads, out of an object that may hold many more.
fn fields<T: DeserializeOwned>(shape: &'static str, object: Map<String, Value>) -> Result<T, Rejected> {
    T::deserialize(Value::Object(object)).map_err(|error| Rejected::malformed(shape, &error.to_string()))
}

fn ignored(reason: &str) -> Signal {
    Signal::Ignored {
        reason: text::shortened(reason),
    }
}

fn one(signal: Signal) -> Vec<Signal> {
    vec![signal]
}
