//! Brings a pool's member list up to what the observation shows: who is new, who is gone, who vanished, who is unknown.
//!
//! Nothing is concluded from absence unless the list is complete, and a young member that is not listed is still
//! counted: EC2's listing lags launches.

use std::collections::BTreeSet;

use super::Situation;
use crate::id::{InstanceId, PoolId};
use crate::observation::Instance;
use crate::plan::{Action, UNLISTED_COUNTS_FOR};
use crate::reason::Finding;
use crate::spec::PoolSpec;
use crate::state::{CapacityState, Member, PoolState, YOUNG_FOR};
use crate::unit::{Percent, Seconds};

/// Whether the pool's size may be judged at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Every instance is accounted for.
    Sound,
    /// The list is incomplete, or shows what nobody can explain: hold the size.
    Held,
}

/// Calls the roll of one pool.
pub(super) fn call(situation: &Situation<'_>, pool: &PoolSpec, state: &mut CapacityState, findings: &mut Vec<Finding>) -> Judgement {
    let Some(instances) = &situation.observation.instances else {
        findings.push(Finding::InstancesUnknown);
        return Judgement::Held;
    };
    let listed: Vec<&Instance> = instances
        .iter()
        .filter(|instance| instance.pool.as_ref() == Some(&pool.id))
        .collect();
    let young_state = Seconds::between(state.created_at, situation.now) < YOUNG_FOR;
    let explained = explained_launches(state, &pool.id, &listed);
    let members = state.pools.entry(pool.id.clone()).or_default();
    let mut unknown = Vec::new();
    for instance in &listed {
        if let Some(member) = members.members.get_mut(&instance.id) {
            member.gone |= instance.state.is_gone();
        } else if !instance.state.is_gone() {
            let on_record = instance
                .plan
                .as_ref()
                .is_some_and(|plan| situation.observation.recorded_plans.contains(plan));
            if explained.contains(&instance.id) || on_record {
                members.members.insert(instance.id.clone(), Member::new(situation.now));
            } else {
                unknown.push(instance.id.clone());
            }
        }
    }
    strike_vanished(situation, pool, members, &listed, findings);
    judge_unknown(situation, members, unknown, young_state, findings)
}

/// Instances that an open launch step of this pool brought: their tags name it.
fn explained_launches(state: &CapacityState, pool: &PoolId, listed: &[&Instance]) -> BTreeSet<InstanceId> {
    let mut explained = BTreeSet::new();
    for open in state.open_of(pool).filter(|open| matches!(open.step.action, Action::Launch(_))) {
        explained.extend(
            listed
                .iter()
                .filter(|instance| is_of(instance, &open.step.id))
                .map(|instance| instance.id.clone()),
        );
    }
    explained
}

/// Whether an instance's tags name this step.
pub(super) fn is_of(instance: &Instance, step: &crate::id::StepId) -> bool {
    instance.plan.as_ref() == Some(&step.plan) && instance.step == Some(step.number)
}

/// Removes members that are gone for good: seen terminated and in no group any more, or neither listed nor young.
fn strike_vanished(situation: &Situation<'_>, pool: &PoolSpec, state: &mut PoolState, listed: &[&Instance], findings: &mut Vec<Finding>) {
    let listed: BTreeSet<&InstanceId> = listed.iter().map(|instance| &instance.id).collect();
    for (id, member) in &mut state.members {
        if !listed.contains(id) && !member.gone && Seconds::between(member.known_since, situation.now) >= UNLISTED_COUNTS_FOR {
            findings.push(Finding::Vanished { instance: id.clone() });
            member.gone = true;
        }
    }
    let groups: Vec<_> = state.all_groups(pool).cloned().collect();
    // a gone member is kept until no group of the pool lists it: so long it is ours to deregister
    let in_a_group = |id: &InstanceId| {
        groups.iter().any(|group| {
            let targets = situation.observation.targets.get(group);
            targets.is_none_or(|targets| targets.iter().any(|target| target.instance == *id))
        })
    };
    state.members.retain(|id, member| !member.gone || in_a_group(id));
}

/// A few unknown instances in a grown state are adopted. Many, or any in a young state (the table may have been restored
/// from an older point in time), hold the pool until a person looks. None is ever terminated for being unknown.
fn judge_unknown(
    situation: &Situation<'_>,
    state: &mut PoolState,
    unknown: Vec<InstanceId>,
    young_state: bool,
    findings: &mut Vec<Finding>,
) -> Judgement {
    if unknown.is_empty() {
        return Judgement::Sound;
    }
    let members = u32::try_from(state.members.len()).unwrap_or(u32::MAX);
    let most = usize::try_from(Percent(10).of_floor(members).max(1)).unwrap_or(usize::MAX);
    if young_state || unknown.len() > most {
        findings.push(Finding::UnknownInstances { instances: unknown });
        return Judgement::Held;
    }
    for id in unknown {
        findings.push(Finding::Adopted { instance: id.clone() });
        state.members.insert(id, Member::new(situation.now));
    }
    Judgement::Sound
}
