//! Policies that look ahead: for which policy, how far, and how carefully.

use serde::{Deserialize, Serialize};

use super::check_guards::percent;
use super::defaults::ByObjective;
use super::events;
use super::problem::Problems;
use super::raw::{RawHorizon, RawPredictive};
use super::{CapacityModel, Events, InstanceCapacity, Measure, Metric, MetricSource, NamedMetric, Policy, Rule, TargetTracking};
use crate::id::PolicyId;
use crate::state::Boots;
use crate::unit::{Finite, Percent, Seconds};

/// Furthest look ahead: beyond it the season says more than the last minutes do.
const HORIZON_MAX: Seconds = Seconds::minutes(30);
/// Greatest caution: it keeps the most that ever came.
const CAUTION_MAX: f64 = 1_000.0;

/// Looks ahead for another policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Predictive {
    /// For which.
    pub of: PolicyId,
    /// The load: a count for all instances together.
    pub measure: Measure,
    /// How many instances a load needs.
    pub need: Need,
    /// How far.
    pub horizon: Horizon,
    /// How much of what may come has to be enough.
    pub care: Care,
    /// Never less than what so large a share of the loads at this time of day stayed below.
    pub usual: Option<Percent>,
    /// Times in which the load is so many times what it would be otherwise.
    pub events: Events,
}

/// How far a policy looks ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Horizon {
    /// The pool's warm-up and a minute.
    WarmUp,
    /// So far.
    Given(Seconds),
    /// As long as nine of ten launches of late took until they served, and a minute; until enough are known as by the warm-up.
    Learned,
}

/// How many instances a load needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// As a capacity policy counts them.
    Model {
        /// Requests per second that one instance can answer.
        each: InstanceCapacity,
        /// What must hold.
        model: CapacityModel,
    },
    /// So much of a minute's load may be each instance's, above zero.
    Target(Finite),
}

impl Need {
    /// How much of a minute's load one instance carries. `learned` requests per second are what it can answer where that is learned, of
    /// which so large a share may be `used` where the response time decides. None: not known yet.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
    pub fn unit(&self, learned: Option<f64>, used: f64) -> Option<f64> {
        let (each, model) = match self {
            Self::Target(target) => return Some(target.get()),
            Self::Model { each, model } => (each, model),
        };
        let each = match each {
            InstanceCapacity::Given(each) => each.get(),
            InstanceCapacity::Learned(_) => learned?,
        };
        let used = match model {
            CapacityModel::Utilisation { at_most } => at_most.ratio(),
            CapacityModel::ResponseTime { .. } => used,
        };
        Some(each * used * 60.0)
    }
}

/// How much of what may come has to be enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Care {
    /// A minute in which there is too little costs so many minutes of a fleet of average size: what costs least together.
    Caution(Finite),
    /// What is exceeded in at most so large a share of the time.
    Exceeded(Finite),
}

impl Predictive {
    /// How many minutes it looks ahead, in a pool whose instances count after `warmup` and took so long to serve of late.
    #[must_use]
    pub fn minutes(&self, warmup: Seconds, boots: Option<&Boots>) -> u32 {
        let by_warmup = Seconds(warmup.0.saturating_add(60));
        let horizon = match self.horizon {
            Horizon::WarmUp => by_warmup,
            Horizon::Given(horizon) => horizon,
            Horizon::Learned => boots.and_then(|boots| boots.minutes).map_or(by_warmup, Seconds::minutes),
        };
        horizon.min(HORIZON_MAX).0.div_ceil(60).max(1)
    }
}

/// Reads one, whose `of` is among the policies that are read already.
pub(super) fn read(
    raw: &RawPredictive,
    others: &[Policy],
    by_objective: &ByObjective,
    at: &str,
    problems: &mut Problems,
) -> Option<Predictive> {
    let horizon = read_horizon(raw.horizon.as_ref(), &format!("{at}.horizon"), problems);
    let care = read_care(raw, by_objective, at, problems);
    let usual = raw.usual.as_ref().map(|raw| {
        let at = format!("{at}.usual");
        let usual = percent(Some(raw), &at, Percent(90), problems);
        if usual.0 == 0 || usual.0 > 100 {
            problems.add(at, format!("`{usual}` is not between `1%` and `100%`"), "such as `90%`");
        }
        usual
    });
    let events = events::read(raw.events.as_deref().unwrap_or_default(), &format!("{at}.events"), problems);
    let (of, measure, need) = read_of(raw, others, at, problems)?;
    Some(Predictive {
        of,
        measure,
        need,
        horizon,
        care: care?,
        usual,
        events,
    })
}

fn read_horizon(raw: Option<&RawHorizon>, at: &str, problems: &mut Problems) -> Horizon {
    match raw {
        None => Horizon::WarmUp,
        Some(RawHorizon(word)) if word == "learned" => Horizon::Learned,
        Some(RawHorizon(text)) => {
            let horizon = Seconds::parse(text).filter(|horizon| (Seconds(60)..=HORIZON_MAX).contains(horizon));
            if horizon.is_none() {
                let hint = "the time from a launch until the instance serves, and a minute more: `4m`; or `learned`";
                problems.add(at, format!("`{text}` is not a duration between `1m` and `{HORIZON_MAX}`"), hint);
            }
            Horizon::Given(horizon.unwrap_or(HORIZON_MAX))
        }
    }
}

fn read_care(raw: &RawPredictive, by_objective: &ByObjective, at: &str, problems: &mut Problems) -> Option<Care> {
    match (raw.caution, raw.quantile) {
        (Some(_), Some(_)) => {
            problems.add(
                format!("{at}.quantile"),
                "`quantile` and `caution` say the same thing twice",
                "keep one of them",
            );
            None
        }
        (None, Some(quantile)) => {
            let good = Finite::new(quantile).filter(|quantile| (0.5..=1.0).contains(&quantile.get()));
            if good.is_none() {
                let message = format!("`{quantile}` is not between `0.5` and `1`");
                problems.add(
                    format!("{at}.quantile"),
                    message,
                    "such as `0.95`: enough in all but one minute of twenty",
                );
            }
            good.and_then(exceeded).map(Care::Exceeded)
        }
        (caution, None) => {
            let caution = caution.unwrap_or_else(|| f64::from(by_objective.caution));
            let good = Finite::new(caution).filter(|caution| caution.get() > 0.0 && caution.get() <= CAUTION_MAX);
            if good.is_none() {
                let message = format!("`{caution}` is not above `0` and at most `{CAUTION_MAX}`");
                problems.add(format!("{at}.caution"), message, "such as `8`");
            }
            good.map(Care::Caution)
        }
    }
}

#[expect(clippy::float_arithmetic, reason = "a share of the time and what is left of it")]
fn exceeded(quantile: Finite) -> Option<Finite> {
    Finite::new(1.0 - quantile.get())
}

fn read_of(raw: &RawPredictive, others: &[Policy], at: &str, problems: &mut Problems) -> Option<(PolicyId, Measure, Need)> {
    let Some(policy) = others.iter().find(|policy| policy.id.as_str() == raw.of) else {
        let hint = "the id of a policy that stands before it in the list";
        problems.add(format!("{at}.of"), format!("there is no policy `{}` before this one", raw.of), hint);
        return None;
    };
    let found = match &policy.rule {
        Rule::Capacity(rule) => {
            let (each, model) = (rule.each.clone(), rule.model);
            Some((rule.measure.clone(), Need::Model { each, model }))
        }
        Rule::TargetTracking(rule) => of_tracking(rule),
        _ => None,
    };
    if found.is_none() {
        problems.add(
            format!("{at}.of"),
            format!(
                "nobody can look ahead for `{}`: it does not count what comes in for all instances together",
                raw.of
            ),
            "look ahead for a policy of type `capacity`, or of type `target_tracking` on `alb_request_count_per_target`",
        );
    }
    found.map(|(measure, need)| (policy.id.clone(), measure, need))
}

/// Requests per target are forecast as requests of all targets: those do not change as instances come and go.
fn of_tracking(rule: &TargetTracking) -> Option<(Measure, Need)> {
    let (per_target, source) = (NamedMetric::AlbRequestCountPerTarget, MetricSource::TargetGroup);
    let is_requests = matches!(&rule.measure.metric, Metric::Named { name, .. } if *name == per_target);
    let name = NamedMetric::AlbRequestCount;
    let measure = Measure {
        metric: Metric::Named { name, source },
        ..rule.measure.clone()
    };
    is_requests.then_some((measure, Need::Target(rule.target)))
}
