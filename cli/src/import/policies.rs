//! Scaling policies of a group, as policies of a fleet.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_aws::autoscaling::{PolicyFacts, PolicyKind, StepFacts, TrackedMetric};
use ghostnet_aws::cloudwatch::alarm::Comparison;
use ghostnet_aws::cloudwatch::watched::AlarmFacts;
use ghostnet_core::unit::Seconds;

use super::yaml::{number, quoted};
use super::{Draft, Group};

/// Policies of a pool.
const POLICIES_MAX: usize = 20;

/// One policy: its lines, the first without its dash.
pub(super) type Written = Vec<String>;

/// What a policy's metric is, and where it comes from.
struct Metric {
    metric: String,
    source: Option<&'static str>,
}

/// Every policy that has a counterpart.
pub(super) fn write(group: &Group, draft: &mut Draft) -> Vec<Written> {
    let mut ids = Ids::default();
    let mut written = Vec::new();
    for policy in &group.rules.policies {
        let id = ids.of(&policy.name);
        let lines = match &policy.kind {
            PolicyKind::TargetTracking {
                metric,
                target,
                disable_scale_in,
            } => tracking(group, policy, metric, *target, *disable_scale_in, draft),
            PolicyKind::Step { steps, aggregation, .. } => stepped(group, policy, steps, aggregation.as_deref(), draft),
            PolicyKind::Simple { .. } => simple(group, policy, draft),
            PolicyKind::Predictive => {
                draft.remark(format!(
                    "the predictive policy `{}` has no counterpart; `reserve.policy` follows a quantile of the past",
                    policy.name
                ));
                None
            }
            PolicyKind::Other => {
                draft.remark(format!("the policy `{}` is of a kind that is not known here", policy.name));
                None
            }
        };
        let Some(mut lines) = lines else { continue };
        lines.insert(0, format!("id: {id}"));
        if !policy.enabled {
            lines.insert(1, "mode: recommend_only            # switched off in the group".to_owned());
        }
        written.push(lines);
    }
    written
}

/// Puts the policies below everything else.
pub(super) fn put(written: Vec<Written>, draft: &mut Draft) {
    if written.is_empty() {
        return;
    }
    let left_out = written.len().saturating_sub(POLICIES_MAX);
    if left_out > 0 {
        draft.remark(format!("{left_out} policies are left out: a pool has at most {POLICIES_MAX}"));
    }
    draft.line("");
    draft.line("policies:");
    for policy in written.into_iter().take(POLICIES_MAX) {
        for (n, line) in policy.into_iter().enumerate() {
            draft.line(format!("  {} {line}", if n == 0 { "-" } else { " " }));
        }
    }
}

fn tracking(
    group: &Group,
    policy: &PolicyFacts,
    metric: &TrackedMetric,
    target: f64,
    disable_scale_in: bool,
    draft: &mut Draft,
) -> Option<Written> {
    let metric = match metric {
        TrackedMetric::Predefined(name) => predefined(group, policy, name, draft)?,
        TrackedMetric::Custom {
            namespace,
            name,
            dimensions,
            statistic,
            period_seconds,
        } => custom(&policy.name, (namespace, name), dimensions, statistic, *period_seconds, draft),
        TrackedMetric::Expression => {
            draft.remark(format!(
                "the policy `{}` tracks an expression; write it as `metric: {{ expression: ..., metrics: ... }}`",
                policy.name
            ));
            return None;
        }
    };
    let mut lines = vec!["type: target_tracking".to_owned()];
    lines.extend(metric.lines());
    lines.push(format!("target: {}", number(target)));
    if disable_scale_in {
        lines.push("disable_scale_in: true".to_owned());
    }
    Some(lines)
}

fn predefined(group: &Group, policy: &PolicyFacts, name: &str, draft: &mut Draft) -> Option<Metric> {
    let named = |metric: &str, source| {
        Some(Metric {
            metric: metric.to_owned(),
            source,
        })
    };
    match name {
        "ASGAverageCPUUtilization" => cpu(draft),
        "ASGAverageNetworkIn" | "ASGAverageNetworkOut" => {
            draft.remark(format!(
                "`{}` tracks bytes of a datapoint; here they are bytes per instance and minute: look at its target",
                policy.name
            ));
            named(if name.ends_with("In") { "network_in" } else { "network_out" }, Some("instances"))
        }
        "ALBRequestCountPerTarget" if !group.facts.target_groups.is_empty() => named("alb_request_count_per_target", None),
        other => {
            draft.remark(format!(
                "the policy `{}` tracks `{other}`, which needs what the group does not have",
                policy.name
            ));
            None
        }
    }
}

fn cpu(draft: &mut Draft) -> Option<Metric> {
    let remark = "CPU is averaged over the instances by GhostNet itself (`source: instances`), which needs nothing and costs one metric per instance read; the CloudWatch agent is cheaper (docs/metrics.md)";
    if !draft.remarks.iter().any(|told| told == remark) {
        draft.remark(remark);
    }
    Some(Metric {
        metric: "cpu".to_owned(),
        source: Some("instances"),
    })
}

impl Metric {
    fn lines(&self) -> Vec<String> {
        let source = self.source.map(|source| format!("source: {source}"));
        std::iter::once(format!("metric: {}", self.metric)).chain(source).collect()
    }
}

fn custom(
    policy: &str,
    (namespace, name): (&str, &str),
    dimensions: &BTreeMap<String, String>,
    statistic: &str,
    period_seconds: u32,
    draft: &mut Draft,
) -> Metric {
    let is_of_group = dimensions.contains_key("AutoScalingGroupName");
    if is_of_group
        && (namespace, name) == ("AWS/EC2", "CPUUtilization")
        && statistic == "Average"
        && let Some(metric) = cpu(draft)
    {
        return metric;
    }
    if is_of_group {
        draft.remark(format!(
            "the metric of `{policy}` has the dimension AutoScalingGroupName, which counts the group's instances alone: publish it with a dimension of your own"
        ));
    }
    let dimensions: Vec<String> = dimensions
        .iter()
        .map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)))
        .collect();
    let dimensions = if dimensions.is_empty() {
        String::new()
    } else {
        format!(", dimensions: {{ {} }}", dimensions.join(", "))
    };
    // what is shorter than a minute, or no whole number of them, is read by the minute
    let period = Seconds(period_seconds.div_ceil(60).max(1).saturating_mul(60));
    Metric {
        metric: format!(
            "{{ namespace: {}, name: {}{dimensions}, statistic: {}, period: {period} }}",
            quoted(namespace),
            quoted(name),
            quoted(statistic)
        ),
        source: None,
    }
}

/// The alarm that says what a policy looks at.
fn alarm<'a>(group: &'a Group, policy: &PolicyFacts, draft: &mut Draft) -> Option<&'a AlarmFacts> {
    let mut known = group.alarms.iter().filter(|alarm| policy.alarms.contains(&alarm.name));
    let found = known.next();
    match (found, policy.alarms.len()) {
        (None, _) => draft.remark(format!(
            "the policy `{}` is left out: no alarm says which single metric it looks at",
            policy.name
        )),
        (Some(alarm), 2..) => draft.remark(format!(
            "the policy `{}` has several alarms; `{}` is taken",
            policy.name, alarm.name
        )),
        (Some(_), _) => {}
    }
    found
}

fn metric_of(policy: &PolicyFacts, alarm: &AlarmFacts, draft: &mut Draft) -> Vec<String> {
    let named = (alarm.namespace.as_str(), alarm.metric.as_str());
    let mut lines = custom(
        &policy.name,
        named,
        &alarm.dimensions,
        &alarm.statistic,
        alarm.period_seconds,
        draft,
    )
    .lines();
    let out = matches!(alarm.comparison, Comparison::Above | Comparison::AtLeast);
    let direction = if out { "out" } else { "in" };
    lines.push(format!(
        "datapoints: {{ {direction}: {} of {} }}",
        alarm.datapoints, alarm.evaluated
    ));
    lines
}

/// `add: 2`, `add: 10%`, `to: 6`, with the least that a share comes to.
fn change(word: &str, adjustment: &str, by: i32, at_least: Option<u32>) -> String {
    let by = by.unsigned_abs();
    match (adjustment, at_least) {
        ("ExactCapacity", _) => format!("to: {by}"),
        ("PercentChangeInCapacity", Some(least)) => format!("{word}: {by}%, at_least: {least}"),
        ("PercentChangeInCapacity", None) => format!("{word}: {by}%"),
        _ => format!("{word}: {by}"),
    }
}

/// Its bounds are counted from the alarm's threshold.
fn stepped(group: &Group, policy: &PolicyFacts, steps: &[StepFacts], aggregation: Option<&str>, draft: &mut Draft) -> Option<Written> {
    let PolicyKind::Step { adjustment, at_least, .. } = &policy.kind else {
        return None;
    };
    let alarm = alarm(group, policy, draft)?;
    let out = matches!(alarm.comparison, Comparison::Above | Comparison::AtLeast);
    let is_exact = adjustment == "ExactCapacity";
    // a step that does the opposite of its alarm's direction, or nothing, is none here
    let mut kept: Vec<&StepFacts> = steps
        .iter()
        .filter(|step| is_exact || (step.by != 0 && (step.by > 0) == out))
        .collect();
    if kept.len() < steps.len() {
        draft.remark(format!(
            "steps of `{}` that change nothing, or go against its alarm, are left out",
            policy.name
        ));
    }
    let bounds = |step: &StepFacts| {
        (
            step.from.map(|from| alarm.threshold + from),
            step.below.map(|below| alarm.threshold + below),
        )
    };
    kept.sort_by(|a, b| {
        let key = |step: &StepFacts| {
            if out {
                step.from.unwrap_or(f64::MIN)
            } else {
                -step.below.unwrap_or(f64::MAX)
            }
        };
        key(a).total_cmp(&key(b))
    });
    let step = |step: &&StepFacts| {
        let change = change(if out { "add" } else { "remove" }, adjustment, step.by, *at_least);
        let (from, below) = bounds(step);
        match (out, from, below) {
            // a step out that begins below everything begins at the threshold: the alarm is quiet below
            (true, from, below) => {
                let below = below.map_or_else(String::new, |below| format!(", below: {}", number(below)));
                format!("{{ from: {}{below}, {change} }}", number(from.unwrap_or(alarm.threshold)))
            }
            (false, from, below) => {
                let from = from.map_or_else(String::new, |from| format!(", from: {}", number(from)));
                format!("{{ below: {}{from}, {change} }}", number(below.unwrap_or(alarm.threshold)))
            }
        }
    };
    let written: Vec<String> = kept.iter().map(step).collect();
    if written.is_empty() {
        draft.remark(format!("the policy `{}` is left out: it has no step", policy.name));
        return None;
    }
    if aggregation.is_some_and(|aggregation| aggregation != "Average") {
        draft.remark(format!(
            "`{}` aggregates its datapoints by {}; here each counts for itself",
            policy.name,
            aggregation.unwrap_or_default()
        ));
    }
    let mut lines = vec!["type: step".to_owned()];
    lines.extend(metric_of(policy, alarm, draft));
    lines.push(format!("{}: [{}]", if out { "out" } else { "in" }, written.join(", ")));
    Some(lines)
}

fn simple(group: &Group, policy: &PolicyFacts, draft: &mut Draft) -> Option<Written> {
    let PolicyKind::Simple {
        adjustment,
        at_least,
        by,
        cooldown_seconds,
    } = &policy.kind
    else {
        return None;
    };
    let alarm = alarm(group, policy, draft)?;
    let out = matches!(alarm.comparison, Comparison::Above | Comparison::AtLeast);
    if adjustment != "ExactCapacity" && (*by == 0 || (*by > 0) != out) {
        draft.remark(format!("the policy `{}` is left out: it goes against its alarm", policy.name));
        return None;
    }
    let cooldown = Seconds(cooldown_seconds.unwrap_or(group.facts.cooldown_seconds));
    let change = change(if out { "add" } else { "remove" }, adjustment, *by, *at_least);
    let mut lines = vec!["type: simple".to_owned()];
    lines.extend(metric_of(policy, alarm, draft));
    let threshold = number(alarm.threshold);
    lines.push(if out {
        format!("out: {{ from: {threshold}, {change} }}")
    } else {
        format!("in: {{ below: {threshold}, {change} }}")
    });
    lines.push(format!("cooldown: {{ {}: {cooldown} }}", if out { "out" } else { "in" }));
    Some(lines)
}

/// Ids from names, each once.
#[derive(Debug, Default)]
pub(super) struct Ids(BTreeSet<String>);

impl Ids {
    pub(super) fn of(&mut self, name: &str) -> String {
        let base = super::fleet_of(name).map_or_else(|| "policy".to_owned(), |id| id.to_string());
        let mut id = base.clone();
        let mut n = 2_u32;
        while !self.0.insert(id.clone()) {
            let short: String = base.chars().take(28).collect();
            id = format!("{short}-{n}");
            n = n.saturating_add(1);
        }
        id
    }
}
