//! An operator has a zone left: nothing is launched there any more, whoever is there is replaced in the others, launch first, and nobody
//! leaves by scale-in meanwhile. It always ends.

use super::Situation;
use super::operator::{no_such_pool, refusal};
use crate::id::{PoolId, Zone};
use crate::operator::{Evacuation, OperatorRequest, Refused, heard_until};
use crate::reason::Finding;
use crate::spec::{FleetMode, PoolSpec};
use crate::state::{CapacityState, PoolState};

/// What is asked of a zone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leave<'a> {
    /// It is to be left until then.
    Until(jiff::Timestamp, &'a str),
    /// It is used again.
    End,
}

/// Where the request is refused, and why; elsewhere it is remembered.
pub(super) fn hear(
    situation: &Situation<'_>,
    request: &OperatorRequest,
    zone: &Zone,
    leave: Leave<'_>,
    state: &mut CapacityState,
) -> Vec<(PoolId, Finding)> {
    let pools = &situation.spec.pools;
    let is_named = |pool: &&PoolSpec| request.pool.as_ref().is_none_or(|named| pool.id == *named);
    if !pools.iter().any(|pool| is_named(&pool)) {
        return no_such_pool(situation, request).into_iter().collect();
    }
    let there: Vec<&PoolSpec> = pools
        .iter()
        .filter(is_named)
        .filter(|pool| zones(situation, pool).contains(&zone))
        .collect();
    if there.is_empty() {
        let why = Refused::NoSuchZone { zone: zone.clone() };
        let first = pools.iter().find(is_named);
        return first.map(|pool| (pool.id.clone(), refusal(request, why))).into_iter().collect();
    }
    let mut refused = Vec::new();
    for pool in there {
        let Some(pool_state) = state.pools.get_mut(&pool.id) else {
            continue;
        };
        if let Some(why) = take_in(situation, pool, request, (zone, leave), pool_state) {
            refused.push((pool.id.clone(), refusal(request, why)));
        }
    }
    refused
}

fn take_in(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    request: &OperatorRequest,
    (zone, leave): (&Zone, Leave<'_>),
    state: &mut PoolState,
) -> Option<Refused> {
    let (asked, now) = (&request.asked, situation.now);
    let last = state.evacuations.get(zone);
    if last.is_some_and(|last| last.at == asked.at && last.by == asked.by) {
        // the same request again
        return None;
    }
    if situation.retiring {
        return Some(Refused::Retiring);
    }
    if let Some(last) = last.filter(|last| last.at >= asked.at) {
        let (by, at) = (last.by.clone(), last.at);
        return Some(Refused::Superseded { by, at });
    }
    if let Some(fault) = asked.fault(now) {
        return Some(fault);
    }
    let (until, reason) = match leave {
        Leave::End => (asked.at, String::new()),
        Leave::Until(..) if situation.spec.mode != FleetMode::On => {
            return Some(Refused::Mode { mode: situation.spec.mode });
        }
        Leave::Until(until, reason) => (until, reason.to_owned()),
    };
    let is_left = |other: &Zone| state.evacuations.get(other).is_some_and(|left| left.is_in_force(now));
    let others = zones(situation, pool).into_iter().filter(|other| *other != zone);
    if matches!(leave, Leave::Until(..)) && others.into_iter().all(is_left) {
        return Some(Refused::LastZone { zone: zone.clone() });
    }
    if matches!(leave, Leave::End) {
        // what kept it out is over, unless its instances or the balancer say so too
        state.zones_out.remove(zone);
    }
    let (by, at) = (asked.by.clone(), asked.at);
    state.evacuations.insert(zone.clone(), Evacuation { by, at, until, reason });
    None
}

/// Forgets what nothing depends on any more: it is over, and so is the time in which an older request could still arrive.
pub(super) fn forget(situation: &Situation<'_>, state: &mut PoolState) {
    let now = situation.now;
    state
        .evacuations
        .retain(|_, left| left.is_in_force(now) || now <= heard_until(left.at));
}

/// Zones into which a pool launches.
fn zones<'a>(situation: &Situation<'a>, pool: &PoolSpec) -> Vec<&'a Zone> {
    let zone = |subnet| situation.resolved.zones.get(subnet);
    pool.launch.subnets.iter().filter_map(zone).collect()
}
