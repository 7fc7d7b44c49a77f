//! Changes the size by one amount while a metric stays within bounds: `n` of the last `m` datapoints, and the newest of them.

use super::{Ballot, Opinion, Reading};
use crate::reason::{Direction, VoteReason};
use crate::spec::{ThresholdChange, ThresholdRule};

#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
pub(crate) fn recommend(rule: &ThresholdRule, reading: &Reading<'_>, ballot: &Ballot<'_>) -> Opinion {
    let direction = match rule.change {
        ThresholdChange::Add(_) => Direction::Out,
        ThresholdChange::Remove(_) => Direction::In,
    };
    let factor = ballot.alone(&rule.measure, reading.at, direction);
    let (value, hold) = (reading.times(factor), Some(ballot.desired));
    let (from, below) = (rule.from, rule.below);
    let is_within = |value: f64| from.is_none_or(|from| from.get() <= value) && below.is_none_or(|below| value < below.get());
    if !is_within(value.get()) {
        return (hold, VoteReason::OutOfBounds { value, from, below });
    }
    let (capacity, datapoints) = match &rule.change {
        ThresholdChange::Add(change) => (ballot.more(change), rule.measure.out),
        ThresholdChange::Remove(_) if reading.partial => return (hold, VoteReason::NoValue { sample: reading.sample }),
        ThresholdChange::Remove(change) => (ballot.fewer(change), rule.measure.in_),
    };
    let agree = match direction {
        Direction::In => reading.series.allows_fewer(datapoints, |value| is_within(value * factor)),
        Direction::Out | Direction::Hold => reading.series.breaches(datapoints, |value| is_within(value * factor)),
    };
    if !agree {
        return (hold, VoteReason::TooFewDatapoints { value, asks: direction });
    }
    (Some(capacity), VoteReason::InBand { value, from, below })
}
