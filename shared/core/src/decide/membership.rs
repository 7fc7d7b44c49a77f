//! Which instances belong in which target groups, and the steps that make it so.
//!
//! Only a group that was read completely is touched, only instances of this fleet are registered, and only targets that
//! this fleet registered are deregistered: foreign ones are told, and left alone.

use std::collections::{BTreeMap, BTreeSet};

use super::census::{Census, Standing};
use super::{Listed, Situation, hooks};
use crate::id::{InstanceId, ServiceId, TargetGroupArn};
use crate::observation::{InstanceState, TargetHealth};
use crate::plan::{Action, INSTANCES_PER_STEP_MAX};
use crate::reason::Finding;
use crate::sorted::{Sorted, Walk};
use crate::spec::PoolSpec;
use crate::state::{CapacityState, PoolState};

/// The register and deregister steps of one pool.
pub(super) fn steps(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    census: &Census<'_>,
    (listed, others): (&Listed<'_>, &BTreeSet<InstanceId>),
    state: &PoolState,
    busy: &Busy,
    findings: &mut Vec<Finding>,
) -> Vec<Action> {
    let mut actions = leave_groups(situation, pool, state, busy);
    for (group, targets) in census.groups.iter() {
        let group = *group;
        let register = to_register(pool, census, state, targets, busy, group);
        let deregister = to_deregister((listed, others), state, targets, busy, group, findings);
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

/// Members of the other pools, where those have the same target groups: they are no strangers there.
pub(super) fn of_other_sides(situation: &Situation<'_>, pool: &PoolSpec, state: &CapacityState) -> BTreeSet<InstanceId> {
    let swaps = situation.spec.swaps_targets();
    let others = state.pools.iter().filter(|(id, _)| swaps && **id != pool.id);
    others.flat_map(|(_, other)| other.members.keys().cloned()).collect()
}

/// Whoever of this pool is registered in a group that the spec no longer names, or that is another side's for now, leaves it; nobody else
/// is touched.
fn leave_groups(situation: &Situation<'_>, pool: &PoolSpec, state: &PoolState, busy: &Busy) -> Vec<Action> {
    let mut actions = Vec::new();
    let left: BTreeSet<&TargetGroupArn> = state.former_groups.iter().chain(&pool.left_groups).collect();
    for group in left {
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
    pub(super) targets: BTreeMap<TargetGroupArn, BTreeSet<InstanceId>>,
    /// Registrations in Cloud Map with an open announcement or withdrawal.
    pub(super) registrations: BTreeMap<ServiceId, BTreeSet<InstanceId>>,
    /// Groups whose attributes an open step sets.
    pub(super) groups: BTreeSet<TargetGroupArn>,
    /// Instances with an open tag step.
    pub(super) tagged: BTreeSet<InstanceId>,
}

impl Busy {
    pub(super) fn of(state: &CapacityState) -> Self {
        let mut busy = Self::default();
        busy.hold(state.open.iter().map(|open| &open.step.action));
        busy
    }

    /// Holds also what these actions touch.
    pub(super) fn hold<'a>(&mut self, actions: impl Iterator<Item = &'a Action>) {
        for action in actions {
            match action {
                Action::Launch(_) => {}
                Action::Tune { group, .. } => drop(self.groups.insert(group.clone())),
                Action::Start { instances, .. } | Action::Stop { instances, .. } | Action::Terminate { instances } => {
                    self.instances.extend(instances.iter().cloned());
                }
                Action::Tag { instances, .. } => self.tagged.extend(instances.iter().cloned()),
                Action::Register { group, instances } | Action::Deregister { group, instances } => {
                    let held = self.targets.entry(group.clone()).or_default();
                    held.extend(instances.iter().cloned());
                }
                Action::Announce { service, .. } | Action::Withdraw { service, .. } => {
                    let held = self.registrations.entry(service.clone()).or_default();
                    held.extend(action.instances().into_iter().cloned());
                }
            }
        }
    }

    fn holds(&self, group: &TargetGroupArn, id: &InstanceId) -> bool {
        self.instances.contains(id) || self.targets.get(group).is_some_and(|held| held.contains(id))
    }

    pub(super) fn is_held_in(&self, service: &ServiceId, id: &InstanceId) -> bool {
        self.instances.contains(id) || self.registrations.get(service).is_some_and(|held| held.contains(id))
    }

    /// Whether any open step touches the instance.
    pub(super) fn touches(&self, id: &InstanceId) -> bool {
        let mut held = self.targets.values().chain(self.registrations.values());
        self.instances.contains(id) || self.tagged.contains(id) || held.any(|held| held.contains(id))
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
    let wanted = census.with(state).filter(|(person, member)| {
        let running = person.listed.is_some_and(|instance| instance.state == InstanceState::Running);
        // the census was taken before this decision's drains and take-backs: the state has the last word
        let enters = !hooks::is_awaited(pool, member, person.listed);
        let leaves = member.drain.is_some() || member.terminating_since.is_some() || member.gone;
        running && person.standing != Standing::Out && enters && !leaves && member.warm.is_none()
    });
    // nearly all are healthy, so that few are looked for
    wanted
        .filter(|(person, _)| !person.is_healthy && matches!(targets.get(&person.id), None | Some(TargetHealth::Draining)))
        .filter(|(person, _)| !busy.holds(group, &person.id))
        .map(|(person, _)| person.id.clone())
        .collect()
}

fn to_deregister(
    (listed, others): (&Listed<'_>, &BTreeSet<InstanceId>),
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
            None if others.contains(id) => continue,
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
