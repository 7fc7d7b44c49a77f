//! What the balancer says about the instances of one pool, over all its groups.

use super::Situation;
use crate::id::{InstanceId, TargetGroupArn};
use crate::observation::{Target, TargetHealth};
use crate::reason::Finding;
use crate::sorted::{Pairs, Sorted, Walk};
use crate::spec::PoolSpec;
use crate::state::PoolState;

/// The balancer's word on one instance; the worst one of its groups counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Healthy,
    /// Some group does not list it, or no longer does: no evidence against the instance.
    Unregistered,
    /// First checks are running in some group.
    Initial,
    Unhealthy,
    /// Some group could not be read, or has no answer.
    Unknown,
}

/// The groups of one pool, as they were read.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    read: Vec<(&'a TargetGroupArn, Sorted<'a, TargetHealth>)>,
    /// Those that it must leave; none: one could not be read.
    left: Vec<Option<Sorted<'a, TargetHealth>>>,
    /// Whether every group of the pool could be read.
    complete: bool,
}

impl<'a> Groups<'a> {
    pub(super) fn of(situation: &Situation<'a>, pool: &PoolSpec, state: &PoolState, findings: &mut Vec<Finding>) -> Self {
        let sorted = |targets: &'a Vec<Target>| Sorted::of(targets.iter().map(|target| (&target.instance, target.health)));
        let mut read = Vec::new();
        for group in &pool.target_groups {
            let Some((group, targets)) = situation.observation.targets.get_key_value(group) else {
                findings.push(Finding::GroupUnknown { group: group.clone() });
                continue;
            };
            if fails_open(targets) {
                findings.push(Finding::FailOpen { group: group.clone() });
            }
            read.push((group, sorted(targets)));
        }
        let left = pool.left_groups.iter().chain(&state.former_groups);
        Self {
            left: left.map(|group| situation.observation.targets.get(group).map(sorted)).collect(),
            complete: read.len() == pool.target_groups.len(),
            read,
        }
    }

    /// The groups that could be read, with the health of their targets.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(&'a TargetGroupArn, Sorted<'a, TargetHealth>)> {
        self.read.iter()
    }

    /// Whether every group of the pool could be read.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether every group was read in which an instance of the pool may be registered, and none sends requests to this one. Past the
    /// deadline, one that still finishes requests counts as out.
    pub(super) fn are_without(&self, id: &InstanceId, over: bool) -> bool {
        let is_without = |targets: &Sorted<'a, TargetHealth>| match targets.get(id) {
            None | Some(TargetHealth::InvalidState) => true,
            Some(TargetHealth::Draining) => over,
            Some(_) => false,
        };
        let left = |targets: &Option<Sorted<'a, TargetHealth>>| targets.as_ref().is_some_and(is_without);
        self.complete && self.read.iter().all(|(_, targets)| is_without(targets)) && self.left.iter().all(left)
    }

    /// Verdicts on instances, asked in the order of their ids.
    pub(super) fn verdicts(&self) -> Verdicts<'_, 'a> {
        Verdicts {
            walks: self.read.iter().map(|(_, targets)| targets.walk()).collect(),
            complete: self.complete,
        }
    }
}

/// All groups, walked side by side.
pub(super) struct Verdicts<'s, 'a> {
    walks: Vec<Walk<'a, TargetHealth, Pairs<'s, 'a, TargetHealth>>>,
    complete: bool,
}

impl Verdicts<'_, '_> {
    pub(super) fn of(&mut self, id: &InstanceId) -> Verdict {
        let verdict = self.walks.iter_mut().map(|targets| verdict(targets.to(id))).max();
        if self.complete {
            verdict.unwrap_or(Verdict::Healthy)
        } else {
            Verdict::Unknown
        }
    }
}

fn verdict(health: Option<TargetHealth>) -> Verdict {
    match health {
        // an unused group checks nobody; being registered is all that can be asked
        Some(TargetHealth::Healthy | TargetHealth::Unchecked) => Verdict::Healthy,
        None | Some(TargetHealth::Draining | TargetHealth::InvalidState) => Verdict::Unregistered,
        Some(TargetHealth::Initial) => Verdict::Initial,
        Some(TargetHealth::Unhealthy) => Verdict::Unhealthy,
        Some(TargetHealth::Unavailable) => Verdict::Unknown,
    }
}

/// With no healthy target among checked ones, the balancer sends traffic to all of them.
fn fails_open(targets: &[Target]) -> bool {
    let any = |health| targets.iter().any(|target| target.health == health);
    any(TargetHealth::Unhealthy) && !any(TargetHealth::Healthy)
}
