//! What AWS says about fleets, asked in as few calls as possible: one listing of instances, one batch of alarm states, one
//! batch of metrics for all of them; target health per group, because ELBv2 has no batch.
//!
//! A call that fails leaves its part unknown; it fails no look.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use ghostnet_core::adaptive;
use ghostnet_core::id::{AlarmName, FleetId, InstanceId, PlanId, PolicyId, PoolId, ServiceId, TargetGroupArn};
use ghostnet_core::observation::{Instance, InstanceState, Observation, Registration, Target};
use ghostnet_core::plan::Action;
use ghostnet_core::rating;
use ghostnet_core::sample::{Loads, Series};
use ghostnet_core::signal::Signal;
use ghostnet_core::sorted::Walk;
use ghostnet_core::spec::metric::{Queries, QueryShape, Stat, imbalance};
use ghostnet_core::spec::{Attribute, Metric, PoolSpec};
use jiff::Timestamp;

use crate::average;
use crate::error::ErrorClass;
use crate::invocation::Invocation;
use crate::load::Fleet;
use crate::port::{ListedInstance, MetricQuery, Ports, PublishedValue};
use crate::quiet::{self, Reading};

/// Target groups, and Cloud Map services, asked at the same time.
const GROUPS_AT_ONCE: usize = 8;

/// Observes fleets that were just loaded. Every observation begins after its load.
pub(crate) async fn observe<P: Ports>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
    signal: &Signal,
) -> BTreeMap<FleetId, Observation> {
    let now = ports.now();
    let mut seen: BTreeMap<FleetId, Observation> = fleets.keys().map(|id| (id.clone(), Observation::unknown(now))).collect();
    let (instances, targets, registrations, impaired, mut attributes) = futures::join!(
        ports.instances(&invocation.region, &invocation.installation),
        read_targets(ports, invocation, fleets),
        read_registrations(ports, invocation, fleets),
        read_status_checks(ports, invocation, fleets),
        read_attributes(ports, invocation, fleets, signal, now)
    );
    match instances {
        Ok(listed) => sort_instances(listed, fleets, &mut seen),
        Err(error) => tracing::warn!(%error, "instances are unknown"),
    }
    if let Some(impaired) = impaired {
        sort_impaired(&impaired, fleets, &mut seen);
    }
    for (id, observation) in &mut seen {
        let groups = fleets.get(id).map(groups_of).unwrap_or_default();
        observation.targets = groups
            .into_iter()
            .filter_map(|group| Some((group.clone(), targets.get(group)?.clone())))
            .collect();
        let services = fleets.get(id).map(services_of).unwrap_or_default();
        observation.registrations = services
            .into_iter()
            .filter_map(|service| Some((service.clone(), registrations.get(service)?.clone())))
            .collect();
        observation.attributes = attributes.remove(id).unwrap_or_default();
    }
    let readings: Readings<'_> = fleets
        .iter()
        .map(|(id, fleet)| (id, quiet::reading(id, fleet, signal, now)))
        .collect();
    read_alarms(ports, invocation, fleets, &readings, &mut seen).await;
    read_metrics(ports, invocation, fleets, (&readings, now), &mut seen).await;
    read_recorded_plans(ports, fleets, &mut seen).await;
    seen
}

/// Whose status checks fail, asked once for all fleets, and only if a pool wants to know.
async fn read_status_checks<P: Ports>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
) -> Option<BTreeMap<InstanceId, Timestamp>> {
    if !fleets.values().any(wants_status_checks) {
        return None;
    }
    match ports.impaired(&invocation.region).await {
        Ok(impaired) => Some(impaired),
        Err(error) => {
            tracing::warn!(%error, "status checks are unknown");
            None
        }
    }
}

fn wants_status_checks(fleet: &Fleet) -> bool {
    fleet.spec.pools.iter().any(|pool| pool.status_checks.is_some())
}

/// Tells each fleet that wants to know which of its own instances fail.
fn sort_impaired(impaired: &BTreeMap<InstanceId, Timestamp>, fleets: &BTreeMap<FleetId, Fleet>, seen: &mut BTreeMap<FleetId, Observation>) {
    for (id, observation) in seen {
        if !fleets.get(id).is_some_and(wants_status_checks) {
            continue;
        }
        let own = observation.instances.iter().flatten().filter_map(|instance| {
            let since = impaired.get(&instance.id)?;
            Some((instance.id.clone(), *since))
        });
        observation.impaired = Some(own.collect());
    }
}

async fn read_targets<P: Ports>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
) -> BTreeMap<TargetGroupArn, Vec<Target>> {
    let groups: BTreeSet<&TargetGroupArn> = fleets.values().flat_map(groups_of).collect();
    let named = |group: &TargetGroupArn| {
        fleets
            .values()
            .any(|fleet| fleet.spec.pools.iter().any(|pool| pool.target_groups.contains(group)))
    };
    let named = &named;
    let ask = |group: TargetGroupArn| async move {
        match ports.targets(&invocation.region, &group).await {
            Ok(targets) => Some((group, targets)),
            // a group that nobody names any more and that was deleted has no targets: that is an answer
            Err(error) if error.class == ErrorClass::NotFound && !named(&group) => Some((group, Vec::new())),
            Err(error) => {
                tracing::warn!(%error, %group, "targets are unknown");
                None
            }
        }
    };
    let asked: Vec<_> = groups.into_iter().cloned().map(ask).collect();
    futures::stream::iter(asked)
        .buffer_unordered(GROUPS_AT_ONCE)
        .filter_map(|answer| async { answer })
        .collect()
        .await
}

/// Who is registered in Cloud Map: each service is asked once, however many pools share it.
async fn read_registrations<P: Ports>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
) -> BTreeMap<ServiceId, Vec<Registration>> {
    let services: BTreeSet<&ServiceId> = fleets.values().flat_map(services_of).collect();
    let named = |service: &ServiceId| {
        let mut pools = fleets.values().flat_map(|fleet| &fleet.spec.pools);
        pools.any(|pool| pool.cloud_map.as_ref().is_some_and(|cloud_map| cloud_map.service == *service))
    };
    let named = &named;
    let ask = |service: ServiceId| async move {
        match ports.registrations(&invocation.region, &service, &invocation.installation).await {
            Ok(mut registrations) => {
                // pages come in any order; a decision must not depend on it
                registrations.sort_by(|a, b| a.instance.cmp(&b.instance));
                Some((service, registrations))
            }
            // one that nobody names any more and that was deleted sends clients to nobody: that is an answer
            Err(error) if error.class == ErrorClass::NotFound && !named(&service) => Some((service, Vec::new())),
            Err(error) => {
                tracing::warn!(%error, %service, "registrations are unknown");
                None
            }
        }
    };
    let asked: Vec<_> = services.into_iter().cloned().map(ask).collect();
    futures::stream::iter(asked)
        .buffer_unordered(GROUPS_AT_ONCE)
        .filter_map(|answer| async { answer })
        .collect()
        .await
}

/// The Cloud Map services that the spec names, and those it named before, where somebody may still be registered.
fn services_of(fleet: &Fleet) -> BTreeSet<&ServiceId> {
    let named = fleet.spec.pools.iter().filter_map(|pool| pool.cloud_map.as_ref());
    let before = fleet.state.pools.values();
    let before = before.flat_map(|pool| pool.service.iter().chain(pool.former_services.keys()));
    named.map(|cloud_map| &cloud_map.service).chain(before).collect()
}

/// Attributes by fleet, of the groups whose turn it is. Only the tick may set them, so no other function reads them; who only looks sees
/// them all.
async fn read_attributes<P: Ports>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
    signal: &Signal,
    now: Timestamp,
) -> BTreeMap<FleetId, BTreeMap<TargetGroupArn, BTreeMap<Attribute, String>>> {
    let mut read: BTreeMap<FleetId, BTreeMap<_, _>> = BTreeMap::new();
    let due = |(id, fleet): (&FleetId, &Fleet)| {
        let groups = match invocation.function {
            "tick" => quiet::groups_to_tune(id, fleet, signal, now),
            "cli" => quiet::tuned_groups(fleet).collect(),
            _ => Vec::new(),
        };
        groups.into_iter().map(|group| (id.clone(), group.clone())).collect::<Vec<_>>()
    };
    let ask = |(id, group): (FleetId, TargetGroupArn)| async move {
        match ports.group_attributes(&invocation.region, &group).await {
            Ok(attributes) => Some((id, group, attributes)),
            Err(error) => {
                tracing::warn!(%error, %group, "attributes are unknown");
                None
            }
        }
    };
    let asked: Vec<_> = fleets.iter().flat_map(due).map(ask).collect();
    let mut answers = futures::stream::iter(asked).buffer_unordered(GROUPS_AT_ONCE);
    while let Some(answer) = answers.next().await {
        if let Some((id, group, attributes)) = answer {
            read.entry(id).or_default().insert(group, attributes);
        }
    }
    read
}

/// The groups that the spec names, and those it named before, where somebody may still be registered.
fn groups_of(fleet: &Fleet) -> BTreeSet<&TargetGroupArn> {
    let named = fleet.spec.pools.iter().flat_map(|pool| &pool.target_groups);
    let before = fleet
        .state
        .pools
        .values()
        .flat_map(|pool| pool.groups.iter().chain(&pool.former_groups));
    named.chain(before).collect()
}

/// Sorts instances to their fleets by tag, and marks the ones that their pool's tag protects.
fn sort_instances(listed: Vec<ListedInstance>, fleets: &BTreeMap<FleetId, Fleet>, seen: &mut BTreeMap<FleetId, Observation>) {
    let each = listed.len().div_ceil(fleets.len().max(1));
    let empty = |(id, fleet)| (FleetId::clone(id), (fleet, Vec::with_capacity(each)));
    let mut sorted: BTreeMap<FleetId, (&Fleet, Vec<Instance>)> = fleets.iter().map(empty).collect();
    for ListedInstance {
        fleet,
        mut instance,
        tag_keys,
    } in listed
    {
        let Some((fleet, instances)) = fleet.and_then(|id| sorted.get_mut(&id)) else {
            continue;
        };
        let pool = instance.pool.as_ref().and_then(|pool| fleet.spec.pool(pool));
        instance.protected = pool.is_some_and(|pool| tag_keys.contains(&pool.protect_tag));
        // nobody else needs it, and every record would carry it
        instance.address = instance.address.filter(|_| pool.is_some_and(|pool| pool.cloud_map.is_some()));
        instances.push(instance);
    }
    for (id, (_, mut instances)) in sorted {
        // pages come in any order; a decision must not depend on it
        instances.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(observation) = seen.get_mut(&id) {
            observation.instances = Some(instances);
        }
    }
}

async fn read_alarms<P: Ports>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
    readings: &Readings<'_>,
    seen: &mut BTreeMap<FleetId, Observation>,
) {
    let asked = fleets.iter().filter(|(id, _)| readings.get(id) == Some(&Reading::IfAlarmed));
    let by_fleet: Vec<(FleetId, Vec<AlarmName>)> = asked.map(|(id, fleet)| (id.clone(), quiet::alarms(fleet))).collect();
    let names: Vec<AlarmName> = by_fleet
        .iter()
        .flat_map(|(_, names)| names.iter().cloned())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if names.is_empty() {
        return;
    }
    match ports.alarm_states(&invocation.region, &names).await {
        Ok(states) => {
            for (id, names) in by_fleet {
                if let Some(observation) = seen.get_mut(&id) {
                    observation.alarms = names
                        .into_iter()
                        .filter_map(|name| Some((name.clone(), *states.get(&name)?)))
                        .collect();
                }
            }
        }
        Err(error) => tracing::warn!(%error, "alarm states are unknown"),
    }
}

/// Whether a look reads the metrics of each fleet.
type Readings<'a> = BTreeMap<&'a FleetId, Reading>;

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

async fn read_metrics<P: Ports>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
    (readings, now): (&Readings<'_>, Timestamp),
    seen: &mut BTreeMap<FleetId, Observation>,
) {
    let (mut asked, mut queries) = (Vec::new(), Vec::new());
    for (id, fleet) in fleets {
        let Some(observation) = seen.get(id) else { continue };
        let reads = match readings.get(id) {
            Some(Reading::Anyway) => true,
            Some(Reading::IfAlarmed) => !quiet::all_ok(fleet, observation),
            Some(Reading::No) | None => false,
        };
        if reads {
            ask_fleet(id, fleet, observation, &mut asked, &mut queries);
        }
    }
    if queries.is_empty() {
        return;
    }
    let answers = match ports.series(&invocation.region, &queries, now).await {
        Ok(answers) => answers,
        Err(error) => {
            tracing::warn!(%error, "metrics are unknown");
            vec![Series::Failed { why: error.code }; queries.len()]
        }
    };
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
                shape: QueryShape::Stat(of_instance(&stat, instance)),
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

fn of_instance(stat: &Stat, instance: &InstanceId) -> Stat {
    let mut stat = stat.clone();
    stat.dimensions.insert("InstanceId".to_owned(), instance.to_string());
    stat
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

/// Which plans that instance tags name are on record; asked only where an instance is otherwise unexplained.
async fn read_recorded_plans<P: Ports>(ports: &P, fleets: &BTreeMap<FleetId, Fleet>, seen: &mut BTreeMap<FleetId, Observation>) {
    for (id, observation) in seen {
        let Some(fleet) = fleets.get(id) else { continue };
        let plans = unexplained_plans(fleet, observation);
        if plans.is_empty() {
            continue;
        }
        match ports.recorded_plans(id, &plans).await {
            Ok(recorded) => observation.recorded_plans = recorded,
            Err(error) => tracing::warn!(%error, fleet = %id, "which plans are on record is unknown"),
        }
    }
}

fn unexplained_plans(fleet: &Fleet, observation: &Observation) -> BTreeSet<PlanId> {
    // members and instances are both in the order of their ids
    let mut members: Vec<_> = fleet.state.pools.values().map(|pool| Walk::over(pool.members.iter())).collect();
    let mut member = |instance: &Instance| members.iter_mut().any(|members| members.to(&instance.id).is_some());
    let open = |plan: &PlanId| {
        fleet
            .state
            .open
            .iter()
            .any(|open| open.step.id.plan == *plan && matches!(open.step.action, Action::Launch(_)))
    };
    let strangers = observation
        .instances
        .iter()
        .flatten()
        .filter(|instance| !instance.state.is_gone() && !member(instance));
    strangers
        .filter_map(|instance| instance.plan.clone())
        .filter(|plan| !open(plan))
        .collect()
}
