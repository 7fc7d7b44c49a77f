//! One change, then a wait: until the change is in effect, and for a cooldown from then on.
//!
//! Where a step policy counts what warms up and answers again, this one waits and looks at what its change did.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Ballot, Opinion, Reading};
use crate::reason::{Direction, VoteReason};
use crate::spec::{Change, PoolSpec, SimpleChange, SimpleRule};
use crate::unit::{Finite, Seconds};

/// The last change that a simple policy made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// When it was decided.
    pub at: Timestamp,
    /// Which way.
    pub way: Way,
    /// The size that it came to.
    pub to: u32,
    /// Since when it is in effect; none: not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
}

/// Which way a change went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// More instances.
    Out,
    /// Fewer instances.
    In,
}

impl Way {
    fn asks(self) -> Direction {
        match self {
            Self::Out => Direction::Out,
            Self::In => Direction::In,
        }
    }
}

/// Longest times that a change is waited for: an instance that never becomes healthy, or never leaves, holds no policy for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// For new instances to serve: the registration deadline.
    pub to_serve: Seconds,
    /// For instances to leave: the drain timeout.
    pub to_leave: Seconds,
}

impl Waits {
    /// Those of a pool.
    #[must_use]
    pub fn of(pool: &PoolSpec) -> Self {
        Self {
            to_serve: pool.registration_deadline,
            to_leave: pool.drain_timeout,
        }
    }

    fn end(self, adjustment: &Adjustment) -> Timestamp {
        let longest = match adjustment.way {
            Way::Out => self.to_serve,
            Way::In => self.to_leave,
        };
        longest.after(adjustment.at)
    }
}

impl Adjustment {
    /// Since when it is in effect: as many serve, or no more are there, than it came to, or are wanted by now; or it has been
    /// waited for long enough. The reserve is there beside them, in both. Never before it was decided: another clock may be behind.
    pub(crate) fn done_at(&self, ballot: &Ballot<'_>) -> Option<Timestamp> {
        let (counts, end) = (&ballot.counts, ballot.waits.end(self));
        let reserve = ballot.with_reserve.saturating_sub(ballot.desired);
        let done = match self.way {
            Way::Out => counts.serving() >= self.to.min(ballot.desired).saturating_add(reserve),
            Way::In => {
                let there = counts.capacity().saturating_add(counts.draining);
                there <= self.to.max(ballot.desired).saturating_add(reserve)
            }
        };
        self.done_at
            .or_else(|| (done || ballot.now >= end).then_some(ballot.now.min(end).max(self.at)))
    }

    /// When time alone ends the wait that it is in.
    pub(crate) fn wait_ends(&self, rule: &SimpleRule, waits: Waits) -> Timestamp {
        match self.done_at {
            None => waits.end(self),
            Some(done) => self.cooldown(rule).after(done),
        }
    }

    pub(crate) fn cooldown(&self, rule: &SimpleRule) -> Seconds {
        let change = match self.way {
            Way::Out => rule.out,
            Way::In => rule.in_,
        };
        // the spec may have lost this direction since
        change.map_or(Seconds(0), |change| change.cooldown)
    }

    /// Whether the policy waits before it adds.
    pub(crate) fn delays_growth(&self, rule: &SimpleRule, ballot: &Ballot<'_>) -> bool {
        self.holds_back(Way::Out, rule, Finite::from(0), ballot).is_some()
    }

    /// Why the policy waits before it goes `way`, if it does. Growing never waits for what was removed.
    fn holds_back(&self, way: Way, rule: &SimpleRule, value: Finite, ballot: &Ballot<'_>) -> Option<VoteReason> {
        let (asks, to) = (way.asks(), self.to);
        if (self.way, way) == (Way::In, Way::Out) {
            return None;
        }
        match self.done_at(ballot) {
            None => Some(VoteReason::AwaitsChange { value, asks, to }),
            Some(done) => {
                let until = self.cooldown(rule).after(done);
                (ballot.now < until).then_some(VoteReason::CoolsDown { value, asks, until })
            }
        }
    }
}

#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
pub(crate) fn recommend(rule: &SimpleRule, last: Option<&Adjustment>, reading: &Reading<'_>, ballot: &Ballot<'_>) -> Opinion {
    let hold = Some(ballot.desired);
    let alone = |way: Way| ballot.alone(&rule.measure, reading.at, way.asks());
    let (up, down) = (alone(Way::Out), alone(Way::In));
    let out = rule.out.filter(|out| reading.times(up) >= out.bound);
    let in_ = rule.in_.filter(|in_| reading.times(down) < in_.bound);
    let (way, SimpleChange { bound, change, .. }) = match (out, in_) {
        (Some(out), _) => (Way::Out, out),
        (None, Some(_)) if reading.partial => return (hold, VoteReason::NoValue { sample: reading.sample }),
        (None, Some(in_)) => (Way::In, in_),
        (None, None) => return (hold, VoteReason::BetweenBands { value: reading.times(up) }),
    };
    let (value, agree) = match way {
        Way::Out => {
            let agree = reading.series.breaches(rule.measure.out, |value| value * up >= bound.get());
            (reading.times(up), agree)
        }
        Way::In => {
            let agree = reading.series.allows_fewer(rule.measure.in_, |value| value * down < bound.get());
            (reading.times(down), agree)
        }
    };
    if !agree {
        return (hold, VoteReason::TooFewDatapoints { value, asks: way.asks() });
    }
    if let Some(reason) = last.and_then(|last| last.holds_back(way, rule, value, ballot)) {
        return (hold, reason);
    }
    let (capacity, from, below) = match way {
        Way::Out => (more(&change, ballot), Some(bound), None),
        Way::In => (ballot.fewer(&change), None, Some(bound)),
    };
    (Some(capacity), VoteReason::InBand { value, from, below })
}

/// The size after a change out. Its own last change is in service by now; what others have on the way is part of this one, and what
/// the reserve has is not.
fn more(change: &Change, ballot: &Ballot<'_>) -> u32 {
    match change {
        Change::To(size) => ballot.desired.max(*size),
        Change::By { .. } => {
            let there = ballot.with_reserve.saturating_sub(ballot.counts.coming()).min(ballot.desired);
            there.saturating_add(change.amount(there)).max(ballot.desired)
        }
    }
}
