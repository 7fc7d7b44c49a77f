//! Policies, and how each kind of them decides.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Formula, InstanceCapacity, Metric, MetricSource, Predictive, Schedule, SimpleRule};
use crate::id::PolicyId;
use crate::unit::{Finite, Millis, Percent, Seconds};

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

    /// Whether its metric is read of each instance by itself.
    #[must_use]
    pub fn reads_each_instance(&self) -> bool {
        let source = MetricSource::Instances;
        let measure = self.rule.measure();
        measure.is_some_and(|measure| matches!(&measure.metric, Metric::Named { source: own, .. } if *own == source))
    }

    /// Whether it ever asks for more, by what it measures.
    #[must_use]
    pub fn adds(&self) -> bool {
        self.mode != PolicyMode::RecommendOnly && self.rule.adds()
    }

    /// Whether it ever asks for fewer.
    #[must_use]
    pub fn can_remove(&self) -> bool {
        self.mode == PolicyMode::Act
            && match &self.rule {
                Rule::Step(rule) => !rule.in_.is_empty(),
                Rule::Threshold(rule) => matches!(rule.change, ThresholdChange::Remove(_)),
                Rule::Simple(rule) => rule.in_.is_some(),
                Rule::TargetTracking(_) | Rule::Capacity(_) | Rule::Queue(_) | Rule::Formula(_) | Rule::Predictive(_) => true,
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
    /// Looks ahead for another policy.
    Predictive(Predictive),
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
            Self::Predictive(rule) => Some(&rule.measure),
            Self::Scheduled(_) => None,
        }
    }

    /// Whether it ever asks for more, by what it measures.
    #[must_use]
    pub fn adds(&self) -> bool {
        match self {
            Self::Step(rule) => !rule.out.is_empty(),
            Self::Threshold(rule) => matches!(rule.change, ThresholdChange::Add(_)),
            Self::Simple(rule) => rule.out.is_some(),
            Self::TargetTracking(_) | Self::Capacity(_) | Self::Queue(_) | Self::Formula(_) | Self::Predictive(_) => true,
            Self::Scheduled(_) => false,
        }
    }

    /// Whether nothing but a reading can tell that this rule wants more: what is too much for the present instances is
    /// another number after every change, and an alarm has one threshold.
    #[must_use]
    pub fn is_read_every_minute(&self) -> bool {
        match self {
            Self::Capacity(_) | Self::Queue(_) | Self::Formula(_) | Self::Predictive(_) => true,
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
            Self::Capacity(_) | Self::Queue(_) | Self::Formula(_) | Self::Predictive(_) | Self::Scheduled(_) => false,
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

impl Measure {
    /// No earlier datapoints than so many are looked at.
    #[must_use]
    pub fn periods(&self) -> u8 {
        self.out.of.max(self.in_.of)
    }
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
    /// Requests per second that one instance can answer.
    pub each: InstanceCapacity,
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
