//! I4 and I25: who is found by a Cloud Map service.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::id::{FleetId, InstanceId, ServiceId};
use ghostnet_core::spec::{FleetSpec, PoolSpec};
use ghostnet_core::state::Drain;
use ghostnet_engine::port::Announced;

use super::effect::{End, on_registered};
use super::{Check, specs_of};
use crate::clock::{MINUTE, Millis, SECOND};
use crate::cloud::ec2::Machine;
use crate::cloud::map::Entry;
use crate::fault::Fault;
use crate::world::World;

/// A list may be as old as this, and a look begin before its decision.
const SEEN_WITHIN: Millis = 2 * MINUTE;

/// An instance is registered: one of ours, at its address, in a service that the spec names or named until lately.
pub fn on_announced(world: &mut World, service: &ServiceId, announced: &Announced<'_>) {
    let (now, id) = (world.now, announced.instance);
    on_registered(world, std::slice::from_ref(id));
    let named = |pool: &PoolSpec| {
        let cloud_map = pool.cloud_map.as_ref();
        cloud_map.is_some_and(|cloud_map| cloud_map.service == *service && cloud_map.port == announced.port)
    };
    let pool = |spec: &FleetSpec| spec.pool(&announced.by.pool).is_some_and(named);
    let is_named = specs_of(world, &announced.by.fleet).any(pool);
    if !is_named {
        let detail = format!("{id} is registered in {service}, which no spec names so");
        world.watch.add(Check::Discovery, now, detail);
    }
    let machine = world.cloud.ec2.machines.get(id);
    if machine.is_some_and(|machine| machine.address() != announced.address) {
        let detail = format!("{id} is registered at {}, which is not its address", announced.address);
        world.watch.add(Check::Discovery, now, detail);
    }
}

/// An instance is taken out: one that we registered, one of ours, or one that is gone.
pub fn on_withdrawn(world: &mut World, service: &ServiceId, id: &InstanceId) {
    let now = world.now;
    let ours = world.installation.clone();
    let machine = world.cloud.ec2.machines.get(id);
    let exists = machine.is_some_and(|machine| machine.exists(now) && machine.installation.as_ref() != Some(&ours));
    let registered = world
        .cloud
        .services
        .get(service)
        .into_iter()
        .flat_map(|there| there.registered(now));
    let mut theirs = registered.filter(|entry| entry.id == *id && entry.by.as_ref().is_none_or(|(by, _)| *by != ours));
    // the world forgets machines that are long gone, and the table those that are no target any more
    let states = world.table.fleets.values().filter_map(|items| items.capacity());
    let known = states
        .flat_map(|state| state.pools.values())
        .any(|pool| pool.members.contains_key(id));
    if theirs.any(|_| exists || machine.is_none() && !known) {
        let detail = format!("{id} is taken out of {service}, and is not ours");
        world.watch.add(Check::NothingForeign, now, detail);
    }
}

/// What stands against ending an instance: clients are sent to it, or may still come by what they were told.
pub(super) fn still_found(world: &World, end: &End<'_>, drain: Drain) -> Option<&'static str> {
    let (now, id) = (world.now, end.id);
    let restored = world.watch.was_restored();
    // with an older table came an older spec
    let stored = world.table.fleets.get(end.fleet).filter(|_| restored);
    let stored = stored.and_then(|items| FleetSpec::check(&items.spec.spec).ok());
    let spec = stored.as_ref().or_else(|| world.fleets.get(end.fleet).map(|fleet| &fleet.spec));
    let pool = spec.and_then(|spec| spec.pool(end.pool));
    let drained = Millis::min(drain.since.at().as_millisecond(), now);
    // what Cloud Map did later than that, it may have done after everybody looked; elsewhere people may register what they like
    let seen = |(service, entry): &(&ServiceId, &Entry)| {
        let named = pool.and_then(|pool| pool.cloud_map.as_ref()).map(|cloud_map| &cloud_map.service);
        let ours = entry.by.as_ref().is_some_and(|(by, _)| *by == world.installation);
        // a restored table does not know what the spec named before
        let known = named == Some(*service) || ours && !restored;
        entry.since + SEEN_WITHIN < drained && known
    };
    let entries = world.cloud.services.iter();
    let entries = || {
        entries
            .clone()
            .flat_map(|(service, there)| there.of(id).map(move |entry| (service, entry)))
            .filter(seen)
    };
    if entries().any(|(_, entry)| entry.until.is_none_or(|until| now < until)) {
        return Some("while clients are sent to it");
    }
    // a clock that jumped tells whoever decided that the time is over
    if world.faults.kinds().contains(&Fault::ClockJump) || !end.is_early(drain, now) {
        return None;
    }
    let early = |(service, left): (&ServiceId, Millis)| {
        let pools = world
            .fleets
            .values()
            .flat_map(|fleet| fleet.spec.pools.iter().map(move |pool| (fleet, pool)));
        let mut waits = pools.filter_map(|(fleet, pool)| {
            let cloud_map = pool.cloud_map.as_ref().filter(|cloud_map| cloud_map.service == *service)?;
            let resolved = &world.table.fleets.get(&fleet.spec.id)?.spec.resolved;
            Some(Millis::from(cloud_map.remembered_for(resolved).0) * SECOND)
        });
        waits.any(|wait| now + 20 * SECOND < left + wait)
    };
    let left = entries().filter_map(|(service, entry)| Some((service, entry.until?)));
    left.filter(|(_, left)| *left <= now)
        .any(early)
        .then_some("while clients may still come to it")
}

/// In calm whoever serves is found at its address, nobody else of ours is, and what others registered is there.
pub(super) fn judge(world: &World, id: &FleetId, pool: &PoolSpec, found: &mut Vec<(Check, String)>) {
    let name = format!("{id}/{}", pool.id);
    let alive: BTreeMap<&InstanceId, _> = world.alive(id, &pool.id).map(|machine| (&machine.id, machine.address())).collect();
    for (service, there) in &world.cloud.services {
        let named = pool.cloud_map.as_ref().filter(|cloud_map| cloud_map.service == *service);
        if named.is_none() && world.watch.was_restored() {
            continue;
        }
        // who ended before anybody looked again is unknown to a restored table, and not listed: a person takes it out
        let unknown = |entry: &Entry| {
            let exists = |machine: &Machine| machine.exists(world.now);
            world.watch.was_restored() && !world.cloud.ec2.machines.get(&entry.id).is_some_and(exists)
        };
        let of = |entry: &&Entry| match &entry.by {
            Some(_) if unknown(entry) => false,
            Some((installation, by)) => *installation == world.installation && by.fleet == *id && by.pool == pool.id,
            // one of ours that somebody else registered stays as that person did it
            None => named.is_some() && alive.contains_key(&entry.id),
        };
        let there: BTreeMap<&InstanceId, &Entry> = there.registered(world.now).filter(of).map(|entry| (&entry.id, entry)).collect();
        let by_hand = |id: &InstanceId| there.get(id).is_some_and(|entry| entry.by.is_none());
        let registered: BTreeMap<&InstanceId, _> = there
            .iter()
            .filter(|(id, _)| !by_hand(id))
            .map(|(id, entry)| (*id, (entry.address, entry.port)))
            .collect();
        let port = named.and_then(|cloud_map| cloud_map.port);
        let wanted: BTreeMap<&InstanceId, _> = alive
            .iter()
            .filter(|(id, _)| named.is_some() && !by_hand(id))
            .map(|(id, address)| (*id, (*address, port)))
            .collect();
        if registered != wanted {
            let ids = |of: &BTreeMap<&InstanceId, _>| of.keys().map(|id| id.to_string()).collect::<BTreeSet<_>>();
            let detail = format!("{name}: {service} has {:?}, and {:?} serve", ids(&registered), ids(&wanted));
            found.push((Check::Discovery, detail));
        }
    }
}
