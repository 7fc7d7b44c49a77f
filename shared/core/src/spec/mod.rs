//! What the user wants: a fleet spec, checked. Immutable; the only way to one is [`FleetSpec::check`].
//!
//! `raw` mirrors the YAML as typed, `check` reads it and lists every problem at once, `defaults` is the one table of
//! what holds when the spec is silent. Reading YAML itself is not done here: core does no I/O and knows no syntax.

pub mod check;
mod check_capacity;
mod check_demand;
mod check_guards;
mod check_lifecycle;
mod check_market;
mod check_metric;
mod check_policy;
mod check_pool;
mod check_reserve;
mod check_spend;
mod check_step;
mod check_warm;
pub mod defaults;
pub mod formula;
pub mod market;
pub mod metric;
pub mod problem;
pub mod raw;
pub mod schedule;
mod simple;
pub mod warm;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{FleetId, InstanceType, PolicyId, PoolId, SubnetId, TargetGroupArn, Zone};
use crate::unit::{Finite, Millis, Percent, Seconds};
pub use formula::Formula;
pub use market::{Allocation, MarketMix};
pub use metric::{Metric, MetricSource, NamedMetric, Stat};
pub use problem::Problem;
pub use raw::RawFleetSpec;
pub use schedule::Schedule;
pub use simple::{SimpleChange, SimpleRule};
pub use warm::{WarmSpec, WarmState};

/// A checked fleet spec.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FleetSpec {
    /// The fleet.
    pub id: FleetId,
    /// What its owner allows.
    pub mode: FleetMode,
    /// What matters most to its owner.
    pub objective: Objective,
    /// Most instances over all pools.
    pub maximum: u32,
    /// How often a quiet fleet's metrics are read.
    pub quiet_poll: Seconds,
    /// What all pools together may cost in a day.
    pub spend: Option<SpendCap>,
    /// Windows in which few may leave.
    pub removal_windows: Vec<RemovalWindow>,
    /// The pools, in the order of the spec. Never empty.
    pub pools: Vec<PoolSpec>,
    /// Names or ARNs of the user's own alarms that wake this fleet.
    pub alarms: Vec<String>,
}

impl FleetSpec {
    /// The pool with this id.
    #[must_use]
    pub fn pool(&self, id: &PoolId) -> Option<&PoolSpec> {
        self.pools.iter().find(|pool| pool.id == *id)
    }

    /// The removal windows that are open.
    #[must_use]
    pub fn open_removal_windows(&self, now: Timestamp) -> Vec<OpenRemovalWindow> {
        let open = |window: &RemovalWindow| {
            Some(OpenRemovalWindow {
                window: window.schedule.open_window(now)?,
                max: window.max,
            })
        };
        self.removal_windows.iter().filter_map(open).collect()
    }
}

/// What the fleet's owner allows; every mode still decides and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetMode {
    /// Decide and act.
    On,
    /// Act only to add capacity.
    OutOnly,
    /// Never act.
    RecommendOnly,
    /// Never act; stopped in the spec.
    Paused,
}

impl std::fmt::Display for FleetMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::OutOnly => "out_only",
            Self::RecommendOnly => "recommend_only",
            Self::Paused => "paused",
        })
    }
}

/// What all pools of a fleet together may cost in a day, midnight to midnight UTC, in millionths of an instance hour or of a
/// currency's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpendCap {
    /// So much.
    pub micros_per_day: u64,
    /// What an instance costs.
    pub prices: Prices,
}

/// What an instance costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Prices {
    /// An hour of any instance is an instance hour.
    InstanceHours,
    /// Money by type.
    ByType {
        /// The currency, for people.
        currency: String,
        /// The price of an hour. Never empty.
        micros_per_hour: BTreeMap<InstanceType, u64>,
    },
}

/// A window in which at most so many of a pool leave because fewer are wanted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RemovalWindow {
    /// When.
    pub schedule: Schedule,
    /// Most that leave in the whole window.
    pub max: u32,
}

/// A removal window that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRemovalWindow {
    /// Since when, until when.
    pub window: OpenWindow,
    /// Most that leave in the whole window.
    pub max: u32,
}

/// What matters most to a fleet's owner: which defaults hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Fast answers.
    MinLatency,
    /// No request lost.
    MinLoss,
    /// Few instances.
    MinCost,
    /// Neither at the other's expense.
    Balanced,
}

impl std::fmt::Display for Objective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MinLatency => "min_latency",
            Self::MinLoss => "min_loss",
            Self::MinCost => "min_cost",
            Self::Balanced => "balanced",
        })
    }
}

/// Which pool takes traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolRole {
    /// Takes traffic.
    Active,
    /// Stands by.
    Standby,
}

impl std::fmt::Display for PoolRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Standby => "standby",
        })
    }
}

/// One pool, with the fleet's defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PoolSpec {
    /// The pool.
    pub id: PoolId,
    /// Whether it takes traffic.
    pub role: PoolRole,
    /// Bounds of its size.
    pub capacity: CapacityRange,
    /// How instances are launched.
    pub launch: LaunchSpec,
    /// Target groups in which every serving instance is registered.
    pub target_groups: Vec<TargetGroupArn>,
    /// Instances kept ready out of service; none: no such stock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<WarmSpec>,
    /// From launch until an instance counts fully.
    pub warmup: Seconds,
    /// No verdict on an instance younger than this.
    pub health_grace: Seconds,
    /// Observed time without becoming healthy after which an instance is replaced.
    pub registration_deadline: Seconds,
    /// Whether an instance must carry `ghostnet:ready=true` before it serves.
    pub ready_tag: bool,
    /// How long a sick instance is kept, out of its groups, for somebody to look at; none: not at all.
    pub keep_sick: Option<Seconds>,
    /// Longest time a deregistered instance may take to finish.
    pub drain_timeout: Seconds,
    /// Whether one that leaves is told so by a tag, and terminated only once it carries `ghostnet:drained=true`, or when
    /// its time is over.
    pub wait_for_tag: bool,
    /// Which instances leave first.
    pub scale_in_order: Vec<ScaleInOrder>,
    /// An instance with this tag never leaves by scale-in.
    pub protect_tag: String,
    /// An older instance is replaced.
    pub max_age: Option<Seconds>,
    /// The policies that vote on this pool.
    pub policies: Vec<Policy>,
    /// Spare instances above what the policies ask for.
    pub reserve: Reserve,
    /// What limits every change.
    pub guards: Guards,
}

impl PoolSpec {
    /// The largest maximum that this pool ever has: its own, or that of a scheduled window.
    #[must_use]
    pub fn most(&self) -> u32 {
        let of_window = |policy: &Policy| {
            if let Rule::Scheduled(scheduled) = &policy.rule {
                scheduled.max
            } else {
                None
            }
        };
        self.policies.iter().filter_map(of_window).fold(self.capacity.max, u32::max)
    }
}

/// Bounds of a pool's size: `min <= initial <= max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityRange {
    /// Fewest instances.
    pub min: u32,
    /// Most instances.
    pub max: u32,
    /// Size of a new pool.
    pub initial: u32,
}

/// How instances are launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaunchSpec {
    /// The launch template.
    pub template: Template,
    /// Subnets, at least one.
    pub subnets: Vec<SubnetId>,
    /// Types in order of preference; empty: the template's own.
    pub instance_types: Vec<InstanceType>,
    /// How they are bought.
    pub market: MarketMix,
    /// Whether instances of other versions of the template are replaced.
    pub drift: Drift,
    /// Whether instances are replaced to bring the zones of the subnets into balance again.
    pub rebalance_zones: bool,
}

/// A launch template and its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Template {
    /// By name or by id.
    pub key: TemplateKey,
    /// `$Default`, `$Latest` or a number.
    pub version: String,
}

/// One version of a launch template, as EC2 numbers it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// The template's id, `lt-…`.
    pub id: String,
    /// The version's number.
    pub version: u64,
}

impl TemplateVersion {
    /// What an instance's tags say, by key; none unless both tags can be read.
    #[must_use]
    pub fn of<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        use crate::observation::tag;
        let version = value(tag::TEMPLATE_VERSION)?.parse().ok()?;
        let id = value(tag::TEMPLATE_ID)?.to_owned();
        Some(Self { id, version })
    }
}

/// What follows for an instance that was launched from another version of the launch template than the spec's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// Nothing; `$Default` and `$Latest` mean what they mean at each launch.
    Ignore,
    /// It is replaced; `$Default` and `$Latest` mean what they meant at the last `apply`.
    Replace,
}

/// What names a launch template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateKey {
    /// Its id, `lt-…`.
    Id(String),
    /// Its name.
    Name(String),
}

impl TemplateKey {
    /// The name or id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(text) | Self::Name(text) => text,
        }
    }
}

/// One criterion of the scale-in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleInOrder {
    /// From the zone that has most instances.
    ZoneBalance,
    /// Earliest launch first.
    Oldest,
    /// Latest launch first.
    Newest,
}

/// A policy: turns numbers into a recommendation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Policy {
    /// The policy.
    pub id: PolicyId,
    /// How it decides.
    pub rule: Rule,
    /// What it may do.
    pub mode: PolicyMode,
}

impl Policy {
    /// Whether `apply` makes an alarm for it: see [`Rule::adds_on_alarm`].
    #[must_use]
    pub fn adds_on_alarm(&self) -> bool {
        self.mode != PolicyMode::RecommendOnly && self.rule.adds_on_alarm()
    }

    /// Whether it ever asks for fewer.
    #[must_use]
    pub fn can_remove(&self) -> bool {
        self.mode == PolicyMode::Act
            && match &self.rule {
                Rule::Step(rule) => !rule.in_.is_empty(),
                Rule::Threshold(rule) => matches!(rule.change, ThresholdChange::Remove(_)),
                Rule::Simple(rule) => rule.in_.is_some(),
                Rule::TargetTracking(_) | Rule::Capacity(_) | Rule::Queue(_) | Rule::Formula(_) => true,
                Rule::Scheduled(_) => false,
            }
    }
}

/// What a policy may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyMode {
    /// Vote for more and for fewer.
    Act,
    /// Only show what it would vote for.
    RecommendOnly,
    /// Vote for more; neither ask for fewer nor keep the others from it.
    OutOnly,
}

/// How a policy decides.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Keeps a metric at a target.
    TargetTracking(TargetTracking),
    /// Adds or removes by bounds.
    Step(StepRule),
    /// Changes the size by one amount while a metric stays within bounds.
    Threshold(ThresholdRule),
    /// One change, then a wait of its own.
    Simple(SimpleRule),
    /// Counts the instances that the demand needs.
    Capacity(CapacityRule),
    /// Counts the instances that a queue needs.
    Queue(QueueRule),
    /// Counts the instances that a formula over several metrics asks for.
    Formula(FormulaRule),
    /// Sets bounds or a size at certain times.
    Scheduled(Scheduled),
}

impl Rule {
    /// What the rule measures; none for a schedule.
    #[must_use]
    pub fn measure(&self) -> Option<&Measure> {
        match self {
            Self::TargetTracking(rule) => Some(&rule.measure),
            Self::Step(rule) => Some(&rule.measure),
            Self::Threshold(rule) => Some(&rule.measure),
            Self::Simple(rule) => Some(&rule.measure),
            Self::Capacity(rule) => Some(&rule.measure),
            Self::Queue(rule) => Some(&rule.measure),
            Self::Formula(rule) => Some(&rule.measure),
            Self::Scheduled(_) => None,
        }
    }

    /// Whether nothing but a reading can tell that this rule wants more: what is too much for the present instances is
    /// another number after every change, and an alarm has one threshold.
    #[must_use]
    pub fn is_read_every_minute(&self) -> bool {
        match self {
            Self::Capacity(_) | Self::Queue(_) | Self::Formula(_) => true,
            // an alarm has one bound
            Self::Threshold(rule) => matches!(rule.change, ThresholdChange::Add(_)) && rule.from.is_none(),
            Self::TargetTracking(_) | Self::Step(_) | Self::Simple(_) | Self::Scheduled(_) => false,
        }
    }

    /// Whether an alarm can tell that this rule wants more: `apply` makes one for it, named
    /// `ghostnet/<fleet>/<pool>/<policy>/out`. A series per instance has no metric that an alarm could watch.
    #[must_use]
    pub fn adds_on_alarm(&self) -> bool {
        let watchable = |measure: &Measure| {
            !matches!(
                measure.metric,
                Metric::Named {
                    source: MetricSource::Instances,
                    ..
                }
            )
        };
        match self {
            Self::TargetTracking(rule) => watchable(&rule.measure),
            Self::Step(rule) => !rule.out.is_empty() && watchable(&rule.measure),
            Self::Threshold(rule) => matches!(rule.change, ThresholdChange::Add(_)) && rule.from.is_some() && watchable(&rule.measure),
            Self::Simple(rule) => rule.out.is_some() && watchable(&rule.measure),
            Self::Capacity(_) | Self::Queue(_) | Self::Formula(_) | Self::Scheduled(_) => false,
        }
    }
}

/// What a policy looks at, and how it counts datapoints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measure {
    /// The metric.
    pub metric: Metric,
    /// How many of the last datapoints must ask for more.
    pub out: BreachRule,
    /// How many of the last datapoints must allow fewer.
    pub in_: BreachRule,
    /// What a missing metric means.
    pub missing: MissingRule,
}

/// `datapoints` of the last `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreachRule {
    /// So many must agree, at least one.
    pub datapoints: u8,
    /// Of so many.
    pub of: u8,
}

impl std::fmt::Display for BreachRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.datapoints, self.of)
    }
}

/// What a missing metric means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingRule {
    /// Hold: never out, never in.
    Hold,
    /// Nothing to say; the others decide.
    Ignore,
    /// No data is the alarm: one instance out.
    Breaching,
}

/// Keeps a metric at a target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetTracking {
    /// What it looks at.
    pub measure: Measure,
    /// The value to keep, above zero.
    pub target: Finite,
}

/// Adds or removes by bounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepRule {
    /// What it looks at.
    pub measure: Measure,
    /// Steps that add, lowest bound first, neither gap nor overlap.
    pub out: Vec<StepBand>,
    /// Steps that remove, lowest bound first, neither gap nor overlap.
    pub in_: Vec<StepBand>,
}

/// One band of a step policy: `from <= value < below`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StepBand {
    /// Lower bound, inside; none: no lower bound.
    pub from: Option<Finite>,
    /// Upper bound, outside; none: no upper bound.
    pub below: Option<Finite>,
    /// What it does.
    pub change: Change,
}

/// A change of the size; which way, its place says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// By so many.
    By {
        /// How many to add or remove.
        amount: Amount,
        /// The smallest a share may come to.
        at_least: u32,
    },
    /// To this size, never the other way.
    To(u32),
}

impl Change {
    /// How many instances it adds to or removes from a pool of this size. A share is rounded as EC2 Auto Scaling rounds it: down,
    /// but at least one (12.7 -> 12, 0.3 -> 1).
    #[must_use]
    pub fn amount(&self, size: u32) -> u32 {
        match self {
            Self::By {
                amount: Amount::Count(count),
                ..
            } => *count,
            Self::By {
                amount: Amount::Share(share),
                at_least,
            } => share.of_floor(size).max(*at_least),
            Self::To(to) => to.abs_diff(size),
        }
    }
}

/// Changes the size by one amount while a metric stays within bounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThresholdRule {
    /// What it looks at.
    pub measure: Measure,
    /// Lower bound, inside; none: no lower bound.
    pub from: Option<Finite>,
    /// Upper bound, outside; none: no upper bound.
    pub below: Option<Finite>,
    /// What it does.
    pub change: ThresholdChange,
}

/// A change, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdChange {
    /// Adds.
    Add(Change),
    /// Removes.
    Remove(Change),
}

/// A count, or a share of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// So many instances.
    Count(u32),
    /// So much of the pool.
    Share(Percent),
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}

/// Counts the instances that the demand needs: P = n x C.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CapacityRule {
    /// The demand: requests for all instances together, a count per period.
    pub measure: Measure,
    /// Requests per second that one instance can answer, above zero.
    pub each: Finite,
    /// What must hold.
    pub model: CapacityModel,
}

/// Counts the instances that a queue needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueRule {
    /// The queue's metrics: what waits, what is being worked on, and, with a limit, the age of the oldest message.
    pub measure: Measure,
    /// So many messages may be each instance's, above zero.
    pub per_instance: Finite,
    /// A message may be so old.
    pub oldest: Option<Seconds>,
}

/// Counts the instances that a formula over several metrics asks for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FormulaRule {
    /// The metrics that it names.
    pub measure: Measure,
    /// The formula.
    pub formula: Formula,
    /// So much of its value may be each instance's, above zero.
    pub target: Finite,
    /// Up to this value nothing is needed.
    pub activate_above: Option<Finite>,
}

/// What must hold with so many instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CapacityModel {
    /// At most the share `late` of answers takes longer than `within`, processing and queueing together.
    ResponseTime {
        /// The objective, without the network.
        within: Millis,
        /// The share that may be slower.
        late: Percent,
        /// Where requests wait.
        queue: QueueModel,
    },
    /// At most so much of an instance is used.
    Utilisation {
        /// So much.
        at_most: Percent,
    },
}

/// Where requests wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueModel {
    /// Before all instances (M/M/n).
    Shared,
    /// In each of them (M/G/1, processor sharing).
    Own,
}

/// Sets bounds or a size at certain times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scheduled {
    /// When.
    pub schedule: Schedule,
    /// Fewest instances while the window is open.
    pub min: Option<u32>,
    /// Most instances while the window is open.
    pub max: Option<u32>,
    /// Size when the window opens.
    pub desired: Option<u32>,
}

/// A window that is open: since when, until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenWindow {
    /// When it opened.
    pub since: Timestamp,
    /// When it closes.
    pub until: Timestamp,
}

/// Spare instances above what the policies ask for; the largest of these holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reserve {
    /// A share of what is asked for, rounded up.
    pub ratio: Percent,
    /// So many.
    pub threshold: u32,
    /// Up to a quantile of what was asked for lately.
    pub policy: Option<ReservePolicy>,
}

/// A floor that follows what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReservePolicy {
    /// The quantile in thousandths, 1 to 1,000.
    pub quantile_permille: u16,
    /// So many hours back, the present one included, 1 to [`PEAK_HOURS_MAX`].
    ///
    /// [`PEAK_HOURS_MAX`]: crate::state::PEAK_HOURS_MAX
    pub hours: u16,
}

/// What limits every change of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Guards {
    /// Too small to add for.
    pub tolerance_out: Percent,
    /// Too small to remove for.
    pub tolerance_in: Percent,
    /// No further move out for this long.
    pub cooldown_out: Seconds,
    /// No further move in for this long.
    pub cooldown_in: Seconds,
    /// More must be recommended throughout this window.
    pub stabilisation_out: Seconds,
    /// Fewer must be recommended throughout this window.
    pub stabilisation_in: Seconds,
    /// Most launches within a minute.
    pub launch_per_tick: Budget,
    /// Most launches within an hour.
    pub launch_per_hour: u32,
    /// Most removals within a minute.
    pub removal_per_tick: Budget,
    /// Share of sick instances above which nothing is replaced.
    pub breaker_unhealthy: Percent,
    /// The breaker never opens at this many or fewer.
    pub breaker_at_least: u32,
}

/// Most changes within a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// A count or a share of the pool.
    pub amount: Amount,
    /// The smallest a share may come to, so that a small pool can move at all.
    pub at_least: u32,
}

impl Budget {
    /// The budget of a pool that has `size` instances.
    #[must_use]
    pub fn of(self, size: u32) -> u32 {
        match self.amount {
            Amount::Count(count) => count,
            Amount::Share(share) => share.of_floor(size).max(self.at_least),
        }
    }
}

/// What `apply` looked up so that a decision does not have to: stored beside the spec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The zone of each subnet.
    pub zones: BTreeMap<SubnetId, Zone>,
    /// The load balancer of each target group, as the CloudWatch dimension `LoadBalancer` names it (`app/name/id`).
    pub balancers: BTreeMap<TargetGroupArn, String>,
    /// The version that each pool's launch template stood for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<PoolId, TemplateVersion>,
}
