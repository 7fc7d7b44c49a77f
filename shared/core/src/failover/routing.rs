//! Weights of a forward action: what moves when traffic does, and who had them before.

use std::collections::BTreeMap;

use crate::id::TargetGroupArn;
use crate::spec::{FixedResponse, PoolSpec};
use crate::state::{RouteTo, Routing};

/// Largest weight of a group, by AWS.
const WEIGHT_MAX: u32 = 999;

/// Whether a rule forwards to a group of this side, at whatever weight.
pub(super) fn names(routing: &Routing, pool: &PoolSpec) -> bool {
    routing.weights.keys().any(|group| pool.target_groups.contains(group))
}

fn weight_of(weights: &BTreeMap<TargetGroupArn, u32>, pool: &PoolSpec) -> u32 {
    let own = weights.iter().filter(|(group, _)| pool.target_groups.contains(group));
    own.map(|(_, weight)| *weight).fold(0, u32::saturating_add)
}

/// Whether a rule does what it is to do: by the same weights, or, whoever set them, by sending one side's share to the other.
pub(super) fn is_done(routing: &Routing, wanted: &RouteTo, from: &PoolSpec, to: &PoolSpec) -> bool {
    match wanted {
        RouteTo::Weights(_) | RouteTo::Reweighted { .. } => weight_of(&routing.weights, to) > 0 && weight_of(&routing.weights, from) == 0,
        RouteTo::Actions(actions) => routing == actions,
        RouteTo::Fixed(response) => answers(routing, response),
    }
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

/// The weights with the share of `from` given to `to`. Groups of others keep what they have.
pub(super) fn moved(routing: &Routing, from: &PoolSpec, to: &PoolSpec) -> BTreeMap<TargetGroupArn, u32> {
    let share = weight_of(&routing.weights, from)
        .saturating_add(weight_of(&routing.weights, to))
        .clamp(1, WEIGHT_MAX);
    let receivers = routing.weights.keys().filter(|group| to.target_groups.contains(group)).count();
    let each = share
        .checked_div(u32::try_from(receivers).unwrap_or(u32::MAX))
        .unwrap_or(share)
        .max(1);
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
