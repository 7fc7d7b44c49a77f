//! What tuning finds by playing past days, and sets of a pool: how carefully its policy looks ahead, for how long what was needed is kept,
//! how full an instance may be.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::{CapacityModel, Care, Need, PoolSpec, Predictive, Rule};
use crate::unit::{Finite, Percent, Seconds};

/// What is tuned of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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

/// The policy of a pool that is tuned: the first one that looks ahead.
fn looks_ahead(pool: &PoolSpec) -> Option<&Predictive> {
    pool.policies.iter().find_map(|policy| match &policy.rule {
        Rule::Predictive(rule) => Some(rule),
        _ => None,
    })
}
