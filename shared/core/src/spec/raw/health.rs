//! When a metric says that an instance is sick, and what becomes of a sick one, as it is typed.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{RawDuration, RawMetric};

/// A metric of an instance's own that says when it is sick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHealthMetric {
    /// `cpu`, `network_in` or `network_out`, or a metric with `namespace` and `name` that each instance publishes; the dimension
    /// `InstanceId` is put in.
    pub metric: RawMetric,
    /// Sick above this value; this or `below`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// Sick below this value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// So many datapoints in a row must say so, two to ten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datapoints: Option<u8>,
}

/// What becomes of a sick instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RawWhenUnhealthy {
    /// Text that `check` reads: `replace`.
    Word(String),
    /// It is kept for a while.
    Maintenance(RawMaintenance),
}

/// A sick instance is kept for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMaintenance {
    /// How it is kept.
    pub maintenance: RawKeep,
}

/// How a sick instance is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawKeep {
    /// For so long, or until its place is needed.
    pub keep: RawDuration,
}

impl<'de> Deserialize<'de> for RawWhenUnhealthy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RuleVisitor;
        impl<'de> Visitor<'de> for RuleVisitor {
            type Value = RawWhenUnhealthy;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`replace`, or `maintenance: { keep: 1h }`")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<RawWhenUnhealthy, E> {
                Ok(RawWhenUnhealthy::Word(word.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawWhenUnhealthy, A::Error> {
                RawMaintenance::deserialize(MapAccessDeserializer::new(map)).map(RawWhenUnhealthy::Maintenance)
            }
        }
        deserializer.deserialize_any(RuleVisitor)
    }
}

impl JsonSchema for RawWhenUnhealthy {
    fn schema_name() -> Cow<'static, str> {
        "RawWhenUnhealthy".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kept = generator.subschema_for::<RawMaintenance>();
        json_schema!({ "description": "`replace`, or `maintenance: { keep: 1h }`", "anyOf": [{ "type": "string", "enum": ["replace"] }, kept] })
    }
}
