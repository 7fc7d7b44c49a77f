//! A metric of each instance's own that says when it is sick; and how it is read.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::metric::{self, INSTANCE_ID, Stat};
use super::problem::Problems;
use super::raw::{RawHealthMetric, RawMetric};
use super::{Metric, MetricSource, PoolSpec, check_metric, defaults};
use crate::unit::{Finite, Seconds};

/// Most instances of a pool that are read one by one: GetMetricData answers so many queries in one call.
pub const READ_EACH_MOST: u32 = 500;
/// One datapoint is noise.
const DATAPOINTS_LEAST: u8 = 2;
/// Every record carries them all.
const DATAPOINTS_MOST: u8 = 10;
/// Metrics are read once a minute at most: shorter datapoints would be too old by then.
const PERIOD_LEAST: Seconds = Seconds::minutes(1);

/// When a metric of an instance's own says that it is sick.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthMetric {
    /// The metric, without the dimension `InstanceId`.
    pub stat: Stat,
    /// What is too much, or too little.
    pub bound: Bound,
    /// So many datapoints in a row must say so.
    pub datapoints: u8,
}

impl HealthMetric {
    /// How long an instance must have been watched before it can be called sick.
    #[must_use]
    pub fn lasts(&self) -> Seconds {
        Seconds(self.stat.period.0.saturating_mul(u32::from(self.datapoints)))
    }
}

/// A bound that a value can be beyond.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Above this value.
    Above(Finite),
    /// Below this value.
    Below(Finite),
}

impl Bound {
    /// Whether a value is beyond it. The bound itself is not.
    #[must_use]
    pub fn is_crossed(self, value: Finite) -> bool {
        match self {
            Self::Above(bound) => value.get() > bound.get(),
            Self::Below(bound) => value.get() < bound.get(),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Above(bound) => write!(f, "above {bound}"),
            Self::Below(bound) => write!(f, "below {bound}"),
        }
    }
}

pub(super) fn read(raw: Option<&RawHealthMetric>, at: &str, problems: &mut Problems) -> Option<HealthMetric> {
    let raw = raw?;
    let stat = read_stat(&raw.metric, at, problems);
    let datapoints = raw.datapoints.unwrap_or(defaults::HEALTH_DATAPOINTS);
    if !(DATAPOINTS_LEAST..=DATAPOINTS_MOST).contains(&datapoints) {
        problems.add(
            format!("{at}.datapoints"),
            format!("`{datapoints}` is not between `{DATAPOINTS_LEAST}` and `{DATAPOINTS_MOST}`"),
            "a report is weak, and must last; for longer, give the metric a longer `period`",
        );
    }
    let bound = read_bound(raw, at, problems);
    Some(HealthMetric {
        stat: stat?,
        bound: bound?,
        datapoints,
    })
}

fn read_stat(raw: &RawMetric, at: &str, problems: &mut Problems) -> Option<Stat> {
    // what is wrong with a metric is told below its own path
    let metric = check_metric::read_metric(raw, None, at, true, problems)?;
    let at = format!("{at}.metric");
    match metric {
        Metric::Named { name, .. } if name.sources().contains(&MetricSource::Instances) => Some(metric::per_instance(name)),
        Metric::Named { name, .. } => {
            problems.add(
                at,
                format!("`{}` is not read of each instance", name.as_str()),
                "use `cpu`, `network_in` or `network_out`, or what each instance publishes: `{ namespace: CWAgent, name: mem_used_percent }`",
            );
            None
        }
        Metric::Stat(stat) => {
            if stat.dimensions.contains_key(INSTANCE_ID) {
                problems.add(
                    format!("{at}.dimensions.{INSTANCE_ID}"),
                    format!("`{INSTANCE_ID}` is put in for each instance"),
                    "leave it out, and name the others exactly as published",
                );
            }
            if stat.period < PERIOD_LEAST {
                problems.add(
                    format!("{at}.period"),
                    format!("`{}` is less than `{PERIOD_LEAST}`", stat.period),
                    "instances are read once a minute at most",
                );
            }
            Some(stat)
        }
        Metric::Expression { .. } | Metric::Several { .. } => {
            problems.add(
                at,
                "an expression is of no single instance",
                "name one metric, with `namespace` and `name`",
            );
            None
        }
    }
}

fn read_bound(raw: &RawHealthMetric, at: &str, problems: &mut Problems) -> Option<Bound> {
    let mut finite = |value: f64, part: &str| {
        let read = Finite::new(value);
        if read.is_none() {
            problems.add(
                format!("{at}.{part}"),
                format!("`{value}` is no number"),
                "the value beyond which an instance is sick",
            );
        }
        read
    };
    match (raw.above, raw.below) {
        (Some(above), None) => finite(above, "above").map(Bound::Above),
        (None, Some(below)) => finite(below, "below").map(Bound::Below),
        _ => {
            problems.add(at, "a bound is exactly one of `above` and `below`", "keep one of them");
            None
        }
    }
}

/// So many instances can be asked in one call; a pool that may be larger cannot have all of its own asked.
pub(super) fn check_size(pool: &PoolSpec, at: &str, here: &str, problems: &mut Problems) {
    let most = pool.most();
    if pool.health_metric.is_some() && pool.capacity.max != super::check_pool::NO_MAXIMUM && most > READ_EACH_MOST {
        problems.add(
            here,
            format!("`{at}` may have `{most}` instances, and at most `{READ_EACH_MOST}` are read one by one"),
            "split the pool, or let its instances write a heartbeat: `health.heartbeat`",
        );
    }
}
