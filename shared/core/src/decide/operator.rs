//! What an operator asks is taken in, once, before the pools are sized.

use std::collections::BTreeMap;

use super::evacuating::{self, Leave};
use super::{Listed, Situation, handing_over, open_windows, refreshing};
use crate::id::PoolId;
use crate::operator::{Asked, OperatorRequest, Refused, Wish};
use crate::reason::Finding;
use crate::signal::Signal;
use crate::size;
use crate::spec::PoolSpec;
use crate::state::CapacityState;

/// Takes in a request, forgets what is over, and tells by pool what holds or was refused.
pub(super) fn hear(situation: &Situation<'_>, listed: &Listed<'_>, state: &mut CapacityState) -> BTreeMap<PoolId, Vec<Finding>> {
    let mut told: BTreeMap<PoolId, Vec<Finding>> = BTreeMap::new();
    if let Signal::OperatorRequest(request) = situation.signal {
        let heard = match &request.asked.wish {
            Wish::Refresh(wish) => refreshing::hear(situation, listed, request, wish, state),
            Wish::HandOver { instances } => handing_over::hear(situation, listed, request, instances, state),
            Wish::Evacuate { zone, until, reason } => evacuating::hear(situation, request, zone, Leave::Until(*until, reason), state),
            Wish::UseAgain { zone } => evacuating::hear(situation, request, zone, Leave::End, state),
            Wish::Hold { .. } | Wish::Clear => refusals(situation, request, state),
        };
        for (pool, finding) in heard {
            told.entry(pool).or_default().push(finding);
        }
    }
    for (id, pool) in &mut state.pools {
        pool.asked = pool.asked.take().filter(|asked| !asked.is_over(situation.now));
        if let Some(Asked {
            by,
            wish: Wish::Hold { desired, until, reason },
            ..
        }) = pool.asked.as_ref().filter(|asked| asked.in_force(situation.now).is_some())
        {
            told.entry(id.clone()).or_default().push(Finding::OperatorHolds {
                by: by.clone(),
                desired: *desired,
                until: *until,
                reason: reason.clone(),
            });
        }
    }
    told
}

/// Where the request is refused, and why; elsewhere it is remembered.
fn refusals(situation: &Situation<'_>, request: &OperatorRequest, state: &mut CapacityState) -> Vec<(PoolId, Finding)> {
    let pools = &situation.spec.pools;
    let named: Vec<&PoolSpec> = match (&request.pool, &request.asked.wish) {
        (Some(id), _) => pools.iter().filter(|pool| pool.id == *id).collect(),
        (None, Wish::Clear | Wish::Evacuate { .. } | Wish::UseAgain { .. } | Wish::Refresh(_) | Wish::HandOver { .. }) => {
            pools.iter().collect()
        }
        (None, Wish::Hold { .. }) => pools.iter().filter(|pool| pool.id == situation.traffic.active).collect(),
    };
    if named.is_empty() {
        return no_such_pool(situation, request).into_iter().collect();
    }
    let mut refused = Vec::new();
    for pool in named {
        let Some(pool_state) = state.pools.get_mut(&pool.id) else {
            continue;
        };
        let last = pool_state.asked.as_ref();
        if last == Some(&request.asked) {
            // the same request again
            continue;
        }
        match fault(situation, pool, &request.asked, last) {
            Some(why) => refused.push((pool.id.clone(), refusal(request, why))),
            None => pool_state.asked = Some(request.asked.clone()),
        }
    }
    refused
}

/// Told by the first pool, for want of the one that was named.
pub(super) fn no_such_pool(situation: &Situation<'_>, request: &OperatorRequest) -> Option<(PoolId, Finding)> {
    let first = situation.spec.pools.first()?;
    let pool = request.pool.clone().unwrap_or_else(|| situation.traffic.active.clone());
    Some((first.id.clone(), refusal(request, Refused::NoSuchPool { pool })))
}

pub(super) fn refusal(request: &OperatorRequest, why: Refused) -> Finding {
    let by = request.asked.by.clone();
    Finding::OperatorRefused { by, why }
}

fn fault(situation: &Situation<'_>, pool: &PoolSpec, asked: &Asked, last: Option<&Asked>) -> Option<Refused> {
    if situation.retiring {
        return Some(Refused::Retiring);
    }
    if let Some(later) = last.filter(|last| last.at >= asked.at) {
        let (by, at) = (later.by.clone(), later.at);
        return Some(Refused::Superseded { by, at });
    }
    let windows = open_windows(pool, situation.now);
    let (min, max) = size::bounds(pool.capacity, &pool.policies, &windows);
    let max = max.min(situation.spec.maximum);
    let out_of_range = match asked.wish {
        Wish::Hold { desired, .. } if desired < min || desired > max => Some(Refused::OutOfRange { desired, min, max }),
        Wish::Hold { .. } | Wish::Clear | Wish::Evacuate { .. } | Wish::UseAgain { .. } | Wish::Refresh(_) | Wish::HandOver { .. } => None,
    };
    asked.fault(situation.now).or(out_of_range)
}
