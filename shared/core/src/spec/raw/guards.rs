//! What limits every change, as it is typed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RawAmount, RawDuration, RawPercent};

/// What limits every change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawGuards {
    /// Relative distance from the target that is too small to act on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<RawPercentPair>,
    /// No further move in a direction for this long after one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<RawDurationPair>,
    /// Only what was recommended throughout this window happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stabilisation: Option<RawDurationPair>,
    /// How fast a pool may change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budgets: Option<RawBudgets>,
    /// When the size goes to and fro, nobody leaves for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub churn: Option<RawChurn>,
    /// When too many instances are sick, nothing is replaced any more: the cause is not the instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<RawBreaker>,
}

/// When a size goes to and fro.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawChurn {
    /// So many turns within an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u8>,
}

/// A percentage per direction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPercentPair {
    /// For adding instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<RawPercent>,
    /// For removing instances.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub in_: Option<RawPercent>,
}

/// A duration per direction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDurationPair {
    /// For adding instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<RawDuration>,
    /// For removing instances.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub in_: Option<RawDuration>,
}

/// How fast a pool may change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBudgets {
    /// Limits of launching.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<RawLaunchBudget>,
    /// Limits of removing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removal: Option<RawRemovalBudget>,
    /// What the fleet may cost in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend: Option<RawSpend>,
}

/// What all pools of a fleet together may cost in a day, midnight to midnight UTC: instance hours, or money. It limits growth.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSpend {
    /// So many instance hours; this, or `per_day` with `currency` and `prices`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_hours_per_day: Option<u32>,
    /// So much money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_day: Option<f64>,
    /// Its currency, three capital letters, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The price of an hour by instance type; every type that a pool may launch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<BTreeMap<String, f64>>,
}

/// Limits of launching.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLaunchBudget {
    /// Most launches within a minute: a count, or a share of the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_tick: Option<RawAmount>,
    /// Most launches within an hour, whatever the errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<u32>,
}

/// Limits of removing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRemovalBudget {
    /// Most removals within a minute: a count, or a share of the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_tick: Option<RawAmount>,
    /// Windows in which few may leave, or nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<RawRemovalWindow>>,
}

/// A window in which at most so many of a pool leave because fewer are wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRemovalWindow {
    /// Five cron fields: minute, hour, day of month, month, day of week.
    pub cron: String,
    /// IANA time zone of `cron`, such as `Europe/Berlin`; `UTC` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How long the window stays open.
    #[serde(rename = "for")]
    pub for_: RawDuration,
    /// Most that leave in the whole window; 0: nobody.
    pub max: u32,
}

/// When too many instances are sick to be replaced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBreaker {
    /// Share of sick instances above which nothing is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<RawPercent>,
    /// The breaker never opens at this many sick instances or fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u32>,
}
