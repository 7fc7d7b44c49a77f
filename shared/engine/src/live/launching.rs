//! What follows from what the role of the tick function may not do.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::spec::{FleetSpec, PoolSpec};

use super::ask::Answered;
use super::finding::{Finding, Severity, pool_at};
use super::probe::{Probe, Probed, Refused, Trial, combinations};
use super::scope::Scope;
use crate::error::ErrorClass;
use crate::port::Touch;

/// Findings about everything that was asked: one for each cause, not for each question. What EC2 refuses because of a field that
/// is known to be `broken`, as a subnet that does not exist, is not told again.
#[must_use]
pub fn judge(spec: &FleetSpec, probed: &[Probed], broken: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for pool in &spec.pools {
        findings.extend(of_pool(spec, pool, probed, broken));
    }
    for Probed { probe, refused } in probed {
        let Some(refused) = refused else { continue };
        match probe {
            Probe::Launch(_) => {}
            Probe::Touch(touch) => findings.push(touched(*touch, refused)),
            Probe::Instances => findings.push(unread("", "list instances", refused)),
            Probe::Impaired => findings.push(unread("", "read status checks", refused)),
            Probe::Alarms => findings.push(unread("alarms", "read alarms", refused)),
            Probe::Targets(pool) => {
                let path = format!("{}.target_groups", pool_at(spec, pool));
                findings.push(unread(&path, "read the health of targets", refused));
            }
            Probe::Attributes(pool, group) => {
                let groups = spec.pool(pool).map(|pool| &pool.target_groups[..]).unwrap_or_default();
                let place = groups.iter().position(|other| other == group).unwrap_or_default();
                let path = format!("{}.target_groups[{place}]", pool_at(spec, pool));
                findings.push(unread(&path, "read the attributes of the target group", refused));
            }
        }
    }
    findings
}

/// One pool's refused launches, by cause.
fn of_pool(spec: &FleetSpec, pool: &PoolSpec, probed: &[Probed], broken: &[&str]) -> Vec<Finding> {
    let of_this = probed.iter().filter_map(|probed| match &probed.probe {
        Probe::Launch(trial) if trial.pool == pool.id => Some((trial, probed.refused.as_ref())),
        _ => None,
    });
    let asked: Vec<(&Trial, Option<&Refused>)> = of_this.collect();
    let mut causes: BTreeMap<Cause, Vec<(&Trial, &Refused)>> = BTreeMap::new();
    for (trial, refused) in &asked {
        if let Some(refused) = refused {
            causes.entry(Cause::of(refused)).or_default().push((trial, refused));
        }
    }
    let some_may = asked.iter().any(|(_, refused)| refused.is_none());
    let finding = |(cause, refused): (Cause, Vec<(&Trial, &Refused)>)| {
        let affected: BTreeSet<&Trial> = refused.iter().map(|(trial, _)| *trial).collect();
        let scope = Scope::of(pool, &affected, asked.iter().map(|(trial, _)| *trial));
        let path = format!("{}.{}", pool_at(spec, &pool.id), scope.path(pool));
        let (_, first) = refused.first()?;
        let is_told = || broken.iter().any(|broken| broken.starts_with(&path));
        if !cause.is_permission() && is_told() {
            return None;
        }
        Some(launched(&path, &scope.words(pool), &cause, first, some_may))
    };
    causes.into_iter().filter_map(finding).collect()
}

/// What refusals have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    class: ErrorClass,
    code: String,
    /// What is not granted.
    missing: Option<Missing>,
}

impl Cause {
    fn of(refused: &Refused) -> Self {
        Self {
            class: refused.class,
            code: refused.code.clone(),
            missing: Missing::of(&refused.message),
        }
    }

    /// Whether the role lacks a permission, as opposed to the account.
    fn is_permission(&self) -> bool {
        self.missing.is_some() || self.code == "UnauthorizedOperation" || self.code.starts_with("AccessDenied")
    }
}

/// A statement that no policy of the role holds, as AWS tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Missing {
    action: String,
    /// The kind of resource: without the id, which is another one for each question.
    resource: String,
}

impl Missing {
    /// Out of AWS's sentence; none if it says nothing of the kind. Only a text for people follows from it.
    fn of(message: &str) -> Option<Self> {
        let (_, rest) = message.split_once("is not authorized to perform: ")?;
        let (action, rest) = rest.split_once(" on resource: ").unwrap_or((rest, ""));
        let action = action.split_whitespace().next()?.to_owned();
        let arn = rest.split_whitespace().next().unwrap_or_default();
        let is_shared = action.starts_with("iam:") || action.starts_with("kms:");
        let resource = if is_shared {
            arn
        } else {
            arn.split('/').next().unwrap_or_default()
        };
        Some(Self {
            action,
            resource: resource.to_owned(),
        })
    }

    fn words(&self) -> String {
        match self.resource.as_str() {
            "" => format!("`{}`", self.action),
            resource if self.action.starts_with("ec2:") => format!("`{}` on `{resource}/*`", self.action),
            resource => format!("`{}` on `{resource}`", self.action),
        }
    }
}

fn launched(path: &str, scope: &str, cause: &Cause, refused: &Refused, some_may: bool) -> Finding {
    if cause.is_permission() {
        return denied(path, &format!("launch {scope}"), cause, refused);
    }
    let severity = match cause.class {
        ErrorClass::Throttled | ErrorClass::Transient | ErrorClass::Token => {
            return untried(path, &format!("whether EC2 launches {scope}"), refused);
        }
        ErrorClass::Quota | ErrorClass::Subnet => Severity::Warning,
        // gone around at each launch, as long as another offering is left
        ErrorClass::NoCapacity if some_may => Severity::Warning,
        ErrorClass::NoCapacity | ErrorClass::Denied | ErrorClass::Invalid | ErrorClass::NotFound => Severity::Error,
    };
    let what = format!("EC2 would refuse to launch {scope}: `{}`", cause.code);
    let hint = match hint(&cause.code, cause.class) {
        // another call, another role of AWS's own
        SPOT_ROLE if refused.call == "ec2:CreateFleet" => FLEET_ROLE,
        hint => hint,
    };
    Finding::new(severity, path, what, &refused.message, hint)
}

fn touched(touch: Touch, refused: &Refused) -> Finding {
    let doing = match touch {
        Touch::Start => "start warm instances of the fleet",
        Touch::Stop => "stop instances of the fleet, to keep them warm",
        Touch::Tell => "tell instances by their tag that they leave",
        Touch::Terminate => "terminate instances of the fleet",
    };
    let cause = Cause::of(refused);
    if cause.is_permission() {
        return denied("", doing, &cause, refused);
    }
    match cause.class {
        ErrorClass::Throttled | ErrorClass::Transient => untried("", &format!("whether the tick function may {doing}"), refused),
        _ => Finding::new(
            Severity::Warning,
            "",
            format!("EC2 would refuse to {doing}: `{}`", cause.code),
            &refused.message,
            "if it is about one instance, GhostNet goes on with the others and tries again",
        ),
    }
}

fn unread(path: &str, doing: &str, refused: &Refused) -> Finding {
    let cause = Cause::of(refused);
    match cause.class {
        ErrorClass::Denied => denied(path, doing, &cause, refused),
        // the resolved spec says so on its own line
        ErrorClass::NotFound => Finding::new(
            Severity::Error,
            path,
            format!("the tick function cannot {doing}: `{}`", cause.code),
            &refused.message,
            "check the ARN, the region and the account",
        ),
        _ => untried(path, &format!("whether the tick function may {doing}"), refused),
    }
}

/// The role lacks a permission.
fn denied(path: &str, doing: &str, cause: &Cause, refused: &Refused) -> Finding {
    let statement = cause.missing.as_ref().map_or_else(|| format!("`{}`", refused.call), Missing::words);
    let forbidden = refused.message.contains("explicit deny");
    let bounded = refused.message.contains("permissions boundary");
    let action = cause.missing.as_ref().map(|missing| missing.action.as_str()).unwrap_or_default();
    let hint = match action {
        _ if forbidden => {
            "find the policy that denies it: a permissions boundary, a service control policy of the organisation, or one attached to the role"
        }
        _ if bounded => "let the policy of the stack's parameter `PermissionsBoundaryArn` allow it",
        "iam:PassRole" => "add the role of the launch template's instance profile to the stack's parameter `InstanceRoleArns`, and deploy",
        action if action.starts_with("kms:") => "add the key to the stack's parameter `KmsKeyArns`, and deploy",
        _ => "deploy the stack from the template of this version, or grant it to the role of the tick function",
    };
    let why = if forbidden {
        format!("{statement} is denied")
    } else {
        format!("{statement} is not granted")
    };
    Finding::new(Severity::Error, path, format!("the tick function may not {doing}"), why, hint)
}

/// Nobody knows.
fn untried(path: &str, what: &str, refused: &Refused) -> Finding {
    let hint = "run it again in a minute";
    let why = format!("{}: {}", refused.code, refused.message);
    Finding::new(Severity::Note, path, format!("it is not known {what}"), why, hint)
}

const SPOT_ROLE: &str = "once per account: `aws iam create-service-linked-role --aws-service-name spot.amazonaws.com`";
const FLEET_ROLE: &str = "once per account: `aws iam create-service-linked-role --aws-service-name ec2fleet.amazonaws.com`";

/// What to do about a refused launch.
fn hint(code: &str, class: ErrorClass) -> &'static str {
    const HINTS: &[(&str, &str)] = &[
        ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", SPOT_ROLE),
        ("InvalidSubnetID", "check the id, the region and the account"),
        (
            "InvalidAMIID",
            "make a version of the launch template with an image that exists here and that this account may use",
        ),
        (
            "InvalidLaunchTemplate",
            "check the template's name, its version, the region and the account",
        ),
        (
            "InvalidGroup",
            "put security groups of the subnets' network into the launch template",
        ),
        (
            "InvalidSecurityGroupID",
            "put security groups of the subnets' network into the launch template",
        ),
        (
            "InvalidKeyPair",
            "put a key pair that exists here into the launch template, or none",
        ),
        (
            "InvalidIAMInstanceProfile",
            "put an instance profile that exists into the launch template",
        ),
        (
            "Unsupported",
            "take the type or the subnet out of the spec, or leave it: it is gone around at each launch",
        ),
        (
            "InsufficientFreeAddressesInSubnet",
            "add a larger subnet, or free addresses in this one",
        ),
    ];
    let found = HINTS.iter().find(|(beginning, _)| code.starts_with(beginning));
    found.map_or_else(
        || match class {
            ErrorClass::Quota => "ask AWS for a larger quota",
            ErrorClass::NoCapacity => "add types or subnets: this offering is gone around at each launch",
            ErrorClass::Denied => "the account itself is not allowed to: ask AWS what it needs",
            _ => "mend the launch template, or what the spec says beside it",
        },
        |(_, hint)| *hint,
    )
}

/// What was not tried, and is told so that nobody takes silence for a yes.
#[must_use]
pub fn untold(spec: &FleetSpec, answered: &Answered) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (asked, all) = (answered.launches(), combinations(spec));
    if asked < all {
        findings.push(Finding::new(
            Severity::Note,
            "",
            format!("{asked} of {all} combinations of subnet, type and market were tried"),
            "each counts like a launch in EC2's rate limit, which all fleets of the account share",
            "",
        ));
    }
    let listed = |probed: &Probed| probed.probe == Probe::Instances && probed.refused.is_none();
    if answered.instance.is_none() && answered.probed.iter().any(listed) {
        findings.push(Finding::new(
            Severity::Note,
            "",
            "whether the tick function may terminate was not tried",
            "the fleet has no instance yet, and EC2 judges by an instance's tags",
            "run it again once one is there",
        ));
    }
    findings
}
