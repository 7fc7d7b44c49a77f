//! ELBv2 at the far end: one group, whose targets are checked, drain and vanish in time.

use std::collections::BTreeMap;

use ghostnet_core::observation::{InstanceState, TargetHealth};

use super::ec2::Ec2;
use super::{error, numbered};
use crate::compute;
use crate::load_balancer::Given;
use crate::reply::{attributes, done, health};
use crate::sample::group;
use crate::wire::{Reply, Sent};

/// From registration to the first passed check, in seconds.
const CHECKED_AFTER: i64 = 30;
/// The deregistration delay, in seconds.
const DRAINS_FOR: i64 = 300;

#[derive(Debug)]
pub(super) struct Elbv2 {
    targets: BTreeMap<String, Target>,
    full: bool,
    attributes: BTreeMap<String, String>,
}

impl Default for Elbv2 {
    fn default() -> Self {
        let fresh = [
            ("deregistration_delay.timeout_seconds", "300"),
            ("load_balancing.algorithm.type", "round_robin"),
            ("load_balancing.algorithm.anomaly_mitigation", "off"),
            ("preserve_client_ip.enabled", "true"),
            ("slow_start.duration_seconds", "0"),
        ];
        Self {
            targets: BTreeMap::new(),
            full: false,
            attributes: fresh.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Target {
    registered_at: i64,
    deregistered_at: Option<i64>,
    /// State and reason that stay as they are while it is registered.
    fixed: Option<(&'static str, &'static str)>,
}

impl Target {
    /// State and reason; none once it has drained.
    fn health(&self, now: i64) -> Option<(&'static str, &'static str)> {
        match (self.deregistered_at, self.fixed) {
            (Some(at), _) if now >= at + DRAINS_FOR => None,
            (Some(_), Some(("unhealthy", _))) => Some(("unhealthy.draining", "Target.DeregistrationInProgress")),
            (Some(_), _) => Some(("draining", "Target.DeregistrationInProgress")),
            (None, Some(fixed)) => Some(fixed),
            (None, None) if now < self.registered_at + CHECKED_AFTER => Some(("initial", "Elb.RegistrationInProgress")),
            (None, None) => Some(("healthy", "")),
        }
    }
}

impl Elbv2 {
    pub(super) fn given(&mut self, given: Given, ec2: &mut Ec2, now: i64) {
        match given {
            Given::Target(id, health) => {
                let state = match health {
                    TargetHealth::InvalidState => InstanceState::Stopped,
                    _ => InstanceState::Running,
                };
                ec2.given(compute::Given::Instance(id, state), now);
                self.targets.insert(id.to_owned(), target(health, now));
            }
            Given::SickAndDraining(id) => {
                self.given(Given::Target(id, TargetHealth::Unhealthy), ec2, now);
                self.deregister(id, now);
            }
            Given::LongTerminated(id) => {
                self.given(Given::Target(id, TargetHealth::Healthy), ec2, now);
                ec2.end_long_ago(id, now);
            }
            Given::Full => self.full = true,
        }
    }

    pub(super) fn answer(&mut self, sent: &Sent, ec2: &Ec2, now: i64) -> Reply {
        if sent.text("TargetGroupArn") != group().as_str() {
            return error(sent, 400, "TargetGroupNotFound");
        }
        let ids = numbered(sent, |n| format!("Targets.member.{n}.Id"));
        match sent.operation.as_str() {
            "elasticloadbalancing:DescribeTargetHealth" => self.describe(ec2, now),
            "elasticloadbalancing:RegisterTargets" if self.full => error(sent, 400, "TooManyTargets"),
            "elasticloadbalancing:RegisterTargets" if !ids.iter().all(|id| ec2.is_running(id, now)) => error(sent, 400, "InvalidTarget"),
            "elasticloadbalancing:RegisterTargets" => {
                ids.iter().for_each(|id| self.register(id, now));
                done("RegisterTargets")
            }
            "elasticloadbalancing:DeregisterTargets" => {
                ids.iter().for_each(|id| self.deregister(id, now));
                done("DeregisterTargets")
            }
            "elasticloadbalancing:DescribeTargetGroupAttributes" => self.describe_attributes("DescribeTargetGroupAttributes"),
            "elasticloadbalancing:ModifyTargetGroupAttributes" => self.modify_attributes(sent),
            other => panic!("no port sends {other}"),
        }
    }

    fn describe_attributes(&self, operation: &str) -> Reply {
        let told: Vec<_> = self.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        attributes(operation, &told)
    }

    /// All or none: what would not be possible together is refused.
    fn modify_attributes(&mut self, sent: &Sent) -> Reply {
        let keys = numbered(sent, |n| format!("Attributes.member.{n}.Key"));
        let values = numbered(sent, |n| format!("Attributes.member.{n}.Value"));
        let mut next = self.attributes.clone();
        next.extend(keys.into_iter().zip(values));
        let is = |key: &str, value: &str| next.get(key).is_some_and(|there| there == value);
        let slow = !is("slow_start.duration_seconds", "0") && !is("load_balancing.algorithm.type", "round_robin");
        if slow {
            return error(sent, 400, "InvalidConfigurationRequest");
        }
        self.attributes = next;
        self.describe_attributes("ModifyTargetGroupAttributes")
    }

    /// A target whose instance was terminated vanishes.
    fn describe(&self, ec2: &Ec2, now: i64) -> Reply {
        let there = self.targets.iter().filter(|(id, _)| !ec2.is_gone(id, now));
        let told: Vec<_> = there
            .filter_map(|(id, target)| {
                let (state, reason) = target.health(now)?;
                Some((id.as_str(), state, reason))
            })
            .collect();
        health(&told)
    }

    /// One that is registered stays as it is.
    fn register(&mut self, id: &str, now: i64) {
        let fresh = target(TargetHealth::Initial, now);
        let target = self.targets.entry(id.to_owned()).or_insert(fresh);
        if target.deregistered_at.is_some() {
            *target = fresh;
        }
    }

    fn deregister(&mut self, id: &str, now: i64) {
        if let Some(target) = self.targets.get_mut(id) {
            target.deregistered_at.get_or_insert(now);
        }
    }
}

fn target(health: TargetHealth, now: i64) -> Target {
    Target {
        registered_at: if health == TargetHealth::Initial { now } else { now - 3_600 },
        deregistered_at: (health == TargetHealth::Draining).then_some(now),
        fixed: match health {
            TargetHealth::Unhealthy => Some(("unhealthy", "Target.FailedHealthChecks")),
            TargetHealth::Unchecked => Some(("unused", "Target.NotInUse")),
            TargetHealth::InvalidState => Some(("unused", "Target.InvalidState")),
            TargetHealth::Unavailable => Some(("unavailable", "Elb.InternalError")),
            TargetHealth::Healthy | TargetHealth::Initial | TargetHealth::Draining => None,
        },
    }
}
