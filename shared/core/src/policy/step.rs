//! Adds or removes by how far a metric is from normal.
//!
//! Steps out count from the size before the instances that still warm up, so that an alarm that goes on does not add the same
//! step again.

use super::{Ballot, Opinion, Reading};
use crate::reason::{Direction, VoteReason};
use crate::spec::{StepBand, StepRule};
use crate::unit::Finite;

#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
pub(crate) fn recommend(rule: &StepRule, reading: &Reading<'_>, ballot: &Ballot<'_>) -> Opinion {
    let hold = Some(ballot.desired);
    let factor = ballot.alone(&rule.measure, reading.at, Direction::Out);
    let value = reading.times(factor);
    if let Some(band) = band_of(&rule.out, value) {
        let lowest = rule.out.first().and_then(|band| band.from).map_or(f64::NEG_INFINITY, Finite::get);
        if !reading.series.breaches(rule.measure.out, |value| value * factor >= lowest) {
            return (
                hold,
                VoteReason::TooFewDatapoints {
                    value,
                    asks: Direction::Out,
                },
            );
        }
        return (Some(ballot.more(&band.change)), in_band(band, value));
    }
    let factor = ballot.alone(&rule.measure, reading.at, Direction::In);
    let value = reading.times(factor);
    let Some(band) = band_of(&rule.in_, value) else {
        return (hold, VoteReason::BetweenBands { value });
    };
    if reading.partial {
        return (hold, VoteReason::NoValue { sample: reading.sample });
    }
    let highest = rule.in_.last().and_then(|band| band.below).map_or(f64::INFINITY, Finite::get);
    if !reading.series.allows_fewer(rule.measure.in_, |value| value * factor < highest) {
        return (
            hold,
            VoteReason::TooFewDatapoints {
                value,
                asks: Direction::In,
            },
        );
    }
    (Some(ballot.fewer(&band.change)), in_band(band, value))
}

fn band_of(bands: &[StepBand], value: Finite) -> Option<&StepBand> {
    bands
        .iter()
        .find(|band| band.from.is_none_or(|from| from <= value) && band.below.is_none_or(|below| value < below))
}

fn in_band(band: &StepBand, value: Finite) -> VoteReason {
    VoteReason::InBand {
        value,
        from: band.from,
        below: band.below,
    }
}
