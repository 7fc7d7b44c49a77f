//! What becomes of committed steps without an outcome: counted, taken over, closed or dropped.
//!
//! Inside its window a step is happening: nobody touches it. Thirty seconds after, whoever decides may settle it by
//! looking: a launch by its tags, a (de)registration by the membership that is there. A terminate is never dropped.

use super::Situation;
use super::roll::Judgement;
use crate::observation::Instance;
use crate::plan::{Action, LAUNCH_GIVEN_UP_AFTER, OpenStep, RESEND_AGE_MAX, Step};
use crate::reason::Finding;
use crate::spec::PoolSpec;
use crate::state::CapacityState;
use crate::unit::Seconds;

/// Closes what the look settles. Sends nothing.
pub(super) fn settle(situation: &Situation<'_>, pool: &PoolSpec, state: &mut CapacityState, findings: &mut Vec<Finding>) {
    let Some(instances) = &situation.observation.instances else {
        return;
    };
    let PoolMembers { gone } = PoolMembers::of(state, pool);
    state.open.retain_mut(|open| {
        if open.step.pool != pool.id {
            return true;
        }
        let over = situation.now >= open.take_over_at();
        match &mut open.step.action {
            Action::Launch(launch) => {
                let found = instances
                    .iter()
                    .filter(|instance| super::roll::is_of(instance, &open.step.id))
                    .count();
                let asked = launch.count;
                let complete = found >= usize::try_from(asked).unwrap_or(usize::MAX);
                let given_up = situation.now >= LAUNCH_GIVEN_UP_AFTER.after(open.execute_until);
                if given_up && found == 0 {
                    findings.push(Finding::LaunchGivenUp { count: asked });
                }
                // while the committer may still be at it, only its own outcome closes the step
                !(over && complete || given_up)
            }
            // membership is decided afresh from what the groups show
            Action::Register { .. } | Action::Deregister { .. } => !over,
            Action::Terminate { instances: ids } => {
                if over {
                    ids.retain(|id| !gone.contains(id) && !seen_gone(instances, id));
                }
                !ids.is_empty()
            }
        }
    });
}

/// Steps that this decision sends again, under their own ids and in a new window.
pub(super) fn take_over(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    state: &mut CapacityState,
    judgement: Judgement,
    mut missing: u32,
) -> Vec<Step> {
    let (true, Some(instances)) = (judgement == Judgement::Sound, &situation.observation.instances) else {
        return Vec::new();
    };
    let mut steps = Vec::new();
    for open in state
        .open
        .iter_mut()
        .filter(|open| open.step.pool == pool.id && situation.now >= open.take_over_at())
    {
        let again = match &open.step.action {
            Action::Terminate { .. } => true,
            Action::Launch(launch) => {
                let wanted = missing >= launch.count && is_unseen(open, instances) && is_young(open, situation);
                if wanted {
                    missing = missing.saturating_sub(launch.count);
                }
                wanted
            }
            Action::Register { .. } | Action::Deregister { .. } => false,
        };
        if again {
            open.execute_until = situation.execute_until;
            steps.push(open.step.clone());
        }
    }
    steps
}

/// A launch of which some instance is listed happened: sending it again could only launch more.
fn is_unseen(open: &OpenStep, instances: &[Instance]) -> bool {
    !instances.iter().any(|instance| super::roll::is_of(instance, &open.step.id))
}

fn is_young(open: &OpenStep, situation: &Situation<'_>) -> bool {
    Seconds::between(open.committed_at, situation.now) < RESEND_AGE_MAX
}

fn seen_gone(instances: &[Instance], id: &crate::id::InstanceId) -> bool {
    instances.iter().any(|instance| instance.id == *id && instance.state.is_gone())
}

struct PoolMembers {
    gone: std::collections::BTreeSet<crate::id::InstanceId>,
}

impl PoolMembers {
    fn of(state: &CapacityState, pool: &PoolSpec) -> Self {
        let members = state.pools.get(&pool.id).into_iter().flat_map(|pool| &pool.members);
        Self {
            gone: members.filter(|(_, member)| member.gone).map(|(id, _)| id.clone()).collect(),
        }
    }
}
