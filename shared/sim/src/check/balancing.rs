//! I22: attributes of target groups.

use std::collections::BTreeMap;

use ghostnet_core::adaptive::Adapted;
use ghostnet_core::id::{FleetId, TargetGroupArn};
use ghostnet_core::spec::{Algorithm, Attribute, PoolSpec};

use super::{Check, specs_of};
use crate::clock::at;
use crate::world::World;

/// Those that an adaptive group may come to.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::RoundRobin, Algorithm::LeastOutstandingRequests];

/// Attributes of a group were set on behalf of a fleet: each is one that its spec names, or named until lately, to that value.
pub fn on_tuned(world: &mut World, arn: &TargetGroupArn, set: &BTreeMap<Attribute, String>) {
    let now = world.now;
    let since = at(now).into();
    let specs = world.fleets.keys().flat_map(|fleet| specs_of(world, fleet));
    let named: Vec<BTreeMap<Attribute, String>> = specs
        .flat_map(|spec| &spec.pools)
        .filter(|pool| pool.target_groups.contains(arn))
        .flat_map(|pool| ALGORITHMS.map(|algorithm| pool.balancing.attributes(Some(&Adapted { algorithm, since }))))
        .collect();
    let is_named = |(attribute, value): (&Attribute, &String)| named.iter().any(|named| named.get(attribute) == Some(value));
    if let Some((attribute, value)) = set.iter().find(|one| !is_named(*one)) {
        let detail = format!("`{attribute}` of {arn} is set to `{value}`, and no spec says so");
        world.watch.add(Check::Balancing, now, detail);
    }
}

/// In calm the named attributes are as the spec says, and the others as people left them.
pub(super) fn judge(world: &World, id: &FleetId, pool: &PoolSpec, found: &mut Vec<(Check, String)>) {
    let state = world.table.fleets.get(id).and_then(|items| items.capacity());
    for arn in &pool.target_groups {
        let adapted = state.as_ref().and_then(|state| state.pools.get(&pool.id)?.adapted.get(arn));
        let named = pool.balancing.attributes(adapted);
        let Some(group) = world.cloud.groups.get(arn) else { continue };
        for (attribute, value) in &group.attributes {
            let right = named.get(attribute).or_else(|| group.by_others.get(attribute));
            if right != Some(value) {
                let right = right.map_or("nothing", String::as_str);
                let detail = format!("{id}/{}: `{attribute}` is `{value}`, and should be `{right}`", pool.id);
                found.push((Check::Balancing, detail));
            }
        }
    }
}
