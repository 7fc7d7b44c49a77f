//! A fleet spec as it is typed, field by field, before anything is believed.
//!
//! Every field has an explicit type and nothing is coerced: YAML guesses scalars by their look, so durations,
//! percentages and versions are text with a unit and are read in `check`. Doc comments here are what editors show,
//! through the JSON Schema.

mod balancing;
mod cloud_map;
mod demand;
mod failover;
mod guards;
mod health;
mod market;
mod metric;
mod policy;
mod predictive;
mod tuning;
mod warm;

pub use balancing::*;
pub use cloud_map::*;
pub use demand::*;
pub use failover::*;
pub use guards::*;
pub use health::*;
pub use market::*;
pub use metric::*;
pub use policy::*;
pub use predictive::*;
pub use tuning::*;
pub use warm::*;

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

/// A fleet of EC2 instances that GhostNet keeps sized, healthy and reachable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFleetSpec {
    /// The fleet's id: `[a-z][a-z0-9-]{0,31}`. It names alarms, tags and records, and never changes.
    pub fleet: String,
    /// One line for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What GhostNet may do: `on`, `out_only`, `recommend_only` or `paused`. Every mode decides and records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RawMode>,
    /// What matters most: sets the defaults of reserve, tolerance, cooldown, stabilisation and market. `balanced` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<RawObjective>,
    /// The region of the installation that the fleet belongs to, where pools are in other ones: never that of a pool that takes the traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_region: Option<String>,
    /// Most instances over all pools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<u32>,
    /// Settings for every pool; a pool may override any of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaults: Option<RawPoolSettings>,
    /// The pools: homogeneous groups of instances behind their target groups. One is enough.
    pub pools: Vec<RawPool>,
    /// Policies of every pool that has none of its own. Any vote out wins; in only if all agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<RawPolicy>>,
    /// Spare instances above what the policies ask for, in every pool that has no reserve of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserve: Option<RawReserve>,
    /// What limits every change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guards: Option<RawGuards>,
    /// How traffic leaves a failing side. Without it nothing moves traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failover: Option<RawFailover>,
    /// What GhostNet may find by itself, each night, by playing the days that are past. Without it nothing is tuned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuning: Option<RawTuning>,
    /// Alarms of your own that wake GhostNet for this fleet; they decide nothing by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Vec<RawAlarm>>,
    /// How metrics are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<RawMetricReading>,
}

/// What the fleet's owner allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawMode {
    /// Decide and act.
    On,
    /// Decide both ways, act only to add capacity.
    OutOnly,
    /// Decide and record, never act.
    RecommendOnly,
    /// Decide and record, never act; the fleet's owner stopped it in the spec.
    Paused,
}

/// What matters most to the fleet's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawObjective {
    /// Fast answers: a large reserve, quick to add, slow to remove.
    MinLatency,
    /// No request lost: a reserve, slow to remove.
    MinLoss,
    /// Few instances, and cheap ones: no reserve, quick to remove, half spot above `capacity.min` where a pool suits it.
    MinCost,
    /// What the systems settled on whose users have both in mind.
    Balanced,
}

/// One pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPool {
    /// The pool's id: `[a-z][a-z0-9-]{0,31}`, unique in the fleet.
    pub id: String,
    /// Whether the pool takes traffic: `active` (the default) or `standby`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RawRole>,
    /// The region in which its instances are, if not that of the installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// ARNs of the target groups in which every serving instance is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_groups: Option<Vec<String>>,
    /// The service of AWS Cloud Map in which every serving instance is registered, beside target groups or without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_map: Option<RawCloudMap>,
    /// How many instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<RawCapacity>,
    /// How instances are launched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<RawLaunch>,
    /// Instances that are kept stopped, ready to be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<RawWarm>,
    /// Time after launch until an instance counts fully; until then it is capacity, but not part of the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<RawDuration>,
    /// When an instance is sick, and how long it may take to become healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<RawHealth>,
    /// How instances leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<RawDrain>,
    /// Which instances leave first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_in: Option<RawScaleIn>,
    /// An older instance is replaced: launched first, within the removal budget, while the pool is calm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<RawDuration>,
    /// Attributes of the target groups that are set and kept; what is not named is never touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balancing: Option<RawBalancing>,
    /// Policies of this pool alone, instead of the fleet's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<RawPolicy>>,
    /// Spare instances of this pool alone, instead of the fleet's reserve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserve: Option<RawReserve>,
}

/// Which pool takes traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawRole {
    /// Takes traffic.
    Active,
    /// Stands by.
    Standby,
}

/// What a pool may have, and the fleet may set for all of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPoolSettings {
    /// How many instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<RawCapacity>,
    /// How instances are launched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<RawLaunch>,
    /// Instances that are kept stopped, ready to be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<RawWarm>,
    /// Time after launch until an instance counts fully; until then it is capacity, but not part of the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<RawDuration>,
    /// When an instance is sick, and how long it may take to become healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<RawHealth>,
    /// How instances leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<RawDrain>,
    /// Which instances leave first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_in: Option<RawScaleIn>,
    /// An older instance is replaced: launched first, within the removal budget, while the pool is calm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<RawDuration>,
    /// Attributes of the target groups that are set and kept; what is not named is never touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balancing: Option<RawBalancing>,
}

/// Bounds of a pool's size.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCapacity {
    /// Fewest instances; never undercut by GhostNet's own act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// Most instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Size of a new pool, before its policies have spoken; `min` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<u32>,
}

/// How instances are launched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLaunch {
    /// The launch template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<RawTemplate>,
    /// Subnets to launch in; their zones are kept balanced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnets: Option<Vec<String>>,
    /// Instance types in order of preference; the template's own type if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_types: Option<Vec<String>>,
    /// How instances are shared between on demand and spot; all on demand if absent, but in some pools of `objective: min_cost`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market: Option<RawMarket>,
    /// What follows for instances of another version of the template than the spec's at the last `apply`: `ignore`, or
    /// `replace` them (launched first, within the removal budget, while the pool is calm).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<RawDrift>,
    /// Whether an instance is replaced by one in another zone while zones differ by more than one: one at a time, launched
    /// first, while the pool is calm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebalance_zones: Option<bool>,
}

/// What follows for instances of another version of the launch template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawDrift {
    /// Nothing.
    Ignore,
    /// They are replaced.
    Replace,
}

/// A launch template by name or by id, and its version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTemplate {
    /// The template's name; this or `id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The template's id, `lt-…`; this or `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `$Default`, `$Latest` or a number as text; `$Default` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// When an instance is sick.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHealth {
    /// No verdict on an instance younger than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<RawDuration>,
    /// An instance that has seen this much time of complete observations without becoming healthy is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_deadline: Option<RawDuration>,
    /// Whether an instance must carry the tag `ghostnet:ready=true`, which it sets itself, before it is registered and counts
    /// as serving.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_tag: Option<bool>,
    /// An instance is sick once EC2's status checks, of the system or of the instance, have failed for this long, at least a
    /// minute. Not asked for if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_checks: Option<RawDuration>,
    /// An instance is sick once the time in its tag `ghostnet:heartbeat`, which it writes itself, is this old, at least two
    /// minutes. Before the first heartbeat nothing is concluded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<RawDuration>,
    /// An instance is sick once a metric of its own has been beyond a bound for some datapoints in a row. Each instance is read by
    /// itself, which costs a metric for each. Without data nothing is concluded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<RawHealthMetric>,
    /// What becomes of a sick instance once its replacement is asked for: `replace` (it is terminated), or
    /// `maintenance: { keep: 1h }` (one at a time is kept that long, out of its target groups, for somebody to look at).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_unhealthy: Option<RawWhenUnhealthy>,
}

/// How instances leave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDrain {
    /// Longest time that a deregistered instance may take to finish its requests, or its work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<RawDuration>,
    /// Whether an instance that leaves is told so in its tag `ghostnet:state=draining`, and terminated only once it has set
    /// `ghostnet:drained=true` itself, or when the time is over. That word is final: who says it is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_for_tag: Option<bool>,
}

/// Which instances leave first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawScaleIn {
    /// Criteria in order: `zone_balance`, `oldest`, `newest`, `least_loaded` (needs a policy whose metric has `source:
    /// instances`), `most_expensive` (needs `guards.budgets.spend.prices`), `closest_to_billing` (for what is billed by the
    /// hour; EC2 itself bills by the second, with few exceptions). The instance id breaks ties.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<RawScaleInOrder>>,
    /// An instance that carries this tag, whatever its value, never leaves by scale-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protect_tag: Option<String>,
}

/// One criterion of the scale-in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawScaleInOrder {
    /// From the zone that has most instances.
    ZoneBalance,
    /// Earliest launch first.
    Oldest,
    /// Latest launch first.
    Newest,
    /// Who carries least first, by the first policy whose metric has `source: instances`. Who says nothing leaves last.
    LeastLoaded,
    /// Whose type costs most first, by `guards.budgets.spend.prices`.
    MostExpensive,
    /// Whose next full hour since its launch begins soonest first. It saves only what is billed by the hour, as some licences
    /// are; most of EC2 is billed by the second.
    ClosestToBilling,
}

/// Spare instances above what the policies ask for; of several kinds the largest holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawReserve {
    /// A share of what the policies ask for, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<RawPercent>,
    /// So many instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u32>,
    /// Up to a quantile of what the policies asked for lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<RawReservePolicy>,
}

/// A floor that follows what the policies asked for: the quantile of the largest size of each hour.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawReservePolicy {
    /// Above zero, at most 1, at most three decimals: `0.95`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
    /// How far back, in whole hours: `24h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<RawDuration>,
}

/// An alarm of your own that wakes GhostNet for this fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawAlarm {
    /// The alarm's name or ARN.
    pub alarm: String,
}

/// How metrics are read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMetricReading {
    /// How often a quiet fleet's metrics are read; one minute while anything happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_poll: Option<RawDuration>,
}

/// A count of instances, or a share such as `10%`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RawAmount {
    /// So many instances.
    Count(u32),
    /// Text that `check` reads as a percentage.
    Share(RawPercent),
}

impl<'de> Deserialize<'de> for RawAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;
        impl Visitor<'_> for AmountVisitor {
            type Value = RawAmount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of instances, or a share such as `10%`")
            }
            fn visit_u64<E: serde::de::Error>(self, count: u64) -> Result<RawAmount, E> {
                u32::try_from(count)
                    .map(RawAmount::Count)
                    .map_err(|_| E::custom("too many instances"))
            }
            fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<RawAmount, E> {
                u32::try_from(count)
                    .map(RawAmount::Count)
                    .map_err(|_| E::custom("a number of instances is not negative"))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawAmount, E> {
                Ok(RawAmount::Share(RawPercent(text.to_owned())))
            }
        }
        deserializer.deserialize_any(AmountVisitor)
    }
}

impl JsonSchema for RawAmount {
    fn schema_name() -> Cow<'static, str> {
        "RawAmount".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let share = generator.subschema_for::<RawPercent>();
        json_schema!({ "description": "a number of instances, or a share such as `10%`", "anyOf": [{ "type": "integer", "minimum": 0, "maximum": u32::MAX }, share] })
    }
}

macro_rules! raw_text {
    ($($(#[$doc:meta])* $name:ident, $pattern:literal, $example:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "examples": [$example] })
            }
        }
    )+};
}

raw_text! {
    /// A duration: a whole number and one unit, `90s`, `5m`, `2h`, `7d`.
    RawDuration, "^[0-9]+[smhd]$", "5m";
    /// A duration, or the word `learned`.
    RawHorizon, "^([0-9]+[smhd]|learned)$", "4m";
    /// A response time: a whole number of milliseconds or seconds, `300ms`, `2s`.
    RawLatency, "^[0-9]+(ms|s)$", "300ms";
    /// A percentage: a whole number and the sign, `15%`.
    RawPercent, "^[0-9]{1,4}%$", "10%";
    /// A share of the time: a number and the sign, `0.1%`.
    RawTimeShare, "^[0-9]{1,2}(\\.[0-9]{1,4})?%$", "1%";
    /// So many of so many, `3 of 5`.
    RawOf, "^[0-9]{1,3} of [0-9]{1,3}$", "3 of 5";
}
