//! I28: where sides have their target groups in common, nobody enters but the side that takes the traffic, or is about to.

use ghostnet_core::id::FleetId;
use ghostnet_core::plan::Action;
use ghostnet_core::spec::{FleetSpec, PoolSpec};
use ghostnet_core::state::{Stage, TrafficState};
use ghostnet_engine::port::Commit;

use super::Check;
use crate::world::World;

/// A decision registers: by what the table says of the traffic, its side may.
pub(super) fn on_committed(world: &World, commit: &Commit, spec: &FleetSpec, found: &mut Vec<(Check, String)>) {
    if !spec.swaps_targets() {
        return;
    }
    let Some(traffic) = world.table.fleets.get(&commit.fleet).map(|items| &items.traffic) else {
        return;
    };
    for step in &commit.record.plan.steps {
        let enters = matches!(step.action, Action::Register { .. });
        let is_about_to = traffic
            .shift
            .as_ref()
            .is_some_and(|shift| shift.stage == Stage::Preparing && shift.to == step.pool);
        if enters && traffic.active != step.pool && !is_about_to {
            let detail = format!(
                "{} of {} would register, and {} takes the traffic",
                step.id, step.pool, traffic.active
            );
            found.push((Check::EntersInTurn, detail));
        }
    }
}

/// In calm whoever takes the traffic is in, and nobody else.
pub(super) fn judge(world: &World, id: &FleetId, spec: &FleetSpec, traffic: &TrafficState, found: &mut Vec<(Check, String)>) {
    for pool in spec.pools.iter().filter(|_| spec.swaps_targets()) {
        let takes = traffic.active == pool.id;
        if takes == world.is_in_no_group(pool) && (!takes || world.alive(id, &pool.id).next().is_some()) {
            let detail = format!(
                "{id}: {} is {}, and by the table it takes {}",
                pool.id,
                if takes { "in no group" } else { "in its groups" },
                if takes { "the traffic" } else { "nothing" }
            );
            found.push((Check::OneActive, detail));
        }
    }
}

/// Whether the instances of a pool belong into its groups.
pub(crate) fn belongs(spec: &FleetSpec, traffic: Option<&TrafficState>, pool: &PoolSpec) -> bool {
    if traffic.is_some_and(|traffic| traffic.is_fenced(&pool.id)) {
        return false;
    }
    !spec.swaps_targets() || traffic.is_some_and(|traffic| traffic.active == pool.id)
}
