//! Where all sides have the same target groups: whoever is registered there takes the traffic, and the traffic state says who that is.
//!
//! Capacity decisions register and deregister, failover only says for whom. A side that is to take nothing has no target groups for as
//! long, so that its instances serve nobody and are judged by what EC2 and they themselves say. One that is to take over enters first,
//! and the other one leaves once enough of it pass their checks.

use super::draft::Draft;
use crate::id::PoolId;
use crate::observation::TargetHealth;
use crate::spec::{Balancing, FleetSpec, PoolSpec};
use crate::state::{Shift, Stage, TrafficState};

/// How a side stands to its target groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// They are its own, whoever takes the traffic.
    Own,
    /// All sides have them, and this one takes the traffic.
    Takes,
    /// It is about to.
    Enters,
    /// It is not registered there.
    Out,
    /// They are its own, and it is kept out of them while another side is let in.
    Fenced,
}

impl Seat {
    /// Where a side has its place by the traffic state.
    pub(super) fn of(swaps: bool, traffic: &TrafficState, pool: &PoolId) -> Self {
        let enters = |shift: &Shift| shift.stage == Stage::Preparing && shift.to == *pool;
        if !swaps {
            if traffic.is_fenced(pool) { Self::Fenced } else { Self::Own }
        } else if traffic.active == *pool {
            Self::Takes
        } else if traffic.shift.as_ref().is_some_and(enters) {
            Self::Enters
        } else {
            Self::Out
        }
    }
}

/// The spec by which capacity decisions go: a side that is not to be registered has no target groups, and leaves those that the spec
/// names; so does one that is kept out. None: as it is.
#[must_use]
pub fn enrolled(spec: &FleetSpec, traffic: &TrafficState) -> Option<FleetSpec> {
    let swaps = spec.swaps_targets();
    let fencing = spec.failover.as_ref().and_then(|failover| failover.fencing);
    let fencing = fencing.filter(|_| traffic.fence.is_some());
    if !swaps && fencing.is_none() {
        return None;
    }
    let mut spec = spec.clone();
    for pool in &mut spec.pools {
        match Seat::of(swaps, traffic, &pool.id) {
            Seat::Out => pool.left_groups = std::mem::take(&mut pool.target_groups),
            Seat::Fenced => {
                pool.left_groups = std::mem::take(&mut pool.target_groups);
                pool.fenced = fencing;
            }
            // one side at a time sets attributes: how a group spreads requests is remembered with the side that has them
            Seat::Enters => pool.balancing = Balancing::default(),
            Seat::Own | Seat::Takes => {}
        }
    }
    Some(spec)
}

impl Draft<'_> {
    /// Where a side has its place by what was decided so far.
    pub(super) fn seat(&self, pool: &PoolId) -> Seat {
        Seat::of(self.situation.failover.swaps_targets(), &self.state, pool)
    }

    /// Whether anybody else is to be registered than before, or to be stopped.
    pub(super) fn enrols(&self) -> bool {
        let before = |pool: &PoolId| Seat::of(self.situation.failover.swaps_targets(), self.situation.traffic, pool);
        let is_out = |seat: Seat| matches!(seat, Seat::Out | Seat::Fenced);
        let changes = |pool: &PoolSpec| is_out(self.seat(&pool.id)) != is_out(before(&pool.id));
        self.situation.spec.pools.iter().any(changes) || self.has_to_stop()
    }

    /// How many of a side are registered in all its groups and do not leave them; none: a group could not be read.
    pub(super) fn registered(&self, pool: &PoolSpec) -> Option<usize> {
        let members = &self.situation.capacity.pools.get(&pool.id)?.members;
        let observed = &self.situation.observation.targets;
        let counts = pool.target_groups.iter().map(|group| {
            let here = observed.get(group)?.iter().filter(|target| members.contains_key(&target.instance));
            Some(here.filter(|target| target.health != TargetHealth::Draining).count())
        });
        counts.collect::<Option<Vec<usize>>>()?.into_iter().max()
    }
}
