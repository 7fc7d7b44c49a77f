//! Counts the instances that the demand needs, from what one of them can do: P = n x C.
//!
//! The demand does not depend on how many instances there are, so nothing is divided and nothing can flap: out as soon as the
//! datapoints need more, in when also a demand that is larger by the tolerance would need fewer.

use super::{Ballot, Opinion, Reading, queueing};
use crate::reason::VoteReason;
use crate::spec::{CapacityModel, CapacityRule, QueueModel};
use crate::unit::Finite;

#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
pub(crate) fn recommend(rule: &CapacityRule, reading: &Reading<'_>, ballot: &Ballot<'_>) -> Opinion {
    let seconds = f64::from(rule.measure.metric.period().0.max(1));
    let (hold, rate) = (Some(ballot.desired), reading.value.get() / seconds);
    let needed = |value: f64| instances(rule, (value / seconds).max(0.0));
    let demand = Finite::new(rate).unwrap_or(reading.value);
    let Some(now) = needed(reading.value.get()) else {
        return (hold, VoteReason::Impossible { demand });
    };
    let reason = VoteReason::Needs { demand, instances: now };
    if now > ballot.desired {
        let more = |value: f64| needed(value).is_some_and(|needed| needed > ballot.desired);
        if !reading.series.breaches(rule.measure.out, more) {
            return (hold, VoteReason::TooFewDatapoints { value: demand });
        }
        return (Some(now), reason);
    }
    let margin = 1.0 + ballot.guards.tolerance_in.ratio();
    let with_margin = needed(reading.value.get() * margin).unwrap_or(ballot.desired).min(ballot.desired);
    if with_margin == ballot.desired {
        return (hold, reason);
    }
    if reading.partial {
        return (hold, VoteReason::NoValue { sample: reading.sample });
    }
    let fewer = |value: f64| needed(value * margin).is_some_and(|needed| needed < ballot.desired);
    if !reading.series.breaches(rule.measure.in_, fewer) {
        return (hold, VoteReason::TooFewDatapoints { value: demand });
    }
    (Some(with_margin), reason)
}

/// The fewest instances that keep the objective at a rate per second; none if no number does.
fn instances(rule: &CapacityRule, rate: f64) -> Option<u32> {
    let each = rule.each.get();
    match rule.model {
        CapacityModel::Utilisation { at_most } => queueing::utilisation(rate, each, at_most.ratio()),
        CapacityModel::ResponseTime { within, late, queue } => match queue {
            QueueModel::Shared => queueing::shared_queue(rate, each, within.seconds(), late.ratio()),
            QueueModel::Own => queueing::own_queues(rate, each, within.seconds(), late.ratio()),
        },
    }
}
