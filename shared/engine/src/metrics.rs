//! Which metrics a look asks for, in one batch for all fleets at hand, and what their answers become.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::adaptive;
use ghostnet_core::health::can_be_told;
use ghostnet_core::id::{FleetId, InstanceId, PolicyId, PoolId, Region, TargetGroupArn};
use ghostnet_core::observation::{Instance, InstanceState, Observation};
use ghostnet_core::rating;
use ghostnet_core::sample::{self, Loads, Series};
use ghostnet_core::spec::metric::{INSTANCE_ID, Queries, QueryShape, Stat, imbalance};
use ghostnet_core::spec::{HealthMetric, Metric, PoolSpec};
use jiff::Timestamp;

use crate::average;
use crate::invocation::Invocation;
use crate::load::Fleet;
use crate::observe::Readings;
use crate::port::{MetricQuery, Ports, PublishedValue};
use crate::quiet::{self, Reading};
use crate::regions;

/// One query, and where its answer goes.
struct Asked {
    fleet: FleetId,
    pool: PoolId,
    whose: Whose,
    /// What its answers become.
    becomes: Becomes,
    /// How many queries follow for it.
    queries: usize,
}

/// Who needs an answer.
enum Whose {
    /// A policy.
    Policy(PolicyId),
    /// A policy that learns: how much of an instance is used.
    Used(PolicyId),
    /// An adaptive group: the spread of its response times.
    Spread(TargetGroupArn),
    /// The same: its anomalous targets.
    Anomalous(TargetGroupArn),
}

/// What the answers to a metric's queries become.
enum Becomes {
    /// The series.
    TheSeries,
    /// Their average, which is published as this metric. Each is of one instance.
    Average(Stat, Vec<InstanceId>),
    /// Series by these names, in this order.
    Named(Vec<String>),
}

/// The metric of each instance of a pool that says of it whether it is sick.
struct AskedEach {
    fleet: FleetId,
    pool: PoolId,
    metric: HealthMetric,
    /// The instances, each with the place of its query.
    places: Vec<(InstanceId, usize)>,
}

/// Reads the metrics of the fleets whose turn it is.
pub(crate) async fn read_metrics<P: Ports>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
    (readings, silent, now): (&Readings<'_>, &BTreeSet<Region>, Timestamp),
    seen: &mut BTreeMap<FleetId, Observation>,
) {
    let (mut asked, mut queries, mut read) = (Vec::new(), Vec::new(), Vec::new());
    for (id, fleet) in fleets {
        let Some(observation) = seen.get(id) else { continue };
        let reads = match readings.get(id) {
            Some(Reading::Anyway) => true,
            Some(Reading::IfAlarmed) => !quiet::all_ok(fleet, observation),
            Some(Reading::No) | None => false,
        };
        if reads {
            ask_fleet(id, fleet, observation, &mut asked, &mut queries);
            read.push((id, fleet, observation));
        }
    }
    // last, when it is known what the policies ask anyway
    let asked_each = ask_each(&read, &mut queries);
    if queries.is_empty() {
        return;
    }
    let located = located(invocation, fleets, (&asked, &asked_each), queries);
    let answers = regions::series(ports, located, silent, now).await;
    for AskedEach {
        fleet,
        pool,
        metric,
        places,
    } in asked_each
    {
        let answer = |(id, place): (InstanceId, usize)| Some((id, answers.get(place)?.clone()));
        let series = places.into_iter().filter_map(answer).collect();
        let readings = sample::Readings::of(series, metric.stat.period, metric.datapoints, now);
        seen.entry(fleet)
            .and_modify(|observation| drop(observation.readings.insert(pool, readings)));
    }
    let mut answers = answers.into_iter();
    let mut published = Vec::new();
    for Asked {
        fleet,
        pool,
        whose,
        becomes,
        queries,
    } in asked
    {
        let own: Vec<Series> = answers.by_ref().take(queries).collect();
        let series = match becomes {
            Becomes::TheSeries => own.into_iter().next().unwrap_or_else(|| Series::Failed {
                why: "no answer".to_owned(),
            }),
            Becomes::Average(stat, instances) => {
                let loads = fleets.get(&fleet).and_then(|fleet| fleet.spec.pool(&pool)?.load_policy());
                if loads.is_some_and(|loads| matches!(&whose, Whose::Policy(policy) if *policy == loads.id))
                    && let Some(observation) = seen.get_mut(&fleet)
                {
                    let each: Vec<(InstanceId, Series)> = instances.into_iter().zip(own.iter().cloned()).collect();
                    let loads = Loads::of(&each, stat.period);
                    observation.loads.extend(loads.map(|loads| (pool.clone(), loads)));
                }
                let series = average::over_instances(&own, stat.period);
                published.extend(average::published(&series, &stat, &fleet, &pool));
                series
            }
            Becomes::Named(names) => Series::Several {
                inputs: names.into_iter().zip(own).collect(),
            },
        };
        if let Some(observation) = seen.get_mut(&fleet) {
            match whose {
                Whose::Policy(policy) => drop(observation.series.entry(pool).or_default().insert(policy, series)),
                Whose::Used(policy) => drop(observation.used.entry(pool).or_default().insert(policy, series)),
                Whose::Spread(group) => observation.imbalance.entry(group).or_default().spread = series,
                Whose::Anomalous(group) => observation.imbalance.entry(group).or_default().anomalous = series,
            }
        }
    }
    publish(ports, invocation, &published).await;
}

/// The queries, each with the region of the pool that asks it.
fn located<'a>(
    invocation: &'a Invocation,
    fleets: &'a BTreeMap<FleetId, Fleet>,
    (asked, asked_each): (&[Asked], &[AskedEach]),
    queries: Vec<MetricQuery>,
) -> Vec<(&'a Region, MetricQuery)> {
    let home = &invocation.region;
    let region_of = |fleet: &FleetId, pool: &PoolId| fleets.get(fleet).map_or(home, |fleet| fleet.region_of(pool, home));
    let of_pools = asked
        .iter()
        .flat_map(|asked| std::iter::repeat_n(region_of(&asked.fleet, &asked.pool), asked.queries));
    let mut regions: Vec<&Region> = of_pools.collect();
    regions.resize(queries.len(), home);
    for asked in asked_each {
        for (_, place) in &asked.places {
            if let Some(region) = regions.get_mut(*place) {
                *region = region_of(&asked.fleet, &asked.pool);
            }
        }
    }
    regions.into_iter().zip(queries).collect()
}

fn ask_fleet(id: &FleetId, fleet: &Fleet, observation: &Observation, asked: &mut Vec<Asked>, queries: &mut Vec<MetricQuery>) {
    for pool in &fleet.spec.pools {
        for policy in &pool.policies {
            let Some(measure) = policy.rule.measure() else { continue };
            let mut ask = |whose, metric: &Metric, points| {
                let first = queries.len();
                let becomes = ask_metric(id, (fleet, observation, pool), (metric, points), queries);
                asked.push(Asked {
                    fleet: id.clone(),
                    pool: pool.id.clone(),
                    whose,
                    becomes,
                    queries: queries.len().saturating_sub(first),
                });
            };
            let counted = u32::from(measure.out.of.max(measure.in_.of));
            let Some(learning) = policy.learning() else {
                ask(Whose::Policy(policy.id.clone()), &measure.metric, counted);
                continue;
            };
            // the demand of every datapoint of the use, whose newest may be a whole period older
            let each = learning.metric.period().0 / measure.metric.period().0.max(1);
            let learned = each.saturating_mul(rating::POINTS.saturating_add(1));
            ask(Whose::Policy(policy.id.clone()), &measure.metric, counted.max(learned));
            ask(Whose::Used(policy.id.clone()), &learning.metric, rating::POINTS);
        }
        for group in pool.target_groups.iter().filter(|_| pool.balancing.adaptive.is_some()) {
            let shapes = imbalance(group, &fleet.stored.resolved);
            let whose = [Whose::Spread(group.clone()), Whose::Anomalous(group.clone())];
            for (shape, whose) in shapes.into_iter().zip(whose) {
                queries.push(MetricQuery {
                    shape,
                    points: adaptive::POINTS,
                });
                asked.push(Asked {
                    fleet: id.clone(),
                    pool: pool.id.clone(),
                    whose,
                    becomes: Becomes::TheSeries,
                    queries: 1,
                });
            }
        }
    }
}

/// Adds the queries of each instance that its own metric can make sick. One that a policy asks the same of is not asked twice.
fn ask_each(read: &[(&FleetId, &Fleet, &Observation)], queries: &mut Vec<MetricQuery>) -> Vec<AskedEach> {
    let pools = read.iter().flat_map(|(id, fleet, observation)| {
        let metric = |pool: &'_ PoolSpec| pool.health_metric.clone();
        let pools = fleet.spec.pools.iter().filter_map(move |pool| Some((pool, metric(pool)?)));
        pools.map(move |(pool, metric)| (*id, *fleet, *observation, pool, metric))
    });
    let mut asked = Vec::new();
    let mut known: Option<BTreeMap<Stat, usize>> = None;
    for (id, fleet, observation, pool, metric) in pools {
        let known = known.get_or_insert_with(|| of_instances(queries));
        let points = u32::from(metric.datapoints);
        let place = |instance: &Instance| {
            let stat = metric.stat.of_instance(&instance.id);
            let place = known.get(&stat).copied().unwrap_or(queries.len());
            match queries.get_mut(place) {
                Some(query) => query.points = query.points.max(points),
                None => queries.push(MetricQuery {
                    shape: QueryShape::Stat(stat),
                    points,
                }),
            }
            (instance.id.clone(), place)
        };
        let places = told_instances(fleet, observation, pool).map(place).collect();
        asked.push(AskedEach {
            fleet: id.clone(),
            pool: pool.id.clone(),
            metric,
            places,
        });
    }
    asked
}

/// The places of queries that ask of a single instance.
fn of_instances(queries: &[MetricQuery]) -> BTreeMap<Stat, usize> {
    let each = |(query, place): (&MetricQuery, usize)| match &query.shape {
        QueryShape::Stat(stat) if stat.dimensions.contains_key(INSTANCE_ID) => Some((stat.clone(), place)),
        _ => None,
    };
    queries.iter().zip(0..).filter_map(each).collect()
}

/// Instances that their own metric can make sick.
fn told_instances<'a>(fleet: &'a Fleet, observation: &'a Observation, pool: &'a PoolSpec) -> impl Iterator<Item = &'a Instance> {
    let members = fleet.state.pools.get(&pool.id).map(|pool| &pool.members);
    let can_be_told = move |instance: &&Instance| {
        let member = members.and_then(|members| members.get(&instance.id));
        member.is_some_and(|member| can_be_told(pool, member, instance, observation.observed_at))
    };
    observation.instances.iter().flatten().filter(can_be_told)
}

/// Adds the queries of one metric of a pool.
fn ask_metric(
    id: &FleetId,
    (fleet, observation, pool): (&Fleet, &Observation, &PoolSpec),
    (metric, points): (&Metric, u32),
    queries: &mut Vec<MetricQuery>,
) -> Becomes {
    match metric.queries(id, pool, &fleet.stored.resolved) {
        Queries::One(shape) => {
            queries.push(MetricQuery { shape, points });
            Becomes::TheSeries
        }
        Queries::PerInstance(stat) => {
            let instances = measured_instances(fleet, observation, pool);
            queries.extend(instances.iter().map(|instance| MetricQuery {
                shape: QueryShape::Stat(stat.of_instance(instance)),
                points,
            }));
            Becomes::Average(stat, instances)
        }
        Queries::Several(shapes) => {
            let (names, shapes): (Vec<_>, Vec<_>) = shapes.into_iter().unzip();
            queries.extend(shapes.into_iter().map(|shape| MetricQuery { shape, points }));
            Becomes::Named(names)
        }
    }
}

/// Instances whose own series count: running members that neither leave nor warm up nor are kept warm.
fn measured_instances(fleet: &Fleet, observation: &Observation, pool: &PoolSpec) -> Vec<InstanceId> {
    let members = fleet.state.pools.get(&pool.id).map(|pool| &pool.members);
    let counts = |instance: &&Instance| {
        let settled = members
            .and_then(|members| members.get(&instance.id))
            .is_some_and(|member| member.drain.is_none() && member.terminating_since.is_none() && member.warm.is_none());
        instance.state == InstanceState::Running && settled && observation.observed_at >= pool.warmup.after(instance.launched_at)
    };
    observation
        .instances
        .iter()
        .flatten()
        .filter(counts)
        .map(|instance| instance.id.clone())
        .collect()
}

async fn publish<P: Ports>(ports: &P, invocation: &Invocation, values: &[PublishedValue]) {
    // several functions would publish the same minute several times; tick alone may
    if values.is_empty() || invocation.function != "tick" {
        return;
    }
    if let Err(error) = ports.publish(&invocation.region, values).await {
        tracing::warn!(%error, "averages were not published");
    }
}
