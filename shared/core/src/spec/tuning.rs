//! What GhostNet may find by itself, checked.

use serde::Serialize;

use super::check_guards::percent;
use super::problem::Problems;
use super::raw::{RawTuning, RawTuningMode};
use super::{CapacityModel, Need, PoolSpec, Rule};
use crate::tuning::Settings;
use crate::unit::{Finite, Percent};

/// In so much of the time more than the limit may be used, in percent, if nobody says otherwise.
const OBJECTIVE: f64 = 1.0;
/// More of the time than this is no objective.
const OBJECTIVE_MOST: f64 = 50.0;

/// What is found each night, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tuning {
    /// What becomes of it.
    pub mode: TuningMode,
    /// In so much of the time more than the limit may be used, in percent.
    pub objective: Finite,
    /// So much of an instance; none: what its policies use.
    pub limit: Option<Percent>,
}

/// What becomes of settings that are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TuningMode {
    /// They are told.
    Suggest,
    /// Decisions go by them.
    Apply,
}

/// Reads it; `pools` come with their places in the spec.
pub(super) fn read(raw: Option<&RawTuning>, pools: &[(usize, PoolSpec)], problems: &mut Problems) -> Option<Tuning> {
    let raw = raw?;
    if !pools.iter().any(|(_, pool)| Settings::of(pool).is_some()) {
        let message = "there is nothing to tune: no policy looks ahead";
        problems.add("tuning", message, "add one of type `predictive` that sets no `quantile`");
    }
    let objective = match &raw.objective {
        None => Finite::new(OBJECTIVE),
        Some(text) => {
            let is_plain = |number: &&str| number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let number = text
                .0
                .strip_suffix('%')
                .filter(is_plain)
                .and_then(|number| number.parse::<f64>().ok());
            let good = number
                .and_then(Finite::new)
                .filter(|share| share.get() > 0.0 && share.get() <= OBJECTIVE_MOST);
            if good.is_none() {
                let message = format!("`{}` is not above `0%` and at most `{OBJECTIVE_MOST}%`", text.0);
                problems.add("tuning.objective", message, "such as `1%` or `0.1%`");
            }
            good
        }
    };
    let limit = raw.limit.as_ref().map(|limit| {
        let limit = percent(Some(limit), "tuning.limit", Percent(90), problems);
        if limit.0 == 0 || limit.0 > 100 {
            problems.add("tuning.limit", format!("`{limit}` is not between `1%` and `100%`"), "such as `90%`");
        }
        limit
    });
    if limit.is_some() && !pools.iter().any(|(_, pool)| goes_by_utilisation(pool)) {
        let hint = "leave it out: what is used follows from the policy's target, which is not tuned";
        problems.add("tuning.limit", "no policy that is looked ahead for says a `utilisation`", hint);
    }
    Some(Tuning {
        mode: match raw.mode {
            None | Some(RawTuningMode::Suggest) => TuningMode::Suggest,
            Some(RawTuningMode::Apply) => TuningMode::Apply,
        },
        objective: objective?,
        limit,
    })
}

fn goes_by_utilisation(pool: &PoolSpec) -> bool {
    let is_utilisation = |need: &Need| {
        matches!(
            need,
            Need::Model {
                model: CapacityModel::Utilisation { .. },
                ..
            }
        )
    };
    pool.policies
        .iter()
        .any(|policy| matches!(&policy.rule, Rule::Predictive(rule) if is_utilisation(&rule.need)))
}
