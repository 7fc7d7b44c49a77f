//! Target groups: who is registered, what the checks say, how long a deregistered target drains.

use std::collections::BTreeMap;

use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{InstanceState, TargetHealth};

use super::ec2::Machine;
use crate::clock::{Millis, SECOND};

/// One target group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its targets.
    pub targets: BTreeMap<InstanceId, Registration>,
    /// How long a deregistered target drains, whether it still has connections or not.
    pub deregistration_delay: Millis,
    /// From registration to the first passed check.
    pub first_check: Millis,
    /// From the first failed check to the verdict.
    pub verdict_after: Millis,
    /// Whether a listener uses it: else nobody is checked.
    pub used: bool,
}

/// A target's place in a group.
#[derive(Debug, Clone, Copy)]
pub struct Registration {
    /// Since when.
    pub since: Millis,
    /// When it was deregistered.
    pub deregistered_at: Option<Millis>,
    /// Whether the fleet registered it.
    pub ours: bool,
}

impl Group {
    /// A group with the usual checks.
    #[must_use]
    pub fn new(deregistration_delay: Millis, first_check: Millis, used: bool) -> Self {
        Self {
            targets: BTreeMap::new(),
            deregistration_delay,
            first_check,
            verdict_after: 20 * SECOND,
            used,
        }
    }

    /// What the balancer says about one of its targets; none once it has drained away.
    #[must_use]
    pub fn health(&self, registration: &Registration, machine: Option<&Machine>, now: Millis) -> Option<TargetHealth> {
        if let Some(at) = registration.deregistered_at {
            return (now < at + self.deregistration_delay).then_some(TargetHealth::Draining);
        }
        let Some(machine) = machine else {
            return Some(TargetHealth::InvalidState);
        };
        let sick_for = machine.sick_since.map_or(0, |since| now - since);
        Some(match machine.state(now) {
            InstanceState::Running if !self.used => TargetHealth::Unchecked,
            InstanceState::Running if machine.bad_image || sick_for >= self.verdict_after => TargetHealth::Unhealthy,
            InstanceState::Running if now < registration.since.max(machine.running_at) + self.first_check => TargetHealth::Initial,
            InstanceState::Running => TargetHealth::Healthy,
            InstanceState::Pending => TargetHealth::Initial,
            // stopped targets stay as invalid ones, terminated ones vanish
            InstanceState::Terminated => return None,
            _ => TargetHealth::InvalidState,
        })
    }

    /// Registers a target; one that is registered already stays as it is.
    pub fn register(&mut self, id: &InstanceId, ours: bool, now: Millis) {
        let registered = self.targets.get(id).is_some_and(|target| target.deregistered_at.is_none());
        if !registered {
            let registration = Registration {
                since: now,
                deregistered_at: None,
                ours,
            };
            self.targets.insert(id.clone(), registration);
        }
    }

    /// Deregisters a target, if it is one.
    pub fn deregister(&mut self, id: &InstanceId, now: Millis) {
        if let Some(target) = self.targets.get_mut(id) {
            target.deregistered_at.get_or_insert(now);
        }
    }

    /// Forgets who has drained away, and terminated targets after a while.
    pub fn forget(&mut self, machines: &BTreeMap<InstanceId, Machine>, now: Millis) {
        let delay = self.deregistration_delay;
        self.targets.retain(|id, target| {
            let drained = target.deregistered_at.is_some_and(|at| now >= at + delay);
            !drained && machines.contains_key(id)
        });
    }
}
