//! What an operator hands over is taken in, once, before the pools are counted: all of it, or none.

use std::collections::BTreeSet;

use super::operator::{no_such_pool, refusal};
use super::roll::is_of;
use super::{Listed, Situation, open_windows};
use crate::adoption::{self, HANDED_OVER_MAX};
use crate::id::{InstanceId, PoolId};
use crate::observation::InstanceState;
use crate::operator::{OperatorRequest, Refused};
use crate::plan::Action;
use crate::reason::Finding;
use crate::size;
use crate::spec::PoolSpec;
use crate::state::{CapacityState, Member};

/// Takes them in, and tells what was heard, or why nothing was.
pub(super) fn hear(
    situation: &Situation<'_>,
    listed: &Listed<'_>,
    request: &OperatorRequest,
    instances: &[InstanceId],
    state: &mut CapacityState,
) -> Vec<(PoolId, Finding)> {
    let id = request.pool.as_ref().unwrap_or(&situation.traffic.active);
    let Some(pool) = situation.spec.pools.iter().find(|pool| pool.id == *id) else {
        return no_such_pool(situation, request).into_iter().collect();
    };
    let known = |id: &InstanceId| state.pools.get(&pool.id).is_some_and(|pool| pool.members.contains_key(id));
    // who is here already is no news: the request may have been sent twice
    let new: BTreeSet<InstanceId> = instances.iter().filter(|id| !known(id)).cloned().collect();
    let more = u32::try_from(new.len()).unwrap_or(u32::MAX);
    let desired = size_with(situation, pool, more, state);
    let why = request.asked.fault(situation.now);
    let why = why.or_else(|| refused(situation, listed, pool, &new, desired, state));
    if let Some(why) = why {
        return vec![(pool.id.clone(), refusal(request, why))];
    }
    if let Some(pool_state) = state.pools.get_mut(&pool.id).filter(|_| !new.is_empty()) {
        adoption::take_in(pool_state, &new, desired, &pool.guards, situation.now);
    }
    let (by, instances) = (request.asked.by.clone(), new.into_iter().collect());
    vec![(pool.id.clone(), Finding::HandedOver { by, instances, desired })]
}

/// The size at which all that the pool has can stay, with `more` beside it.
fn size_with(situation: &Situation<'_>, pool: &PoolSpec, more: u32, state: &CapacityState) -> u32 {
    let Some(known) = state.pools.get(&pool.id) else { return more };
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let stays = |member: &&Member| !member.gone && member.drain.is_none() && member.terminating_since.is_none() && !member.is_warm();
    let members = count(known.members.values().filter(stays).count());
    let listed = || situation.observation.instances.iter().flatten();
    // a launch and the members that it brought are counted once
    let coming = state.open_of(&pool.id).map(|open| match &open.step.action {
        Action::Launch(launch) if !launch.warm => {
            let brought = listed().filter(|instance| is_of(instance, &open.step.id) && known.members.contains_key(&instance.id));
            launch.count.saturating_sub(count(brought.count()))
        }
        _ => 0,
    });
    let there = members.saturating_add(coming.fold(0, u32::saturating_add));
    known.desired.max(there.saturating_add(more))
}

fn refused(
    situation: &Situation<'_>,
    listed: &Listed<'_>,
    pool: &PoolSpec,
    new: &BTreeSet<InstanceId>,
    desired: u32,
    state: &CapacityState,
) -> Option<Refused> {
    if situation.retiring {
        return Some(Refused::Retiring);
    }
    if new.len() > HANDED_OVER_MAX {
        return Some(Refused::TooMany { most: HANDED_OVER_MAX });
    }
    if situation.observation.listed_for(&pool.id).is_none() {
        return Some(Refused::ListUnknown);
    }
    let is_here = |id: &&InstanceId| {
        let instance = listed.get(id);
        instance.is_some_and(|instance| instance.state == InstanceState::Running && instance.pool.as_ref() == Some(&pool.id))
    };
    let missing: Vec<InstanceId> = new.iter().filter(|id| !is_here(id)).cloned().collect();
    if !missing.is_empty() {
        return Some(Refused::NotHere { instances: missing });
    }
    let pool_state = state.pools.get(&pool.id)?;
    if pool_state.desired == desired {
        return None;
    }
    if let Some(held) = pool_state.asked.as_ref().and_then(|asked| asked.in_force(situation.now)) {
        return Some(Refused::SizeHolds { until: held.until });
    }
    let (_, max) = size::bounds(pool.capacity, &pool.policies, &open_windows(pool, situation.now));
    let others = situation.spec.pools.iter().filter(|other| other.id != pool.id);
    let others = others.filter_map(|other| state.pools.get(&other.id)).map(|other| other.desired);
    let room = situation.spec.maximum.saturating_sub(others.fold(0, u32::saturating_add));
    let max = max.min(room);
    (desired > max).then_some(Refused::NoRoom { desired, max })
}
