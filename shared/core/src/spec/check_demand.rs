//! Reads the policies of a raw spec that count instances from a queue or from a formula over several metrics.

use std::collections::BTreeMap;

use super::check_guards::duration;
use super::check_metric::{check_input_id, read_measure, read_metric};
use super::formula::{BadFormula, FUNCTIONS, Formula};
use super::metric::Stat;
use super::problem::Problems;
use super::raw::{RawFormulaPolicy, RawMetric, RawQueuePolicy};
use super::{FormulaRule, Metric, NamedMetric, QueueRule, defaults};
use crate::policy::queue::{IN_WORK, OLDEST, WAITING};
use crate::unit::{Finite, Seconds};

/// Most metrics of one formula: each is a query that costs money every minute.
const FORMULA_METRICS_MAX: usize = 10;
/// Longest name of a queue in Amazon SQS.
const QUEUE_NAME_LENGTH_MAX: usize = 80;

pub(super) fn read_queue(raw: &RawQueuePolicy, at: &str, problems: &mut Problems) -> Option<QueueRule> {
    check_queue_name(&raw.queue, at, problems);
    let per_instance = read_per_instance(raw, at, problems);
    let oldest = raw
        .oldest
        .as_ref()
        .map(|age| duration(Some(age), &format!("{at}.oldest"), Seconds(0), problems));
    if oldest == Some(Seconds(0)) {
        problems.add(format!("{at}.oldest"), "every message is older than `0s`", "such as `10m`");
    }
    let mut metrics = BTreeMap::from([
        (WAITING.to_owned(), of_queue(raw, "ApproximateNumberOfMessagesVisible", "Average")),
        (
            IN_WORK.to_owned(),
            of_queue(raw, "ApproximateNumberOfMessagesNotVisible", "Average"),
        ),
    ]);
    metrics.extend(oldest.map(|_| (OLDEST.to_owned(), of_queue(raw, "ApproximateAgeOfOldestMessage", "Maximum"))));
    let metric = Metric::Several {
        metrics,
        period: defaults::PERIOD,
    };
    let measure = read_measure(metric, raw.datapoints.as_ref(), raw.missing, at, problems);
    Some(QueueRule {
        measure,
        per_instance: per_instance?,
        oldest,
    })
}

fn check_queue_name(name: &str, at: &str, problems: &mut Problems) {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let good = !stem.is_empty()
        && name.len() <= QUEUE_NAME_LENGTH_MAX
        && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !good {
        let hint = "its name, neither URL nor ARN: letters, digits, `-` and `_`, and `.fifo` at the end of a FIFO queue";
        problems.add(format!("{at}.queue"), format!("`{name}` is no name of a queue"), hint);
    }
}

#[expect(clippy::float_arithmetic, reason = "a rate by a time")]
fn read_per_instance(raw: &RawQueuePolicy, at: &str, problems: &mut Problems) -> Option<Finite> {
    match (raw.backlog_per_instance, &raw.drain_within, raw.instance_capacity) {
        (Some(backlog), None, None) => above_zero(backlog, &format!("{at}.backlog_per_instance"), problems),
        (None, Some(within), Some(capacity)) => {
            let within_at = format!("{at}.drain_within");
            let within = duration(Some(within), &within_at, Seconds(1), problems);
            if within == Seconds(0) {
                problems.add(within_at, "nothing is worked off within `0s`", "such as `5m`");
            }
            let capacity = above_zero(capacity, &format!("{at}.instance_capacity"), problems)?;
            Finite::new(capacity.get() * f64::from(within.0)).filter(|backlog| backlog.get() > 0.0)
        }
        _ => {
            problems.add(
                at,
                "a queue policy has `backlog_per_instance`, or `drain_within` and `instance_capacity`",
                "such as `drain_within: 5m` and `instance_capacity: 2.5` messages per second of one instance",
            );
            None
        }
    }
}

fn of_queue(raw: &RawQueuePolicy, name: &str, statistic: &str) -> Metric {
    Metric::Stat(Stat {
        namespace: "AWS/SQS".to_owned(),
        name: name.to_owned(),
        dimensions: BTreeMap::from([("QueueName".to_owned(), raw.queue.clone())]),
        statistic: statistic.to_owned(),
        period: defaults::PERIOD,
    })
}

pub(super) fn read_formula(raw: &RawFormulaPolicy, at: &str, has_groups: bool, problems: &mut Problems) -> Option<FormulaRule> {
    if raw.metrics.is_empty() || raw.metrics.len() > FORMULA_METRICS_MAX {
        problems.add(
            format!("{at}.metrics"),
            format!("`{}` metrics are not between one and `{FORMULA_METRICS_MAX}`", raw.metrics.len()),
            "name the metrics that the formula needs",
        );
    }
    let metrics: BTreeMap<String, Metric> = raw
        .metrics
        .iter()
        .filter_map(|(name, metric)| Some((name.clone(), read_total(name, metric, at, has_groups, problems)?)))
        .collect();
    let period = read_common_period(&metrics, at, problems);
    let formula = Formula::read(&raw.formula, raw.metrics.keys());
    if let Err(bad) = &formula {
        let at = format!("{at}.formula");
        problems.add(at, format!("`{}`: {bad}", raw.formula), formula_hint(bad));
    }
    let target = above_zero(raw.target.unwrap_or(1.0), &format!("{at}.target"), problems);
    let activate_above = raw.activate_above.map(Finite::new);
    if activate_above == Some(None) {
        let message = "the value up to which nothing is needed is no number";
        problems.add(format!("{at}.activate_above"), message, "such as `0`");
    }
    let measure = read_measure(
        Metric::Several { metrics, period },
        raw.datapoints.as_ref(),
        raw.missing,
        at,
        problems,
    );
    Some(FormulaRule {
        measure,
        formula: formula.ok()?,
        target: target?,
        activate_above: activate_above.flatten(),
    })
}

/// A metric of a formula: a total for all instances, because its value is divided among them.
fn read_total(name: &str, raw: &RawMetric, at: &str, has_groups: bool, problems: &mut Problems) -> Option<Metric> {
    check_input_id(name, at, problems);
    if FUNCTIONS.contains(&name) {
        problems.add(
            format!("{at}.metrics.{name}"),
            format!("`{name}` is a function"),
            "give the metric another name",
        );
    }
    let metric = read_metric(raw, None, &format!("{at}.metrics.{name}"), has_groups, problems)?;
    if let Metric::Named { name: named, .. } = &metric
        && *named != NamedMetric::AlbRequestCount
    {
        problems.add(
            format!("{at}.metrics.{name}"),
            format!("`{}` is no total for all instances", named.as_str()),
            "a formula counts instances from what is to be done: use `alb_request_count`, or a metric with its namespace and name",
        );
    }
    Some(metric)
}

fn read_common_period(metrics: &BTreeMap<String, Metric>, at: &str, problems: &mut Problems) -> Seconds {
    let mut periods = metrics.values().map(Metric::period);
    let first = periods.next().unwrap_or(defaults::PERIOD);
    if let Some(other) = periods.find(|period| *period != first) {
        problems.add(
            format!("{at}.metrics"),
            format!("periods of `{first}` and `{other}` have no moments in common"),
            "give all metrics of a formula the same `period`",
        );
    }
    first
}

fn formula_hint(bad: &BadFormula) -> &'static str {
    match bad {
        BadFormula::Unused(_) => "remove it: every metric costs a query a minute",
        BadFormula::Unknown(_) => "name it under `metrics`; functions are `abs`, `ceil`, `floor`, `max` and `min`",
        BadFormula::TooLong(_) | BadFormula::Strange(_) | BadFormula::NotUnderstood(_) => "such as `max(waiting / 100, requests / 60000)`",
    }
}

fn above_zero(value: f64, at: &str, problems: &mut Problems) -> Option<Finite> {
    let read = Finite::new(value).filter(|value| value.get() > 0.0);
    if read.is_none() {
        problems.add(at, format!("`{value}` is not above zero"), "how much of it one instance may have");
    }
    read
}
