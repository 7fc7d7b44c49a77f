//! I5 and the calm, of a side that only stands by: its policies have nothing to measure, and what it must have ready says how large it is.

use ghostnet_core::churn;
use ghostnet_core::id::{FleetId, PoolId};
use ghostnet_core::spec::{FailoverMode, FleetSpec, Metric, NamedMetric, Policy, PoolSpec};
use ghostnet_core::state::TrafficState;

use super::Check;
use super::decision::{Judged, bounds, open_windows};
use crate::clock::{MINUTE, Millis, at};
use crate::world::World;

/// That rules send a side something, set by somebody else, is known so much later.
const IDLE_KNOWN_WITHIN: Millis = 10 * MINUTE;

/// Whether the pool only stands by, and so many are what it must have ready: then nobody need have voted.
pub(super) fn may_rest_at(world: &World, judged: &Judged<'_>, after: u32) -> bool {
    let wanted = |pool: &PoolId| judged.inputs.state.pools.get(pool).map_or(0, |pool| pool.desired);
    let ready = stands_by_with(world, judged.spec, &judged.inputs.traffic, judged.pool, wanted);
    ready.is_some_and(|ready| after >= ready.min(judged.bounds().1))
}

/// What a side that only stands by has to have ready, without which it may not be; none: it is no such side, or rules have sent it
/// something for a while.
fn stands_by_with(
    world: &World,
    spec: &FleetSpec,
    traffic: &TrafficState,
    pool: &PoolSpec,
    wanted: impl Fn(&PoolId) -> u32,
) -> Option<u32> {
    let failover = spec.failover.as_ref()?;
    let ready = match failover.mode {
        FailoverMode::HotStandby => failover.standby_size.of_ceil(wanted(&traffic.active)).min(pool.capacity.max),
        FailoverMode::ColdStandby => 0,
        FailoverMode::ActiveActive | FailoverMode::Degraded => return None,
    };
    let idle = world.watch.sides.idle.get(&(spec.id.clone(), pool.id.clone()));
    // a restored table believes what was so at its time until failover has looked
    let believed = world.watch.forgot_within(IDLE_KNOWN_WITHIN, world.now);
    let lately = believed || idle.is_some_and(|idle| world.now - idle <= IDLE_KNOWN_WITHIN) || world.sends_nothing(spec, pool);
    (lately && traffic.active != pool.id).then_some(ready)
}

/// In calm a side that only stands by is as large as it must be ready, and no larger.
pub(super) fn judge(world: &World, id: &FleetId, spec: &FleetSpec, traffic: &TrafficState, found: &mut Vec<(Check, String)>) {
    let Some(capacity) = world.table.fleets.get(id).and_then(|items| items.capacity()) else {
        return;
    };
    if super::traffic::was_ill(world, id, &traffic.active) {
        // who may be needed any moment keeps its size
        return;
    }
    let wanted = |pool: &PoolId| capacity.pools.get(pool).map_or(0, |pool| pool.desired);
    for pool in &spec.pools {
        let Some(state) = capacity.pools.get(&pool.id) else { continue };
        let is_measured = |policy: &Policy| match policy.rule.measure().map(|measure| &measure.metric) {
            Some(Metric::Named { name, .. }) => *name != NamedMetric::AlbRequestCountPerTarget,
            Some(_) => true,
            None => false,
        };
        let is_held = state.asked.as_ref().is_some_and(|asked| asked.in_force(at(world.now)).is_some());
        let is_churning = churn::held_until(state, &pool.guards, at(world.now)).is_some();
        let windows = open_windows(pool, at(world.now));
        let (min, max) = bounds(pool, windows.iter().map(|(window, _, _)| *window));
        let ready = stands_by_with(world, spec, traffic, pool, wanted).map(|ready| ready.clamp(min, max));
        if let Some(ready) = ready.filter(|ready| state.without_reserve() > *ready)
            && !pool.policies.iter().any(is_measured)
            && !is_held
            && !is_churning
        {
            let detail = format!(
                "{id}: {} only stands by with {}, and {ready} are enough",
                pool.id,
                state.without_reserve()
            );
            found.push((Check::Converges, detail));
        }
    }
}
