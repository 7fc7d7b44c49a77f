//! Target groups: who is registered, what the checks say, how long a deregistered target drains.

use std::collections::BTreeMap;

use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{InstanceState, TargetHealth};
use ghostnet_core::spec::Attribute;

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
    /// Its attributes, as far as a spec can name them.
    pub attributes: BTreeMap<Attribute, String>,
    /// The same as they would be if nobody but other people had ever set them.
    pub by_others: BTreeMap<Attribute, String>,
}

/// A target's place in a group.
#[derive(Debug, Clone, Copy)]
pub struct Registration {
    /// Since when.
    pub since: Millis,
    /// When it has drained away, once it is deregistered: the delay of that moment holds, whatever becomes of it later.
    pub drained_at: Option<Millis>,
    /// Whether the fleet registered it.
    pub ours: bool,
}

impl Group {
    /// A group with the usual checks.
    #[must_use]
    pub fn new(deregistration_delay: Millis, first_check: Millis, used: bool) -> Self {
        let attributes = fresh_attributes(deregistration_delay);
        Self {
            targets: BTreeMap::new(),
            by_others: attributes.clone(),
            attributes,
            deregistration_delay,
            first_check,
            verdict_after: 20 * SECOND,
            used,
        }
    }

    /// What the balancer says about one of its targets; none once it has drained away.
    #[must_use]
    pub fn health(&self, registration: &Registration, machine: Option<&Machine>, now: Millis) -> Option<TargetHealth> {
        if let Some(drained_at) = registration.drained_at {
            return (now < drained_at).then_some(TargetHealth::Draining);
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
        let registered = self.targets.get(id).is_some_and(|target| target.drained_at.is_none());
        if !registered {
            let registration = Registration {
                since: now,
                drained_at: None,
                ours,
            };
            self.targets.insert(id.clone(), registration);
        }
    }

    /// Deregisters a target, if it is one.
    pub fn deregister(&mut self, id: &InstanceId, now: Millis) {
        if let Some(target) = self.targets.get_mut(id) {
            target.drained_at.get_or_insert(now + self.deregistration_delay);
        }
    }

    /// Sets attributes, all or none. False: AWS refuses what would come of it.
    pub fn set(&mut self, set: &BTreeMap<Attribute, String>, ours: bool) -> bool {
        let mut next = self.attributes.clone();
        next.extend(set.clone());
        if !is_possible(&next) {
            return false;
        }
        self.attributes = next;
        if !ours {
            self.by_others.extend(set.clone());
        }
        let delay = self
            .attributes
            .get(&Attribute::DeregistrationDelay)
            .and_then(|delay| delay.parse::<Millis>().ok());
        self.deregistration_delay = delay.map_or(self.deregistration_delay, |delay| delay * SECOND);
        true
    }

    /// Forgets who has drained away, and terminated targets after a while.
    pub fn forget(&mut self, machines: &BTreeMap<InstanceId, Machine>, now: Millis) {
        self.targets.retain(|id, target| {
            let drained = target.drained_at.is_some_and(|at| now >= at);
            !drained && machines.contains_key(id)
        });
    }
}

/// Of a new group of an application load balancer.
fn fresh_attributes(deregistration_delay: Millis) -> BTreeMap<Attribute, String> {
    let value = |attribute: &Attribute| match attribute {
        Attribute::Algorithm => "round_robin".to_owned(),
        Attribute::AnomalyMitigation => "off".to_owned(),
        Attribute::CrossZone => "use_load_balancer_configuration".to_owned(),
        Attribute::DeregistrationDelay => (deregistration_delay / SECOND).to_string(),
        Attribute::SlowStart => "0".to_owned(),
        Attribute::Stickiness => "false".to_owned(),
        Attribute::StickinessType => "lb_cookie".to_owned(),
        Attribute::LbCookieDuration | Attribute::AppCookieDuration => "86400".to_owned(),
        Attribute::AppCookieName => String::new(),
    };
    Attribute::ALL.iter().map(|attribute| (*attribute, value(attribute))).collect()
}

/// AWS's rules for attributes together, and the bounds of each.
fn is_possible(attributes: &BTreeMap<Attribute, String>) -> bool {
    let value = |attribute| attributes.get(&attribute).map_or("", String::as_str);
    let seconds = |attribute| value(attribute).parse::<u32>().ok();
    let algorithm = value(Attribute::Algorithm);
    let slow_start = seconds(Attribute::SlowStart);
    let known = matches!(algorithm, "round_robin" | "least_outstanding_requests" | "weighted_random");
    let slow = slow_start.is_some_and(|time| time == 0 || (30..=900).contains(&time) && algorithm == "round_robin");
    let mitigates = value(Attribute::AnomalyMitigation) == "off" || algorithm == "weighted_random";
    let sticks = value(Attribute::Stickiness) == "true";
    let kind = value(Attribute::StickinessType);
    let named = kind != "app_cookie" || !value(Attribute::AppCookieName).is_empty();
    let sticky = !sticks || matches!(kind, "lb_cookie" | "app_cookie") && named && value(Attribute::CrossZone) != "false";
    let lasts = |attribute| seconds(attribute).is_some_and(|time| (1..=604_800).contains(&time));
    let delays = seconds(Attribute::DeregistrationDelay).is_some_and(|time| time <= 3_600);
    known && slow && mitigates && sticky && delays && lasts(Attribute::LbCookieDuration) && lasts(Attribute::AppCookieDuration)
}
