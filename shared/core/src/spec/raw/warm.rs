//! The stock of stopped instances, as typed.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{RawAmount, RawDuration};

/// Instances that are kept stopped, ready to be started: a start takes less time than a launch. Together with those in service
/// they never become more than the pool's maximum.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawWarm {
    /// How many: a count; a share of the pool's size, rounded up; or `learned`, as many as the growths of the last two days would
    /// have needed (a fifth of the pool until a day is known).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WarmSizeText>")]
    pub size: Option<RawAmount>,
    /// `stopped`, or `hibernated` if the launch template allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<RawWarmState>,
    /// An instance this long after its launch is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<RawDuration>,
    /// Whether an instance that leaves by scale-in becomes a warm one, as long as some are missing.
    #[serde(rename = "return", skip_serializing_if = "Option::is_none")]
    pub return_: Option<bool>,
}

/// How a warm instance rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawWarmState {
    /// Stopped.
    Stopped,
    /// Stopped with its memory on disk.
    Hibernated,
}

/// What may stand for the size of a stock, for editors.
struct WarmSizeText;

impl JsonSchema for WarmSizeText {
    fn schema_name() -> Cow<'static, str> {
        "RawWarmSize".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let amount = generator.subschema_for::<RawAmount>();
        json_schema!({ "description": "a number of instances, a share such as `20%`, or `learned`", "anyOf": [amount, { "type": "string", "enum": ["learned"] }] })
    }
}
