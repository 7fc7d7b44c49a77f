//! Weights of a route: what moves when traffic does, and who had them before.

use std::collections::BTreeSet;

use crate::id::{Destination, PoolId, RouteId};
use crate::route::{Route, Weights};
use crate::spec::{FixedResponse, PoolSpec};
use crate::state::{RouteTo, Routing};

/// Whether a route has a destination of this side, at whatever weight.
pub(super) fn names(routing: &Routing, pool: &PoolSpec) -> bool {
    routing.weights.keys().any(|destination| pool.receives(destination))
}

/// Whether a route sends anything to this side.
pub(super) fn sends(routing: &Routing, pool: &PoolSpec) -> bool {
    pool.weight_in(&routing.weights) > 0
}

/// Whether a route does what it is to do: by the same weights, or, whoever set them, by sending one side's share to the other.
pub(super) fn is_done(routing: &Routing, wanted: &RouteTo, from: &PoolSpec, to: &PoolSpec) -> bool {
    match wanted {
        RouteTo::Weights(_) | RouteTo::Reweighted { .. } => {
            let has_left = from.id == to.id || from.weight_in(&routing.weights) == 0;
            to.weight_in(&routing.weights) > 0 && has_left
        }
        RouteTo::Actions(actions) => routing == actions,
        RouteTo::Fixed(response) => answers(routing, response),
    }
}

/// Whether a route sends nothing to the sides that are to take none, and something to the one that comes back, or to any, whoever set it.
pub(super) fn is_shared(routing: &Routing, sides: &[PoolSpec], out: &BTreeSet<PoolId>, comes_back: Option<&PoolSpec>) -> bool {
    let is_idle = |side: &PoolSpec| side.weight_in(&routing.weights) == 0;
    let takes = match comes_back {
        Some(side) => !is_idle(side),
        None => !sides.iter().all(is_idle),
    };
    takes && sides.iter().filter(|side| out.contains(&side.id)).all(is_idle)
}

/// The weights with the shares of the sides that take none given to the others, to each by its own. Destinations of others keep what they have.
/// Where nobody else has a weight, the shares are equal.
pub(super) fn shared(weights: &Weights, sides: &[PoolSpec], out: &BTreeSet<PoolId>, most: u32) -> Weights {
    let takes = |destination: &Destination| {
        let owner = sides.iter().find(|side| side.receives(destination));
        owner.map(|side| !out.contains(&side.id))
    };
    let sum = |of: bool| {
        let groups = weights.iter().filter(|(destination, _)| takes(destination) == Some(of));
        groups.map(|(_, weight)| u64::from(*weight)).fold(0, u64::saturating_add)
    };
    let (lost, kept) = (sum(false), sum(true));
    let takers = weights.keys().filter(|destination| takes(destination) == Some(true)).count();
    let all = if kept == 0 {
        u64::try_from(takers).unwrap_or(u64::MAX)
    } else {
        kept
    }
    .max(1);
    // cumulative, so that what is rounded off here is given there
    let mut reached = 0_u64;
    let mut next = |destination: &Destination, weight: u32| match takes(destination) {
        None => weight,
        Some(false) => 0,
        Some(true) => {
            let before = lost.saturating_mul(reached).checked_div(all).unwrap_or(0);
            reached = reached.saturating_add(if kept == 0 { 1 } else { u64::from(weight) });
            let after = lost.saturating_mul(reached).checked_div(all).unwrap_or(0);
            let more = u32::try_from(after.saturating_sub(before)).unwrap_or(most);
            weight.saturating_add(more).min(most)
        }
    };
    weights
        .iter()
        .map(|(destination, weight)| (destination.clone(), next(destination, *weight)))
        .collect()
}

/// The weights with as much for this side as the others have on average, where it has nothing: of a side that nobody knows a share of,
/// nothing else can be said, and without a weight it would never come back.
pub(super) fn with_a_share_for(to: &PoolSpec, weights: Weights, sides: &[PoolSpec], most: u32) -> Weights {
    if to.weight_in(&weights) > 0 {
        return weights;
    }
    let others: Vec<u32> = sides
        .iter()
        .map(|side| side.weight_in(&weights))
        .filter(|weight| *weight > 0)
        .collect();
    let sum = others.iter().copied().fold(0, u32::saturating_add);
    let mean = sum.div_ceil(count(others.len()));
    let receivers = weights.keys().filter(|destination| to.receives(destination)).count();
    let each = mean.div_ceil(count(receivers)).clamp(1, most);
    let weight = |(destination, weight): (Destination, u32)| {
        let weight = if to.receives(&destination) { each } else { weight };
        (destination, weight)
    };
    weights.into_iter().map(weight).collect()
}

/// At least one, to divide by.
fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX).max(1)
}

/// The weights as they are, and for the sides that take none those by which they usually do.
pub(super) fn with_shares_of(weights: &Weights, usual: Option<&Weights>, sides: &[PoolSpec], out: &BTreeSet<PoolId>) -> Weights {
    let is_out = |destination: &Destination| {
        let mut sides = sides.iter().filter(|side| out.contains(&side.id));
        sides.any(|side| side.receives(destination))
    };
    let weight = |(destination, weight): (&Destination, &u32)| {
        let usual = usual
            .and_then(|usual| usual.get(destination))
            .filter(|_| is_out(destination) && *weight == 0);
        (destination.clone(), usual.copied().unwrap_or(*weight))
    };
    weights.iter().map(weight).collect()
}

fn answers(routing: &Routing, response: &FixedResponse) -> bool {
    routing.answer.as_ref() == Some(response)
}

/// Whether a route does exactly what it was set to.
pub(super) fn does(routing: &Routing, set: &RouteTo) -> bool {
    match set {
        RouteTo::Weights(weights) | RouteTo::Reweighted { weights, .. } => routing.weights == *weights,
        RouteTo::Actions(actions) => routing == actions,
        RouteTo::Fixed(response) => answers(routing, response),
    }
}

/// Whether a route that takes a call for each destination was set for some of them and not for others: each is as it was, or as it is to
/// be. Whoever sent those calls did not come to their end.
pub(super) fn is_halfway(route: &RouteId, now: &Routing, before: &Routing, set: &RouteTo) -> bool {
    let next = match set {
        RouteTo::Weights(weights) | RouteTo::Reweighted { weights, .. } => weights,
        RouteTo::Actions(actions) => &actions.weights,
        RouteTo::Fixed(_) => return false,
    };
    let is_ours = |(destination, weight): (&Destination, &u32)| {
        [&before.weights, next]
            .iter()
            .any(|weights| weights.get(destination) == Some(weight))
    };
    route.route() == Route::Dials && now.weights.len() == before.weights.len() && now.weights.iter().all(is_ours)
}

/// Weight of all sides together.
pub(super) fn share_of(routing: &Routing, sides: &[PoolSpec]) -> u32 {
    sides
        .iter()
        .map(|side| side.weight_in(&routing.weights))
        .fold(0, u32::saturating_add)
}

/// The weights with the share of all sides given to one destination. Those of others keep what they have.
pub(super) fn all_to(routing: &Routing, sides: &[PoolSpec], to: &Destination, share: u32) -> Weights {
    let weight = |(destination, weight): (&Destination, &u32)| {
        let weight = if destination == to {
            share
        } else if sides.iter().any(|side| side.receives(destination)) {
            0
        } else {
            *weight
        };
        (destination.clone(), weight)
    };
    routing.weights.iter().map(weight).collect()
}

/// The weights with the share of all sides given to one of them. Destinations of others keep what they have.
pub(super) fn only(routing: &Routing, sides: &[PoolSpec], to: &PoolSpec, most: u32) -> Weights {
    let others = sides.iter().filter(|side| side.id != to.id);
    let all = others.fold(routing.clone(), |routing, side| Routing {
        weights: moved(&routing, side, to, most),
        ..routing
    });
    all.weights
}

/// The weights with the share of `from` given to `to`. Destinations of others keep what they have.
pub(super) fn moved(routing: &Routing, from: &PoolSpec, to: &PoolSpec, most: u32) -> Weights {
    let share = from
        .weight_in(&routing.weights)
        .saturating_add(to.weight_in(&routing.weights))
        .clamp(1, most);
    let receivers = routing.weights.keys().filter(|destination| to.receives(destination)).count();
    let each = (share / count(receivers)).max(1);
    let weight = |(destination, weight): (&Destination, &u32)| {
        let weight = if to.receives(destination) {
            each
        } else if from.receives(destination) {
            0
        } else {
            *weight
        };
        (destination.clone(), weight)
    };
    routing.weights.iter().map(weight).collect()
}
