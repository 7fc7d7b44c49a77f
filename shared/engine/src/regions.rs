//! Where the pools of fleets are, and what is measured there: what one region does not say hides no other.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use ghostnet_core::id::{PoolId, Region, ServiceId, TargetGroupArn, Zone};
use ghostnet_core::sample::Series;
use jiff::Timestamp;

use crate::error::PortError;
use crate::invocation::Invocation;
use crate::load::Fleet;
use crate::port::{MetricQuery, Metrics};

/// Regions asked at the same time.
const REGIONS_AT_ONCE: usize = 4;

impl Fleet {
    /// Where a pool is; one that the spec does not name any more, where the installation is.
    pub(crate) fn region_of<'a>(&'a self, pool: &PoolId, home: &'a Region) -> &'a Region {
        self.spec.pool(pool).map_or(home, |pool| pool.region_or(home))
    }
}

/// The region of a zone in which a fleet launches.
pub(crate) fn of_zone<'a>(invocation: &'a Invocation, fleet: &'a Fleet, zone: &Zone) -> &'a Region {
    let named = of_fleets(invocation, [fleet])
        .into_iter()
        .filter(|region| zone.as_str().starts_with(region.as_str()));
    named.max_by_key(|region| region.as_str().len()).unwrap_or(&invocation.region)
}

/// Every region in which one of the fleets has a pool, and the installation's own.
pub(crate) fn of_fleets<'a>(invocation: &'a Invocation, fleets: impl IntoIterator<Item = &'a Fleet>) -> BTreeSet<&'a Region> {
    let home = &invocation.region;
    let pools = fleets.into_iter().flat_map(|fleet| &fleet.spec.pools);
    pools.map(|pool| pool.region_or(home)).chain([home]).collect()
}

/// The target groups that the specs name, and those they named before, where somebody may still be registered; each with its pool's region.
pub(crate) fn groups<'a>(
    invocation: &'a Invocation,
    fleets: impl IntoIterator<Item = &'a Fleet>,
) -> BTreeMap<&'a TargetGroupArn, &'a Region> {
    let home = &invocation.region;
    let of_fleet = |fleet: &'a Fleet| {
        let before = fleet.state.pools.iter().flat_map(move |(id, pool)| {
            let region = fleet.region_of(id, home);
            pool.groups.iter().chain(&pool.former_groups).map(move |group| (group, region))
        });
        let named = fleet.spec.pools.iter();
        let named = named.flat_map(move |pool| pool.target_groups.iter().map(move |group| (group, pool.region_or(home))));
        before.chain(named)
    };
    fleets.into_iter().flat_map(of_fleet).collect()
}

/// The Cloud Map services that the specs name, and those they named before, where somebody may still be registered.
pub(crate) fn services<'a>(invocation: &'a Invocation, fleets: impl IntoIterator<Item = &'a Fleet>) -> BTreeMap<&'a ServiceId, &'a Region> {
    let home = &invocation.region;
    let of_fleet = |fleet: &'a Fleet| {
        let before = fleet.state.pools.iter().flat_map(move |(id, pool)| {
            let region = fleet.region_of(id, home);
            pool.service
                .iter()
                .chain(pool.former_services.keys())
                .map(move |service| (service, region))
        });
        let named = fleet
            .spec
            .pools
            .iter()
            .filter_map(move |pool| Some((&pool.cloud_map.as_ref()?.service, pool.region_or(home))));
        before.chain(named)
    };
    fleets.into_iter().flat_map(of_fleet).collect()
}

/// Answers to queries, each asked in its region, in their order. What a region does not answer has failed; one that is silent is not asked.
pub(crate) async fn series<M: Metrics>(
    metrics: &M,
    queries: Vec<(&Region, MetricQuery)>,
    silent: &BTreeSet<Region>,
    now: Timestamp,
) -> Vec<Series> {
    let is_asked: Vec<bool> = queries.iter().map(|(region, _)| !silent.contains(*region)).collect();
    let asked = queries.into_iter().zip(&is_asked).filter(|(_, is_asked)| **is_asked);
    let mut answers = try_series(metrics, asked.map(|(query, _)| query).collect(), now).await.into_iter();
    let failed = |error: PortError| Series::Failed { why: error.code };
    let unasked = || Series::Failed {
        why: "its region does not answer".to_owned(),
    };
    let answer = |is_asked: bool| {
        let answer = if is_asked { answers.next() } else { None };
        answer.map_or_else(unasked, |answer| answer.unwrap_or_else(failed))
    };
    is_asked.into_iter().map(answer).collect()
}

/// The same, with what each region said instead of an answer.
pub(crate) async fn try_series<M: Metrics>(
    metrics: &M,
    queries: Vec<(&Region, MetricQuery)>,
    now: Timestamp,
) -> Vec<Result<Series, PortError>> {
    let mut by_region: BTreeMap<&Region, (Vec<usize>, Vec<MetricQuery>)> = BTreeMap::new();
    let all = queries.len();
    for (place, (region, query)) in queries.into_iter().enumerate() {
        let (places, queries) = by_region.entry(region).or_default();
        places.push(place);
        queries.push(query);
    }
    let ask = |(region, (places, queries)): (&Region, (Vec<usize>, Vec<MetricQuery>))| {
        let region = region.clone();
        async move {
            let answers = metrics.series(&region, &queries, now).await;
            (
                places,
                answers.inspect_err(|error| tracing::warn!(%error, %region, "metrics are unknown")),
            )
        }
    };
    let no_answer = || Series::Failed {
        why: "no answer".to_owned(),
    };
    let mut series: Vec<Result<Series, PortError>> = (0..all).map(|_| Ok(no_answer())).collect();
    for (places, answers) in at_once(by_region.into_iter().map(ask).collect()).await {
        let answers: Vec<Result<Series, PortError>> = match answers {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); places.len()],
        };
        for (place, answer) in places.into_iter().zip(answers) {
            if let Some(series) = series.get_mut(place) {
                *series = answer;
            }
        }
    }
    series
}

/// As they were asked, some at a time.
pub(crate) async fn at_once<F: Future>(asked: Vec<F>) -> Vec<F::Output> {
    futures::stream::iter(asked).buffered(REGIONS_AT_ONCE).collect().await
}
