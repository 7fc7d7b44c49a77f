//! Counts the instances that a queue needs: its backlog by what one instance may have of it.
//!
//! What is being worked on counts as backlog, because whoever works on it must not be removed. A message that is older than it
//! may be adds a tenth, at least one, and nothing leaves before the oldest is young again: the backlog alone does not show that
//! messages are harder than they were. And so many stay that the oldest would not become too old again with those who are left, taken that
//! it waits the longer the fewer there are: else what leaves now comes back at once.

use super::{Ballot, Opinion, Reading, demand, finite_count};
use crate::reason::{Direction, VoteReason};
use crate::sample::{Sample, Series};
use crate::spec::QueueRule;
use crate::unit::{Finite, Percent, Seconds};

/// Added to what has settled while the oldest message is too old.
const ADDED_WHEN_OLD: Percent = Percent(10);

/// The names of a queue's metrics.
pub(crate) const WAITING: &str = "waiting";
/// Received and not yet deleted.
pub(crate) const IN_WORK: &str = "in_work";
/// Age of the oldest message, in seconds.
pub(crate) const OLDEST: &str = "oldest";

/// The backlog: what waits and what is being worked on.
pub(crate) fn backlog(rule: &QueueRule, series: &Series) -> Series {
    let Series::Several { inputs } = series else {
        return series.clone();
    };
    let counted = [WAITING, IN_WORK]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), inputs.get(name)?.clone())));
    let messages = Series::Several { inputs: counted.collect() };
    messages.combine(rule.measure.periods(), |values| Finite::new(values.iter().sum()))
}

#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
pub(crate) fn recommend(rule: &QueueRule, series: &Series, reading: &Reading<'_>, ballot: &Ballot<'_>) -> Opinion {
    let needed = |backlog: f64| finite_count(backlog.max(0.0) / rule.per_instance.get());
    let backlog = reading.value;
    let reason = |instances| match instances {
        Some(instances) => VoteReason::Backlog { backlog, instances },
        None => VoteReason::Impossible { demand: backlog },
    };
    let by_backlog = demand::recommend(&rule.measure, reading, ballot, needed, reason);
    let (Some(limit), Series::Several { inputs }) = (rule.oldest, series) else {
        return by_backlog;
    };
    let ages = inputs.get(OLDEST).unwrap_or(&Series::NotAsked);
    let is_old = |age: f64| age > f64::from(limit.0);
    let age = match ages.sample(ballot.now) {
        Sample::Value { value, .. } => value,
        // whether a message is too old is unknown: enough to keep, not to remove
        sample if by_backlog.0.is_some_and(|capacity| capacity < ballot.desired) => {
            return (Some(ballot.desired), VoteReason::NoValue { sample });
        }
        _ => return by_backlog,
    };
    let is_too_old = backlog.get() > 0.0 && is_old(age.get());
    let breaches = is_too_old && ages.breaches(rule.measure.out, is_old);
    if is_too_old && !breaches && by_backlog.0 <= Some(ballot.desired) {
        let (value, asks) = (age, Direction::Out);
        return (Some(ballot.desired), VoteReason::TooFewDatapoints { value, asks });
    }
    if !breaches {
        let stay = finite_count(f64::from(ballot.desired) * age.get() / f64::from(limit.0.max(1))).unwrap_or(ballot.desired);
        let stay = stay.min(ballot.desired);
        return match by_backlog.0 {
            Some(capacity) if capacity < stay && backlog.get() > 0.0 => {
                let age = Seconds(super::count_ceil(age.get()));
                (
                    Some(stay),
                    VoteReason::OldestWouldBeTooOld {
                        age,
                        limit,
                        instances: stay,
                    },
                )
            }
            _ => by_backlog,
        };
    }
    let age = Seconds(super::count_ceil(age.get()));
    let by_age = ballot.add(|settled| ADDED_WHEN_OLD.of_floor(settled).max(1));
    match by_backlog.0 {
        Some(capacity) if capacity >= by_age => by_backlog,
        _ => (Some(by_age), VoteReason::OldestTooOld { age, limit }),
    }
}
