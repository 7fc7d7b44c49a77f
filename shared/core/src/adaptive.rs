//! Which algorithm an adaptive target group uses, by how unequally its targets answer.
//!
//! An application load balancer publishes no metric by target. A metric by zone is one of the balancer's nodes there, which reach
//! every zone's targets, or, where they do not, no algorithm moves a request to another zone. What can be measured is the spread of
//! response times within the group, the 90th percentile over the median, and how many targets the balancer itself finds
//! anomalous. Where answers are unequal, the target with fewest requests under way is the better choice. Where some targets fail,
//! it is the worse one: who fails at once has nothing under way, and would get most.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sample::{Sample, Series};
use crate::spec::{Adaptive, Algorithm, BreachRule};
use crate::unit::{Finite, Moment, Percent};

/// Datapoints of a minute that a judgement needs.
pub const POINTS: u32 = 15;
const UNEQUAL: BreachRule = BreachRule { datapoints: 10, of: 15 };
const EQUAL: BreachRule = BreachRule { datapoints: 12, of: 15 };
const FAILING: BreachRule = BreachRule { datapoints: 3, of: 5 };

/// What was measured of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Imbalance {
    /// The 90th percentile of response times over their median, percent.
    pub spread: Series,
    /// Targets that the balancer finds anomalous.
    pub anomalous: Series,
}

impl Default for Imbalance {
    fn default() -> Self {
        Self {
            spread: Series::NotAsked,
            anomalous: Series::NotAsked,
        }
    }
}

/// The algorithm that an adaptive group has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapted {
    /// Which.
    pub algorithm: Algorithm,
    /// Since when.
    pub since: Moment,
}

/// Why a group changes its algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// Answers take unequally long.
    Unequal {
        /// The newest spread, percent.
        spread: Finite,
        /// What it was above.
        above: Percent,
    },
    /// They take equally long again.
    Equal {
        /// The newest spread, percent.
        spread: Finite,
        /// What it was below.
        below: Percent,
    },
    /// Some targets fail.
    Failing {
        /// So many, by the newest datapoint.
        targets: Finite,
    },
}

impl Switch {
    /// The algorithm that it changes to.
    #[must_use]
    pub fn to(self) -> Algorithm {
        match self {
            Self::Unequal { .. } => Algorithm::LeastOutstandingRequests,
            Self::Equal { .. } | Self::Failing { .. } => Algorithm::RoundRobin,
        }
    }
}

/// The algorithm in force; a group begins with the first one.
#[must_use]
pub fn algorithm(adapted: Option<&Adapted>) -> Algorithm {
    adapted.map_or(Algorithm::RoundRobin, |adapted| adapted.algorithm)
}

/// Whether the algorithm changes now. Between two changes at least `dwell` passes, but one away from failing targets waits for
/// nothing. Without a fresh value nothing changes.
#[must_use]
pub fn judge(rule: &Adaptive, adapted: Option<&Adapted>, seen: &Imbalance, now: Timestamp) -> Option<Switch> {
    let failing = seen.anomalous.breaches(FAILING, |targets| targets >= 1.0);
    let leans = algorithm(adapted) == Algorithm::LeastOutstandingRequests;
    if failing && leans {
        return fresh(&seen.anomalous, now).map(|targets| Switch::Failing { targets });
    }
    if failing || adapted.is_some_and(|adapted| now < rule.dwell.after(adapted.since.at())) {
        return None;
    }
    let spread = fresh(&seen.spread, now)?;
    let Adaptive { above, below, .. } = *rule;
    if leans {
        let equal = seen.spread.allows_fewer(EQUAL, |spread| spread < f64::from(below.0));
        equal.then_some(Switch::Equal { spread, below })
    } else {
        let unequal = seen.spread.breaches(UNEQUAL, |spread| spread > f64::from(above.0));
        unequal.then_some(Switch::Unequal { spread, above })
    }
}

fn fresh(series: &Series, now: Timestamp) -> Option<Finite> {
    match series.sample(now) {
        Sample::Value { value, .. } => Some(value),
        Sample::Partial { .. } | Sample::Stale { .. } | Sample::Missing | Sample::NotAsked => None,
    }
}

impl std::fmt::Display for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unequal { spread, above } => write!(
                f,
                "the 90th percentile of response times is {:.0} % of the median, above {above} in {UNEQUAL}",
                spread.get()
            ),
            Self::Equal { spread, below } => write!(
                f,
                "the 90th percentile of response times is {:.0} % of the median, below {below} in {EQUAL}",
                spread.get()
            ),
            Self::Failing { targets } => write!(
                f,
                "{:.0} targets are anomalous in {FAILING}, and who fails at once would get most",
                targets.get()
            ),
        }
    }
}
