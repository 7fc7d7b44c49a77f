//! Reads what the policies of a raw spec look at.

use std::collections::BTreeMap;

use super::check_guards::duration;
use super::metric::Stat;
use super::problem::Problems;
use super::raw::{RawCustomMetric, RawDatapoints, RawMetric, RawMissing, RawNamedMetric, RawOf, RawSource};
use super::{BreachRule, Measure, Metric, MetricSource, MissingRule, NamedMetric, defaults};
use crate::unit::Seconds;

/// CloudWatch evaluates at most so many metrics in one expression.
const EXPRESSION_INPUTS_MAX: usize = 10;
/// Most datapoints a policy looks back over.
const DATAPOINTS_MAX: u8 = 60;

pub(super) fn read_measure(
    metric: Metric,
    datapoints: Option<&RawDatapoints>,
    missing: Option<RawMissing>,
    at: &str,
    problems: &mut Problems,
) -> Measure {
    let mut rule = |raw: Option<&RawOf>, part: &str| match raw {
        None => defaults::DATAPOINTS,
        Some(RawOf(text)) => read_of(text).unwrap_or_else(|| {
            let hint = format!("write `3 of 5`: at least one, at most all, of at most {DATAPOINTS_MAX}");
            problems.add(
                format!("{at}.datapoints.{part}"),
                format!("`{text}` is not so many of so many"),
                hint,
            );
            defaults::DATAPOINTS
        }),
    };
    let out = rule(datapoints.and_then(|raw| raw.out.as_ref()), "out");
    let in_ = rule(datapoints.and_then(|raw| raw.in_.as_ref()), "in");
    let missing = missing.map_or(defaults::MISSING, |missing| match missing {
        RawMissing::Hold => MissingRule::Hold,
        RawMissing::Ignore => MissingRule::Ignore,
        RawMissing::Breaching => MissingRule::Breaching,
    });
    Measure { metric, out, in_, missing }
}

pub(super) fn read_of(text: &str) -> Option<BreachRule> {
    let (datapoints, of) = text.split_once(" of ")?;
    let rule = BreachRule {
        datapoints: datapoints.parse().ok()?,
        of: of.parse().ok()?,
    };
    (rule.datapoints >= 1 && rule.datapoints <= rule.of && rule.of <= DATAPOINTS_MAX).then_some(rule)
}

pub(super) fn read_metric(
    raw: &RawMetric,
    source: Option<RawSource>,
    at: &str,
    has_groups: bool,
    problems: &mut Problems,
) -> Option<Metric> {
    match raw {
        RawMetric::Named(name) => read_named(named(*name), source, at, has_groups, problems),
        RawMetric::Custom(custom) => {
            if source.is_some() {
                problems.add(
                    format!("{at}.source"),
                    "`source` belongs to a named metric",
                    "remove it: this metric says where it comes from",
                );
            }
            read_custom(custom, &format!("{at}.metric"), problems)
        }
    }
}

fn read_named(name: NamedMetric, source: Option<RawSource>, at: &str, has_groups: bool, problems: &mut Problems) -> Option<Metric> {
    let source = match source {
        None => *name.sources().first()?,
        Some(RawSource::TargetGroup) => MetricSource::TargetGroup,
        Some(RawSource::Agent) => MetricSource::Agent,
        Some(RawSource::Insights) => MetricSource::Insights,
        Some(RawSource::Instances) => MetricSource::Instances,
    };
    if !name.sources().contains(&source) {
        let sources: Vec<_> = name.sources().iter().map(|source| format!("`{}`", source.as_str())).collect();
        let message = format!("`{}` does not publish `{}`", source.as_str(), name.as_str());
        problems.add(format!("{at}.source"), message, format!("use {}", sources.join(" or ")));
    }
    if source == MetricSource::TargetGroup && !has_groups {
        let message = format!("`{}` comes from a target group, and the pool has none", name.as_str());
        problems.add(
            format!("{at}.metric"),
            message,
            "add `target_groups` to the pool, or use another metric",
        );
    }
    Some(Metric::Named { name, source })
}

fn named(raw: RawNamedMetric) -> NamedMetric {
    match raw {
        RawNamedMetric::Cpu => NamedMetric::Cpu,
        RawNamedMetric::NetworkIn => NamedMetric::NetworkIn,
        RawNamedMetric::NetworkOut => NamedMetric::NetworkOut,
        RawNamedMetric::Memory => NamedMetric::Memory,
        RawNamedMetric::Disk => NamedMetric::Disk,
        RawNamedMetric::AlbRequestCount => NamedMetric::AlbRequestCount,
        RawNamedMetric::AlbRequestCountPerTarget => NamedMetric::AlbRequestCountPerTarget,
        RawNamedMetric::ResponseTime => NamedMetric::ResponseTime,
        RawNamedMetric::ErrorRate => NamedMetric::ErrorRate,
    }
}

fn read_custom(raw: &RawCustomMetric, at: &str, problems: &mut Problems) -> Option<Metric> {
    let period = read_period(raw, at, problems);
    match (&raw.expression, &raw.namespace, &raw.name) {
        (None, Some(_), Some(_)) => read_stat(raw, at, problems).map(Metric::Stat),
        (Some(expression), None, None) => {
            let inputs: BTreeMap<String, Stat> = raw
                .metrics
                .iter()
                .flatten()
                .filter_map(|(id, input)| {
                    check_input_id(id, at, problems);
                    Some((id.clone(), read_stat(input, &format!("{at}.metrics.{id}"), problems)?))
                })
                .collect();
            if inputs.len() > EXPRESSION_INPUTS_MAX {
                let message = format!(
                    "`{}` metrics are more than the `{EXPRESSION_INPUTS_MAX}` of one expression",
                    inputs.len()
                );
                problems.add(format!("{at}.metrics"), message, "CloudWatch's limit for alarms");
            }
            Some(Metric::Expression {
                expression: expression.clone(),
                inputs,
                period,
            })
        }
        _ => {
            problems.add(
                at,
                "a metric is either `namespace` and `name`, or `expression`",
                "keep one of the two forms",
            );
            None
        }
    }
}

pub(super) fn check_input_id(id: &str, at: &str, problems: &mut Problems) {
    let mut bytes = id.bytes();
    let good = bytes.next().is_some_and(|first| first.is_ascii_lowercase()) && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !good {
        let hint = "begin with a lower-case letter; letters, digits and `_`";
        problems.add(format!("{at}.metrics.{id}"), format!("`{id}` is no id of a metric"), hint);
    }
}

fn read_stat(raw: &RawCustomMetric, at: &str, problems: &mut Problems) -> Option<Stat> {
    let statistic = raw.statistic.clone().unwrap_or_else(|| "Average".to_owned());
    let percentile = statistic
        .strip_prefix('p')
        .and_then(|number| number.parse::<f64>().ok())
        .is_some_and(|p| p > 0.0 && p <= 100.0);
    if !(percentile || matches!(statistic.as_str(), "Average" | "Sum" | "Minimum" | "Maximum" | "SampleCount")) {
        let hint = "use `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount` or a percentile such as `p90`";
        problems.add(format!("{at}.statistic"), format!("`{statistic}` is no statistic"), hint);
    }
    let (Some(namespace), Some(name)) = (&raw.namespace, &raw.name) else {
        problems.add(at, "a metric needs `namespace` and `name`", "as CloudWatch lists them");
        return None;
    };
    Some(Stat {
        namespace: namespace.clone(),
        name: name.clone(),
        dimensions: raw.dimensions.clone().unwrap_or_default(),
        statistic,
        period: read_period(raw, at, problems),
    })
}

fn read_period(raw: &RawCustomMetric, at: &str, problems: &mut Problems) -> Seconds {
    let at = format!("{at}.period");
    let period = duration(raw.period.as_ref(), &at, defaults::PERIOD, problems);
    let good = period.0 > 0 && (matches!(period.0, 10 | 20 | 30) || period.0.is_multiple_of(60)) && period <= Seconds(3_600);
    if !good {
        problems.add(
            at,
            format!("`{period}` is no period"),
            "`10s`, `20s`, `30s`, or whole minutes up to `1h`",
        );
        return defaults::PERIOD;
    }
    period
}
