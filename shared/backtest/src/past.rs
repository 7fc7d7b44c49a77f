//! A load that is past, as CloudWatch counted it: datapoints, with holes among them.

use ghostnet_core::sample::Datapoint;
use ghostnet_core::spec::metric::QueryShape;
use ghostnet_core::spec::{Metric, MetricSource, NamedMetric, PoolSpec, Rule};
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

/// The metric that counts what comes in for all instances of a pool together: the load that is played. None: no policy says.
#[must_use]
pub fn counted(pool: &PoolSpec) -> Option<Metric> {
    pool.policies.iter().find_map(|policy| match &policy.rule {
        Rule::Capacity(rule) => Some(rule.measure.metric.clone()),
        Rule::Predictive(rule) => Some(rule.measure.metric.clone()),
        Rule::TargetTracking(rule) => match &rule.measure.metric {
            Metric::Named {
                name: NamedMetric::AlbRequestCountPerTarget,
                ..
            } => Some(Metric::Named {
                name: NamedMetric::AlbRequestCount,
                source: MetricSource::TargetGroup,
            }),
            _ => None,
        },
        _ => None,
    })
}

/// Whether a metric says by its silence that nothing came in: load balancers publish nothing then.
#[must_use]
pub fn silence_is_zero(shape: &QueryShape) -> bool {
    let is_balancers = |namespace: &str| namespace.starts_with("AWS/") && namespace.ends_with("ELB");
    match shape {
        QueryShape::Stat(stat) => is_balancers(&stat.namespace),
        QueryShape::Expression { inputs, .. } => !inputs.is_empty() && inputs.values().all(|stat| is_balancers(&stat.namespace)),
    }
}

/// The rate of each of so many periods from `begin`, per second; none: it is not known.
#[must_use]
pub fn rates(points: &[Datapoint], begin: Timestamp, period: Seconds, count: usize) -> Vec<Option<f64>> {
    let mut rates = vec![None; count];
    let period = period.0.max(1);
    for point in points.iter().filter(|point| point.at >= begin) {
        let place = usize::try_from(Seconds::between(begin, point.at).0 / period).unwrap_or(usize::MAX);
        if let Some(rate) = rates.get_mut(place) {
            *rate = Some((point.value.get() / f64::from(period)).max(0.0));
        }
    }
    rates
}

/// Appends rates to those that are known. Of what is missing nothing came in, or the one before holds. How many are missing.
pub fn fill(rates: &[Option<f64>], silence_is_zero: bool, known: &mut Vec<f64>) -> usize {
    for rate in rates {
        let before = if silence_is_zero { None } else { known.last().copied() };
        known.push(rate.or(before).unwrap_or_default());
    }
    rates.iter().filter(|rate| rate.is_none()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_missing_nothing_came_in_or_the_last_value_holds() {
        let day = [None, Some(2.0), None, Some(4.0), None];
        for (silence_is_zero, expected) in [(true, [0.0, 2.0, 0.0, 4.0, 0.0]), (false, [1.0, 2.0, 2.0, 4.0, 4.0])] {
            let mut rates = vec![1.0];
            assert_eq!(fill(&day, silence_is_zero, &mut rates), 3);
            assert_eq!(rates[1..], expected);
        }
    }
}
