//! Target groups: whether anything reaches them, whether they are ours to register in, and whether they let targets finish in time.

use std::collections::BTreeMap;

use ghostnet_core::id::{InstallationId, TargetGroupArn};
use ghostnet_core::spec::FleetSpec;
use ghostnet_core::unit::Seconds;

use super::finding::{Finding, Severity};

/// From AWS's notice until it takes spot capacity back.
const SPOT_NOTICE: Seconds = Seconds::minutes(2);
/// What a target may take within that notice: the rest is for noticing, deciding and deregistering.
const SPOT_DELAY_MAX: Seconds = Seconds(90);

/// A target group, as the account has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupFacts {
    /// Whether a listener or a rule forwards to it.
    pub is_used: bool,
    /// What its tag `ghostnet:installation` says.
    pub owner: Owner,
    /// How long it lets a target finish; none: not known.
    pub delay: Option<Seconds>,
    /// Whether its pool's launch template asks for spot capacity by itself.
    pub is_spot: bool,
}

/// What a target group's tag `ghostnet:installation` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Owner {
    /// Nobody could read it.
    #[default]
    Unknown,
    /// It has none.
    Nobody,
    /// An installation.
    Installation(String),
}

/// Findings about the target groups of every pool.
#[must_use]
pub fn judge(spec: &FleetSpec, installation: &InstallationId, groups: &BTreeMap<TargetGroupArn, GroupFacts>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (n, pool) in spec.pools.iter().enumerate() {
        let named_delay = pool.balancing.deregistration_delay;
        let mut add = |m: usize, severity, what: String, why: String, hint: String| {
            findings.push(Finding::new(severity, format!("pools[{n}].target_groups[{m}]"), what, why, &hint));
        };
        for (m, group) in pool.target_groups.iter().enumerate() {
            let Some(facts) = groups.get(group) else { continue };
            if !facts.is_used {
                add(
                    m,
                    Severity::Warning,
                    format!("no listener and no rule forwards to target group `{}`", short(group)),
                    "it gets no traffic, its targets are not checked, and its metrics have no data".to_owned(),
                    "forward to it, with weight 0 if it stands by".to_owned(),
                );
            }
            let foreign = match &facts.owner {
                Owner::Unknown => None,
                Owner::Nobody => Some("without the tag `ghostnet:installation` the functions may not register in it".to_owned()),
                Owner::Installation(owner) if owner == installation.as_str() => None,
                Owner::Installation(other) => Some(format!(
                    "its tag `ghostnet:installation` names `{other}`, and this installation is `{installation}`"
                )),
            };
            if let Some(why) = foreign {
                add(
                    m,
                    Severity::Error,
                    format!("target group `{}` is not this installation's", short(group)),
                    why,
                    format!("`aws elbv2 add-tags --resource-arns {group} --tags Key=ghostnet:installation,Value={installation}`"),
                );
            }
            // what the spec names will be set, and is judged offline
            let Some(delay) = facts.delay.filter(|_| named_delay.is_none()) else {
                continue;
            };
            if (pool.launch.market.uses_spot() || facts.is_spot) && delay > SPOT_DELAY_MAX {
                add(
                    m,
                    Severity::Warning,
                    format!("target group `{}` lets a target finish for {delay}", short(group)),
                    format!("AWS takes spot capacity {SPOT_NOTICE} after its notice: what is under way then is cut off"),
                    format!("`balancing: {{ deregistration_delay: {SPOT_DELAY_MAX} }}` in the pool sets and keeps it"),
                );
            } else if delay > pool.drain_timeout {
                add(
                    m,
                    Severity::Warning,
                    format!("target group `{}` lets a target finish for {delay}", short(group)),
                    format!(
                        "the instance is terminated after `drain.timeout`, {}: requests are cut off",
                        pool.drain_timeout
                    ),
                    format!(
                        "`balancing: {{ deregistration_delay: {} }}` in the pool sets and keeps it, or raise `drain.timeout`",
                        pool.drain_timeout
                    ),
                );
            }
        }
    }
    findings
}

/// The name in a target group's ARN.
fn short(group: &TargetGroupArn) -> &str {
    let name = group.as_str().split(":targetgroup/").nth(1);
    name.and_then(|rest| rest.split('/').next()).unwrap_or_else(|| group.as_str())
}
