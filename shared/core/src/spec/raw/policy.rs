//! Policies as they are typed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    RawAmount, RawCapacityPolicy, RawDuration, RawDurationPair, RawFormulaPolicy, RawMetric, RawMissing, RawOf, RawPredictive,
    RawQueuePolicy, RawSource,
};

/// A policy: turns numbers into a recommended size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RawPolicy {
    /// Keeps a metric that falls as instances are added at a target.
    TargetTracking(RawTargetTracking),
    /// Adds or removes by how far a metric is from normal.
    Step(RawStepPolicy),
    /// Changes the size by one amount while a metric stays within bounds.
    Threshold(RawThresholdPolicy),
    /// Makes one change, then waits until it is in effect and for a cooldown of its own.
    Simple(RawSimplePolicy),
    /// Counts the instances that the demand needs: P = n x C.
    Capacity(RawCapacityPolicy),
    /// Counts the instances that a queue needs.
    Queue(RawQueuePolicy),
    /// Counts the instances that a formula over several metrics asks for.
    Formula(RawFormulaPolicy),
    /// Looks ahead for another policy: launches what will be needed by the time that it serves.
    Predictive(RawPredictive),
    /// Sets bounds or a size at certain times.
    Scheduled(RawScheduled),
}

/// What a policy may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPolicyMode {
    /// Vote for more and for fewer.
    Act,
    /// Only show what it would vote for.
    RecommendOnly,
    /// Vote for more; neither ask for fewer nor keep the others from it.
    OutOnly,
}

/// Keeps a metric that falls as instances are added at a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTargetTracking {
    /// The policy's id, unique in the fleet.
    pub id: String,
    /// What the policy may do: `act` (the default), `recommend_only` or `out_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RawPolicyMode>,
    /// The metric; per instance, and falling as instances are added.
    pub metric: RawMetric,
    /// Where a named metric comes from; see `docs/metrics.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<RawSource>,
    /// The value to keep.
    pub target: f64,
    /// Whether this policy never votes for fewer instances; the same as `mode: out_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_scale_in: Option<bool>,
    /// How many of the last datapoints must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datapoints: Option<RawDatapoints>,
    /// What a missing metric means: `hold`, `ignore` or `breaching`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<RawMissing>,
}

/// Adds or removes by how far a metric is from normal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawStepPolicy {
    /// The policy's id, unique in the fleet.
    pub id: String,
    /// What the policy may do: `act` (the default), `recommend_only` or `out_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RawPolicyMode>,
    /// The metric.
    pub metric: RawMetric,
    /// Where a named metric comes from; see `docs/metrics.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<RawSource>,
    /// Steps that add, from the lowest bound up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<Vec<RawOutStep>>,
    /// Steps that remove, from the highest bound down.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub in_: Option<Vec<RawInStep>>,
    /// How many of the last datapoints must breach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datapoints: Option<RawDatapoints>,
    /// What a missing metric means: `hold`, `ignore` or `breaching`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<RawMissing>,
}

/// A step that adds instances while `from <= metric < below`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawOutStep {
    /// Lower bound, inside.
    pub from: f64,
    /// Upper bound, outside; absent: where the next step begins, or no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// Instances to add: a count, or a share of the pool such as `10%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add: Option<RawAmount>,
    /// The size to grow to, instead of `add`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// The smallest number that a share may come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u32>,
}

/// A step that removes instances while `from <= metric < below`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawInStep {
    /// Upper bound, outside.
    pub below: f64,
    /// Lower bound, inside; absent: where the next step begins, or no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// Instances to remove: a count, or a share of the pool such as `10%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<RawAmount>,
    /// The size to shrink to, instead of `remove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// The smallest number that a share may come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u32>,
}

/// Changes the size by one amount while a metric stays within bounds. Has exactly one of `add` and `remove`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawThresholdPolicy {
    /// The policy's id, unique in the fleet.
    pub id: String,
    /// What the policy may do: `act` (the default), `recommend_only` or `out_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RawPolicyMode>,
    /// The metric.
    pub metric: RawMetric,
    /// Where a named metric comes from; see `docs/metrics.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<RawSource>,
    /// The bounds.
    pub within: RawWithin,
    /// Instances to add while the metric is within them: a count, or a share of the pool such as `10%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add: Option<RawAmount>,
    /// Instances to remove while the metric is within them: a count, or a share of the pool such as `10%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<RawAmount>,
    /// The smallest number that a share may come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u32>,
    /// How many of the last datapoints must be within them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datapoints: Option<RawDatapoints>,
    /// What a missing metric means: `hold`, `ignore` or `breaching`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<RawMissing>,
}

/// Bounds: `from <= metric < below`; at least one of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawWithin {
    /// Lower bound, inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// Upper bound, outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
}

/// Makes one change, then waits until it is in effect and for a cooldown of its own. Has `out`, `in` or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSimplePolicy {
    /// The policy's id, unique in the fleet.
    pub id: String,
    /// What the policy may do: `act` (the default), `recommend_only` or `out_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RawPolicyMode>,
    /// The metric.
    pub metric: RawMetric,
    /// Where a named metric comes from; see `docs/metrics.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<RawSource>,
    /// What it adds, and from which value on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<RawSimpleOut>,
    /// What it removes, and below which value.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub in_: Option<RawSimpleIn>,
    /// How long it waits: after an addition, from when the instances are in service; after a removal, from when they are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<RawDurationPair>,
    /// How many of the last datapoints must breach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datapoints: Option<RawDatapoints>,
    /// What a missing metric means: `hold`, `ignore` or `breaching`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<RawMissing>,
}

/// What a simple policy adds while `from <= metric`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSimpleOut {
    /// Lower bound, inside.
    pub from: f64,
    /// Instances to add: a count, or a share of the pool such as `10%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add: Option<RawAmount>,
    /// The size to grow to, instead of `add`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// The smallest number that a share may come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u32>,
}

/// What a simple policy removes while `metric < below`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSimpleIn {
    /// Upper bound, outside.
    pub below: f64,
    /// Instances to remove: a count, or a share of the pool such as `10%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<RawAmount>,
    /// The size to shrink to, instead of `remove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// The smallest number that a share may come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u32>,
}

/// Sets bounds or a size at certain times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawScheduled {
    /// The policy's id, unique in the fleet.
    pub id: String,
    /// When.
    pub when: RawWhen,
    /// What holds while the window is open.
    pub capacity: RawScheduledCapacity,
}

/// A window in time: a repeating one (`cron`, `zone`, `for`) or a single one (`at`, `for`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawWhen {
    /// Five cron fields: minute, hour, day of month, month, day of week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// IANA time zone of `cron`, such as `Europe/Berlin`; `UTC` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// A single moment with its offset, such as `2026-11-27T18:00:00+01:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// How long the window stays open.
    #[serde(rename = "for")]
    pub for_: RawDuration,
}

/// What a window sets; at least one of the three.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawScheduledCapacity {
    /// Fewest instances while the window is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// Most instances while the window is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Size when the window opens; policies go on from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<u32>,
}

/// How many of the last datapoints must agree, per direction, such as `3 of 5`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDatapoints {
    /// For adding instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<RawOf>,
    /// For removing instances.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub in_: Option<RawOf>,
}
