//! What one instance can answer: given, or learned from how much of it is used; and how it is read.

use serde::Serialize;

use super::check_guards::percent;
use super::check_metric::read_metric;
use super::problem::Problems;
use super::raw::{RawCapacityPolicy, RawInstanceCapacity, RawLearn, RawMetric, RawNamedMetric};
use super::{Metric, MetricSource, NamedMetric, Policy, PolicyMode, Rule, Stat, defaults};
use crate::unit::{Finite, Percent};

/// What one instance can answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceCapacity {
    /// Requests per second, above zero.
    Given(Finite),
    /// As many as [`rating`](crate::rating) says.
    Learned(Learning),
}

/// How it is learned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Learning {
    /// How much of an instance is used, in percent, averaged over instances.
    pub metric: Metric,
    /// Beyond this use an instance is saturated.
    pub saturation: Percent,
}

impl Learning {
    /// Whether the metric may be an average over other pools of the fleet too. Who gives a metric of their own may have published it
    /// for the fleet.
    #[must_use]
    pub fn is_of_the_fleet(&self) -> bool {
        !matches!(
            self.metric,
            Metric::Named {
                source: MetricSource::Insights | MetricSource::Instances,
                ..
            }
        )
    }
}

impl Policy {
    /// How the policy learns what one instance can answer; none: it does not.
    #[must_use]
    pub fn learning(&self) -> Option<&Learning> {
        match &self.rule {
            Rule::Capacity(rule) => match &rule.each {
                InstanceCapacity::Learned(learning) => Some(learning),
                InstanceCapacity::Given(_) => None,
            },
            _ => None,
        }
    }
}

pub(super) fn read(raw: &RawCapacityPolicy, at: &str, has_groups: bool, problems: &mut Problems) -> Option<InstanceCapacity> {
    let here = format!("{at}.instance_capacity");
    match &raw.instance_capacity {
        RawInstanceCapacity::Given(each) => {
            if raw.learn.is_some() {
                let message = "there is nothing to learn: the capacity is given";
                problems.add(format!("{at}.learn"), message, "remove it, or write `instance_capacity: learned`");
            }
            let read = Finite::new(*each).filter(|each| each.get() > 0.0);
            if read.is_none() {
                let hint = "the requests per second that one instance can answer, or `learned`";
                problems.add(here, format!("`{each}` is not above zero"), hint);
            }
            read.map(InstanceCapacity::Given)
        }
        RawInstanceCapacity::Word(word) if word == "learned" => {
            read_learn(raw.learn.as_deref(), &format!("{at}.learn"), has_groups, problems).map(InstanceCapacity::Learned)
        }
        RawInstanceCapacity::Word(word) => {
            let hint = "the requests per second that one instance can answer, or `learned`";
            problems.add(here, format!("`{word}` is no capacity"), hint);
            None
        }
    }
}

fn read_learn(raw: Option<&RawLearn>, at: &str, has_groups: bool, problems: &mut Problems) -> Option<Learning> {
    let silent = RawLearn::default();
    let raw = raw.unwrap_or(&silent);
    let saturation = percent(raw.saturation.as_ref(), &format!("{at}.saturation"), defaults::SATURATION, problems);
    if !(50..=100).contains(&saturation.0) {
        let hint = "the use from which on answers become slow: `80%`, or `90%` for workers that never wait for each other";
        problems.add(
            format!("{at}.saturation"),
            format!("`{saturation}` is not between `50%` and `100%`"),
            hint,
        );
    }
    let metric = raw.metric.as_ref().unwrap_or(&RawMetric::Named(RawNamedMetric::Cpu));
    let metric = read_metric(metric, raw.source, at, has_groups, problems)?;
    check_is_use(&metric, at, problems);
    Some(Learning { metric, saturation })
}

/// The law holds for the share of time in which an instance works, and for the mean of it alone.
fn check_is_use(metric: &Metric, at: &str, problems: &mut Problems) {
    let wrong = match metric {
        Metric::Named { name, .. } if *name != NamedMetric::Cpu => {
            Some(format!("`{}` does not say how much an instance works", name.as_str()))
        }
        Metric::Stat(Stat { statistic, .. }) if statistic != "Average" => {
            Some(format!("`{statistic}` of it is not what the instances are used on average"))
        }
        _ => None,
    };
    if let Some(message) = wrong {
        let hint = "use `cpu`, or the `Average` of a metric of your own: the percentage of time, or of workers, that is busy";
        problems.add(format!("{at}.metric"), message, hint);
    }
}

/// The periods of use and demand must meet.
pub(super) fn check_periods(demand: &Metric, each: &InstanceCapacity, at: &str, problems: &mut Problems) {
    let InstanceCapacity::Learned(learning) = each else { return };
    let (demand, used) = (demand.period(), learning.metric.period());
    if demand.0 == 0 || !used.0.is_multiple_of(demand.0) {
        problems.add(
            format!("{at}.learn.metric"),
            format!("a period of `{used}` is not made of whole periods of the demand, `{demand}`"),
            "give both the same `period`, or the use a multiple of it",
        );
    }
}

/// What is learned from load needs somebody who sizes the pool until then.
pub(super) fn check_somebody_acts(policies: &[Policy], at: &str, problems: &mut Problems) {
    let acts = |policy: &&Policy| policy.mode != PolicyMode::RecommendOnly;
    let learns = policies.iter().filter(acts).find(|policy| policy.learning().is_some());
    // nobody knows for weeks what lies ahead, and of one that learns not even then
    let looks_ahead = |policy: &Policy| matches!(policy.rule, Rule::Predictive(_));
    let mut others = policies
        .iter()
        .filter(acts)
        .filter(|policy| policy.learning().is_none() && policy.adds() && !looks_ahead(policy));
    if let (Some(learns), None) = (learns, others.next()) {
        problems.add(
            at,
            format!(
                "`{}` has no vote until it has learned, and no other policy adds instances until then",
                learns.id
            ),
            "add one that does, such as `{ id: cpu, type: target_tracking, metric: cpu, target: 50, mode: out_only }`",
        );
    }
}
