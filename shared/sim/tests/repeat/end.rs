//! How a fleet ends: what makes two ends the same.
//!
//! Each play ends calm, and `check::is_right` has said of it what belongs together: exactly those that are wanted exist, are
//! registered and are found by name; as many as wanted are kept warm and rest; attributes are as the spec names them; requests go
//! where the table says; nothing is open, leaves, or is in no state. Here the ends of two plays are compared, by the truth and
//! not by the table: ids differ, and nothing else may.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::{InstanceState, Market};
use ghostnet_core::spec::{Attribute, PoolSpec};
use ghostnet_sim::fleets::ZONES;
use ghostnet_sim::world::{FleetWorld, World, is_of};

/// By pool.
pub(crate) type End = BTreeMap<String, Side>;

/// One pool.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) wanted: u32,
    pub(crate) exist: usize,
    /// How many are in each zone, the fullest first: in which of them the last one is may differ.
    pub(crate) by_zone: Vec<usize>,
    /// In a zone that an operator has left.
    pub(crate) in_a_left_zone: usize,
    pub(crate) spot: usize,
    pub(crate) reserved: usize,
    pub(crate) registered: usize,
    /// Stopped, to be started again.
    pub(crate) warm: usize,
    /// Registered in Cloud Map.
    pub(crate) found_by_name: usize,
    pub(crate) attributes: BTreeMap<Attribute, String>,
    /// Of the launch template.
    pub(crate) versions: BTreeSet<u64>,
    /// Share of the requests, in hundredths.
    pub(crate) traffic: u32,
}

pub(crate) fn end(world: &World) -> End {
    let sides = world
        .fleets
        .values()
        .flat_map(|fleet| fleet.spec.pools.iter().map(move |pool| (fleet, pool)));
    sides.map(|(fleet, pool)| (pool.id.to_string(), side(world, fleet, pool))).collect()
}

fn side(world: &World, fleet: &FleetWorld, pool: &PoolSpec) -> Side {
    let id = &fleet.spec.id;
    let group = &world.cloud.groups[&pool.target_groups[0]];
    let of_pool = |id: &InstanceId| world.cloud.ec2.machines[id].tags.pool.as_ref() == Some(&pool.id);
    let registered = group
        .targets
        .iter()
        .filter(|(id, target)| target.ours && target.drained_at.is_none() && of_pool(id));
    let ours = || {
        world
            .cloud
            .ec2
            .machines
            .values()
            .filter(|machine| is_of(machine, &world.installation, id, &pool.id))
    };
    let alive = || world.alive(id, &pool.id);
    let stopped = ours().filter(|machine| machine.state(world.now) == InstanceState::Stopped);
    let service = pool.cloud_map.as_ref().map(|map| &world.cloud.services[&map.service]);
    let state = &world.table.fleets[id].capacity().unwrap().pools[&pool.id];
    let in_zone = |zone: &str| alive().filter(|machine| machine.zone.as_str() == zone).count();
    let mut by_zone = ZONES.map(in_zone).to_vec();
    by_zone.sort_unstable_by(|one, other| other.cmp(one));
    Side {
        wanted: state.desired,
        exist: alive().count(),
        by_zone,
        in_a_left_zone: alive().filter(|machine| state.evacuations.contains_key(&machine.zone)).count(),
        spot: alive().filter(|machine| machine.market == Market::Spot).count(),
        reserved: alive().filter(|machine| machine.reservation.is_some()).count(),
        registered: registered.count(),
        warm: stopped.count(),
        found_by_name: service.map_or(0, |service| service.registered(world.now).count()),
        attributes: group.attributes.clone(),
        versions: ours()
            .filter(|machine| machine.exists(world.now))
            .map(|machine| machine.template.version)
            .collect(),
        traffic: world.share(&fleet.spec, pool),
    }
}
