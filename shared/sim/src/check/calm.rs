//! After the storm: the fleet is right, and nothing is left over.

use std::collections::BTreeSet;

use ghostnet_core::churn;
use ghostnet_core::id::{FleetId, InstanceId, StepId};
use ghostnet_core::observation::{InstanceState, Told};
use ghostnet_core::spec::{Drift, FleetMode, FleetSpec, Metric, NamedMetric, PolicyMode, PoolRole, PoolSpec, Rule};
use ghostnet_core::state::{CapacityState, PoolState};

use super::{Check, balancing, discovery, swap, traffic};
use crate::clock::{MINUTE, Millis, at};
use crate::cloud::ec2::Machine;
use crate::world::World;

/// What is not right about the fleets of a calm world; empty: everything is.
#[must_use]
pub fn is_right(world: &World) -> Vec<(Check, String)> {
    let mut found = Vec::new();
    for (id, fleet) in &world.fleets {
        let Some(state) = world.table.fleets.get(id).and_then(|items| items.capacity()) else {
            found.push((Check::Converges, format!("{id} has no state")));
            continue;
        };
        if !state.open.is_empty() {
            found.push((Check::Converges, format!("{id}: {} steps are open", state.open.len())));
        }
        if let Some(items) = world.table.fleets.get(id) {
            traffic::judge(world, id, &fleet.spec, &items.traffic, &mut found);
        }
        for pool in &fleet.spec.pools {
            balancing::judge(world, id, pool, &mut found);
            discovery::judge(world, id, pool, &mut found);
            if let Some(pool_state) = state.pools.get(&pool.id) {
                judge(world, id, pool, state, pool_state, &mut found);
            }
        }
    }
    found
}

/// An orphan is found long before anything is this old: a step is taken over within minutes, and what lags in lists lags for minutes.
const FOUND_WITHIN: Millis = 30 * MINUTE;

/// I9, in the storm too: whatever a step launched is soon known, or still looked for.
pub fn no_orphans(world: &mut World) {
    let now = world.now;
    let mut orphans = Vec::new();
    for (id, fleet) in &world.fleets {
        let Some(state) = world.table.fleets.get(id).and_then(|items| items.capacity()) else {
            continue;
        };
        let acts = matches!(fleet.spec.mode, FleetMode::On | FleetMode::OutOnly);
        if state.pause.is_some() || !acts {
            world.watch.paused_at.insert(id.clone(), now);
        }
        let paused_at = world.watch.paused_at.get(id).copied().unwrap_or(Millis::MIN);
        // of many that a restored table does not know, a person is told, and they are held until then
        if world.watch.was_restored() || now.saturating_sub(paused_at) < FOUND_WITHIN {
            continue;
        }
        for pool in &fleet.spec.pools {
            let is_known = |machine: &Machine| {
                let step = machine.tags.plan.clone().zip(machine.tags.step);
                let step = step.map(|(plan, number)| StepId { plan, number });
                let is_open = state.open.iter().any(|open| Some(&open.step.id) == step.as_ref());
                is_open || state.pools.values().any(|pool| pool.members.contains_key(&machine.id))
            };
            let old = world
                .alive(id, &pool.id)
                .filter(|machine| !machine.by_hand && now - machine.listed_from > FOUND_WITHIN);
            orphans.extend(old.filter(|machine| !is_known(machine)).map(|machine| machine.id.clone()));
        }
    }
    for id in orphans {
        let detail = format!("{id} was launched by a step half an hour ago and more, and is in no state");
        world.watch.add(Check::NoOrphan, now, detail);
    }
}

fn judge(world: &World, id: &FleetId, pool: &PoolSpec, whole: &CapacityState, state: &PoolState, found: &mut Vec<(Check, String)>) {
    let name = format!("{id}/{}", pool.id);
    let alive: BTreeSet<&InstanceId> = world.alive(id, &pool.id).map(|machine| &machine.id).collect();
    let here = || state.members.iter().filter(|(_, member)| !member.gone);
    let members: BTreeSet<&InstanceId> = here().filter(|(_, member)| !member.is_warm()).map(|(id, _)| id).collect();
    stock(world, id, pool, state, &name, found);
    if let Some(orphan) = alive.difference(&members).next() {
        found.push((Check::NoOrphan, format!("{name}: {orphan} exists and is in no state")));
    }
    if alive.len() != members.len() || members.len() != usize::try_from(state.desired).unwrap_or(usize::MAX) {
        let detail = format!("{name}: {} wanted, {} known, {} exist", state.desired, members.len(), alive.len());
        found.push((Check::Converges, detail));
    }
    if state.refresh.as_ref().is_some_and(|refresh| refresh.ended.is_none()) {
        found.push((Check::Converges, format!("{name}: a refresh does not end")));
    }
    let drifts = |machine: &&Machine| {
        let resolved = world
            .table
            .fleets
            .get(id)
            .and_then(|items| items.spec.resolved.templates.get(&pool.id));
        // what was rolled back is not drift the other way
        let spec_version = world.table.fleets.get(id).map(|items| items.spec.version);
        let refresh = state.refresh.as_ref().zip(spec_version);
        let pinned = refresh.and_then(|(refresh, version)| refresh.pinned(version));
        let resolved = pinned.or(resolved);
        pool.launch.drift == Drift::Replace
            && !machine.is_protected(world.now)
            && resolved.is_some_and(|version| *version != machine.template)
    };
    if let Some(machine) = world.alive(id, &pool.id).find(drifts) {
        let detail = format!("{name}: {} is of another template version, and stays", machine.id);
        found.push((Check::Converges, detail));
    }
    if let Some(leaving) = state.members.iter().find(|(_, member)| member.drain.is_some()).map(|(id, _)| id) {
        found.push((Check::Converges, format!("{name}: {leaving} still leaves")));
    }
    let strands = |machine: &&Machine| {
        let told = machine.worker.told == Some(Told::Draining) || machine.worker.has_finished(world.now);
        pool.wait_for_tag && told && state.members.get(&machine.id).is_some_and(|member| member.drain.is_none())
    };
    if let Some(machine) = world.alive(id, &pool.id).find(strands) {
        let detail = format!("{name}: {} stays, and its worker was told to leave, or has left", machine.id);
        found.push((Check::Converges, detail));
    }
    let spec = world.fleets.get(id).map(|fleet| &fleet.spec);
    let swaps = spec.is_some_and(FleetSpec::swaps_targets);
    let traffic = world.table.fleets.get(id).map(|items| &items.traffic);
    let belongs = spec.is_none_or(|spec| swap::belongs(spec, traffic, pool));
    let nobody = BTreeSet::new();
    for targets in pool.target_groups.iter().filter_map(|group| world.cloud.groups.get(group)) {
        let ours = targets
            .targets
            .iter()
            .filter(|(id, target)| target.ours && target.drained_at.is_none() && (!swaps || world.is_of_pool(id, pool)));
        let registered: BTreeSet<&InstanceId> = ours.map(|(id, _)| id).collect();
        let expected = if belongs { &alive } else { &nobody };
        if registered != *expected {
            let detail = format!("{name}: {} are registered and {} exist", registered.len(), alive.len());
            found.push((Check::Converges, detail));
        }
    }
    // strangers in the group carry their share
    let share = |fleet: &crate::world::FleetWorld| f64::from(world.share(&fleet.spec, pool)) / 100.0;
    let load = world.fleets.get(id).map_or(0.0, |fleet| fleet.load.rate(world.now) * share(fleet)) * 60.0;
    let serving = world.serving(id, pool);
    // a side that traffic has left has no datapoints, and what is missing removes nobody
    if pool.role == PoolRole::Active && load > 0.0 {
        let capped = world.fleets.get(id).is_some_and(|fleet| is_capped(&fleet.spec, whole, world.now));
        carries(pool, &name, load, serving, (state, capped, world.now), found);
    }
}

/// As many as wanted are kept warm, and all of them rest.
fn stock(world: &World, id: &FleetId, pool: &PoolSpec, state: &PoolState, name: &str, found: &mut Vec<(Check, String)>) {
    let machines = world.cloud.ec2.machines.values();
    let ours = machines.filter(|machine| crate::world::is_of(machine, &world.installation, id, &pool.id) && !machine.stopped_by_hand);
    let stopped: BTreeSet<&InstanceId> = ours
        .filter(|machine| machine.state(world.now) == InstanceState::Stopped)
        .map(|machine| &machine.id)
        .collect();
    let kept = state.members.iter().filter(|(_, member)| !member.gone && member.is_warm());
    let kept: BTreeSet<&InstanceId> = kept.map(|(id, _)| id).collect();
    let learned = ghostnet_core::growth::learned(state.growth.as_ref(), pool.warmup);
    let wanted = pool.warm.map_or(0, |warm| warm.wanted(state.desired, pool.capacity.max, learned));
    if kept != stopped || kept.len() != usize::try_from(wanted).unwrap_or(usize::MAX) {
        let detail = format!("{name}: {wanted} wanted warm, {} kept, {} stopped", kept.len(), stopped.len());
        found.push((Check::Converges, detail));
    }
}

/// Whether the day's spend cap leaves no room for one more instance of whatever type.
fn is_capped(spec: &FleetSpec, state: &CapacityState, now: Millis) -> bool {
    let wanted = state.pools.values().map(|pool| pool.desired).fold(1, u32::saturating_add);
    spec.spend.as_ref().is_some_and(|cap| {
        let dearest = spec.pools.iter().map(|pool| cap.price_of_growth(pool)).max().unwrap_or(0);
        cap.affordable_rate(state.spend.as_ref(), at(now)) < dearest.saturating_mul(u64::from(wanted))
    })
}

/// Every tracked target holds, or the pool is as large as it may be.
fn carries(
    pool: &PoolSpec,
    name: &str,
    load: f64,
    serving: u32,
    (state, capped, world_now): (&PoolState, bool, Millis),
    found: &mut Vec<(Check, String)>,
) {
    // the reserve is there too, and nobody leans on it
    let is_churning = churn::held_until(state, &pool.guards, at(world_now)).is_some();
    let (complete, asked) = (serving == state.desired, state.without_reserve());
    let alone = f64::from(state.desired) / f64::from(asked.max(1));
    let shared = load * if asked > 0 { alone } else { 1.0 };
    for policy in &pool.policies {
        let Rule::TargetTracking(rule) = &policy.rule else { continue };
        // of the others not every instance has the same
        let by_requests = matches!(&rule.measure.metric, Metric::Named { name, .. } if *name == NamedMetric::AlbRequestCountPerTarget);
        if policy.mode == PolicyMode::RecommendOnly || !by_requests {
            continue;
        }
        let limit = rule.target.get() * (1.0 + pool.guards.tolerance_out.ratio());
        // one that serves from zero has no metric that could ask for the first
        let too_few = serving > 0 && shared / f64::from(serving) > limit * 1.001 && state.desired < pool.capacity.max && !capped;
        let (out, one_fewer) = (pool.guards.tolerance_out.ratio(), load / f64::from(asked.saturating_sub(1)));
        let asks_for_fewer = shared / f64::from(serving.max(1)) < rule.target.get() * (1.0 - pool.guards.tolerance_in.ratio()) * 0.999;
        // a pool of several policies shrinks only if all agree, and one among strangers counts its own share alone
        let too_many = !is_churning
            && pool.policies.len() == 1
            && complete
            && asked > pool.capacity.min
            && asked > 1
            && asks_for_fewer
            && one_fewer < rule.target.get() * (1.0 + out) * (1.0 - out) * 0.999;
        if too_many {
            let detail = format!("{name}: {serving} instances carry {load:.0}, and one fewer could");
            found.push((Check::Converges, detail));
        }
        if too_few {
            let detail = format!("{name}: {serving} instances carry {load:.0}, more than {limit:.0} each");
            found.push((Check::Converges, detail));
        }
    }
}
