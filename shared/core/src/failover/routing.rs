//! Weights of a forward action: what moves when traffic does, and who had them before.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{PoolId, TargetGroupArn};
use crate::spec::{FixedResponse, PoolSpec};
use crate::state::{RouteTo, Routing};

/// Largest weight of a group, by AWS.
const WEIGHT_MAX: u32 = 999;

/// Whether a rule forwards to a group of this side, at whatever weight.
pub(super) fn names(routing: &Routing, pool: &PoolSpec) -> bool {
    routing.weights.keys().any(|group| pool.target_groups.contains(group))
}

/// Whether a rule sends anything to this side.
pub(super) fn sends(routing: &Routing, pool: &PoolSpec) -> bool {
    weight_of(&routing.weights, pool) > 0
}

fn weight_of(weights: &BTreeMap<TargetGroupArn, u32>, pool: &PoolSpec) -> u32 {
    let own = weights.iter().filter(|(group, _)| pool.target_groups.contains(group));
    own.map(|(_, weight)| *weight).fold(0, u32::saturating_add)
}

/// Whether a rule does what it is to do: by the same weights, or, whoever set them, by sending one side's share to the other.
pub(super) fn is_done(routing: &Routing, wanted: &RouteTo, from: &PoolSpec, to: &PoolSpec) -> bool {
    match wanted {
        RouteTo::Weights(_) | RouteTo::Reweighted { .. } => {
            let has_left = from.id == to.id || weight_of(&routing.weights, from) == 0;
            weight_of(&routing.weights, to) > 0 && has_left
        }
        RouteTo::Actions(actions) => routing == actions,
        RouteTo::Fixed(response) => answers(routing, response),
    }
}

/// Whether a rule sends nothing to the sides that are to take none, and something to the one that comes back, or to any, whoever set it.
pub(super) fn is_shared(routing: &Routing, sides: &[PoolSpec], out: &BTreeSet<PoolId>, comes_back: Option<&PoolSpec>) -> bool {
    let is_idle = |side: &PoolSpec| weight_of(&routing.weights, side) == 0;
    let takes = match comes_back {
        Some(side) => !is_idle(side),
        None => !sides.iter().all(is_idle),
    };
    takes && sides.iter().filter(|side| out.contains(&side.id)).all(is_idle)
}

/// The weights with the shares of the sides that take none given to the others, to each by its own. Groups of others keep what they have.
/// Where nobody else has a weight, the shares are equal.
pub(super) fn shared(weights: &BTreeMap<TargetGroupArn, u32>, sides: &[PoolSpec], out: &BTreeSet<PoolId>) -> BTreeMap<TargetGroupArn, u32> {
    let takes = |group: &TargetGroupArn| {
        let owner = sides.iter().find(|side| side.target_groups.contains(group));
        owner.map(|side| !out.contains(&side.id))
    };
    let sum = |of: bool| {
        let groups = weights.iter().filter(|(group, _)| takes(group) == Some(of));
        groups.map(|(_, weight)| u64::from(*weight)).fold(0, u64::saturating_add)
    };
    let (lost, kept) = (sum(false), sum(true));
    let takers = weights.keys().filter(|group| takes(group) == Some(true)).count();
    let all = if kept == 0 {
        u64::try_from(takers).unwrap_or(u64::MAX)
    } else {
        kept
    }
    .max(1);
    // cumulative, so that what is rounded off here is given there
    let mut reached = 0_u64;
    let mut next = |group: &TargetGroupArn, weight: u32| match takes(group) {
        None => weight,
        Some(false) => 0,
        Some(true) => {
            let before = lost.saturating_mul(reached).checked_div(all).unwrap_or(0);
            reached = reached.saturating_add(if kept == 0 { 1 } else { u64::from(weight) });
            let after = lost.saturating_mul(reached).checked_div(all).unwrap_or(0);
            let more = u32::try_from(after.saturating_sub(before)).unwrap_or(WEIGHT_MAX);
            weight.saturating_add(more).min(WEIGHT_MAX)
        }
    };
    weights
        .iter()
        .map(|(group, weight)| (group.clone(), next(group, *weight)))
        .collect()
}

/// The weights with as much for this side as the others have on average, where it has nothing: of a side that nobody knows a share of,
/// nothing else can be said, and without a weight it would never come back.
pub(super) fn with_a_share_for(to: &PoolSpec, weights: BTreeMap<TargetGroupArn, u32>, sides: &[PoolSpec]) -> BTreeMap<TargetGroupArn, u32> {
    if weight_of(&weights, to) > 0 {
        return weights;
    }
    let others: Vec<u32> = sides
        .iter()
        .map(|side| weight_of(&weights, side))
        .filter(|weight| *weight > 0)
        .collect();
    let sum = others.iter().copied().fold(0, u32::saturating_add);
    let mean = sum.div_ceil(count(others.len()));
    let receivers = weights.keys().filter(|group| to.target_groups.contains(group)).count();
    let each = mean.div_ceil(count(receivers)).clamp(1, WEIGHT_MAX);
    let weight = |(group, weight): (TargetGroupArn, u32)| {
        let weight = if to.target_groups.contains(&group) { each } else { weight };
        (group, weight)
    };
    weights.into_iter().map(weight).collect()
}

/// At least one, to divide by.
fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX).max(1)
}

/// The weights as they are, and for the sides that take none those by which they usually do.
pub(super) fn with_shares_of(
    weights: &BTreeMap<TargetGroupArn, u32>,
    usual: Option<&BTreeMap<TargetGroupArn, u32>>,
    sides: &[PoolSpec],
    out: &BTreeSet<PoolId>,
) -> BTreeMap<TargetGroupArn, u32> {
    let is_out = |group: &TargetGroupArn| {
        let mut sides = sides.iter().filter(|side| out.contains(&side.id));
        sides.any(|side| side.target_groups.contains(group))
    };
    let weight = |(group, weight): (&TargetGroupArn, &u32)| {
        let usual = usual.and_then(|usual| usual.get(group)).filter(|_| is_out(group) && *weight == 0);
        (group.clone(), usual.copied().unwrap_or(*weight))
    };
    weights.iter().map(weight).collect()
}

fn answers(routing: &Routing, response: &FixedResponse) -> bool {
    routing.answer.as_ref() == Some(response)
}

/// Whether a rule does exactly what it was set to.
pub(super) fn does(routing: &Routing, set: &RouteTo) -> bool {
    match set {
        RouteTo::Weights(weights) | RouteTo::Reweighted { weights, .. } => routing.weights == *weights,
        RouteTo::Actions(actions) => routing == actions,
        RouteTo::Fixed(response) => answers(routing, response),
    }
}

/// Weight of all sides together.
pub(super) fn share_of(routing: &Routing, sides: &[PoolSpec]) -> u32 {
    sides
        .iter()
        .map(|side| weight_of(&routing.weights, side))
        .fold(0, u32::saturating_add)
}

/// The weights with the share of all sides given to one group. Groups of others keep what they have.
pub(super) fn all_to(routing: &Routing, sides: &[PoolSpec], to: &TargetGroupArn, share: u32) -> BTreeMap<TargetGroupArn, u32> {
    let weight = |(group, weight): (&TargetGroupArn, &u32)| {
        let weight = if group == to {
            share.min(WEIGHT_MAX)
        } else if sides.iter().any(|side| side.target_groups.contains(group)) {
            0
        } else {
            *weight
        };
        (group.clone(), weight)
    };
    routing.weights.iter().map(weight).collect()
}

/// The weights with the share of all sides given to one of them. Groups of others keep what they have.
pub(super) fn only(routing: &Routing, sides: &[PoolSpec], to: &PoolSpec) -> BTreeMap<TargetGroupArn, u32> {
    let others = sides.iter().filter(|side| side.id != to.id);
    let all = others.fold(routing.clone(), |routing, side| Routing {
        weights: moved(&routing, side, to),
        ..routing
    });
    all.weights
}

/// The weights with the share of `from` given to `to`. Groups of others keep what they have.
pub(super) fn moved(routing: &Routing, from: &PoolSpec, to: &PoolSpec) -> BTreeMap<TargetGroupArn, u32> {
    let share = weight_of(&routing.weights, from)
        .saturating_add(weight_of(&routing.weights, to))
        .clamp(1, WEIGHT_MAX);
    let receivers = routing.weights.keys().filter(|group| to.target_groups.contains(group)).count();
    let each = (share / count(receivers)).max(1);
    let weight = |(group, weight): (&TargetGroupArn, &u32)| {
        let weight = if to.target_groups.contains(group) {
            each
        } else if from.target_groups.contains(group) {
            0
        } else {
            *weight
        };
        (group.clone(), weight)
    };
    routing.weights.iter().map(weight).collect()
}
