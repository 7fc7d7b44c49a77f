//! Policies that count instances from what is to be done, as they are typed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Requests per second that one instance can answer when it does nothing else.
    pub instance_capacity: f64,
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
