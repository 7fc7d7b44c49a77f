//! What becomes of committed steps without an outcome: counted, taken over, closed or dropped.
//!
//! Inside its window a step is happening: nobody touches it. Thirty seconds after, whoever decides may settle it by
//! looking: a launch by its tags, a (de)registration by the membership that is there. A terminate is never dropped.

use super::Situation;
use crate::id::InstanceId;
use crate::observation::{Instance, InstanceState};
use crate::plan::{Action, LAUNCH_GIVEN_UP_AFTER, OpenStep, RESEND_AGE_MAX, Step};
use crate::reason::Finding;
use crate::spec::PoolSpec;
use crate::state::{CapacityState, Member};
use crate::unit::Seconds;

/// Closes what the look settles. Sends nothing.
pub(super) fn settle(situation: &Situation<'_>, pool: &PoolSpec, state: &mut CapacityState, findings: &mut Vec<Finding>) {
    let Some(instances) = situation.observation.listed_for(&pool.id) else {
        return;
    };
    if !state.open.iter().any(|open| open.step.pool == pool.id) {
        return;
    }
    let members = state.pools.get(&pool.id).map(|pool| &pool.members);
    let member = |id: &InstanceId| members.and_then(|members| members.get(id));
    // by the moment of the look: the wait is for EC2's list, and a decision may come half a minute after it
    let seen_at = situation.now.min(situation.observation.observed_at);
    let mut not_started = Vec::new();
    state.open.retain_mut(|open| {
        if open.step.pool != pool.id {
            return true;
        }
        let over = is_due(open, situation);
        match &mut open.step.action {
            Action::Launch(launch) => {
                let found = instances
                    .iter()
                    .filter(|instance| super::roll::is_of(instance, &open.step.id))
                    .count();
                let asked = launch.count;
                let complete = found >= usize::try_from(asked).unwrap_or(usize::MAX);
                let given_up = seen_at >= LAUNCH_GIVEN_UP_AFTER.after(open.execute_until);
                if given_up && found == 0 {
                    findings.push(Finding::LaunchGivenUp { count: asked });
                }
                // while the committer may still be at it, only its own outcome closes the step
                !(over && complete || given_up)
            }
            // membership and attributes are decided afresh from what the groups show, and tags from what the list shows
            Action::Register { .. }
            | Action::Deregister { .. }
            | Action::Announce { .. }
            | Action::Withdraw { .. }
            | Action::Tune { .. }
            | Action::Stop { .. }
            | Action::Tag { .. } => !over,
            Action::Start { instances: ids, .. } => {
                if over {
                    ids.retain(|id| member(id).is_some_and(|member| waits(member, id, instances)));
                }
                let given_up = seen_at >= LAUNCH_GIVEN_UP_AFTER.after(open.execute_until);
                if given_up {
                    not_started.append(ids);
                }
                !ids.is_empty()
            }
            Action::Terminate { instances: ids } => {
                if over {
                    ids.retain(|id| member(id).is_some_and(|member| !member.gone));
                }
                !ids.is_empty()
            }
        }
    });
    let members = state.pools.get_mut(&pool.id).map(|pool| &mut pool.members);
    for (id, member) in members.into_iter().flatten() {
        if not_started.contains(id) {
            member.not_started(situation.now);
        }
    }
}

/// Drops what a pool has left open that the spec no longer names, once a launch would be given up: nobody takes it over any more, and
/// whoever came of it is told as one without a pool.
pub(super) fn forget_unnamed(situation: &Situation<'_>, state: &mut CapacityState) {
    let seen_at = situation.now.min(situation.observation.observed_at);
    let given_up = |open: &OpenStep| seen_at >= LAUNCH_GIVEN_UP_AFTER.after(open.execute_until);
    state
        .open
        .retain(|open| situation.spec.pool(&open.step.pool).is_some() || !given_up(open));
}

/// Whether a member's start is committed and this look does not show it running.
fn waits(member: &Member, id: &InstanceId, instances: &[Instance]) -> bool {
    let comes = || {
        let listed = instances.iter().find(|instance| instance.id == *id);
        listed.is_some_and(|instance| matches!(instance.state, InstanceState::Pending | InstanceState::Running))
    };
    member.is_starting() && member.drain.is_none() && !member.gone && !comes()
}

/// Steps that this decision sends again, under their own ids and in a new window. `capacity` counts every open launch;
/// one is wanted if `desired` is not reached without it.
pub(super) fn take_over(situation: &Situation<'_>, pool: &PoolSpec, state: &mut CapacityState, capacity: u32, desired: u32) -> Vec<Step> {
    let Some(instances) = situation.observation.listed_for(&pool.id) else {
        return Vec::new();
    };
    let due = |open: &&mut OpenStep| open.step.pool == pool.id && is_due(open, situation);
    let sendable = |open: &OpenStep| is_unseen(open, instances) && is_young(open, situation);
    let mut there = capacity;
    for open in state.open.iter_mut().filter(due) {
        if sendable(open) {
            there = there.saturating_sub(open.step.action.brings());
        }
    }
    let mut steps = Vec::new();
    for open in state.open.iter_mut().filter(due) {
        let again = match &open.step.action {
            Action::Terminate { .. } => true,
            action @ (Action::Launch(_) | Action::Start { .. }) if there < desired && action.brings() > 0 && sendable(open) => {
                there = there.saturating_add(action.brings());
                true
            }
            // one that is not wanted stays counted: it may have happened. Nothing is in a hurry to be kept warm
            Action::Launch(_)
            | Action::Start { .. }
            | Action::Register { .. }
            | Action::Deregister { .. }
            | Action::Announce { .. }
            | Action::Withdraw { .. }
            | Action::Tune { .. }
            | Action::Stop { .. }
            | Action::Tag { .. } => false,
        };
        if again {
            open.execute_until = situation.execute_until;
            open.taken_over = true;
            steps.push(open.step.clone());
        }
    }
    steps
}

/// Whether the step may be settled or taken over: by a look that began when nothing of it could still be on its way. What an
/// earlier look showed may have changed since by that very step.
fn is_due(open: &OpenStep, situation: &Situation<'_>) -> bool {
    situation.now.min(situation.observation.observed_at) >= open.take_over_at()
}

/// A launch of which some instance is listed happened: sending it again could only launch more.
fn is_unseen(open: &OpenStep, instances: &[Instance]) -> bool {
    !instances.iter().any(|instance| super::roll::is_of(instance, &open.step.id))
}

fn is_young(open: &OpenStep, situation: &Situation<'_>) -> bool {
    Seconds::between(open.committed_at, situation.now) < RESEND_AGE_MAX
}
