//! What a pool carries, as one policy measures it: whether fewer instances could carry it without more being asked for again.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::decide::{CapacityCount, Flow};
use crate::id::PolicyId;
use crate::policy::measured_instances;
use crate::reason::Direction;
use crate::sample::{Sample, Series};
use crate::spec::{Guards, Measure, Policy, PolicyMode, Rule, ThresholdChange};
use crate::unit::Finite;

/// What the instances of a pool carry together, as one policy measures it, and how much one of them may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(super) total: f64,
    pub(super) limit: f64,
}

#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
impl Load {
    /// None for a policy that has no fresh value, never acts, never adds, or measures what does not rise as instances are removed.
    pub(crate) fn of(
        policy: &Policy,
        guards: &Guards,
        series: &BTreeMap<PolicyId, Series>,
        there: (&CapacityCount, &Flow),
        now: Timestamp,
    ) -> Option<Self> {
        if policy.mode == PolicyMode::RecommendOnly {
            return None;
        }
        let (measure, limit) = (policy.rule.measure()?, out_limit(policy, guards)?);
        let (Sample::Value { at, value } | Sample::Partial { at, value }) = series.get(&policy.id)?.sample(now) else {
            return None;
        };
        let measured = measured_instances(measure, there.0, there.1, at, Direction::In);
        Some(Self {
            total: value.get() * measured,
            limit,
        })
    }

    /// Whether so many instances carry it without one of them asking for more.
    pub(crate) fn is_carried_by(&self, instances: u32) -> bool {
        self.total <= 0.0 || (instances > 0 && self.spread_over(instances) < self.limit)
    }

    pub(super) fn spread_over(&self, instances: u32) -> f64 {
        self.total / f64::from(instances.max(1))
    }
}

/// What a metric must stay under after a removal: where its policy begins to add, less the tolerance. None for a metric
/// that does not rise as instances are removed, or a policy that never adds.
#[expect(clippy::float_arithmetic, reason = "thresholds are floats, finite by construction")]
pub(crate) fn out_limit(policy: &Policy, guards: &Guards) -> Option<f64> {
    let tolerance = guards.tolerance_out.ratio();
    match &policy.rule {
        Rule::TargetTracking(rule) => Some(rule.target.get() * (1.0 + tolerance) * (1.0 - tolerance)),
        Rule::Step(rule) => rising(&rule.measure, rule.out.first()?.from?, tolerance),
        Rule::Threshold(rule) => match rule.change {
            ThresholdChange::Add(_) => rising(&rule.measure, rule.from?, tolerance),
            ThresholdChange::Remove(_) => None,
        },
        Rule::Simple(rule) => rising(&rule.measure, rule.out?.bound, tolerance),
        // a demand does not rise as instances are removed
        Rule::Capacity(_) | Rule::Queue(_) | Rule::Formula(_) | Rule::Predictive(_) | Rule::Scheduled(_) => None,
    }
}

/// Where a metric that rises as instances are removed must stay under, if more are added from `lowest`.
#[expect(clippy::float_arithmetic, reason = "thresholds are floats, finite by construction")]
fn rising(measure: &Measure, lowest: Finite, tolerance: f64) -> Option<f64> {
    let rises = measure.metric.falls_with_instances();
    Some(lowest.get() * (1.0 - tolerance)).filter(|limit| rises && *limit > 0.0)
}
