//! What AWS says about fleets, asked in as few calls as possible: one listing of instances, one batch of alarm states, one
//! batch of metrics for all of them; target health per group, because ELBv2 has no batch.
//!
//! A call that fails leaves its part unknown; it fails no look.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use ghostnet_core::id::{AlarmName, FleetId, InstanceId, PlanId, Region, ServiceId, TargetGroupArn};
use ghostnet_core::observation::{Instance, Observation, Registration, Target};
use ghostnet_core::plan::Action;
use ghostnet_core::signal::Signal;
use ghostnet_core::sorted::Walk;
use ghostnet_core::spec::{Attribute, Policy, Rule};
use jiff::Timestamp;

use crate::error::ErrorClass;
use crate::invocation::Invocation;
use crate::listing::{self, Listing};
use crate::load::Fleet;
use crate::metrics::read_metrics;
use crate::port::{ListedInstance, Ports};
use crate::quiet::{self, Reading};
use crate::regions;

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
    let places = regions::of_fleets(invocation, fleets.values());
    let mut seen: BTreeMap<FleetId, Observation> = fleets.keys().map(|id| (id.clone(), Observation::unknown(now))).collect();
    let (first, silent) = listing::first(ports, invocation, &places).await;
    let (listing, targets, registrations, impaired, mut attributes) = futures::join!(
        listing::or_now(first, ports, invocation, &places),
        read_targets(ports, invocation, fleets, &silent),
        read_registrations(ports, invocation, fleets, &silent),
        read_status_checks(ports, invocation, fleets, &silent),
        read_attributes(ports, invocation, fleets, (signal, &silent), now)
    );
    sort_instances(listing, invocation, fleets, &mut seen);
    sort_impaired(&impaired, invocation, fleets, &mut seen);
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
    read_metrics(ports, invocation, fleets, (&readings, &silent, now), &mut seen).await;
    read_forecasts(ports, fleets, &mut seen).await;
    read_recorded_plans(ports, fleets, &mut seen).await;
    seen
}

/// Whose status checks fail, by the regions that said so; asked once for all fleets, and only where a pool wants to know.
async fn read_status_checks<P: Ports>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
    silent: &BTreeSet<Region>,
) -> BTreeMap<Region, BTreeMap<InstanceId, Timestamp>> {
    let wanted = fleets.values().filter(|fleet| wants_status_checks(fleet));
    let pools = wanted.flat_map(|fleet| &fleet.spec.pools);
    let regions: BTreeSet<&Region> = pools.map(|pool| pool.region_or(&invocation.region)).collect();
    let ask = |region: Region| async move {
        let impaired = ports.impaired(&region).await;
        let impaired = impaired.inspect_err(|error| tracing::warn!(%error, %region, "status checks are unknown"));
        Some((region, impaired.ok()?))
    };
    let asked = regions.into_iter().filter(|region| !silent.contains(*region)).cloned();
    let answers = regions::at_once(asked.map(ask).collect()).await;
    answers.into_iter().flatten().collect()
}

fn wants_status_checks(fleet: &Fleet) -> bool {
    fleet.spec.pools.iter().any(|pool| pool.status_checks.is_some())
}

/// Tells each fleet that wants to know which of its own instances fail. Where one of its regions did not say it, it is not known.
fn sort_impaired(
    impaired: &BTreeMap<Region, BTreeMap<InstanceId, Timestamp>>,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
    seen: &mut BTreeMap<FleetId, Observation>,
) {
    for (id, observation) in seen {
        let Some(fleet) = fleets.get(id).filter(|fleet| wants_status_checks(fleet)) else {
            continue;
        };
        let mut pools = fleet.spec.pools.iter();
        if !pools.all(|pool| impaired.contains_key(pool.region_or(&invocation.region))) {
            continue;
        }
        let own = observation.instances.iter().flatten().filter_map(|instance| {
            let since = impaired.values().find_map(|there| there.get(&instance.id))?;
            Some((instance.id.clone(), *since))
        });
        observation.impaired = Some(own.collect());
    }
}

async fn read_targets<P: Ports>(
    ports: &P,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
    silent: &BTreeSet<Region>,
) -> BTreeMap<TargetGroupArn, Vec<Target>> {
    let named = |group: &TargetGroupArn| {
        fleets
            .values()
            .any(|fleet| fleet.spec.pools.iter().any(|pool| pool.target_groups.contains(group)))
    };
    let named = &named;
    let ask = |(group, region): (TargetGroupArn, Region)| async move {
        match ports.targets(&region, &group).await {
            Ok(targets) => Some((group, targets)),
            // a group that nobody names any more and that was deleted has no targets: that is an answer
            Err(error) if error.class == ErrorClass::NotFound && !named(&group) => Some((group, Vec::new())),
            Err(error) => {
                tracing::warn!(%error, %group, "targets are unknown");
                None
            }
        }
    };
    let groups = regions::groups(invocation, fleets.values()).into_iter();
    let groups = groups.filter(|(_, region)| !silent.contains(*region));
    let asked: Vec<_> = groups.map(|(group, region)| (group.clone(), region.clone())).map(ask).collect();
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
    silent: &BTreeSet<Region>,
) -> BTreeMap<ServiceId, Vec<Registration>> {
    let named = |service: &ServiceId| {
        let mut pools = fleets.values().flat_map(|fleet| &fleet.spec.pools);
        pools.any(|pool| pool.cloud_map.as_ref().is_some_and(|cloud_map| cloud_map.service == *service))
    };
    let named = &named;
    let ask = |(service, region): (ServiceId, Region)| async move {
        match ports.registrations(&region, &service, &invocation.installation).await {
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
    let services = regions::services(invocation, fleets.values()).into_iter();
    let services = services.filter(|(_, region)| !silent.contains(*region));
    let asked: Vec<_> = services
        .map(|(service, region)| (service.clone(), region.clone()))
        .map(ask)
        .collect();
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
    (signal, silent): (&Signal, &BTreeSet<Region>),
    now: Timestamp,
) -> BTreeMap<FleetId, BTreeMap<TargetGroupArn, BTreeMap<Attribute, String>>> {
    let mut read: BTreeMap<FleetId, BTreeMap<_, _>> = BTreeMap::new();
    let groups_at = regions::groups(invocation, fleets.values());
    let region_of = |group: &TargetGroupArn| (*groups_at.get(group).unwrap_or(&&invocation.region)).clone();
    let due = |(id, fleet): (&FleetId, &Fleet)| {
        let groups = match invocation.function {
            "tick" => quiet::groups_to_tune(id, fleet, signal, now),
            "cli" => quiet::tuned_groups(fleet).collect(),
            _ => Vec::new(),
        };
        let located = |group: &TargetGroupArn| (id.clone(), group.clone(), region_of(group));
        let asked = groups.into_iter().map(located);
        asked.filter(|(_, _, region)| !silent.contains(region)).collect::<Vec<_>>()
    };
    let ask = |(id, group, region): (FleetId, TargetGroupArn, Region)| async move {
        match ports.group_attributes(&region, &group).await {
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

/// Sorts instances to their fleets by tag, and marks the ones that their pool's tag protects. Who is tagged for a pool of another region is
/// none of its instances: no call to the pool's region finds it.
fn sort_instances(
    mut listing: Listing,
    invocation: &Invocation,
    fleets: &BTreeMap<FleetId, Fleet>,
    seen: &mut BTreeMap<FleetId, Observation>,
) {
    let mut listed = std::mem::take(&mut listing.listed);
    let all: usize = listed.iter().map(|(_, listed)| listed.len()).sum();
    let each = all.div_ceil(fleets.len().max(1));
    let empty = |(id, fleet)| (FleetId::clone(id), (fleet, Vec::with_capacity(each)));
    let mut sorted: BTreeMap<FleetId, (&Fleet, Vec<Instance>)> = fleets.iter().map(empty).collect();
    let listed = listed
        .iter_mut()
        .flat_map(|(region, listed)| listed.drain(..).map(|listed| (&*region, listed)));
    for (region, listed) in listed {
        let ListedInstance {
            fleet,
            mut instance,
            tag_keys,
        } = listed;
        let Some((fleet, instances)) = fleet.and_then(|id| sorted.get_mut(&id)) else {
            continue;
        };
        let pool = instance.pool.as_ref().and_then(|pool| fleet.spec.pool(pool));
        if let Some(pool) = pool.filter(|pool| pool.region_or(&invocation.region) != region) {
            tracing::warn!(instance = %instance.id, %region, fleet = %fleet.spec.id, pool = %pool.id, "is tagged for a pool of another region, and left alone");
            continue;
        }
        instance.protected = pool.is_some_and(|pool| tag_keys.contains(&pool.protect_tag));
        // nobody else needs it, and every record would carry it
        instance.address = instance.address.filter(|_| pool.is_some_and(|pool| pool.cloud_map.is_some()));
        instances.push(instance);
    }
    for (id, (fleet, mut instances)) in sorted {
        let Some(unlisted) = listing.unlisted(invocation, fleet) else {
            continue;
        };
        // pages come in any order; a decision must not depend on it
        instances.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(observation) = seen.get_mut(&id) {
            observation.instances = Some(instances);
            observation.unlisted = unlisted;
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
pub(crate) type Readings<'a> = BTreeMap<&'a FleetId, Reading>;

/// What was learned of the loads that policies look ahead for, told for this moment. Asked only where the load itself was read.
async fn read_forecasts<P: Ports>(ports: &P, fleets: &BTreeMap<FleetId, Fleet>, seen: &mut BTreeMap<FleetId, Observation>) {
    let looking = |(id, observation): (&FleetId, &Observation)| {
        let fleet = fleets.get(id)?;
        let mut policies = fleet.spec.pools.iter().flat_map(|pool| &pool.policies);
        let looks = policies.any(|policy| matches!(policy.rule, Rule::Predictive(_)));
        (looks && !observation.series.is_empty()).then(|| id.clone())
    };
    let looking: Vec<FleetId> = seen.iter().filter_map(looking).collect();
    if looking.is_empty() {
        return;
    }
    let forecasts = match ports.forecasts(&looking).await {
        Ok(forecasts) => forecasts,
        Err(error) => {
            tracing::warn!(%error, "what lies ahead is unknown");
            return;
        }
    };
    for (id, forecast) in forecasts {
        let (Some(fleet), Some(observation)) = (fleets.get(&id), seen.get_mut(&id)) else {
            continue;
        };
        let now = observation.observed_at;
        if fleet.spec.tuning.is_some() {
            let tuned = forecast.found.iter().map(|(pool, found)| (pool.clone(), found.tuned));
            observation.tuned = Some(tuned.collect());
        }
        for pool in &fleet.spec.pools {
            let outlooks = forecast.outlooks.get(&pool.id);
            let season = |policy: &Policy| match (&policy.rule, outlooks?.get(&policy.id)) {
                (Rule::Predictive(rule), Some(outlook)) => Some((
                    policy.id.clone(),
                    outlook.season(now, rule.minutes(pool.warmup, fleet.boots(&pool.id))),
                )),
                _ => None,
            };
            let seasons: BTreeMap<_, _> = pool.policies.iter().filter_map(season).collect();
            if !seasons.is_empty() {
                observation.seasons.insert(pool.id.clone(), seasons);
            }
        }
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
