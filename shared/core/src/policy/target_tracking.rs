//! Keeps a metric that falls as instances are added at a target.
//!
//! The load is what the measured instances carry together, `value x instances`; the recommendation is the smallest number
//! of instances that carries it at the target, rounded up. As EC2 Auto Scaling documents it: out as soon as the
//! datapoints agree, in only with room to spare, warming instances are capacity but not part of the metric.

use super::{Ballot, Opinion, Reading, count_ceil, measured_instances};
use crate::reason::{Direction, VoteReason};
use crate::spec::TargetTracking;

#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
pub(crate) fn recommend(rule: &TargetTracking, reading: &Reading<'_>, ballot: &Ballot<'_>) -> Opinion {
    let (target, hold) = (rule.target, Some(ballot.desired));
    let alone = |direction| ballot.alone(&rule.measure, reading.at, direction);
    let towards = if reading.times(alone(Direction::Out)) > target {
        Direction::Out
    } else {
        Direction::In
    };
    let factor = alone(towards);
    let value = reading.times(factor);
    let measured = measured_instances(&rule.measure, &ballot.counts, ballot.flow, reading.at, towards);
    let upper = target.get() * (1.0 + ballot.guards.tolerance_out.ratio());
    let breaches = || reading.series.breaches(rule.measure.out, |value| value * factor > upper);
    let too_few = |asks| (hold, VoteReason::TooFewDatapoints { value, asks });
    if measured <= 0.0 {
        if ballot.desired == 0 && value.get() > upper {
            // one datapoint is no more a reason to begin than it is one to grow
            return if breaches() {
                (Some(1), VoteReason::OthersServe { value })
            } else {
                too_few(Direction::Out)
            };
        }
        let why = if ballot.counts.in_service > 0 {
            VoteReason::AllCameSince
        } else {
            VoteReason::NobodyInService
        };
        return (hold, why);
    }
    let needed = count_ceil(reading.value.get() * measured / target.get());
    let lower = target.get() * (1.0 - ballot.guards.tolerance_in.ratio());
    // who may have served is counted to keep them, never to add more
    if towards == Direction::Out && value.get() > upper {
        if !breaches() {
            return too_few(Direction::Out);
        }
        // what warms up already may be enough
        return (Some(needed.max(ballot.desired)), VoteReason::Tracked { value, target });
    }
    if value.get() >= lower {
        let tolerance = if value > target {
            ballot.guards.tolerance_out
        } else {
            ballot.guards.tolerance_in
        };
        return (hold, VoteReason::WithinTolerance { value, target, tolerance });
    }
    if reading.partial {
        return (hold, VoteReason::NoValue { sample: reading.sample });
    }
    if !reading.series.allows_fewer(rule.measure.in_, |value| value * factor < lower) {
        return too_few(Direction::In);
    }
    (Some(needed.min(ballot.desired)), VoteReason::Tracked { value, target })
}
