//! Metrics as they are typed: where a number comes from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::RawDuration;

/// What a missing metric means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawMissing {
    /// The policy holds the size: never out, never in.
    Hold,
    /// The policy has nothing to say; the others decide.
    Ignore,
    /// The policy votes one instance out: no data is the alarm.
    Breaching,
}

/// Where a named metric comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawSource {
    /// One metric per target group, from the load balancer.
    TargetGroup,
    /// The CloudWatch agent or the application, with a `Fleet` dimension.
    Agent,
    /// A Metrics Insights query by the tag `ghostnet:fleet`; needs resource tags on telemetry.
    Insights,
    /// One series per instance, averaged by GhostNet and published as `GhostNet/*`.
    Instances,
}

/// A metric: one of the named ones, or any CloudWatch metric or expression.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RawMetric {
    /// A name GhostNet knows.
    Named(RawNamedMetric),
    /// Any CloudWatch metric or metric-math expression.
    Custom(RawCustomMetric),
}

/// The metrics that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawNamedMetric {
    /// Average CPU utilisation, percent.
    Cpu,
    /// Average bytes received per instance and minute.
    NetworkIn,
    /// Average bytes sent per instance and minute.
    NetworkOut,
    /// Average memory in use, percent.
    Memory,
    /// Fullest disk, percent in use.
    Disk,
    /// Requests per target and minute.
    AlbRequestCountPerTarget,
    /// Requests for all targets together.
    AlbRequestCount,
    /// Average target response time, seconds.
    ResponseTime,
    /// Share of requests answered 5xx by targets, percent.
    ErrorRate,
}

/// Any CloudWatch metric, or a metric-math expression over several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCustomMetric {
    /// Namespace, such as `AWS/SQS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The metric's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Dimensions, exactly as published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<BTreeMap<String, String>>,
    /// `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount` or a percentile such as `p90`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistic: Option<String>,
    /// Length of a datapoint; one minute if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<RawDuration>,
    /// A metric-math expression over `metrics`, or a Metrics Insights query; instead of `namespace` and `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// The metrics that `expression` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<BTreeMap<String, Self>>,
}

impl<'de> Deserialize<'de> for RawMetric {
    /// Written by hand because an untagged enum would answer every mistake with "did not match any variant".
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetricVisitor;
        impl<'de> Visitor<'de> for MetricVisitor {
            type Value = RawMetric;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a metric, or a map with `namespace` and `name` or `expression`")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<RawMetric, E> {
                RawNamedMetric::deserialize(serde::de::value::StrDeserializer::new(name)).map(RawMetric::Named)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawMetric, A::Error> {
                RawCustomMetric::deserialize(MapAccessDeserializer::new(map)).map(RawMetric::Custom)
            }
        }
        deserializer.deserialize_any(MetricVisitor)
    }
}

impl JsonSchema for RawMetric {
    fn schema_name() -> Cow<'static, str> {
        "RawMetric".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (named, custom) = (
            generator.subschema_for::<RawNamedMetric>(),
            generator.subschema_for::<RawCustomMetric>(),
        );
        json_schema!({ "description": "one of the named metrics, or any CloudWatch metric or expression", "anyOf": [named, custom] })
    }
}
