//! Policies that count instances from what is to be done, as they are typed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

use super::{RawDatapoints, RawDuration, RawLatency, RawMetric, RawMissing, RawPercent, RawPolicyMode, RawSource};

/// Counts the instances that the demand needs, from what one of them can do: P = n x C. Has exactly one of `response_time`
/// and `utilisation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCapacityPolicy {
    /// The policy's id, unique in the fleet.
    pub id: String,
    /// What the policy may do: `act` (the default), `recommend_only` or `out_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RawPolicyMode>,
    /// Requests that come in, for all instances together: a count per period.
    pub demand: RawMetric,
    /// Where a named metric comes from; see `docs/metrics.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<RawSource>,
    /// Requests per second that one instance can answer when it does nothing else; or `learned`, from how much of an instance is
    /// used at what it answers: until six hours have shown it, the policy has no vote.
    pub instance_capacity: RawInstanceCapacity,
    /// How it is learned, with `instance_capacity: learned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learn: Option<Box<RawLearn>>,
    /// How long answers may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_time: Option<RawResponseTime>,
    /// How much of an instance may be used, instead of a response time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilisation: Option<RawPercent>,
    /// How many of the last datapoints must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datapoints: Option<RawDatapoints>,
    /// What a missing metric means: `hold`, `ignore` or `breaching`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<RawMissing>,
}

/// A number, or the word `learned`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RawInstanceCapacity {
    /// Requests per second.
    Given(f64),
    /// A word.
    Word(String),
}

impl<'de> Deserialize<'de> for RawInstanceCapacity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CapacityVisitor;
        impl Visitor<'_> for CapacityVisitor {
            type Value = RawInstanceCapacity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("requests per second, or `learned`")
            }
            fn visit_f64<E: serde::de::Error>(self, each: f64) -> Result<RawInstanceCapacity, E> {
                Ok(RawInstanceCapacity::Given(each))
            }
            fn visit_u64<E: serde::de::Error>(self, each: u64) -> Result<RawInstanceCapacity, E> {
                let small =
                    u32::try_from(each).map_err(|_| E::custom(format!("`{each}` requests a second are more than anybody answers")))?;
                Ok(RawInstanceCapacity::Given(f64::from(small)))
            }
            fn visit_i64<E: serde::de::Error>(self, each: i64) -> Result<RawInstanceCapacity, E> {
                let small = i32::try_from(each).map_err(|_| E::custom(format!("`{each}` is not above zero")))?;
                Ok(RawInstanceCapacity::Given(f64::from(small)))
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<RawInstanceCapacity, E> {
                Ok(RawInstanceCapacity::Word(word.to_owned()))
            }
        }
        deserializer.deserialize_any(CapacityVisitor)
    }
}

impl JsonSchema for RawInstanceCapacity {
    fn schema_name() -> Cow<'static, str> {
        "RawInstanceCapacity".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "requests per second, or `learned`", "anyOf": [{ "type": "number" }, { "type": "string", "enum": ["learned"] }] })
    }
}

/// How it is learned what one instance can answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLearn {
    /// How much of an instance is used: `cpu` if absent, or the average of a metric of your own, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<RawMetric>,
    /// Where a named metric comes from; see `docs/metrics.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<RawSource>,
    /// Beyond this use answers become slow, and it is as much as is ever planned for; `80%` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturation: Option<RawPercent>,
}

/// How long answers may take: exactly one percentile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawResponseTime {
    /// Half of the answers are faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<RawLatency>,
    /// Nine of ten answers are faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p90: Option<RawLatency>,
    /// 95 of a hundred answers are faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95: Option<RawLatency>,
    /// 99 of a hundred answers are faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<RawLatency>,
    /// What of it the network takes; none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<RawLatency>,
    /// Whether requests wait before all instances or in each of them; `own_queues` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<RawQueueModel>,
}

/// Where requests wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawQueueModel {
    /// In one queue before all instances (M/M/n): a queue of jobs, or a balancer that knows who is free.
    SharedQueue,
    /// In each instance, all its requests at once in service (M/G/1, processor sharing): a web server behind a balancer.
    OwnQueues,
}

/// Counts the instances that a queue of Amazon SQS needs. Has `backlog_per_instance`, or `drain_within` and
/// `instance_capacity`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawQueuePolicy {
    /// The policy's id, unique in the fleet.
    pub id: String,
    /// What the policy may do: `act` (the default), `recommend_only` or `out_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RawPolicyMode>,
    /// The queue's name, in the fleet's region.
    pub queue: String,
    /// Messages that may wait or be in work for each instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlog_per_instance: Option<f64>,
    /// How long it may take to work off the backlog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_within: Option<RawDuration>,
    /// Messages per second that one instance works off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_capacity: Option<f64>,
    /// How old the oldest message may become; above it instances are added, and none leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<RawDuration>,
    /// How many of the last datapoints must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datapoints: Option<RawDatapoints>,
    /// What a missing metric means: `hold`, `ignore` or `breaching`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<RawMissing>,
}

/// Counts the instances that a formula over several metrics asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFormulaPolicy {
    /// The policy's id, unique in the fleet.
    pub id: String,
    /// What the policy may do: `act` (the default), `recommend_only` or `out_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RawPolicyMode>,
    /// The metrics, by the names that the formula gives them: totals for all instances together, of the same period.
    pub metrics: BTreeMap<String, RawMetric>,
    /// The formula: numbers, the metrics' names, `+ - * /`, comparisons with `if ... else`, and `abs`, `ceil`, `floor`, `max`, `min`.
    pub formula: String,
    /// How much of its value each instance may have; `1` if absent: the formula counts instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// Up to this value nothing is needed, however small the target is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activate_above: Option<f64>,
    /// How many of the last datapoints must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datapoints: Option<RawDatapoints>,
    /// What a missing metric means: `hold`, `ignore` or `breaching`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<RawMissing>,
}
