//! Counts the instances that the demand needs, from what one of them can do: P = n x C.

use super::{Ballot, Opinion, Reading, demand, queueing};
use crate::rating::{self, Rating};
use crate::reason::VoteReason;
use crate::spec::{CapacityModel, CapacityRule, InstanceCapacity, QueueModel};
use crate::unit::Finite;

/// Requests per second that one instance can answer: as given, or as learned so far.
///
/// # Errors
/// So many hours are known, which are too few.
pub(crate) fn requests_per_second(each: &InstanceCapacity, rating: Option<&Rating>) -> Result<Finite, u32> {
    match each {
        InstanceCapacity::Given(each) => Ok(*each),
        InstanceCapacity::Learned(_) => rating::learned(rating).ok_or_else(|| rating::hours(rating)),
    }
}

#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
pub(crate) fn recommend(rule: &CapacityRule, each: Finite, reading: &Reading<'_>, ballot: &Ballot<'_>) -> Opinion {
    let seconds = f64::from(rule.measure.metric.period().0.max(1));
    let rate = Finite::new(reading.value.get() / seconds).unwrap_or(reading.value);
    let needed = |value: f64| instances(rule.model, each.get(), (value / seconds).max(0.0));
    let learned = matches!(rule.each, InstanceCapacity::Learned(_)).then_some(each);
    let reason = |instances| match instances {
        Some(instances) => VoteReason::Needs {
            demand: rate,
            instances,
            learned,
        },
        None => VoteReason::Impossible { demand: rate },
    };
    demand::recommend(&rule.measure, reading, ballot, needed, reason)
}

/// The fewest instances that keep the objective at a rate per second; none if no number does.
pub(super) fn instances(model: CapacityModel, each: f64, rate: f64) -> Option<u32> {
    match model {
        CapacityModel::Utilisation { at_most } => queueing::utilisation(rate, each, at_most.ratio()),
        CapacityModel::ResponseTime { within, late, queue } => match queue {
            QueueModel::Shared => queueing::shared_queue(rate, each, within.seconds(), late.ratio()),
            QueueModel::Own => queueing::own_queues(rate, each, within.seconds(), late.ratio()),
        },
    }
}
