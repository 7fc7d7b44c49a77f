//! Which instances belong in which target groups, and the steps that make it so.
//!
//! Only a group that was read completely is touched, only instances of this fleet are registered, and only targets that
//! this fleet registered are deregistered: foreign ones are told, and left alone.

use std::collections::BTreeSet;

use super::census::{Census, Standing};
use super::sorted::{Sorted, Walk};
use super::{Listed, Situation, hooks};
use crate::id::{InstanceId, ServiceId, TargetGroupArn};
use crate::observation::{InstanceState, TargetHealth};
use crate::plan::{Action, INSTANCES_PER_STEP_MAX};
use crate::reason::Finding;
use crate::spec::PoolSpec;
use crate::state::{Member, PoolState};

/// The register and deregister steps of one pool.
pub(super) fn steps(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    census: &Census<'_>,
    listed: &Listed<'_>,
    state: &PoolState,
    busy: &Busy,
    findings: &mut Vec<Finding>,
) -> Vec<Action> {
    let mut actions = leave_former_groups(situation, state, busy);
    for (group, targets) in census.groups.iter() {
        let group = *group;
        let register = to_register(pool, census, state, targets, busy, group);
        let deregister = to_deregister(listed, state, targets, busy, group, findings);
        actions.extend(chunks(&register).map(|instances| Action::Register {
            group: group.clone(),
            instances,
        }));
        actions.extend(chunks(&deregister).map(|instances| Action::Deregister {
            group: group.clone(),
            instances,
        }));
    }
    actions
}

/// Whoever of this pool is registered in a group that the spec no longer names leaves it; nobody else is touched.
fn leave_former_groups(situation: &Situation<'_>, state: &PoolState, busy: &Busy) -> Vec<Action> {
    let mut actions = Vec::new();
    for group in &state.former_groups {
        let targets = situation.observation.targets.get(group).into_iter().flatten();
        let ours = targets.filter(|target| target.health != TargetHealth::Draining && state.members.contains_key(&target.instance));
        let leaving: Vec<InstanceId> = ours
            .map(|target| target.instance.clone())
            .filter(|id| !busy.holds(group, id))
            .collect();
        actions.extend(chunks(&leaving).map(|instances| Action::Deregister {
            group: group.clone(),
            instances,
        }));
    }
    actions
}

/// Forgets former groups in which nobody of this pool is listed any more.
pub(super) fn forget_former_groups(situation: &Situation<'_>, state: &mut PoolState) {
    let members = &state.members;
    let empty = |group: &TargetGroupArn| {
        let targets = situation.observation.targets.get(group);
        targets.is_some_and(|targets| !targets.iter().any(|target| members.contains_key(&target.instance)))
    };
    state.former_groups.retain(|group| !empty(group));
}

/// Resources that an open step still holds: nobody else may touch them.
#[derive(Debug, Default)]
pub(super) struct Busy {
    /// Instances with an open start, stop or terminate.
    pub(super) instances: BTreeSet<InstanceId>,
    /// Targets with an open register or deregister.
    pub(super) targets: BTreeSet<(TargetGroupArn, InstanceId)>,
    /// Registrations in Cloud Map with an open announcement or withdrawal.
    pub(super) registrations: BTreeSet<(ServiceId, InstanceId)>,
    /// Groups whose attributes an open step sets.
    pub(super) groups: BTreeSet<TargetGroupArn>,
    /// Instances with an open tag step.
    pub(super) tagged: BTreeSet<InstanceId>,
}

impl Busy {
    pub(super) fn of(state: &crate::state::CapacityState) -> Self {
        let mut busy = Self::default();
        for open in &state.open {
            match &open.step.action {
                Action::Launch(_) => {}
                Action::Tune { group, .. } => drop(busy.groups.insert(group.clone())),
                Action::Start { instances, .. } | Action::Stop { instances, .. } | Action::Terminate { instances } => {
                    busy.instances.extend(instances.iter().cloned());
                }
                Action::Tag { instances, .. } => busy.tagged.extend(instances.iter().cloned()),
                Action::Register { group, instances } | Action::Deregister { group, instances } => {
                    busy.targets.extend(instances.iter().map(|id| (group.clone(), id.clone())));
                }
                action @ (Action::Announce { service, .. } | Action::Withdraw { service, .. }) => {
                    let held = action.instances().into_iter().map(|id| (service.clone(), id.clone()));
                    busy.registrations.extend(held);
                }
            }
        }
        busy
    }

    fn holds(&self, group: &TargetGroupArn, id: &InstanceId) -> bool {
        self.instances.contains(id) || self.targets.contains(&(group.clone(), id.clone()))
    }

    pub(super) fn is_held_in(&self, service: &ServiceId, id: &InstanceId) -> bool {
        self.instances.contains(id) || self.registrations.contains(&(service.clone(), id.clone()))
    }

    /// Every instance that some open step touches.
    pub(super) fn all_instances(&self) -> BTreeSet<InstanceId> {
        self.instances
            .iter()
            .chain(self.targets.iter().map(|(_, id)| id))
            .chain(self.registrations.iter().map(|(_, id)| id))
            .chain(&self.tagged)
            .cloned()
            .collect()
    }
}

fn to_register(
    pool: &PoolSpec,
    census: &Census<'_>,
    state: &PoolState,
    targets: &Sorted<'_, TargetHealth>,
    busy: &Busy,
    group: &TargetGroupArn,
) -> Vec<InstanceId> {
    let mut targets = targets.walk();
    let missing = census
        .people
        .iter()
        .filter(|person| matches!(targets.to(&person.id), None | Some(TargetHealth::Draining)));
    let wanted = missing.filter(|person| {
        let running = person.listed.is_some_and(|instance| instance.state == InstanceState::Running);
        // the census was taken before this decision's drains and take-backs: the state has the last word
        let stays = |member: &Member| {
            let enters = !hooks::is_awaited(pool, member, person.listed);
            let leaves = member.drain.is_some() || member.terminating_since.is_some() || member.gone;
            enters && !leaves && member.warm.is_none()
        };
        running && person.standing != Standing::Out && state.members.get(&person.id).is_some_and(stays)
    });
    wanted
        .filter(|person| !busy.holds(group, &person.id))
        .map(|person| person.id.clone())
        .collect()
}

fn to_deregister(
    listed: &Listed<'_>,
    state: &PoolState,
    targets: &Sorted<'_, TargetHealth>,
    busy: &Busy,
    group: &TargetGroupArn,
    findings: &mut Vec<Finding>,
) -> Vec<InstanceId> {
    let mut leaving = Vec::new();
    let mut members = Walk::over(state.members.iter());
    for (id, _) in targets.iter().filter(|(_, health)| *health != TargetHealth::Draining) {
        let leaves = match members.to(id) {
            Some(member) if !member.gone => member.drain.is_some() || member.terminating_since.is_some() || member.is_warm(),
            None if listed.get(id).is_none_or(|instance| !instance.state.is_gone()) => {
                findings.push(Finding::ForeignTarget {
                    instance: id.clone(),
                    group: group.clone(),
                });
                false
            }
            Some(_) | None => {
                findings.push(Finding::Ghost {
                    instance: id.clone(),
                    group: group.clone(),
                });
                true
            }
        };
        if leaves && !busy.holds(group, id) {
            leaving.push(id.clone());
        }
    }
    leaving
}

fn chunks(instances: &[InstanceId]) -> impl Iterator<Item = Vec<InstanceId>> + '_ {
    instances.chunks(INSTANCES_PER_STEP_MAX).map(<[InstanceId]>::to_vec)
}
