//! Counts the instances that a formula over several metrics asks for: its value by what one instance may carry.
//!
//! Up to `activate_above` nothing is needed, so that a trickle does not keep an instance running in a pool that may be empty.

use super::{Ballot, Opinion, Reading, demand, finite_count};
use crate::reason::VoteReason;
use crate::sample::Series;
use crate::spec::FormulaRule;
use crate::unit::Finite;

/// The formula's value at every moment that the policy looks at and at which all of its metrics have one.
pub(crate) fn series(rule: &FormulaRule, series: &Series) -> Series {
    match rule.formula.compile() {
        Some(formula) => series.combine(rule.measure.periods(), |values| formula.value(values)),
        None => Series::Failed {
            why: format!("`{}` is not understood", rule.formula),
        },
    }
}

#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
pub(crate) fn recommend(rule: &FormulaRule, reading: &Reading<'_>, ballot: &Ballot<'_>) -> Opinion {
    let needed = |value: f64| {
        let is_active = rule.activate_above.is_none_or(|limit: Finite| value > limit.get());
        if is_active {
            finite_count(value.max(0.0) / rule.target.get())
        } else {
            Some(0)
        }
    };
    let (value, target) = (reading.value, rule.target);
    let reason = |instances| match instances {
        Some(instances) => VoteReason::Formula { value, target, instances },
        None => VoteReason::Impossible { demand: value },
    };
    demand::recommend(&rule.measure, reading, ballot, needed, reason)
}
