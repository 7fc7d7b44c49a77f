//! Reads the capacity policies of a raw spec.

use super::check_guards::percent;
use super::check_metric::{read_measure, read_metric};
use super::problem::Problems;
use super::raw::{RawCapacityPolicy, RawLatency, RawQueueModel, RawResponseTime};
use super::{CapacityModel, CapacityRule, InstanceCapacity, Metric, NamedMetric, QueueModel, Stat, learning};
use crate::unit::{Finite, Millis, Percent};

pub(super) fn read(raw: &RawCapacityPolicy, at: &str, has_groups: bool, problems: &mut Problems) -> Option<CapacityRule> {
    let each = learning::read(raw, at, has_groups, problems);
    let model = read_model(raw, at, problems);
    if let (Some(InstanceCapacity::Given(each)), Some(CapacityModel::ResponseTime { within, late, .. })) = (&each, model) {
        check_possible(*each, within, late, at, problems);
    }
    let metric = read_metric(&raw.demand, raw.source, at, has_groups, problems)?;
    check_is_a_count(&metric, at, problems);
    if let Some(each) = &each {
        learning::check_periods(&metric, each, at, problems);
    }
    let measure = read_measure(metric, raw.datapoints.as_ref(), raw.missing, at, problems);
    Some(CapacityRule {
        measure,
        each: each?,
        model: model?,
    })
}

fn read_model(raw: &RawCapacityPolicy, at: &str, problems: &mut Problems) -> Option<CapacityModel> {
    match (&raw.response_time, &raw.utilisation) {
        (Some(response), None) => read_response(response, &format!("{at}.response_time"), problems),
        (None, Some(_)) => {
            let at = format!("{at}.utilisation");
            let at_most = percent(raw.utilisation.as_ref(), &at, Percent(70), problems);
            if at_most.0 == 0 || at_most.0 > 100 {
                problems.add(at, format!("`{at_most}` is not between `1%` and `100%`"), "such as `70%`");
                return None;
            }
            Some(CapacityModel::Utilisation { at_most })
        }
        _ => {
            problems.add(
                at,
                "a capacity policy has exactly one of `response_time` and `utilisation`",
                "such as `response_time: { p99: 300ms }` or `utilisation: 70%`",
            );
            None
        }
    }
}

fn read_response(raw: &RawResponseTime, at: &str, problems: &mut Problems) -> Option<CapacityModel> {
    let percentiles = [
        ("p50", &raw.p50, 50),
        ("p90", &raw.p90, 10),
        ("p95", &raw.p95, 5),
        ("p99", &raw.p99, 1),
    ];
    let mut given = percentiles
        .iter()
        .filter_map(|(name, latency, late)| Some((*name, latency.as_ref()?, Percent(*late))));
    let (Some((name, latency, late)), None) = (given.next(), given.next()) else {
        problems.add(
            at,
            "an objective has exactly one percentile",
            "keep one of `p50`, `p90`, `p95` and `p99`",
        );
        return None;
    };
    let objective = read_latency(latency, &format!("{at}.{name}"), problems)?;
    let network = match &raw.network {
        None => Millis(0),
        Some(network) => read_latency(network, &format!("{at}.network"), problems)?,
    };
    let within = Millis(objective.0.saturating_sub(network.0));
    if within == Millis(0) {
        problems.add(
            format!("{at}.network"),
            format!("`{network}` leaves nothing of `{objective}`"),
            "the objective is for processing, network and queueing together",
        );
        return None;
    }
    let queue = match raw.model {
        Some(RawQueueModel::SharedQueue) => QueueModel::Shared,
        Some(RawQueueModel::OwnQueues) | None => QueueModel::Own,
    };
    Some(CapacityModel::ResponseTime { within, late, queue })
}

pub(super) fn read_latency(RawLatency(text): &RawLatency, at: &str, problems: &mut Problems) -> Option<Millis> {
    let latency = Millis::parse(text);
    if latency.is_none() {
        problems.add(
            at,
            format!("`{text}` is not a response time"),
            "write a whole number and a unit: `300ms`, `2s`",
        );
    }
    latency
}

/// One request alone on an instance must be fast enough: no number of instances helps otherwise.
#[expect(clippy::float_arithmetic, reason = "queueing theory")]
fn check_possible(each: Finite, within: Millis, late: Percent, at: &str, problems: &mut Problems) {
    let slow_alone = libm::exp(-each.get() * within.seconds());
    if slow_alone > late.ratio() {
        let least = -libm::log(late.ratio()) / each.get() * 1_000.0;
        problems.add(
            format!("{at}.response_time"),
            format!("an instance that answers {each} a second is slower than `{within}` even alone, for more than {late} of requests"),
            format!(
                "no number of instances helps: allow at least {}ms, or use faster instances",
                libm::ceil(least)
            ),
        );
    }
}

/// A demand is so many requests per period: an average of something cannot be divided among instances.
fn check_is_a_count(metric: &Metric, at: &str, problems: &mut Problems) {
    let is_count = match metric {
        Metric::Named { name, .. } => *name == NamedMetric::AlbRequestCount,
        Metric::Stat(Stat { statistic, .. }) => matches!(statistic.as_str(), "Sum" | "SampleCount"),
        Metric::Expression { .. } | Metric::Several { .. } => true,
    };
    if !is_count {
        problems.add(
            format!("{at}.demand"),
            "the demand is a count of requests for all instances together",
            "use `alb_request_count`, or a metric with `statistic: Sum`",
        );
    }
}
