//! What tuning finds by playing past days, and sets of a pool: how carefully its policy looks ahead, for how long what was needed is kept,
//! how full an instance may be.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::decide::Situation;
use crate::id::PoolId;
use crate::spec::{CapacityModel, Care, FleetSpec, Need, PoolSpec, Predictive, Rule, TuningMode};
use crate::unit::{Finite, Moment, Percent, Seconds};

/// Usual loads that are tried, as shares of the loads at a time of day: a fleet that is tuned learns what all of these are.
pub const USUAL: [Percent; 3] = [Percent(70), Percent(90), Percent(95)];

/// What is tuned of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What a minute with too little costs, in minutes of a fleet of average size: `caution` of the policy that looks ahead.
    pub caution: Finite,
    /// For how long what was needed is kept: `guards.stabilisation.in`.
    pub hold: Seconds,
    /// Never less than what so large a share of the loads at this time of day stayed below: `usual` of the policy that looks ahead.
    #[serde(default)]
    pub usual: Option<Percent>,
    /// So much of an instance is used: `utilisation` of the policy for which it looks ahead. None: that one does not go by it.
    #[serde(default)]
    pub utilisation: Option<Percent>,
}

impl Settings {
    /// Those of a pool as its owner wrote it; none: no policy of it looks ahead, or one that says a quantile, which is not tuned.
    #[must_use]
    pub fn of(pool: &PoolSpec) -> Option<Self> {
        let rule = looks_ahead(pool)?;
        let Care::Caution(caution) = rule.care else { return None };
        let utilisation = match &rule.need {
            Need::Model {
                model: CapacityModel::Utilisation { at_most },
                ..
            } => Some(*at_most),
            Need::Model { .. } | Need::Target(_) => None,
        };
        Some(Self {
            caution,
            hold: pool.guards.stabilisation_in,
            usual: rule.usual,
            utilisation,
        })
    }

    /// A pool with these settings.
    #[must_use]
    pub fn applied(&self, pool: &PoolSpec) -> PoolSpec {
        let mut pool = pool.clone();
        let Some(of) = looks_ahead(&pool).map(|rule| rule.of.clone()) else {
            return pool;
        };
        for policy in &mut pool.policies {
            match &mut policy.rule {
                Rule::Capacity(rule) if policy.id == of => self.fill(&mut rule.model),
                Rule::Predictive(rule) if rule.of == of => {
                    if let Need::Model { model, .. } = &mut rule.need {
                        self.fill(model);
                    }
                    if let Care::Caution(caution) = &mut rule.care {
                        *caution = self.caution;
                    }
                    rule.usual = self.usual;
                }
                _ => {}
            }
        }
        pool.guards.stabilisation_in = self.hold;
        pool
    }

    fn fill(&self, model: &mut CapacityModel) {
        if let (CapacityModel::Utilisation { at_most }, Some(utilisation)) = (model, self.utilisation) {
            *at_most = utilisation;
        }
    }
}

impl fmt::Display for Settings {
    /// What moves from day to day.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "caution {}, hold {}", self.caution, self.hold)?;
        match self.usual {
            Some(share) => write!(f, ", usual {share}"),
            None => Ok(()),
        }
    }
}

/// Settings that are used in place of what the owner of a pool wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuned {
    /// These.
    pub settings: Settings,
    /// What was written when they were found: as soon as something else is, they are nothing to go by.
    pub instead_of: Settings,
}

/// Settings that were found, and what they were found by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Settings that are used in place of what the owner of a pool wrote; they may be the same.
    #[serde(flatten)]
    pub tuned: Tuned,
    /// When.
    pub at: Moment,
    /// What was to be met.
    pub objective: Objective,
    /// Past days that were played.
    pub days: u32,
    /// What those days would have come to with what was written.
    pub written: Came,
    /// And with what was found.
    pub found: Came,
}

/// What is to be met.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// More than this share of the instances should rarely be used.
    pub used: f64,
    /// So much of the time it may be, in percent.
    pub percent: f64,
}

impl Objective {
    /// The `utilisation` that leaves no margin.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "a share in percent")]
    pub fn utilisation(&self) -> Percent {
        let percent = libm::round(100.0 * self.used).clamp(1.0, 100.0);
        (1..=100_u16)
            .find(|whole| f64::from(*whole) >= percent)
            .map_or(Percent(100), Percent)
    }
}

/// What past days would have come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Came {
    /// Instance-hours a day. Each move of the size counts as two minutes of one instance.
    pub instance_hours_per_day: f64,
    /// Time above the limit.
    pub over_percent: f64,
}

impl Found {
    /// What is saved of the cost of what was written, in percent; below zero, it costs more.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "a share of a cost")]
    pub fn gain_percent(&self) -> f64 {
        100.0 * (1.0 - self.found.instance_hours_per_day / self.written.instance_hours_per_day)
    }
}

/// The settings by which each pool of a fleet goes in place of what its owner wrote. Where nothing could be read of what was found, it
/// goes on by what it went by before: nobody comes or goes because a read failed.
pub(crate) fn in_force(situation: &Situation<'_>) -> BTreeMap<PoolId, Tuned> {
    let is_applied = situation.spec.tuning.is_some_and(|tuning| tuning.mode == TuningMode::Apply);
    let found = |pool: &PoolSpec| match &situation.observation.tuned {
        Some(found) => found.get(&pool.id).copied(),
        None => situation.state.pools.get(&pool.id)?.by_tuning,
    };
    let pools = situation.spec.pools.iter().filter(|_| is_applied);
    let tuned = pools.filter_map(|pool| Some((pool, found(pool)?, Settings::of(pool)?)));
    let holds = tuned.filter(|(_, tuned, written)| tuned.instead_of == *written && tuned.settings != *written);
    holds.map(|(pool, tuned, _)| (pool.id.clone(), tuned)).collect()
}

/// A spec with these settings; none: it is as it is written.
pub(crate) fn applied(spec: &FleetSpec, tuned: &BTreeMap<PoolId, Tuned>) -> Option<FleetSpec> {
    if tuned.is_empty() {
        return None;
    }
    let mut spec = spec.clone();
    for pool in &mut spec.pools {
        if let Some(tuned) = tuned.get(&pool.id) {
            *pool = tuned.settings.applied(pool);
        }
    }
    Some(spec)
}

/// The policy of a pool that is tuned: the first one that looks ahead.
fn looks_ahead(pool: &PoolSpec) -> Option<&Predictive> {
    pool.policies.iter().find_map(|policy| match &policy.rule {
        Rule::Predictive(rule) => Some(rule),
        _ => None,
    })
}
