//! ELBv2: reads the health of targets, registers and deregisters them, reads and sets attributes of their groups.

use std::collections::BTreeMap;

use aws_config::retry::RetryConfig;
use aws_sdk_elasticloadbalancingv2::config::Builder as ConfigOverride;
use aws_sdk_elasticloadbalancingv2::types::{
    TargetAdministrativeOverrideStateEnum as Override, TargetDescription, TargetGroupAttribute, TargetHealthDescription,
    TargetHealthReasonEnum as Reason, TargetHealthStateEnum as State,
};
use ghostnet_core::id::{InstanceId, Region, TargetGroupArn};
use ghostnet_core::observation::{Target, TargetHealth, tag};
use ghostnet_core::spec::Attribute;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::LoadBalancer;

use crate::Aws;
use crate::error::{incomplete, port_error};

const HEALTH: &str = "elasticloadbalancing:DescribeTargetHealth";
const REGISTER: &str = "elasticloadbalancing:RegisterTargets";
const DEREGISTER: &str = "elasticloadbalancing:DeregisterTargets";
const ATTRIBUTES: &str = "elasticloadbalancing:DescribeTargetGroupAttributes";
const SET_ATTRIBUTES: &str = "elasticloadbalancing:ModifyTargetGroupAttributes";
const GROUPS: &str = "elasticloadbalancing:DescribeTargetGroups";
const TAGS: &str = "elasticloadbalancing:DescribeTags";

/// Resources of one DescribeTags call, the most that ELBv2 takes.
const TAGGED_PER_CALL: usize = 20;

/// What a spec needs to know about a target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetGroupFacts {
    /// Its load balancer as the CloudWatch dimension `LoadBalancer` names it (`app/name/id`); none if no listener uses it.
    pub balancer: Option<String>,
    /// `instance`, `ip`, `lambda` or `alb`; GhostNet registers instances only.
    pub target_type: String,
    /// `HTTP`, `HTTPS`, `TCP` and so on; empty for a group of Lambda functions.
    pub protocol: String,
}

impl LoadBalancer for Aws {
    async fn targets(&self, region: &Region, group: &TargetGroupArn) -> Result<Vec<Target>, PortError> {
        let answer = self
            .clients(region)
            .elbv2
            .describe_target_health()
            .target_group_arn(group.as_str())
            .send()
            .await;
        let answer = answer.map_err(|error| port_error(HEALTH, error))?;
        answer
            .target_health_descriptions()
            .iter()
            .filter_map(|description| target(description).transpose())
            .collect()
    }

    async fn register(&self, region: &Region, group: &TargetGroupArn, instances: &[InstanceId]) -> Result<(), PortError> {
        let request = self
            .clients(region)
            .elbv2
            .register_targets()
            .target_group_arn(group.as_str())
            .set_targets(Some(described(instances)));
        let answer = request.customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| port_error(REGISTER, error))
    }

    async fn deregister(&self, region: &Region, group: &TargetGroupArn, instances: &[InstanceId]) -> Result<(), PortError> {
        let request = self
            .clients(region)
            .elbv2
            .deregister_targets()
            .target_group_arn(group.as_str())
            .set_targets(Some(described(instances)));
        let answer = request.customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| port_error(DEREGISTER, error))
    }

    async fn group_attributes(&self, region: &Region, group: &TargetGroupArn) -> Result<BTreeMap<Attribute, String>, PortError> {
        let answer = self
            .clients(region)
            .elbv2
            .describe_target_group_attributes()
            .target_group_arn(group.as_str())
            .send()
            .await;
        let answer = answer.map_err(|error| port_error(ATTRIBUTES, error))?;
        // what a spec cannot name is nobody's business here
        let known = |attribute: &TargetGroupAttribute| Some((Attribute::of(attribute.key()?)?, attribute.value()?.to_owned()));
        Ok(answer.attributes().iter().filter_map(known).collect())
    }

    async fn set_group_attributes(
        &self,
        region: &Region,
        group: &TargetGroupArn,
        attributes: &BTreeMap<Attribute, String>,
    ) -> Result<(), PortError> {
        let set = attributes
            .iter()
            .map(|(attribute, value)| TargetGroupAttribute::builder().key(attribute.key()).value(value).build());
        let request = self
            .clients(region)
            .elbv2
            .modify_target_group_attributes()
            .target_group_arn(group.as_str())
            .set_attributes(Some(set.collect()));
        let answer = request.customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| port_error(SET_ATTRIBUTES, error))
    }
}

impl Aws {
    /// Load balancer and kind of these target groups; one that does not exist is absent.
    ///
    /// # Errors
    /// ELBv2 does not answer.
    pub async fn target_groups(
        &self,
        region: &Region,
        groups: &[TargetGroupArn],
    ) -> Result<BTreeMap<TargetGroupArn, TargetGroupFacts>, PortError> {
        let mut facts = BTreeMap::new();
        // one by one, because one unknown group would fail the call for all
        for group in groups {
            match self.target_group(region, group).await {
                Ok(found) => facts.extend(found.map(|found| (group.clone(), found))),
                Err(error) if error.class == ErrorClass::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(facts)
    }

    /// What the tag `ghostnet:installation` of these target groups says; a group without it is absent. All must exist.
    ///
    /// # Errors
    /// ELBv2 does not answer.
    pub async fn group_owners(&self, region: &Region, groups: &[TargetGroupArn]) -> Result<BTreeMap<TargetGroupArn, String>, PortError> {
        let mut owners = BTreeMap::new();
        for groups in groups.chunks(TAGGED_PER_CALL) {
            let arns = groups.iter().map(ToString::to_string).collect();
            let answer = self
                .clients(region)
                .elbv2
                .describe_tags()
                .set_resource_arns(Some(arns))
                .send()
                .await;
            let answer = answer.map_err(|error| port_error(TAGS, error))?;
            owners.extend(answer.tag_descriptions().iter().filter_map(|described| {
                let owner = described.tags().iter().find(|found| found.key() == Some(tag::INSTALLATION))?;
                Some((
                    TargetGroupArn::new(described.resource_arn()?),
                    owner.value().unwrap_or_default().to_owned(),
                ))
            }));
        }
        Ok(owners)
    }

    async fn target_group(&self, region: &Region, group: &TargetGroupArn) -> Result<Option<TargetGroupFacts>, PortError> {
        let answer = self
            .clients(region)
            .elbv2
            .describe_target_groups()
            .target_group_arns(group.as_str())
            .send()
            .await;
        let answer = answer.map_err(|error| port_error(GROUPS, error))?;
        Ok(answer.target_groups().first().map(|found| TargetGroupFacts {
            balancer: found
                .load_balancer_arns()
                .first()
                .and_then(|arn| balancer_dimension(arn))
                .map(str::to_owned),
            protocol: found.protocol().map_or("", |protocol| protocol.as_str()).to_owned(),
            target_type: found.target_type().map_or("instance", |kind| kind.as_str()).to_owned(),
        }))
    }
}

/// One attempt, no second: a late repetition could undo what somebody decided in the meantime (design: order).
pub(crate) fn once() -> ConfigOverride {
    ConfigOverride::new().retry_config(RetryConfig::disabled())
}

fn described(instances: &[InstanceId]) -> Vec<TargetDescription> {
    instances
        .iter()
        .map(|id| TargetDescription::builder().id(id.as_str()).build())
        .collect()
}

/// Reads a target; none if it is not registered after all.
fn target(description: &TargetHealthDescription) -> Result<Option<Target>, PortError> {
    let id = description
        .target()
        .and_then(|target| target.id())
        .ok_or_else(|| incomplete(HEALTH, "a target without id"))?;
    let health = description.target_health();
    let state = health
        .and_then(|health| health.state())
        .ok_or_else(|| incomplete(HEALTH, &format!("{id} has no state")))?;
    let reason = health.and_then(|health| health.reason());
    let shift = description
        .administrative_override()
        .and_then(|administrative| administrative.state());
    Ok(target_health(state, reason).map(|health| Target {
        instance: InstanceId::new(id),
        health,
        shifted: shift.is_some_and(is_shifted),
    }))
}

/// ELBv2's states and reasons, by what follows from them; none: not registered. What is new to us is unknown.
/// Whether a zonal shift is in force, here or by DNS.
fn is_shifted(state: &Override) -> bool {
    matches!(state, Override::ZonalShiftActive | Override::ZonalShiftDelegatedToDns)
}

fn target_health(state: &State, reason: Option<&Reason>) -> Option<TargetHealth> {
    match (state, reason) {
        (State::Healthy, _) => Some(TargetHealth::Healthy),
        (State::Initial, _) => Some(TargetHealth::Initial),
        (State::Unhealthy, _) => Some(TargetHealth::Unhealthy),
        (State::Draining | State::UnhealthyDraining, _) => Some(TargetHealth::Draining),
        (State::Unused, Some(Reason::NotRegistered)) => None,
        (State::Unused, Some(Reason::InvalidState)) => Some(TargetHealth::InvalidState),
        (State::Unused, _) | (State::Unavailable, Some(Reason::HealthCheckDisabled)) => Some(TargetHealth::Unchecked),
        _ => Some(TargetHealth::Unavailable),
    }
}

/// `app/name/id` of a load balancer's ARN.
fn balancer_dimension(arn: &str) -> Option<&str> {
    arn.split_once(":loadbalancer/").map(|(_, dimension)| dimension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_reason_has_its_meaning() {
        for (state, reason, health) in [
            ("healthy", None, Some(TargetHealth::Healthy)),
            ("initial", Some("Elb.RegistrationInProgress"), Some(TargetHealth::Initial)),
            ("initial", Some("Elb.InitialHealthChecking"), Some(TargetHealth::Initial)),
            ("unhealthy", Some("Target.ResponseCodeMismatch"), Some(TargetHealth::Unhealthy)),
            ("unhealthy", Some("Target.Timeout"), Some(TargetHealth::Unhealthy)),
            ("unhealthy", Some("Target.FailedHealthChecks"), Some(TargetHealth::Unhealthy)),
            (
                "unhealthy.draining",
                Some("Target.DeregistrationInProgress"),
                Some(TargetHealth::Draining),
            ),
            ("draining", Some("Target.DeregistrationInProgress"), Some(TargetHealth::Draining)),
            ("unused", Some("Target.NotRegistered"), None),
            ("unused", Some("Target.NotInUse"), Some(TargetHealth::Unchecked)),
            ("unused", Some("Target.InvalidState"), Some(TargetHealth::InvalidState)),
            ("unused", Some("Target.IpUnusable"), Some(TargetHealth::Unchecked)),
            ("unused", None, Some(TargetHealth::Unchecked)),
            ("unavailable", Some("Target.HealthCheckDisabled"), Some(TargetHealth::Unchecked)),
            ("unavailable", Some("Elb.InternalError"), Some(TargetHealth::Unavailable)),
            ("a state of next year", None, Some(TargetHealth::Unavailable)),
        ] {
            assert_eq!(
                target_health(&State::from(state), reason.map(Reason::from).as_ref()),
                health,
                "{state} {reason:?}"
            );
        }
    }

    #[test]
    fn a_balancer_is_named_as_cloudwatch_names_it() {
        let arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188";
        assert_eq!(balancer_dimension(arn), Some("app/web/50dc6c495c0c9188"));
        assert_eq!(balancer_dimension("nonsense"), None);
    }
}
