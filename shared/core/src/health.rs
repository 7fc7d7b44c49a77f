//! What says that an instance is sick, beside its target groups: EC2's status checks, the heartbeat that it owes, and a metric of its
//! own.
//!
//! Each report is weak. It must last for the time that the spec gives it, silence before the first word is no report, and
//! what cannot be read says nothing. Who is sick, and what follows, is decided in the census alone.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::observation::{Instance, InstanceState, Observation};
use crate::spec::{Bound, HealthMetric, PoolSpec};
use crate::state::Member;
use crate::unit::{Finite, Seconds};

/// A report that has lasted for as long as the spec asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// EC2's status checks fail.
    StatusChecks {
        /// Since when, by EC2.
        since: Timestamp,
    },
    /// Its heartbeat stopped.
    Heartbeat {
        /// The last one.
        last: Timestamp,
    },
    /// A metric of its own is beyond its bound. Without times, so that it does not change while it lasts.
    Metric {
        /// Which.
        metric: String,
        /// The bound.
        bound: Bound,
        /// So many datapoints in a row.
        datapoints: u8,
    },
}

impl Report {
    /// The report on an instance of this pool, if there is one.
    #[must_use]
    pub fn on(pool: &PoolSpec, member: &Member, instance: &Instance, observation: &Observation) -> Option<Self> {
        if instance.state != InstanceState::Running {
            return None;
        }
        let lasts = |since: Timestamp, time: Seconds| Seconds::between(since, observation.observed_at) >= time;
        let impaired = observation.impaired.as_ref().and_then(|impaired| impaired.get(&instance.id));
        let by_ec2 = pool
            .status_checks
            .zip(impaired)
            .filter(|(time, since)| lasts(**since, *time))
            .map(|(_, since)| Self::StatusChecks { since: *since });
        // a beat from before the last start is none of this run's
        let beat = instance.word.beat.filter(|beat| *beat >= instance.launched_at);
        let by_itself = pool
            .heartbeat
            .zip(beat)
            .filter(|(time, last)| lasts(*last, *time))
            .map(|(_, last)| Self::Heartbeat { last });
        by_ec2
            .or(by_itself)
            .or_else(|| Self::by_metric(pool, member, instance, observation))
    }

    fn by_metric(pool: &PoolSpec, member: &Member, instance: &Instance, observation: &Observation) -> Option<Self> {
        let HealthMetric { stat, bound, datapoints } = pool.health_metric.as_ref()?;
        let last = last(pool, member, instance, observation)?;
        last.iter().all(|value| bound.is_crossed(*value)).then(|| Self::Metric {
            metric: stat.to_string(),
            bound: *bound,
            datapoints: *datapoints,
        })
    }
}

/// Whether there is enough of the metric of an instance's own to tell that it is well, or sick.
#[must_use]
pub fn is_told(pool: &PoolSpec, member: &Member, instance: &Instance, observation: &Observation) -> bool {
    last(pool, member, instance, observation).is_some()
}

fn last(pool: &PoolSpec, member: &Member, instance: &Instance, observation: &Observation) -> Option<Vec<Finite>> {
    let metric = pool.health_metric.as_ref()?;
    let from = told_from(pool, member, instance)?;
    let readings = observation.readings.get(&pool.id)?;
    readings.last(&instance.id, metric.datapoints, from, observation.observed_at)
}

/// Whether a metric of its own could make an instance of this pool sick at `now`. Only then is it read.
#[must_use]
pub fn can_be_told(pool: &PoolSpec, member: &Member, instance: &Instance, now: Timestamp) -> bool {
    let Some(metric) = &pool.health_metric else { return false };
    let stays = member.drain.is_none() && member.terminating_since.is_none() && member.warm.is_none();
    let is_long_enough = |from| now >= metric.lasts().after(from);
    stays && instance.state == InstanceState::Running && told_from(pool, member, instance).is_some_and(is_long_enough)
}

/// From when on datapoints of an instance count: it serves, and the grace after its last start is over. None: it never served.
fn told_from(pool: &PoolSpec, member: &Member, instance: &Instance) -> Option<Timestamp> {
    let served_since = member.served_since?.at();
    Some(pool.health_grace.after(instance.launched_at).max(served_since))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StatusChecks { since } => write!(f, "EC2's status checks fail since {since}"),
            Self::Heartbeat { last } => write!(f, "its last heartbeat is of {last}"),
            Self::Metric { metric, bound, datapoints } => write!(f, "the last {datapoints} datapoints of its {metric} are {bound}"),
        }
    }
}
