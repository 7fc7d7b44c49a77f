//! Whether an account is fit for a spec: what is asked, in which order, and what each answer is told as.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its spec should stop there")]

mod alarms;
mod asking;
mod groups;
mod launching;
mod limits;

use ghostnet_core::spec::FleetSpec;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::live::probe::{Trial, trials};
use ghostnet_engine::live::{Finding, Probe, Probed, Refused};
use serde_json::{Value, json};

pub(crate) const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef";

/// A fleet with these subnets and types, and more of its pool's settings.
pub(crate) fn spec(subnets: &[&str], types: &[&str], launch: &Value, pool: &Value) -> FleetSpec {
    let mut settings = json!({ "template": { "name": "web" }, "subnets": subnets, "instance_types": types });
    merge(&mut settings, launch);
    let mut one = json!({ "id": "blue", "capacity": { "min": 1, "max": 10 }, "launch": settings, "target_groups": [GROUP] });
    merge(&mut one, pool);
    let raw = json!({ "fleet": "web", "pools": [one], "policies": [
        { "id": "cpu", "type": "target_tracking", "metric": "cpu", "target": 60.0 }] });
    FleetSpec::check(&serde_json::from_value(raw).unwrap()).unwrap()
}

pub(crate) fn merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().unwrap() {
        into.as_object_mut().unwrap().insert(key.clone(), value.clone());
    }
}

pub(crate) fn plain() -> FleetSpec {
    spec(&["subnet-a", "subnet-b"], &["c7a.large", "c7i.large"], &json!({}), &json!({}))
}

pub(crate) fn spot() -> FleetSpec {
    let market = json!({ "market": { "spot_percent": 50 } });
    spec(&["subnet-a", "subnet-b"], &["c7a.large", "c7i.large"], &market, &json!({}))
}

pub(crate) fn refused(code: &str, class: ErrorClass, message: &str) -> Refused {
    Refused {
        call: "ec2:RunInstances".to_owned(),
        class,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

pub(crate) fn denied(action: &str, resource: &str, because: &str) -> Refused {
    let message = format!(
        "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: {action} on resource: {resource} because {because}"
    );
    refused("UnauthorizedOperation", ErrorClass::Denied, &message)
}

/// All launches of a spec, those refused for which `refuses` has an answer.
pub(crate) fn asked(spec: &FleetSpec, refuses: impl Fn(&Trial) -> Option<Refused>) -> Vec<Probed> {
    let probed = |trial: Trial| Probed {
        refused: refuses(&trial),
        probe: Probe::Launch(trial),
    };
    trials(spec).into_iter().map(probed).collect()
}

pub(crate) fn lines(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| format!("{} {}: {}", finding.severity, finding.path, finding.what);
    findings.iter().map(line).collect()
}
