//! Who is registered in the pool's Cloud Map service, and the steps that make it so: the same as for target groups, with two
//! differences. Cloud Map checks nobody's health, so who is sick is taken out at once and not only as it leaves; and clients
//! keep for a while what they were told, so who leaves waits for them.
//!
//! Only a service that was read completely is touched. A registration under the id of one of our instances is ours, whoever made
//! it; any other is ours only if its attributes say so and EC2 lists the instance as gone. The rest is told and left alone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::breaker::Breaker;
use super::census::{Census, Standing};
use super::membership::Busy;
use super::services::{Registered, Services};
use super::{Listed, Situation};
use crate::id::{InstanceId, ServiceId};
use crate::observation::{InstanceState, Registrar, Registration};
use crate::plan::{Action, REGISTRATIONS_PER_LOOK_MAX, REGISTRATIONS_PER_STEP_MAX};
use crate::reason::Finding;
use crate::spec::{CloudMap, PoolSpec};
use crate::state::{Member, PoolState};
use crate::unit::{Moment, Seconds};

/// So long what was asked of Cloud Map may still take effect.
const TAKES_AT_MOST: Seconds = Seconds::minutes(10);

/// Whether what was asked of Cloud Map until then may still take effect: before the spec ceased to name a service, or an instance was
/// gone.
pub(super) fn may_take_effect(asked_until: Moment, now: Timestamp) -> bool {
    Seconds::between(asked_until.at(), now) < TAKES_AT_MOST
}

/// Notes since when the services list a leaving member no more, and forgets former services in which nobody of ours is left.
pub(super) fn watch(situation: &Situation<'_>, pool: &PoolSpec, services: &Services<'_>, state: &mut PoolState) {
    if pool.cloud_map.is_none() && state.former_services.is_empty() {
        return;
    }
    let now = situation.now;
    for (place, member) in state.members.values_mut().enumerate() {
        let drain = member.drain.filter(|_| services.are_without(place));
        member.withdrawn_after = drain.map(|drain| {
            let now = Seconds::between(drain.since.at(), now);
            member.withdrawn_after.unwrap_or(now)
        });
    }
    let members = &state.members;
    let empty = |service: &ServiceId| {
        let there = situation.observation.registrations.get(service);
        there.is_some_and(|there| !there.iter().any(|registration| members.contains_key(&registration.instance)))
    };
    state
        .former_services
        .retain(|service, since| may_take_effect(*since, now) || !empty(service));
}

/// Whether clients have had the time to forget an instance that leaves.
pub(super) fn is_forgotten(situation: &Situation<'_>, pool: &PoolSpec, member: &Member) -> bool {
    pool.cloud_map.as_ref().is_none_or(|cloud_map| {
        let wait = cloud_map.remembered_for(situation.resolved);
        let since = member.drain.zip(member.withdrawn_after);
        since.is_some_and(|(drain, after)| Seconds::between(after.after(drain.since.at()), situation.now) >= wait)
    })
}

/// The steps of one pool: first who is taken out, then who is registered.
pub(super) fn steps(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    (census, breaker): (&Census<'_>, Option<&Breaker>),
    listed: &Listed<'_>,
    state: &PoolState,
    busy: &Busy,
    findings: &mut Vec<Finding>,
) -> Vec<Action> {
    let mut actions = leave_former_services(situation, pool, listed, state, busy);
    let Some(cloud_map) = &pool.cloud_map else { return actions };
    let service = &cloud_map.service;
    let Some(there) = census.services.registered_in(service) else {
        findings.push(Finding::ServiceUnknown { service: service.clone() });
        return actions;
    };
    let keeps_the_sick = breaker.is_some() || census.counts.serving() == 0;
    let mut leaving = to_withdraw(situation, pool, (census, keeps_the_sick), (service, there), listed, state, findings);
    leaving.retain(|id| !busy.is_held_in(service, id));
    actions.extend(withdrawals(service, &leaving));
    let missing = if situation.retiring {
        BTreeMap::new()
    } else {
        to_announce(cloud_map, census, there, state, findings)
    };
    let free = missing.into_iter().filter(|(id, _)| !busy.is_held_in(service, id));
    let chosen: Vec<_> = free.take(REGISTRATIONS_PER_LOOK_MAX).collect();
    actions.extend(chosen.chunks(REGISTRATIONS_PER_STEP_MAX).map(|addresses| Action::Announce {
        service: service.clone(),
        addresses: addresses.iter().cloned().collect(),
        port: cloud_map.port,
    }));
    actions
}

/// Whoever of this pool is registered in a service that the spec no longer names leaves it, also one that is gone and forgotten by
/// the time its registration takes effect; nobody else is touched.
fn leave_former_services(situation: &Situation<'_>, pool: &PoolSpec, listed: &Listed<'_>, state: &PoolState, busy: &Busy) -> Vec<Action> {
    let mut actions = Vec::new();
    for service in state.former_services.keys() {
        let there = situation.observation.registrations.get(service).into_iter().flatten();
        // one that is started in this very decision has its step; it is taken out once it runs
        let is_ours = |registration: &&Registration| match (state.members.get(&registration.instance), &registration.by) {
            (Some(member), _) => !member.is_starting(),
            (None, Some(by)) => {
                let is_here = by.fleet == situation.spec.id && by.pool == pool.id;
                is_here && is_ghost(situation, listed, &registration.instance)
            }
            (None, None) => false,
        };
        let ours = there.filter(is_ours);
        let leaving: Vec<InstanceId> = ours
            .map(|registration| registration.instance.clone())
            .filter(|id| !busy.is_held_in(service, id))
            .collect();
        actions.extend(withdrawals(service, &leaving));
    }
    actions
}

fn withdrawals(service: &ServiceId, leaving: &[InstanceId]) -> Vec<Action> {
    let chosen = leaving.get(..REGISTRATIONS_PER_LOOK_MAX).unwrap_or(leaving);
    let steps = chosen.chunks(REGISTRATIONS_PER_STEP_MAX).map(|instances| Action::Withdraw {
        service: service.clone(),
        instances: instances.to_vec(),
    });
    steps.collect()
}

fn to_withdraw(
    situation: &Situation<'_>,
    pool: &PoolSpec,
    (census, keeps_the_sick): (&Census<'_>, bool),
    (service, there): (&ServiceId, &Registered<'_>),
    listed: &Listed<'_>,
    state: &PoolState,
    findings: &mut Vec<Finding>,
) -> Vec<InstanceId> {
    let (mut leaving, mut ghosts, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
    let ours = census.with(state).zip(&there.members);
    for ((person, member), _) in ours.filter(|(_, registration)| registration.is_some()) {
        if member.gone {
            ghosts.push(person.id.clone());
        } else if leaves(member) || is_out_of_service(person.standing, keeps_the_sick) {
            leaving.push(person.id.clone());
        }
    }
    for registration in &there.strangers {
        let id = &registration.instance;
        match &registration.by {
            Some(by) if is_here(situation, pool, by) && is_ghost(situation, listed, id) => ghosts.push(id.clone()),
            Some(_) => {}
            None => foreign.push(id.clone()),
        }
    }
    ghosts.sort();
    findings.extend(ghosts.iter().map(|id| Finding::GhostRegistration {
        instance: id.clone(),
        service: service.clone(),
    }));
    if !foreign.is_empty() {
        findings.push(Finding::ForeignRegistrations {
            service: service.clone(),
            instances: foreign,
        });
    }
    leaving.extend(ghosts);
    leaving.sort();
    leaving
}

/// Whether an instance is gone and no pool's member: a member is its own pool's, whoever registered it, so that one registration
/// gets one step.
fn is_ghost(situation: &Situation<'_>, listed: &Listed<'_>, id: &InstanceId) -> bool {
    let is_a_member = || situation.state.pools.values().any(|pool| pool.members.contains_key(id));
    listed.get(id).is_some_and(|instance| instance.state.is_gone()) && !is_a_member()
}

/// Whether a registration was made for this pool, or for one of the fleet's that is no more: then the first pool that is found by
/// the same service looks after it.
fn is_here(situation: &Situation<'_>, pool: &PoolSpec, by: &Registrar) -> bool {
    let shares = |other: &&PoolSpec| other.cloud_map.as_ref().map(|own| &own.service) == pool.cloud_map.as_ref().map(|own| &own.service);
    let first = || situation.spec.pools.iter().find(shares).is_some_and(|first| first.id == pool.id);
    by.fleet == situation.spec.id && (by.pool == pool.id || situation.spec.pool(&by.pool).is_none() && first())
}

fn leaves(member: &Member) -> bool {
    member.drain.is_some() || member.terminating_since.is_some() || member.is_warm()
}

/// Whether clients must not be sent to it any more. Like a balancer that fails open, a service keeps its sick ones while nobody
/// else serves, and while so many are sick that the instances cannot be the cause.
fn is_out_of_service(standing: Standing, keeps_the_sick: bool) -> bool {
    match standing {
        Standing::Out => true,
        Standing::Unhealthy | Standing::NeverHealthy => !keeps_the_sick,
        // a draining one that no longer leaves was just taken back
        _ => false,
    }
}

/// Whoever serves and is not registered, or with another address or port than it has.
fn to_announce(
    cloud_map: &CloudMap,
    census: &Census<'_>,
    there: &Registered<'_>,
    state: &PoolState,
    findings: &mut Vec<Finding>,
) -> BTreeMap<InstanceId, Ipv4Addr> {
    let stays = |member: &Member| !member.gone && !leaves(member) && member.warm.is_none();
    let mut wanted = BTreeMap::new();
    let ours = census.with(state).zip(&there.members);
    for ((person, member), registration) in ours.filter(|((_, member), _)| stays(member)) {
        let Some(instance) = person.listed.filter(|instance| instance.state == InstanceState::Running) else {
            continue;
        };
        let taken_back = person.standing == Standing::Draining && member.served_since.is_some();
        if !(person.standing.serves() || taken_back) {
            continue;
        }
        let Some(address) = instance.address else {
            findings.push(Finding::NoAddress {
                instance: instance.id.clone(),
            });
            continue;
        };
        let is_right = |there: &Registration| there.by.is_none() || there.address == Some(address) && there.port == cloud_map.port;
        if !registration.is_some_and(is_right) {
            wanted.insert(person.id.clone(), address);
        }
    }
    wanted
}
