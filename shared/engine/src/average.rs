//! One series per instance, averaged into one per pool: the source of last resort for fleets without an agent.

use std::collections::BTreeMap;

use ghostnet_core::id::{FleetId, PoolId};
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::spec::metric::Stat;
use ghostnet_core::unit::{Finite, Seconds};
use jiff::Timestamp;

use crate::port::PublishedValue;

/// The average over instances, period by period. An instance without a datapoint counts as zero and makes the series
/// partial: enough to add, never to remove. (Kubernetes HPA counts missing pods as nothing too when it adds; when it removes it takes
/// them to be at their target, and may remove on account of the others. Here an average that is not whole removes nobody.) Earlier
/// datapoints that are not whole are named, so that they do not agree to fewer either.
pub(crate) fn over_instances(series: &[Series], period: Seconds) -> Series {
    if series.is_empty() {
        return Series::Points {
            points: Vec::new(),
            period,
            partial: false,
            incomplete: Vec::new(),
        };
    }
    let mut by_moment: BTreeMap<Timestamp, (f64, usize)> = BTreeMap::new();
    for points in series.iter().filter_map(|series| {
        if let Series::Points { points, .. } = series {
            Some(points)
        } else {
            None
        }
    }) {
        for point in points {
            let (sum, count) = by_moment.entry(point.at).or_default();
            *sum += point.value.get();
            *count += 1;
        }
    }
    let partial = by_moment.values().next_back().is_some_and(|(_, count)| *count < series.len());
    let newest = by_moment.keys().next_back().copied();
    let lacking = by_moment
        .iter()
        .filter(|(at, (_, count))| Some(**at) != newest && *count < series.len());
    let incomplete: Vec<Timestamp> = lacking.map(|(at, _)| *at).collect();
    let instances = f64::from(u32::try_from(series.len()).unwrap_or(u32::MAX));
    let points = by_moment
        .into_iter()
        .rev()
        .filter_map(|(at, (sum, _))| {
            Some(Datapoint {
                at,
                value: Finite::new(sum / instances)?,
            })
        })
        .collect();
    Series::Points {
        points,
        period,
        partial,
        incomplete,
    }
}

/// What to publish of an average: its newest complete datapoint, by fleet and pool.
pub(crate) fn published(series: &Series, stat: &Stat, fleet: &FleetId, pool: &PoolId) -> Option<PublishedValue> {
    let Series::Points {
        points,
        partial: false,
        period,
        ..
    } = series
    else {
        return None;
    };
    let newest = points.first()?;
    let dimensions = BTreeMap::from([("Fleet".to_owned(), fleet.to_string()), ("Pool".to_owned(), pool.to_string())]);
    let stat = Stat {
        namespace: "GhostNet".to_owned(),
        name: stat.name.clone(),
        dimensions,
        statistic: stat.statistic.clone(),
        period: *period,
    };
    Some(PublishedValue {
        stat,
        at: newest.at,
        value: newest.value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[(i64, f64)]) -> Series {
        let points = values.iter().filter_map(|(at, value)| {
            Some(Datapoint {
                at: Timestamp::from_second(*at).ok()?,
                value: Finite::new(*value)?,
            })
        });
        Series::Points {
            points: points.collect(),
            period: Seconds(300),
            partial: false,
            incomplete: Vec::new(),
        }
    }

    #[test]
    fn instances_without_data_count_as_zero_and_make_it_partial() {
        let both = over_instances(&[series(&[(300, 40.0)]), series(&[(300, 60.0)])], Seconds(300));
        assert_eq!(both, series(&[(300, 50.0)]));
        let one = over_instances(&[series(&[(300, 40.0)]), Series::Failed { why: String::new() }], Seconds(300));
        assert!(matches!(&one, Series::Points { partial: true, points, .. } if points.first().map(|p| p.value.get()) == Some(20.0)));
    }

    #[test]
    fn earlier_gaps_are_named() {
        let averaged = over_instances(
            &[
                series(&[(900, 40.0), (600, 40.0), (300, 40.0)]),
                series(&[(900, 60.0), (300, 60.0)]),
            ],
            Seconds(300),
        );
        let gap: Vec<Timestamp> = Timestamp::from_second(600).into_iter().collect();
        assert!(
            matches!(&averaged, Series::Points { partial: false, incomplete, .. } if *incomplete == gap),
            "{averaged:?}"
        );
    }

    #[test]
    fn only_a_complete_average_is_published() {
        let stat = Stat {
            namespace: "AWS/EC2".into(),
            name: "CPUUtilization".into(),
            dimensions: BTreeMap::new(),
            statistic: "Average".into(),
            period: Seconds(300),
        };
        let names = || Some(("web".parse::<FleetId>().ok()?, "blue".parse::<PoolId>().ok()?));
        let Some((fleet, pool)) = names() else {
            return assert!(names().is_some());
        };
        let complete = over_instances(&[series(&[(300, 40.0)])], Seconds(300));
        assert_eq!(
            published(&complete, &stat, &fleet, &pool).map(|value| value.value.get()),
            Some(40.0)
        );
        let partial = over_instances(&[series(&[(300, 40.0)]), series(&[])], Seconds(300));
        assert_eq!(published(&partial, &stat, &fleet, &pool), None);
    }
}
