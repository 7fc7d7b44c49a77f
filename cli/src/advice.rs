//! What a valid spec should still make its author think: costs and limits of metric sources.

use ghostnet_core::spec::{FleetSpec, Metric, MetricSource};

/// Notes about a spec, each once.
pub(crate) fn notes(spec: &FleetSpec) -> Vec<String> {
    let mut notes = Vec::new();
    for policy in spec.pools.iter().flat_map(|pool| &pool.policies) {
        let Some(Metric::Named { name, source }) = policy.rule.measure().map(|measure| &measure.metric) else {
            continue;
        };
        let note = match source {
            MetricSource::Instances => format!(
                "policy `{}` reads `{}` of every instance: about $43 a month at 100 instances, and no alarm can watch it",
                policy.id,
                name.as_str()
            ),
            MetricSource::Insights => format!(
                "policy `{}` reads `{}` by a Metrics Insights query: it needs resource tags on telemetry, and a region has 200 such alarms",
                policy.id,
                name.as_str()
            ),
            MetricSource::Agent | MetricSource::TargetGroup => continue,
        };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}
