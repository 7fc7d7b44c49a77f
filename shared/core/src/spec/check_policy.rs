//! Reads the policies of a raw spec.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{NAME_HINT, POLICIES_MAX};
use super::check_capacity;
use super::check_guards::{amount, duration};
use super::metric::Stat;
use super::problem::Problems;
use super::raw::{
    RawCustomMetric, RawDatapoints, RawInStep, RawMetric, RawMissing, RawNamedMetric, RawOf, RawOutStep, RawPolicy, RawPolicyMode,
    RawScheduled, RawSource, RawStepPolicy, RawTargetTracking,
};
use super::schedule::{BadSchedule, WINDOW_MAX};
use super::{
    BreachRule, Measure, Metric, MetricSource, MissingRule, NamedMetric, Policy, PolicyMode, Rule, Schedule, Scheduled, StepBand, StepRule,
    TargetTracking, defaults,
};
use crate::id::PolicyId;
use crate::unit::{Finite, Seconds};

/// CloudWatch evaluates at most so many metrics in one expression.
const EXPRESSION_INPUTS_MAX: usize = 10;
/// Most datapoints a policy looks back over.
const DATAPOINTS_MAX: u8 = 60;

pub(super) fn read_policies(raw: &[RawPolicy], at: &str, has_groups: bool, problems: &mut Problems) -> Vec<Policy> {
    if raw.len() > POLICIES_MAX {
        problems.add(
            at,
            format!("`{}` policies are more than `{POLICIES_MAX}`", raw.len()),
            "combine some",
        );
    }
    let mut ids = BTreeSet::new();
    let mut policies = Vec::new();
    for (n, policy) in raw.iter().enumerate() {
        let at = format!("{at}[{n}]");
        let (id, rule) = match policy {
            RawPolicy::TargetTracking(raw) => (&raw.id, read_tracking(raw, &at, has_groups, problems).map(Rule::TargetTracking)),
            RawPolicy::Step(raw) => (&raw.id, read_step(raw, &at, has_groups, problems).map(Rule::Step)),
            RawPolicy::Capacity(raw) => (&raw.id, check_capacity::read(raw, &at, has_groups, problems).map(Rule::Capacity)),
            RawPolicy::Scheduled(raw) => (&raw.id, read_scheduled(raw, &at, problems).map(Rule::Scheduled)),
        };
        if !ids.insert(id) {
            problems.add(format!("{at}.id"), format!("`{id}` is used twice"), "give each policy its own id");
        }
        let mode = read_mode(policy, &at, problems);
        match id.parse::<PolicyId>() {
            Ok(id) => policies.extend(rule.map(|rule| Policy { id, rule, mode })),
            Err(bad) => problems.add(format!("{at}.id"), bad.to_string(), NAME_HINT),
        }
    }
    policies
}

fn read_mode(policy: &RawPolicy, at: &str, problems: &mut Problems) -> PolicyMode {
    let (mode, no_scale_in) = match policy {
        RawPolicy::TargetTracking(raw) => (raw.mode, raw.disable_scale_in),
        RawPolicy::Step(raw) => (raw.mode, None),
        RawPolicy::Capacity(raw) => (raw.mode, None),
        RawPolicy::Scheduled(_) => (None, None),
    };
    match (mode, no_scale_in) {
        (Some(_), Some(_)) => {
            let message = "`mode` and `disable_scale_in` say the same thing twice";
            problems.add(format!("{at}.disable_scale_in"), message, "keep `mode`");
            defaults::POLICY_MODE
        }
        (None, Some(true)) | (Some(RawPolicyMode::OutOnly), None) => PolicyMode::OutOnly,
        (Some(RawPolicyMode::RecommendOnly), None) => PolicyMode::RecommendOnly,
        (Some(RawPolicyMode::Act), None) => PolicyMode::Act,
        (None, Some(false) | None) => defaults::POLICY_MODE,
    }
}

fn read_tracking(raw: &RawTargetTracking, at: &str, has_groups: bool, problems: &mut Problems) -> Option<TargetTracking> {
    let metric = read_metric(&raw.metric, raw.source, at, has_groups, problems);
    if let Some(Metric::Named { name, .. }) = &metric
        && let Some(why) = name.why_not_tracked()
    {
        problems.add(
            format!("{at}.metric"),
            format!("`{}` cannot be tracked: {why}", name.as_str()),
            "use it in a policy of type `step`",
        );
    }
    let target = Finite::new(raw.target).filter(|target| target.get() > 0.0);
    if target.is_none() {
        problems.add(
            format!("{at}.target"),
            format!("`{}` is not above zero", raw.target),
            "the value that each instance should have",
        );
    }
    let measure = read_measure(metric?, raw.datapoints.as_ref(), raw.missing, at, problems);
    Some(TargetTracking { measure, target: target? })
}

fn read_step(raw: &RawStepPolicy, at: &str, has_groups: bool, problems: &mut Problems) -> Option<StepRule> {
    let metric = read_metric(&raw.metric, raw.source, at, has_groups, problems);
    let out = read_out_bands(raw.out.as_deref().unwrap_or_default(), &format!("{at}.out"), problems);
    let in_ = read_in_bands(raw.in_.as_deref().unwrap_or_default(), &format!("{at}.in"), problems);
    if out.is_empty() && in_.is_empty() {
        problems.add(at, "a step policy needs steps", "add `out: [{ from: 70, add: 10% }]`, or `in`");
    }
    let highest_in = in_.last().and_then(|band| band.below);
    let lowest_out = out.first().and_then(|band| band.from);
    if let (Some(highest_in), Some(lowest_out)) = (highest_in, lowest_out)
        && highest_in > lowest_out
    {
        let message = format!("steps in reach up to `{highest_in}`, into the steps out that begin at `{lowest_out}`");
        problems.add(format!("{at}.in"), message, "leave a gap between them, or the fleet flaps");
    }
    let measure = read_measure(metric?, raw.datapoints.as_ref(), raw.missing, at, problems);
    Some(StepRule { measure, out, in_ })
}

/// Bands from the lowest bound up; a band without upper bound ends where the next begins.
fn read_out_bands(raw: &[RawOutStep], at: &str, problems: &mut Problems) -> Vec<StepBand> {
    let mut bands: Vec<StepBand> = Vec::new();
    for (n, step) in raw.iter().enumerate() {
        let at = format!("{at}[{n}]");
        let from = bound(step.from, &format!("{at}.from"), problems);
        let below = step.below.and_then(|below| bound(below, &format!("{at}.below"), problems));
        let next = raw.get(n.saturating_add(1)).and_then(|next| Finite::new(next.from));
        check_band(from, below, &at, problems);
        check_neighbour(
            n,
            raw.get(n.wrapping_sub(1)).map(|before| (before.from, before.below)),
            step.from,
            &at,
            problems,
        );
        let amount = amount(&step.add, &format!("{at}.add"), problems);
        bands.push(StepBand {
            from,
            below: below.or(next),
            amount,
            at_least: step.at_least.unwrap_or(1),
        });
    }
    bands
}

/// Bands from the highest bound down, as people write them; kept lowest first.
#[expect(clippy::float_arithmetic, reason = "bounds are mirrored, not computed")]
fn read_in_bands(raw: &[RawInStep], at: &str, problems: &mut Problems) -> Vec<StepBand> {
    let mut bands: Vec<StepBand> = Vec::new();
    for (n, step) in raw.iter().enumerate() {
        let at = format!("{at}[{n}]");
        let below = bound(step.below, &format!("{at}.below"), problems);
        let from = step.from.and_then(|from| bound(from, &format!("{at}.from"), problems));
        let next = raw.get(n.saturating_add(1)).and_then(|next| Finite::new(next.below));
        check_band(from, below, &at, problems);
        // mirrored, so that the same rule serves: negated, steps in also go from the lowest bound up
        let before = raw
            .get(n.wrapping_sub(1))
            .map(|before| (-before.below, before.from.map(|from| -from)));
        check_neighbour(n, before, -step.below, &at, problems);
        let amount = amount(&step.remove, &format!("{at}.remove"), problems);
        bands.push(StepBand {
            from: from.or(next),
            below,
            amount,
            at_least: step.at_least.unwrap_or(1),
        });
    }
    bands.reverse();
    bands
}

fn bound(value: f64, at: &str, problems: &mut Problems) -> Option<Finite> {
    let bound = Finite::new(value);
    if bound.is_none() {
        problems.add(at, format!("`{value}` is not a number"), "bounds are finite; leave an open end out");
    }
    bound
}

fn check_band(from: Option<Finite>, below: Option<Finite>, at: &str, problems: &mut Problems) {
    if let (Some(from), Some(below)) = (from, below)
        && from >= below
    {
        problems.add(
            at,
            format!("the step is empty: `from: {from}` is not less than `below: {below}`"),
            "swap or move the bounds",
        );
    }
}

/// A step must begin where the one before it ends: no gap, no overlap, in order.
fn check_neighbour(n: usize, before: Option<(f64, Option<f64>)>, from: f64, at: &str, problems: &mut Problems) {
    let Some((before_from, before_end)) = before.filter(|_| n > 0) else {
        return;
    };
    let (from_text, end_text) = (from.abs(), before_end.map(f64::abs));
    if from <= before_from {
        problems.add(
            at,
            format!("steps are out of order at `{from_text}`"),
            "list `out` from the lowest bound up, `in` from the highest down",
        );
    } else if let Some(end) = before_end
        && let Some(end_text) = end_text
        && end != from
    {
        let what = if end > from { "overlap" } else { "leave a gap" };
        let message = format!("steps {what}: this one begins at `{from_text}`, the step before it ends at `{end_text}`");
        problems.add(
            at,
            message,
            "let each step begin where the one before it ends, or leave the end out",
        );
    }
}

fn read_scheduled(raw: &RawScheduled, at: &str, problems: &mut Problems) -> Option<Scheduled> {
    let length = duration(Some(&raw.when.for_), &format!("{at}.when.for"), Seconds(60), problems);
    if length > WINDOW_MAX || length < Seconds(60) {
        problems.add(
            format!("{at}.when.for"),
            format!("`{length}` is not between `1m` and `{WINDOW_MAX}`"),
            "use several windows",
        );
    }
    let schedule = match (&raw.when.cron, &raw.when.at) {
        (Some(cron), None) => read_cron(cron, raw.when.zone.as_deref(), length.min(WINDOW_MAX), at, problems),
        (None, Some(text)) => {
            if raw.when.zone.is_some() {
                problems.add(format!("{at}.when.zone"), "`zone` belongs to `cron`", "`at` carries its own offset");
            }
            let moment = text.parse::<jiff::Timestamp>();
            let hint = "write the offset too: `2026-11-27T18:00:00+01:00`";
            moment
                .map_err(|_| problems.add(format!("{at}.when.at"), format!("`{text}` is not a moment"), hint))
                .ok()
                .map(|at| Schedule::once(at, length))
        }
        _ => {
            problems.add(
                format!("{at}.when"),
                "a window has exactly one of `cron` and `at`",
                "keep one of them",
            );
            None
        }
    };
    let capacity = &raw.capacity;
    if (capacity.min, capacity.max, capacity.desired) == (None, None, None) {
        problems.add(format!("{at}.capacity"), "the window sets nothing", "set `min`, `max` or `desired`");
    }
    Some(Scheduled {
        schedule: schedule?,
        min: capacity.min,
        max: capacity.max,
        desired: capacity.desired,
    })
}

fn read_cron(cron: &str, zone: Option<&str>, length: Seconds, at: &str, problems: &mut Problems) -> Option<Schedule> {
    let zone = zone.unwrap_or("UTC");
    match Schedule::repeating(cron, zone, length) {
        Ok(schedule) => Some(schedule),
        Err(BadSchedule::Zone) => {
            problems.add(
                format!("{at}.when.zone"),
                format!("`{zone}` is no time zone"),
                "use an IANA name such as `Europe/Berlin`",
            );
            None
        }
        Err(bad) => {
            problems.add(
                format!("{at}.when.cron"),
                format!("`{cron}` is not understood: {bad}"),
                "such as `0 20 * * 5`: Friday at 20:00",
            );
            None
        }
    }
}

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

fn read_of(text: &str) -> Option<BreachRule> {
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

fn check_input_id(id: &str, at: &str, problems: &mut Problems) {
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
