//! Votes of policies that count instances from what is to be done, whoever does it: requests that come in, jobs that wait.
//!
//! Such a number does not change as instances come and go, so nothing is divided by them and nothing can flap: out as soon as the
//! datapoints need more, in when also a number that is larger by the tolerance would need fewer.

use super::{Ballot, Opinion, Reading};
use crate::reason::{Direction, VoteReason};
use crate::spec::Measure;

/// The vote for as many as `needed` says that a value takes; none if no number of instances is enough. `reason` is told the
/// count that the newest value takes.
#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
pub(crate) fn recommend(
    measure: &Measure,
    reading: &Reading<'_>,
    ballot: &Ballot<'_>,
    needed: impl Fn(f64) -> Option<u32>,
    reason: impl Fn(Option<u32>) -> VoteReason,
) -> Opinion {
    let (value, desired) = (reading.value, ballot.desired);
    let hold = Some(desired);
    let Some(now) = needed(value.get()) else {
        return (hold, reason(None));
    };
    if now > desired {
        let more = |value: f64| needed(value).is_some_and(|needed| needed > desired);
        if !reading.series.breaches(measure.out, more) {
            return (
                hold,
                VoteReason::TooFewDatapoints {
                    value,
                    asks: Direction::Out,
                },
            );
        }
        return (Some(now), reason(Some(now)));
    }
    let margin = 1.0 + ballot.guards.tolerance_in.ratio();
    let with_margin = needed(value.get() * margin).unwrap_or(desired).min(desired);
    if with_margin == desired {
        return (hold, reason(Some(now)));
    }
    if reading.partial {
        return (hold, VoteReason::NoValue { sample: reading.sample });
    }
    let fewer = |value: f64| needed(value * margin).is_some_and(|needed| needed < desired);
    if !reading.series.allows_fewer(measure.in_, fewer) {
        return (
            hold,
            VoteReason::TooFewDatapoints {
                value,
                asks: Direction::In,
            },
        );
    }
    (Some(with_margin), reason(Some(now)))
}
