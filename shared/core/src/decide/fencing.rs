//! A side that is kept out while another one is let in: whoever of it is registered leaves, and where that is asked for is stopped.
//!
//! Nobody of it is launched, started, replaced or registered, whatever it lacks: what would heal it would bring it back. Who is stopped is
//! kept as a warm instance is, and so is started again before anybody is launched, once the side is kept out no longer.

use super::Situation;
use super::census::{Census, Person};
use super::leaving;
use super::membership::Busy;
use crate::id::InstanceId;
use crate::observation::InstanceState;
use crate::plan::{Action, INSTANCES_PER_STEP_MAX};
use crate::spec::{Fencing, PoolSpec};
use crate::state::{Member, PoolState, Warm, WarmPhase};

/// How a pool is kept out; none: it is not. A fleet that is being deleted lets everybody go instead.
pub(super) fn of(situation: &Situation<'_>, pool: &PoolSpec) -> Option<Fencing> {
    pool.fenced.filter(|_| !situation.retiring)
}

/// Takes everybody out of service who is to be stopped. The stop comes from a later look, as with all who are stopped.
pub(super) fn take_out(situation: &Situation<'_>, fencing: Fencing, state: &mut PoolState, busy: &Busy) {
    if !fencing.stop {
        return;
    }
    leaving::release_kept(situation, state);
    let stays = |member: &Member| member.drain.is_none() && member.terminating_since.is_none() && !member.gone;
    let members = state.members.iter_mut().filter(|(id, member)| stays(member) && !busy.touches(id));
    for (_, member) in members {
        let warm = Warm {
            phase: WarmPhase::Preparing,
            since: situation.now.into(),
        };
        member.warm.get_or_insert(warm);
    }
}

/// The stop steps: who runs, was out of service before this look, and is seen by it in no group, not even to finish requests.
pub(super) fn stops(
    situation: &Situation<'_>,
    (pool, fencing): (&PoolSpec, Fencing),
    census: &Census<'_>,
    state: &mut PoolState,
    busy: &Busy,
) -> Vec<Action> {
    let loaded = situation.state.pools.get(&pool.id);
    let was_out = |id: &InstanceId| loaded.and_then(|loaded| loaded.members.get(id)).is_some_and(Member::is_warm);
    let may_stop = |person: &Person<'_>, member: &Member| {
        let runs = person.listed.is_some_and(|instance| instance.state == InstanceState::Running);
        fencing.stop && runs && !busy.touches(&person.id) && member.is_warm() && member.drain.is_none()
    };
    let chosen: Vec<InstanceId> = census
        .with(state)
        .filter(|(person, member)| may_stop(person, member) && was_out(&person.id) && census.is_out(person, false))
        .map(|(person, _)| person.id.clone())
        .collect();
    for id in &chosen {
        if let Some(member) = state.members.get_mut(id) {
            member.warm = Some(Warm {
                phase: WarmPhase::Kept,
                since: situation.now.into(),
            });
        }
    }
    let steps = chosen.chunks(INSTANCES_PER_STEP_MAX).map(|instances| Action::Stop {
        instances: instances.to_vec(),
        hibernate: false,
    });
    steps.collect()
}
