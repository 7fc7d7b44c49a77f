//! What traffic needs of the sizes of the sides: capacity decisions go by it, failover does not.

use jiff::Timestamp;

use crate::id::PoolId;
use crate::spec::{Failover, FailoverMode, FleetSpec, PoolSpec, Reserve};
use crate::state::{CapacityState, Drill, TrafficState};
use crate::unit::Percent;

/// Fewest instances that a side without traffic keeps ready. What the others want is what they wanted before this decision. Unlike the
/// floors of a shift it is no promise about service: growth for it stops where the fleet's money does.
#[must_use]
pub fn ready_floor(spec: &FleetSpec, capacity: &CapacityState, traffic: &TrafficState, pool: &PoolSpec) -> u32 {
    let ready = spec.failover.as_ref().map_or(0, |failover| match failover.mode {
        FailoverMode::HotStandby if traffic.active != pool.id => failover.standby_size.of_ceil(size(capacity, &traffic.active)),
        FailoverMode::ActiveActive if traffic.is_out(&pool.id) => ready_to_share(spec, failover, capacity, traffic),
        FailoverMode::HotStandby | FailoverMode::ColdStandby | FailoverMode::ActiveActive | FailoverMode::Degraded => 0,
    });
    ready.min(pool.capacity.max)
}

/// Whether a side only stands by: traffic was seen to be elsewhere, has been for the dwell, and nothing says that it will not stay there.
/// Nobody asks such a side for anything, so that its metrics have nothing to say, and what it is for says how large it is.
#[must_use]
pub fn rests(spec: &FleetSpec, traffic: &TrafficState, pool: &PoolSpec, now: Timestamp) -> bool {
    let stands_by = |failover: &&Failover| matches!(failover.mode, FailoverMode::HotStandby | FailoverMode::ColdStandby);
    let Some(failover) = spec.failover.as_ref().filter(stands_by) else {
        return false;
    };
    let moved_lately = traffic.moved.as_ref().is_some_and(|moved| now < failover.dwell.after(moved.at));
    let is_idle = traffic.sides.get(&pool.id).is_some_and(|side| side.idle);
    let is_well = traffic.sides.get(&traffic.active).is_none_or(|side| side.seen.is_empty());
    let drills = traffic.drill.as_ref().is_some_and(Drill::is_running);
    traffic.active != pool.id && !drills && is_idle && traffic.shift.is_none() && traffic.degraded.is_none() && !moved_lately && is_well
}

/// What the gate asks of a side that is to share with those that do.
fn ready_to_share(spec: &FleetSpec, failover: &Failover, capacity: &CapacityState, traffic: &TrafficState) -> u32 {
    let sharers = || spec.pools.iter().filter(|side| !traffic.is_out(&side.id));
    let asked = sharers().filter_map(|side| capacity.pools.get(&side.id));
    let total = asked.map(|pool| pool.without_reserve()).fold(0, u32::saturating_add);
    let sides = u32::try_from(sharers().count()).unwrap_or(u32::MAX).saturating_add(1);
    failover.gate.of_ceil(total.div_ceil(sides))
}

fn size(capacity: &CapacityState, pool: &PoolId) -> u32 {
    capacity.pools.get(pool).map_or(0, |pool| pool.desired)
}

/// The reserve of a pool. One that shares the traffic has room for what the loss of another one leaves it to do, where all shares are
/// equal: of `n` sides, each takes an `n - 1`th more. Who came back is counted after the dwell: until then the metrics of the others
/// still hold what was its share, and a reserve on top of that would be for nobody.
#[must_use]
pub fn reserve_of(spec: &FleetSpec, traffic: &TrafficState, pool: &PoolSpec, now: Timestamp) -> Reserve {
    let sharing = spec
        .failover
        .as_ref()
        .filter(|failover| failover.mode == FailoverMode::ActiveActive);
    let Some(failover) = sharing.filter(|_| !traffic.is_out(&pool.id)) else {
        return pool.reserve;
    };
    let moving = traffic.shift.as_ref().and_then(|shift| shift.sharing.as_ref());
    let moved = traffic.moved.as_ref().filter(|moved| now < failover.dwell.after(moved.at));
    let last = moving.or_else(|| moved.and_then(|moved| moved.sharing.as_ref()));
    let was_out = |side: &PoolSpec| last.is_some_and(|last| last.out_before.contains(&side.id));
    let shares = |side: &&PoolSpec| !traffic.is_out(&side.id) && !was_out(side);
    let sharers = spec.pools.iter().filter(shares).count();
    let others = u16::try_from(sharers.saturating_sub(1)).unwrap_or(u16::MAX);
    // the last one has nobody to lose
    let ratio = Percent(if others == 0 { 0 } else { 100_u16.div_ceil(others) });
    Reserve {
        ratio: pool.reserve.ratio.max(ratio),
        ..pool.reserve
    }
}
