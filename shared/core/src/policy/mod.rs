//! Policies vote: each turns its numbers into a recommended size, by arithmetic alone. One file per kind.

pub mod capacity;
mod demand;
pub mod formula;
pub mod predictive;
pub mod queue;
pub mod queueing;
pub mod simple;
pub mod step;
pub mod target_tracking;
pub mod threshold;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::decide::{CapacityCount, Flow};
use crate::forecast::Ahead;
use crate::id::PolicyId;
use crate::rating::Rating;
use crate::reason::{Direction, Vote, VoteReason, Withheld};
use crate::sample::{Sample, Series};
use crate::spec::{Change, Guards, Measure, MissingRule, OpenWindow, Policy, PolicyMode, Rule, SimpleRule};
use crate::unit::Finite;

/// What a policy may look at.
#[derive(Debug, Clone, Copy)]
pub struct Ballot<'a> {
    /// How many instances are where.
    pub counts: CapacityCount,
    /// Instances wanted now, without the reserve.
    pub desired: u32,
    /// Instances wanted now, with the reserve.
    pub with_reserve: u32,
    /// The last change of each simple policy.
    pub adjusted: &'a BTreeMap<PolicyId, simple::Adjustment>,
    /// What one instance can answer, for each policy that learns it.
    pub ratings: &'a BTreeMap<PolicyId, Rating>,
    /// How long such a change is waited for.
    pub waits: simple::Waits,
    /// Who has only just begun or ceased to serve.
    pub flow: &'a Flow,
    /// Tolerances.
    pub guards: &'a Guards,
    /// Series by policy; an absent one was not asked.
    pub series: &'a BTreeMap<PolicyId, Series>,
    /// What lies ahead, for each policy that looks there.
    pub ahead: &'a BTreeMap<PolicyId, Ahead>,
    /// Windows of scheduled policies that are open.
    pub windows: &'a BTreeMap<PolicyId, OpenWindow>,
    /// Whether it is a side that only stands by: that nothing was measured is as it should be.
    pub rests: bool,
    /// Whether what is measured of its target groups is another side's.
    pub measures_another: bool,
    /// The moment.
    pub now: Timestamp,
}

/// A policy's answer before it is bound to the policy's id.
pub(crate) type Opinion = (Option<u32>, VoteReason);

/// One policy's vote.
#[must_use]
pub fn vote(policy: &Policy, ballot: &Ballot<'_>) -> Vote {
    let not_asked = Series::NotAsked;
    let series = ballot.series.get(&policy.id).unwrap_or(&not_asked);
    let breach = breach(policy, ballot);
    let (capacity, reason) = match &policy.rule {
        Rule::TargetTracking(rule) => on(&rule.measure, series, breach, ballot, |reading| {
            target_tracking::recommend(rule, reading, ballot)
        }),
        Rule::Step(rule) => on(&rule.measure, series, breach, ballot, |reading| {
            step::recommend(rule, reading, ballot)
        }),
        Rule::Threshold(rule) => on(&rule.measure, series, breach, ballot, |reading| {
            threshold::recommend(rule, reading, ballot)
        }),
        Rule::Simple(rule) => on(&rule.measure, series, breach, ballot, |reading| {
            simple::recommend(rule, ballot.adjusted.get(&policy.id), reading, ballot)
        }),
        Rule::Capacity(rule) => match capacity::requests_per_second(&rule.each, ballot.ratings.get(&policy.id)) {
            Ok(each) => on(&rule.measure, series, breach, ballot, |reading| {
                capacity::recommend(rule, each, reading, ballot)
            }),
            Err(hours) => (None, VoteReason::Unlearned { hours }),
        },
        Rule::Queue(rule) => on(&rule.measure, &queue::backlog(rule, series), breach, ballot, |reading| {
            queue::recommend(rule, series, reading, ballot)
        }),
        Rule::Formula(rule) => on(&rule.measure, &formula::series(rule, series), breach, ballot, |reading| {
            formula::recommend(rule, reading, ballot)
        }),
        Rule::Predictive(rule) => predictive::recommend(rule, ballot.ahead.get(&policy.id), series.sample(ballot.now), ballot),
        // a window moves bounds and floors; it has no vote that could bind the others
        Rule::Scheduled(_) => (
            None,
            ballot
                .windows
                .get(&policy.id)
                .map_or(VoteReason::WindowClosed, |window| VoteReason::WindowOpen { until: window.until }),
        ),
    };
    let (capacity, withheld) = match (policy.mode, capacity) {
        (PolicyMode::RecommendOnly, Some(capacity)) => (None, Some(capacity)),
        (PolicyMode::OutOnly, Some(capacity)) if capacity < ballot.desired => (None, Some(capacity)),
        (_, Some(capacity)) if capacity == ballot.desired && abstains(policy, &reason, series, ballot) => (None, None),
        (_, capacity) => (capacity, None),
    };
    Vote {
        policy: policy.id.clone(),
        capacity,
        reason,
        withheld: withheld.map(|capacity| Withheld {
            capacity,
            mode: policy.mode,
        }),
    }
}

/// Whether a hold keeps nobody from removing. A policy that can only add would hold for ever. So it abstains while all is well, if
/// its owner said so, or if a removal after which it would add again is foreseen anyway; while it does not know, or while a breach
/// goes on, it does not.
fn abstains(policy: &Policy, reason: &VoteReason, series: &Series, ballot: &Ballot<'_>) -> bool {
    let harmless = policy.mode == PolicyMode::OutOnly || crate::size::out_limit(policy, ballot.guards).is_some();
    // a part of a value, or of several values, may look like all is well
    let knows = matches!(series.sample(ballot.now), Sample::Value { .. });
    !policy.can_remove() && harmless && knows && is_content(reason)
}

fn is_content(reason: &VoteReason) -> bool {
    matches!(
        reason,
        VoteReason::WithinTolerance { .. }
            | VoteReason::BetweenBands { .. }
            | VoteReason::OutOfBounds { .. }
            | VoteReason::Needs { .. }
            | VoteReason::Backlog { .. }
            | VoteReason::OldestWouldBeTooOld { .. }
            | VoteReason::Formula { .. }
            | VoteReason::TooFewDatapoints { asks: Direction::In, .. }
            | VoteReason::AwaitsChange { asks: Direction::In, .. }
            | VoteReason::CoolsDown { asks: Direction::In, .. }
    )
}

/// A usable value, and the series it is from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    /// Start of its period.
    pub(crate) at: Timestamp,
    pub(crate) value: Finite,
    pub(crate) series: &'a Series,
    /// From some of the instances only: enough to add, never to remove.
    pub(crate) partial: bool,
    /// The sample, for the reason.
    pub(crate) sample: Sample,
}

impl Reading<'_> {
    /// The value times [`Ballot::alone`].
    #[expect(clippy::float_arithmetic, reason = "a metric's value times a factor")]
    pub(crate) fn times(&self, factor: f64) -> Finite {
        // a product that is not finite belongs to a load that no fleet carries: the value as measured asks for the most already
        Finite::new(self.value.get() * factor).unwrap_or(self.value)
    }
}

/// The size that a policy asks for where no data is a breach; none: it never adds.
fn breach(policy: &Policy, ballot: &Ballot<'_>) -> Option<u32> {
    let waits = |rule: &SimpleRule| ballot.adjusted.get(&policy.id).is_some_and(|last| last.delays_growth(rule, ballot));
    match &policy.rule {
        Rule::Simple(rule) if rule.out.is_some() && waits(rule) => Some(ballot.desired),
        rule => rule.adds().then(|| ballot.add(|_| 1)),
    }
}

/// What a policy says to a usable value, or what it says without one. Missing is never zero.
fn on(
    measure: &Measure,
    series: &Series,
    breach: Option<u32>,
    ballot: &Ballot<'_>,
    recommend: impl FnOnce(&Reading<'_>) -> Opinion,
) -> Opinion {
    let hold = |sample| (Some(ballot.desired), VoteReason::NoValue { sample });
    let sample = series.sample(ballot.now);
    if ballot.measures_another || ballot.rests && series.is_empty() {
        return (None, VoteReason::NoTraffic);
    }
    match (sample, measure.missing) {
        (Sample::Value { at, value } | Sample::Partial { at, value }, _) => recommend(&Reading {
            at,
            value,
            series,
            partial: matches!(sample, Sample::Partial { .. }),
            sample,
        }),
        // that CloudWatch could not be asked says nothing about the fleet
        (Sample::NotAsked, _) | (_, MissingRule::Hold) => hold(sample),
        _ if matches!(series, Series::Failed { .. }) => hold(sample),
        (_, MissingRule::Breaching) => breach.map_or_else(|| hold(sample), |size| (Some(size), VoteReason::MissingIsBreach)),
        (_, MissingRule::Ignore) => (None, VoteReason::NoValue { sample }),
    }
}

impl Ballot<'_> {
    /// The size that an addition to the settled instances comes to. Those that still warm up are part of an earlier
    /// addition, so that a breach that goes on does not add the same again; never fewer than wanted now.
    pub(crate) fn add(&self, amount: impl Fn(u32) -> u32) -> u32 {
        let warming = self.counts.coming().saturating_add(self.counts.warming_serving);
        let settled = self.with_reserve.saturating_sub(warming).min(self.desired);
        settled.saturating_add(amount(settled)).max(self.desired)
    }

    /// The factor by which a measured value is larger for the instances that are asked for, without the reserve's help; where none
    /// is asked for, for a single one, whether those that carry the load are a reserve already or not. One for a metric that is known not
    /// to fall as instances are added.
    pub(crate) fn alone(&self, measure: &Measure, datapoint: Timestamp, direction: Direction) -> f64 {
        let without_reserve = self.desired > 0 && self.with_reserve == self.desired;
        if without_reserve || !measure.metric.falls_with_instances() {
            return 1.0;
        }
        let measured = measured_instances(measure, &self.counts, self.flow, datapoint, direction);
        crate::reserve::alone(measured, self.desired)
    }

    /// The size after a change out; never fewer than wanted now.
    pub(crate) fn more(&self, change: &Change) -> u32 {
        match change {
            Change::To(size) => self.desired.max(*size),
            Change::By { .. } => self.add(|settled| change.amount(settled)),
        }
    }

    /// The size after a change in; never more than wanted now.
    pub(crate) fn fewer(&self, change: &Change) -> u32 {
        match change {
            Change::To(size) => self.desired.min(*size),
            Change::By { .. } => self.desired.saturating_sub(change.amount(self.desired)),
        }
    }
}

/// How many instances a datapoint stands for. Moving out, those that served throughout it; moving in, also those that
/// joined in its course or were lost since: a load is not overestimated to add, nor underestimated to remove. Of a metric of who runs:
/// moving out, without those that came since it began; moving in, whoever is in service now, because the guards wait after a removal, and
/// whoever ran in it to be kept warm.
pub(crate) fn measured_instances(
    measure: &Measure,
    counts: &CapacityCount,
    flow: &Flow,
    datapoint: Timestamp,
    direction: Direction,
) -> f64 {
    if !measure.metric.is_over_serving() {
        return f64::from(match direction {
            Direction::Out => flow.in_service_since(counts, datapoint),
            Direction::Hold | Direction::In => counts.in_service.saturating_add(flow.idled_since(counts, datapoint)),
        });
    }
    let end = measure.metric.period().after(datapoint);
    flow.served(counts, (datapoint, end), direction)
}

/// A forecast keeps what will be needed. That there are too many is for those to say who measure: while none of them votes, a forecast
/// holds what it would remove.
pub fn keep_forecasts_from_removing(policies: &[Policy], votes: &mut [Vote], desired: u32) {
    let looks_ahead = |policy: &Policy| matches!(policy.rule, Rule::Predictive(_));
    let pairs = || policies.iter().zip(votes.iter());
    if pairs().any(|(policy, vote)| vote.capacity.is_some() && !looks_ahead(policy)) {
        return;
    }
    // whoever votes here looks ahead
    for capacity in votes.iter_mut().filter_map(|vote| vote.capacity.as_mut()) {
        *capacity = desired.max(*capacity);
    }
}

/// Any vote out wins, the largest; in only if every vote that binds agrees, the smallest removal. None: nobody votes.
#[must_use]
pub fn combine(votes: &[Vote], desired: u32) -> Option<u32> {
    // the largest recommendation is exactly that rule: one hold outweighs every vote in, one vote out outweighs all
    let largest = votes.iter().filter_map(|vote| vote.capacity).max();
    debug_assert!(largest.is_none_or(|largest| largest >= desired || votes.iter().all(|vote| vote.capacity.is_none_or(|c| c < desired))));
    largest
}

/// Which way from `desired` to `capacity`.
#[must_use]
pub fn direction(desired: u32, capacity: u32) -> Direction {
    match capacity.cmp(&desired) {
        std::cmp::Ordering::Less => Direction::In,
        std::cmp::Ordering::Equal => Direction::Hold,
        std::cmp::Ordering::Greater => Direction::Out,
    }
}

/// `value` rounded up to a count of instances, saturating. Only finite, non-negative values come here.
#[expect(clippy::float_arithmetic, reason = "the one way from a metric's float to a count")]
pub(crate) fn count_ceil(value: f64) -> u32 {
    // a hair below a whole number is that number: 3.0000000001 instances are three
    let rounded = libm::ceil(value - 1e-9);
    if rounded <= 0.0 {
        0
    } else if rounded >= f64::from(u32::MAX) {
        u32::MAX
    } else {
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and u32::MAX, just checked"
        )]
        let count = rounded as u32;
        count
    }
}

/// As [`count_ceil`], and none for what is no count.
pub(crate) fn finite_count(value: f64) -> Option<u32> {
    (value.is_finite() && value >= 0.0 && value < f64::from(u32::MAX)).then(|| count_ceil(value))
}
